-- released: the other centre gives a placement up, as home or as the one that reserved.
-- ARGV[4] placement, [5] reason, [6] side, [7] ended_ms, [8] the centre that says so ('': the nation, or we). Returns effects: withdraw; an offer if the agent takes the next call.
-- Facts: offer_failed or agent_released, agent_changed.
local c, r = R.at_home(ARGV[4])
local by = ARGV[8]
if c and c.place == 'ringing' and (by == '' or by == r.centre) then
  R.remote_failed(c, ARGV[5], true)
elseif c and c.place == 'asked' and by == '' then
  R.unplaced(c, r, NOW)
end
R.released_there(ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[7]), by)
return R.done()
