-- expire: serve the timers that are due. Any router may, at any time.
-- ARGV[4] limit. Returns {offers, after_calls, nodes, served, effects, when the next timer is due (0: there is none)}. Facts:
-- offer_failed, agent_changed, offered; call_ended of a lost node's calls; widened, left_queue, turned_away of those who wait.
-- If nobody served for longer than TIMES.gap_ms there was an outage (no router, or Redis away): nodes and seats could not speak
-- meanwhile, so what they are waited for gets its time anew.
if not R.plan() then return R.no_rules() end
local last = tonumber(redis.call('GET', P .. 'tick') or 0)
redis.call('SET', P .. 'tick', NOW)
local due = redis.call('ZRANGEBYSCORE', DUE, '-inf', NOW, 'LIMIT', 0, ARGV[4])
local outage = NOW - last > TIMES.gap_ms
local offers, after_calls, nodes = 0, 0, 0

local function offer_due(id)
  local c = R.call_load(id)
  if not c or c.state ~= 'offered' then return end
  offers = offers + 1
  if c.home ~= '' then return R.guest_due(c) end
  local to = CALL[c.state].failed
  R.close_offer(c, 'late', 'REASON_EXPIRED', true) -- its node did not speak in time: not the agent's fault
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

local function wait_due(id)
  local c = R.call_load(id)
  if not c or c.state ~= 'waiting' then return end
  local longest = R.queue(c.queue).max_wait_ms
  if longest > 0 and c.callback == '' and NOW >= c.entered + longest then
    R.step_out(c)
    R.leave_fact(c, 'REASON_WAITED_TOO_LONG')
    R.turn_away(c, 'REASON_WAITED_TOO_LONG')
  else
    R.again(c)
  end
end

local function place_due(id)
  local c = R.call_load(id)
  if not c then return end
  if c.state ~= 'waiting' or (c.place ~= 'wanted' and c.place ~= 'asked') then
    R.remote_due(c)
  elseif not R.seek_place(c, R.queue(c.queue)) then
    R.gone(c, 'REASON_EXPIRED') -- the rules have changed
  end
end

local speech = {o = TIMES.grace_ms, n = TIMES.lost_ms, s = TIMES.lost_ms} -- timers that wait for a word of somebody
local serve = {o = offer_due, a = after_call_due, n = node_due, s = sweep_due, w = wait_due, p = place_due}
if outage then
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', DUE, '-inf', NOW + TIMES.lost_ms)) do
    local more = speech[string.sub(member, 1, 1)]
    if more then redis.call('ZADD', DUE, 'GT', NOW + more, member) end
  end
  due = redis.call('ZRANGEBYSCORE', DUE, '-inf', NOW, 'LIMIT', 0, ARGV[4])
end
for _, member in ipairs(due) do
  if redis.call('ZREM', DUE, member) == 1 then serve[string.sub(member, 1, 1)](string.sub(member, 3)) end
end
local following = redis.call('ZRANGE', DUE, 0, 0, 'WITHSCORES')[2]
return {offers, after_calls, nodes, #due, R.done(), tonumber(following or 0)}
