-- Calls: offers, lines, and how a call is taken out of where it is.

-- Facts of a call are numbered by the router's own version of it.
function R.call_fact(c, kind, body, agent)
  c.rv = c.rv + 1
  R.fact(kind, R.fact_base(c) .. ':' .. NOW .. ':' .. c.rv, NOW, body, c.id, agent)
  R.touch(c)
end

local function tell_offer(c, seat)
  if c.callback ~= '' then
    local profile = c.profile or redis.call('HGET', P .. 'call:' .. c.id, 'profile') or ''
    local ask = {c.callback, c.ver, c.queue, c.prio, c.entered, c.tries, profile}
    return R.emit(c.node, 'call_back', c.id, c.offer, c.agent, seat, c.expires, unpack(ask))
  end
  R.emit(c.node, 'offer', c.id, c.offer, c.agent, seat, c.expires)
end

function R.repeat_offer(c)
  local a = R.agent_load(c.agent)
  tell_offer(c, a and a.seat or '')
end

-- A waiting call (in no line any more) and a ready agent become one offer. The offer's id tells the id of its fact.
function R.offer(c, a)
  c.state = CALL[c.state].offer
  c.offer = c.id .. '.' .. NOW .. '.' .. (c.rv + 1)
  c.agent, c.expires = a.id, NOW + R.queue(c.queue).ring_ms
  local body = {queue = c.queue, offer = c.offer, seat = opt(a.seat), waited_ms = opt(math.max(0, NOW - c.entered))}
  R.call_fact(c, 'offered', body, a.id)
  a.call, a.offer = c.id, c.offer
  R.agent_to(a, AGENT[a.state].offer)
  R.timer(c.expires + TIMES.grace_ms, 'o:' .. c.id)
  if c.callback ~= '' then R.take_up(c) end
  tell_offer(c, a.seat)
end

-- A waiting call that stands in no line yet: to who may take it now, else into line. `tell` its place if it must wait. A guest has no
-- line here: it goes back.
function R.place(c, tell)
  if c.home ~= '' then return R.guest_back(c, 'REASON_AGENT_GONE') end
  if R.barred(c) then return end
  local q = R.queue(c.queue)
  local a, rung, line = R.choose(c, q)
  if rung ~= c.rung then R.reach(c, q, rung) end
  if c.own ~= '' and rung ~= OWN then c.own = '' end
  R.touch(c)
  if a then return R.offer(c, a) end
  R.step_in(c, q, line)
  if tell then R.tell_place(c) end
end

-- The node and session that speak for the call now.
function R.held_by(c, node, session)
  if c.node ~= node and c.node ~= '' then redis.call('SREM', P .. 'calls:' .. c.node, c.id) end
  c.node, c.sess = node, session
  redis.call('SADD', P .. 'calls:' .. node, c.id)
  R.touch(c)
end

-- Whom the customer talked to last, if that agent serves the queue and has not just sent the call there; '' nobody.
local function last_agent(c, q)
  local id = redis.call('GET', P .. 'last:' .. c.customer)
  local a = id and id ~= c.agent and R.agent_load(id)
  if a then
    for skill in each_skill(a) do
      if q.skills[skill] then return id end
    end
  end
  return ''
end

-- The row follows the node's words.
function R.take_words(c, e)
  local q = R.queue(e.queue)
  c.queue, c.prio, c.entered, c.ver, c.profile = e.queue, e.prio, e.entered, math.max(c.ver, e.version), e.profile
  c.city, c.customer, c.vip, c.own = e.city, e.customer, e.vip, e.agent
  if c.own == '' and q.own_ms > 0 and c.customer ~= '' then c.own = last_agent(c, q) end
  c.rung = q.timed and R.rung_at(c, q) or 0
  c.offer, c.agent, c.away, c.answered, c.expires = '', '', '', 0, 0
  R.held_by(c, e.node, e.session)
end

-- The fact has an id made of the node's own words, so that a re-assertion after the store forgot the call writes the same fact and
-- not a second one.
function R.tell_entered(c, e)
  local body = {queue = c.queue, priority = opt(c.prio), entered_ms = c.entered}
  R.fact('enqueued', c.id .. ':r:' .. c.entered .. ':e' .. e.version, c.entered, body, c.id)
end

-- What an Enqueue says, into row and ledger.
function R.fill(c, e)
  R.take_words(c, e)
  R.tell_entered(c, e)
end

-- An agent in after-call work is ready again after so long, or sooner by hand.
local function rest(a, ms)
  a['until'] = NOW + ms
  R.timer(a['until'], 'a:' .. a.id)
  R.touch(a)
end

-- The offer is over; `event` is what that means for the agent, `why` the reason told to ledger and node.
function R.close_offer(c, event, why, tell)
  redis.call('ZREM', DUE, 'o:' .. c.id)
  local a = R.agent_load(c.agent)
  R.call_fact(c, 'offer_failed', {queue = c.queue, offer = c.offer, reason = reason_of(why)}, c.agent)
  if tell then R.emit(c.node, 'withdraw', c.id, c.offer, why) end
  if c.callback ~= '' then R.put_down(c) end
  c.last_offer, c.last_agent, c.offer, c.agent, c.expires = c.offer, c.agent, '', '', 0
  if event and a and a.call == c.id and a.state == 'offered' then
    R.agent_event(a, event, event == 'failed' and SEAT_FAULT[why] or event == 'late' and LATE or nil)
    if event == 'late' then
      a.call, a.offer = '', ''
      rest(a, TIMES.pause_ms)
    end
  end
end

-- What a failed offer means for its agent, by whose fault it was.
function R.failure(why)
  if why == 'REASON_ANSWERED_ELSEWHERE' then return 'withdrawn' end
  return SEAT_FAULT[why] and 'failed' or 'late'
end

-- The talk is over for the agent.
function R.release_agent(c, ended, side)
  R.gone(c, 'REASON_HANGUP', false, ended, side)
  redis.call('HINCRBY', P .. 'talking', c.queue, -1)
  local body = {queue = c.queue, talk_ms = opt(math.max(0, ended - c.answered)), side = reason_of(side)}
  R.call_fact(c, 'agent_released', body, c.agent)
  local a = R.agent_load(c.agent)
  if not a or a.call ~= c.id or a.state ~= 'talking' then return end
  local q = R.queue(c.queue)
  local after_ms = q and q.after_ms or 0
  if after_ms == 0 then return R.agent_event(a, 'released') end
  R.agent_event(a, 'ended')
  rest(a, after_ms)
end

local STAYED = {[''] = true, REASON_UNSPECIFIED = true, REASON_NODE_LOST = true} -- left a line without having lost patience

function R.leave_fact(c, why)
  local waited = math.max(0, NOW - c.entered)
  R.waited(c.queue, waited, not STAYED[why])
  R.call_fact(c, 'left_queue', {queue = c.queue, reason = reason_of(why), waited_ms = opt(waited)})
end

-- Take a live call out of where it is. `why` goes to the ledger; `offer_why` (and `tell`) close an offer; `ended`, `side` a talk.
function R.detach(c, why, offer_why, tell, ended, side)
  local from = c.state
  if from == 'waiting' or from == 'offered' then R.gone(c, offer_why or 'REASON_CALLER_LEFT', tell) end
  if from == 'waiting' then
    R.step_out(c)
  elseif from == 'offered' then
    R.close_offer(c, 'withdrawn', offer_why, tell)
  elseif from == 'talking' then
    R.release_agent(c, ended, side)
  end
  if why and (from == 'waiting' or from == 'offered') then R.leave_fact(c, why) end
end

-- Into one of the states that are over.
function R.over(c, state)
  R.gone(c, 'REASON_CALLER_LEFT', true)
  if c.home ~= '' then R.guest_out(c) end
  c.state = state
  if c.node ~= '' then redis.call('SREM', P .. 'calls:' .. c.node, c.id) end
  R.touch(c)
end

-- To the call's node: its queue does not take it.
function R.tell_away(c)
  R.emit(c.node, 'away', c.id, c.queue, c.away)
end

-- The queue takes a waiting call in no line not (any more). The row remembers why, so that a repeat is told the same.
function R.turn_away(c, why)
  c.away = why
  R.over(c, CALL[c.state].away)
  R.call_fact(c, 'turned_away', {queue = c.queue, reason = reason_of(why), waited_ms = opt(math.max(0, NOW - c.entered))})
  R.tell_away(c)
end

-- A repeat about a call that left the line: if its queue turned it away the node may not have heard it.
function R.away_again(c, e)
  if c.away == '' then return end
  c.node, c.sess = e.node, e.session
  R.touch(c)
  R.tell_away(c)
end

-- The call's node vanished: its end is ours to tell. Who is to be called back waits on; if the phone may still ring for the node
-- that is gone, for as long as after any try.
function R.lose(c)
  if R.pending(c) and c.state == 'waiting' then return R.put_down(c) end
  if R.pending(c) and c.state == 'talking' then return R.not_reached(c, 'REASON_NODE_LOST', 'SIDE_SYSTEM') end
  if R.pending(c) then
    R.put_back(c, 'REASON_NODE_LOST', 'SIDE_SYSTEM')
    return R.place(c)
  end
  local answered = c.state == 'talking'
  local talk = answered and math.max(0, NOW - c.answered) or 0
  local to = CALL[c.state].lose
  R.detach(c, 'REASON_NODE_LOST', 'REASON_NODE_LOST', false, NOW, 'SIDE_SYSTEM')
  R.over(c, to)
  local outcome = {result = answered and 'RESULT_ANSWERED' or 'RESULT_FAILED', reason = 'REASON_NODE_LOST', side = 'SIDE_SYSTEM'}
  R.call_fact(c, 'call_ended', {outcome = outcome, talk_ms = opt(talk)})
end

-- Offers of callbacks that a node is to make: it cannot speak of what it never heard of. Those it knows are nothing new to it.
function R.tell_callbacks(node)
  local held = redis.call('SMEMBERS', P .. 'calls:' .. node)
  table.sort(held)
  for _, id in ipairs(held) do
    local c = R.call_load(id)
    if c and c.node == node and c.state == 'offered' and c.callback ~= '' then R.repeat_offer(c) end
  end
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
