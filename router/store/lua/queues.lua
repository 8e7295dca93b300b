-- queues: all lines, for boards.
-- No words. Returns {queue, waiting, entered_ms of the one at the head, agents ready, talks, of the waiting those to be called back,
-- those who rest between two tries} of each by id. Facts: none.
local found, plan = {}, R.plan()
for n, id in ipairs(plan and plan.ids or {}) do
  local line = P .. 'wait:' .. id
  local head = redis.call('ZRANGE', line, 0, 0)[1]
  local oldest = head and redis.call('HGET', P .. 'call:' .. head, 'entered')
  local talks = redis.call('HGET', P .. 'talking', id)
  local ready = R.ready_count(plan.queues[id].skill)
  local back, rest = redis.call('SCARD', P .. 'back:' .. id), redis.call('SCARD', P .. 'rest:' .. id)
  found[n] = {id, redis.call('ZCARD', line), tonumber(oldest or 0), ready, tonumber(talks or 0), back, rest}
end
return found
