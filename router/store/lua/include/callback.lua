-- Callbacks: a call that keeps its place in the line while the caller has hung up; one source with router/core/callback.py.

-- Whether its customer is still to be reached.
function R.pending(c)
  local in_line = c.state == 'waiting' or c.state == 'offered'
  return c.callback ~= '' and (in_line or (c.state == 'talking' and c.dialling == 1))
end

-- For boards: whether it is in the line to be called back (`back`), or rests between two tries (`rest`). Before the row is written.
function R.count_back(c)
  local was, to = c.was[2], c.state == 'waiting' and (c.line ~= '' and 'back:' or 'rest:')
  for _, where in ipairs({'back:', 'rest:'}) do
    if was and was ~= c.queue then redis.call('SREM', P .. where .. was, c.id) end
    redis.call(where == to and 'SADD' or 'SREM', P .. where .. c.queue, c.id)
  end
end

-- The live node with the least load; nil: there is none. `told`: it must have a stream.
function R.least_loaded(told)
  local best, best_load, best_row
  for _, node in ipairs(redis.call('SMEMBERS', P .. 'nodes')) do
    local got = redis.call('HMGET', P .. 'node:' .. node, 'uri', 'draining', 'lost', 'seen', 'calls', 'routed', 'holder', 'sess')
    local fit = got[2] == '0' and got[3] == '0' and tonumber(got[4]) >= NOW - TIMES.lost_ms and not (told and got[7] == '')
    local load = fit and tonumber(got[5]) + tonumber(got[6])
    if fit and (not best or load < best_load or (load == best_load and node < best)) then
      best, best_load, best_row = node, load, got
    end
  end
  if not best then return nil end
  redis.call('HINCRBY', P .. 'node:' .. best, 'routed', 1)
  return best, best_row[1], tonumber(best_row[8])
end

-- One more callback of its number (in the one form that all ways to write it have) today; why not, or nil.
function R.count_callback(c, number)
  local day = P .. 'backs:' .. math.floor(NOW / DAY_MS) .. ':'
  local before = redis.call('GET', P .. 'backto:' .. number)
  local open = before and before ~= c.id and R.call_load(before)
  if open and open.callback ~= '' and LIVE[open.state] then return 'one to this number is open' end
  local ours, all = tonumber(redis.call('GET', day .. number) or 0), tonumber(redis.call('GET', day) or 0)
  if ours >= TIMES.callback_number_day or all >= TIMES.callback_day then return 'there were enough today' end
  redis.call('SET', P .. 'backto:' .. number, c.id, 'PX', 7 * DAY_MS)
  redis.call('SET', day .. number, ours + 1, 'PX', 2 * DAY_MS)
  redis.call('SET', day, all + 1, 'PX', 2 * DAY_MS)
end

-- For the edge: what the node may dial, once (ops/keys.py).
local function outside(c)
  return '{' .. TENANT .. '}:outside:' .. c.id
end

-- The node with the least load makes the call; without one the offer runs out and the agent is none the worse. The edge lets it dial
-- this number and no other.
function R.take_up(c)
  redis.call('SET', outside(c), c.callback .. ' ' .. c.trunk, 'PX', c.expires - NOW + TIMES.outside_ms)
  local node, _, session = R.least_loaded(true)
  if node then R.held_by(c, node, session) end
end

-- No node holds it, so none may dial.
function R.put_down(c)
  redis.call('DEL', outside(c))
  if c.node ~= '' then redis.call('SREM', P .. 'calls:' .. c.node, c.id) end
  c.node, c.sess = '', 0
  R.touch(c)
end

-- Whether one of these keys stands in the blacklist.
function R.listed(keys)
  if #keys == 0 or R.plan().black == 0 then return false end
  for _, till in ipairs(redis.call('HMGET', P .. 'black', unpack(keys))) do
    if till and (tonumber(till) == 0 or tonumber(till) > NOW) then return true end
  end
  return false
end

-- A waiting callback in no line whose number came onto the blacklist is given up; whether it was.
function R.barred(c)
  if c.callback == '' then return false end
  local keys = {}
  for key in string.gmatch(c.listed, '[^ ]+') do keys[#keys + 1] = key end
  if not R.listed(keys) then return false end
  c.tries = TIMES.callback_tries
  return R.failed(c, '', 'REASON_BLACKLISTED', 0)
end

-- A waiting callback in no line was not made; whether that was the last try, and it is over.
function R.failed(c, offer, why, after)
  local over = c.tries >= TIMES.callback_tries
  local body = {queue = c.queue, offer = opt(offer), reason = reason_of(why), tries = opt(c.tries)}
  body.again_ms = not over and NOW + after or nil
  R.call_fact(c, 'callback_failed', body)
  if over then
    c.state = CALL[c.state]['end']
    local result = why == 'REASON_BLACKLISTED' and 'RESULT_REFUSED' or 'RESULT_ABANDONED'
    R.call_fact(c, 'left_queue', {queue = c.queue, reason = reason_of(why), waited_ms = opt(math.max(0, NOW - c.entered))})
    R.call_fact(c, 'call_ended', {outcome = {result = result, reason = reason_of(why), side = 'SIDE_SYSTEM'}})
  end
  return over
end

-- A callback that is offered, or whose customer is being called: the agent is free of it, it waits in no line. Its offer.
function R.put_back(c, why, side)
  local offer = c.offer
  if c.state == 'talking' then
    R.release_agent(c, NOW, side)
    c.offer, c.agent, c.answered, c.dialling = '', '', 0, 0
    R.put_down(c)
  else
    R.close_offer(c, 'withdrawn', why, false)
  end
  c.state = CALL[c.state].back
  R.touch(c)
  return offer
end

-- The customer has picked up: a talk like any other from now on.
function R.reached(c, answered)
  c.dialling, c.answered = 0, answered
  redis.call('DEL', outside(c))
  local body = {queue = c.queue, offer = opt(c.offer), waited_ms = opt(math.max(0, answered - c.entered)), bridged_ms = answered}
  R.fact('bridged', c.id .. ':r:' .. answered .. ':b', answered, body, c.id, c.agent)
  R.touch(c)
end

-- The customer did not answer, or something of ours failed: again after a while, or given up.
function R.not_reached(c, why, side)
  if c.state == 'offered' then c.tries = c.tries + 1 end -- nobody was called: counted all the same, or it would never end
  local offer = R.put_back(c, why, side or 'SIDE_CALLER')
  if not R.failed(c, offer, why, TIMES.callback_every_ms) then
    R.timer(NOW + TIMES.callback_every_ms, 'w:' .. c.id)
  end
end
