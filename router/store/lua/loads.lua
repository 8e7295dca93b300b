-- loads: how busy each skill is.
-- No words. Returns {skill, staffed, free, waiting, expected_ms, lent} of each by name. Facts: none.
local plan, found = R.plan(), {}
if not plan then return found end
for n, skill in ipairs(plan.skills) do
  local staffed = tonumber(redis.call('HGET', P .. 'staffed', skill) or 0)
  local lent = tonumber(redis.call('HGET', P .. 'lent', skill) or 0)
  local free, waiting, first = R.ready_count(skill), 0, nil
  for _, id in ipairs(plan.ids) do
    if plan.queues[id].skill == skill then
      waiting, first = waiting + redis.call('ZCARD', P .. 'wait:' .. id), first or id
    end
  end
  local expected = 0
  if free == 0 and first then
    expected = R.expected({queue = first, entered = NOW, prio = 0}, redis.call('ZCARD', P .. 'wait:' .. first))
  end
  found[n] = {skill, staffed, free, waiting, expected, lent}
end
return found
