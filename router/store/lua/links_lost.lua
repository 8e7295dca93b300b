-- links_lost: there is no way to other centres but those named: what rings at the others is taken back.
-- ARGV[4..] centres that are still reached. Returns effects: withdraw. Facts: offer_failed.
local still = {}
for n = 4, #ARGV do still[ARGV[n]] = true end
local calls = redis.call('SMEMBERS', P .. 'away')
table.sort(calls)
for _, id in ipairs(calls) do
  local c = R.call_load(id)
  local r = c and R.remote(c)
  if r and not still[r.centre] then R.remote_failed(c, 'REASON_LINK_LOST', true, 'lost') end
end
return R.done()
