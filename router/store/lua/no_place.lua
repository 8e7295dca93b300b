-- no_place: nobody is free elsewhere.
-- ARGV[4] placement, [5] reason, [6] ask again in so many ms. Returns effects: none. Facts: place_failed, once of each reason; staying
-- because that is better (REASON_UNSPECIFIED) is none.
local c, r = R.at_home(ARGV[4])
if not c or c.place ~= 'asked' then return R.done() end
local reason = ARGV[5]
local again = tonumber(ARGV[6])
if r.not_at ~= '' then again = math.max(again, TIMES.failed_ms) end -- the way to their edges may be broken
R.unplaced(c, r, NOW + again)
if reason ~= 'REASON_UNSPECIFIED' and reason ~= r.told then
  r.told = reason
  R.call_fact(c, 'place_failed', {queue = c.queue, reason = reason})
end
return R.done()
