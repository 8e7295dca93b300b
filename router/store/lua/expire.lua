-- expire: serve the timers that are due. Any router may, at any time.
-- ARGV[4] limit. Returns {offers, after_calls, nodes, served, effects}. Facts: offer_failed, agent_changed, offered; call_ended of a
-- lost node's calls.
-- If nobody served for longer than TIMES.gap_ms there was an outage (no router, or Redis away): nodes and seats could not speak
-- meanwhile, so what they are waited for gets its time anew.
if R.empty() then return R.no_rules() end
local last = tonumber(redis.call('GET', P .. 'tick') or 0)
redis.call('SET', P .. 'tick', NOW)
local due = redis.call('ZRANGEBYSCORE', DUE, '-inf', NOW, 'LIMIT', 0, ARGV[4])
local outage = NOW - last > TIMES.gap_ms
local offers, after_calls, nodes = 0, 0, 0

local function offer_due(id)
  local c = R.call_load(id)
  if not c or c.state ~= 'offered' then return end
  offers = offers + 1
  local to = CALL[c.state].failed
  R.close_offer(c, 'failed', 'REASON_EXPIRED', true)
  c.state = to
  R.place(c)
end

local function after_call_due(id)
  local a = R.agent_load(id)
  if not a or a.state ~= 'after_call' then return end
  after_calls = after_calls + 1
  R.agent_event(a, 'over')
end

local function node_due(id)
  nodes = nodes + 1
  redis.call('HSET', P .. 'node:' .. id, 'lost', 1, 'holder', '')
  redis.call('ZREM', DUE, 's:' .. id)
  R.lose_calls(id)
end

local function sweep_due(id)
  R.lose_calls(id, tonumber(redis.call('HGET', P .. 'node:' .. id, 'sess') or 0))
end

local serve = {o = offer_due, a = after_call_due, n = node_due, s = sweep_due}
if outage then
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', DUE, '-inf', NOW + TIMES.lost_ms)) do
    local kind = string.sub(member, 1, 1)
    if kind ~= 'a' then redis.call('ZADD', DUE, 'GT', NOW + (kind == 'o' and TIMES.grace_ms or TIMES.lost_ms), member) end
  end
  due = redis.call('ZRANGEBYSCORE', DUE, '-inf', NOW, 'LIMIT', 0, ARGV[4])
end
for _, member in ipairs(due) do
  if redis.call('ZREM', DUE, member) == 1 then serve[string.sub(member, 1, 1)](string.sub(member, 3)) end
end
return {offers, after_calls, nodes, #due, R.done()}
