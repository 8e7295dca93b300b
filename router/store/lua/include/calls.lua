-- Calls: offers, lines, and how a call is taken out of where it is.

-- Facts of a call are numbered by the router's own version of it.
function R.call_fact(c, kind, body, agent)
  c.rv = c.rv + 1
  R.fact(kind, c.id .. ':r:' .. NOW .. ':' .. c.rv, NOW, body, c.id, agent)
  R.touch(c)
end

local function tell_offer(c, seat)
  R.emit(c.node, 'offer', c.id, c.offer, c.agent, seat, c.expires)
end

function R.repeat_offer(c)
  local a = R.agent_load(c.agent)
  tell_offer(c, a and a.seat or '')
end

-- A waiting call (in no line any more) and a ready agent become one offer. The offer's id tells the id of its fact.
function R.offer(c, a, q)
  c.state = CALL[c.state].offer
  c.offer = c.id .. '.' .. NOW .. '.' .. (c.rv + 1)
  c.agent, c.expires = a.id, NOW + q.ring
  local body = {queue = c.queue, offer = c.offer, seat = opt(a.seat), waited_ms = opt(math.max(0, NOW - c.entered))}
  R.call_fact(c, 'offered', body, a.id)
  a.call, a.offer = c.id, c.offer
  R.agent_to(a, AGENT[a.state].offer)
  redis.call('ZADD', DUE, c.expires + TIMES.grace_ms, 'o:' .. c.id)
  tell_offer(c, a.seat)
end

function R.score(c)
  return (99 - c.prio) * SPAN + c.entered
end

-- Where it stands; offered means that nobody is before it.
function R.tell_place(c)
  local line = P .. 'wait:' .. c.queue
  local rank = redis.call('ZRANK', line, c.id)
  local waiting = redis.call('ZCARD', line)
  R.emit(c.node, 'queued', c.id, rank and rank + 1 or 1, rank and waiting or waiting + 1)
end

-- A waiting call that stands in no line yet: to the first free agent of the skill, else into line by its score.
function R.place(c, tell)
  local q = R.queue(c.queue)
  local a = R.first_free(q.skill)
  if not a then redis.call('ZADD', P .. 'wait:' .. c.queue, R.score(c), c.id) end
  R.touch(c)
  if tell then R.tell_place(c) end
  if a then R.offer(c, a, q) end
end

-- The node and session that speak for the call now.
function R.held_by(c, node, session)
  if c.node ~= node and c.node ~= '' then redis.call('SREM', P .. 'calls:' .. c.node, c.id) end
  c.node, c.sess = node, session
  redis.call('SADD', P .. 'calls:' .. node, c.id)
  R.touch(c)
end

-- What an Enqueue says, into the row. Its fact has an id made of the node's own words, so that a re-assertion after the store
-- forgot the call writes the same fact and not a second one.
function R.fill(c, e)
  c.queue, c.prio, c.entered, c.ver, c.profile = e.queue, e.prio, e.entered, math.max(c.ver, e.version), e.profile
  c.offer, c.agent, c.answered, c.expires = '', '', 0, 0
  R.held_by(c, e.node, e.session)
  local body = {queue = c.queue, priority = opt(c.prio), entered_ms = c.entered}
  R.fact('enqueued', c.id .. ':r:' .. c.entered .. ':e' .. e.version, c.entered, body, c.id)
end

-- The offer is over; `event` is what that means for the agent, `why` the reason told to ledger and node.
function R.close_offer(c, event, why, tell)
  redis.call('ZREM', DUE, 'o:' .. c.id)
  local a = R.agent_load(c.agent)
  R.call_fact(c, 'offer_failed', {queue = c.queue, offer = c.offer, reason = reason_of(why)}, c.agent)
  if tell then R.emit(c.node, 'withdraw', c.id, c.offer, why) end
  c.last_offer, c.last_agent, c.offer, c.agent, c.expires = c.offer, c.agent, '', '', 0
  if event and a and a.call == c.id and a.state == 'offered' then
    R.agent_event(a, event, event == 'failed' and (SEAT_REASON[why] or UNREACHABLE) or nil)
  end
end

-- The talk is over for the agent.
function R.release_agent(c, ended, side)
  redis.call('HINCRBY', P .. 'talking', c.queue, -1)
  local body = {queue = c.queue, talk_ms = opt(math.max(0, ended - c.answered)), side = reason_of(side)}
  R.call_fact(c, 'agent_released', body, c.agent)
  local a = R.agent_load(c.agent)
  if not a or a.call ~= c.id or a.state ~= 'talking' then return end
  local q = R.queue(c.queue)
  local rest = q and q.acw or 0
  if rest == 0 then return R.agent_event(a, 'released') end
  R.agent_event(a, 'ended')
  a['until'] = NOW + rest
  redis.call('ZADD', DUE, a['until'], 'a:' .. a.id)
end

function R.leave_fact(c, why)
  R.call_fact(c, 'left_queue', {queue = c.queue, reason = reason_of(why), waited_ms = opt(math.max(0, NOW - c.entered))})
end

-- Take a live call out of where it is. `why` goes to the ledger; `offer_why` (and `tell`) close an offer; `ended`, `side` a talk.
function R.detach(c, why, offer_why, tell, ended, side)
  local from = c.state
  if from == 'waiting' then
    redis.call('ZREM', P .. 'wait:' .. c.queue, c.id)
  elseif from == 'offered' then
    R.close_offer(c, 'withdrawn', offer_why, tell)
  elseif from == 'talking' then
    R.release_agent(c, ended, side)
  end
  if why and (from == 'waiting' or from == 'offered') then R.leave_fact(c, why) end
end

-- Into one of the states that are over.
function R.over(c, state)
  c.state = state
  if c.node ~= '' then redis.call('SREM', P .. 'calls:' .. c.node, c.id) end
  R.touch(c)
end

-- The call's node vanished: its end is ours to tell.
function R.lose(c)
  local answered = c.state == 'talking'
  local talk = answered and math.max(0, NOW - c.answered) or 0
  local to = CALL[c.state].lose
  R.detach(c, 'REASON_NODE_LOST', 'REASON_NODE_LOST', false, NOW, 'SIDE_SYSTEM')
  R.over(c, to)
  local outcome = {result = answered and 'RESULT_ANSWERED' or 'RESULT_FAILED', reason = 'REASON_NODE_LOST', side = 'SIDE_SYSTEM'}
  R.call_fact(c, 'call_ended', {outcome = outcome, talk_ms = opt(talk)})
end

-- All calls of a node, or only those that its session `session` has not spoken of. The waiting ones first, so that agents who
-- become free of the others are not offered calls that are lost as well.
function R.lose_calls(node, session)
  local held, later = redis.call('SMEMBERS', P .. 'calls:' .. node), {}
  table.sort(held)
  for _, id in ipairs(held) do
    local c = R.call_load(id)
    if not c or not LIVE[c.state] or c.node ~= node then
      redis.call('SREM', P .. 'calls:' .. node, id)
    elseif not session or c.sess ~= session then
      if c.state == 'waiting' then R.lose(c) else later[#later + 1] = c end
    end
  end
  for _, c in ipairs(later) do R.lose(c) end
end
