-- held: all placements that a home holds with us. What talks is confirmed; what is twice not named, with time between, has ended.
-- ARGV[4] home, [5] how many ring, then those, then those that talk. Returns effects: an offer if an agent gets free.
-- Facts: bridged; offer_failed or agent_released; agent_changed.
local ringing, talking = {}, {}
for n = 6, 5 + tonumber(ARGV[5]) do ringing[ARGV[n]] = true end
for n = 6 + tonumber(ARGV[5]), #ARGV do talking[ARGV[n]] = true end
local calls = redis.call('SMEMBERS', P .. 'guests:' .. ARGV[4])
table.sort(calls)
for _, id in ipairs(calls) do
  local c = R.call_load(id)
  local g, placement = R.guest(c), c.offer
  if talking[placement] then R.confirm(placement, g.up > 0 and g.up or NOW, ARGV[4]) end
  if talking[placement] or ringing[placement] then
    g.missed = 0
  elseif g.missed == 0 then
    g.missed = NOW
  elseif NOW - g.missed >= TIMES.unheld_ms and R.there(placement, 'unheld') then
    R.end_there(c, 'withdrawn', 'REASON_LINK_LOST', NOW, 'SIDE_SYSTEM')
  end
end
return R.done()
