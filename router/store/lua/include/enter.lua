-- A call comes into a line, and re-assertions: what the node says is so.

-- Words of an Enqueue, from ARGV[4] on: call, version, queue, priority (-1: the queue's), entered_ms, profile, node, session, city,
-- customer, agent, vip, closed.
function R.enqueue_words(ARGV)
  local e = {call = ARGV[4], version = tonumber(ARGV[5]), queue = ARGV[6], prio = tonumber(ARGV[7]), entered = tonumber(ARGV[8])}
  e.profile, e.node, e.session = ARGV[9], ARGV[10], tonumber(ARGV[11])
  e.city, e.customer, e.agent, e.vip, e.closed = ARGV[12], ARGV[13], ARGV[14], tonumber(ARGV[15]), ARGV[16]
  local q = R.queue(e.queue)
  if q and e.prio < 0 then e.prio = q.priority end
  if e.vip > 0 then e.prio = math.min(TOP_PRIORITY, e.prio + VIP_POINTS * e.vip) end
  return e, q
end

-- Why the queue does not take a new call now: closed, or full and nobody free for it; nil: it does.
local function refusal(c, e)
  if e.closed ~= '' then return e.closed end
  local q = R.queue(c.queue)
  local full = q.max_waiting > 0 and redis.call('ZCARD', P .. 'wait:' .. c.queue) >= q.max_waiting
  return full and not R.choose(c, q) and 'REASON_QUEUE_FULL' or nil
end

-- Into line, from wherever it was, unless the queue takes it not. A call that was lost with its node was in the line already, as one
-- that the node asserts is: neither is refused.
function R.enter(c, e, to, asserted)
  local limited = c.state ~= 'lost' and not asserted
  local why = c.queue ~= e.queue and 'REASON_UNSPECIFIED' or nil
  R.detach(c, why, 'REASON_CALLER_LEFT', true, NOW, 'SIDE_SYSTEM')
  c.state = to
  R.take_words(c, e)
  local away = limited and refusal(c, e)
  if away then return R.turn_away(c, away) end
  R.tell_entered(c, e)
  R.place(c, true)
end

-- A repeat with news: version, node, priority.
function R.refresh(c, e)
  if c.state == 'waiting' and c.prio ~= e.prio then
    c.prio = e.prio
    redis.call('ZADD', P .. 'wait:' .. c.queue, R.score(c), c.id)
    redis.call('ZADD', P .. 'line:' .. c.line, R.score(c), c.id)
  end
  c.ver = math.max(c.ver, e.version)
  R.held_by(c, e.node, e.session)
end

-- An offer that the node rings but we do not want: stop it, and the call waits (or is offered) as we know it.
function R.refuse_ring(c, e, offer)
  R.emit(e.node, 'withdraw', c.id, offer, 'REASON_EXPIRED')
  if c.state == 'offered' then
    R.refresh(c, e)
    return R.repeat_offer(c)
  end
  if c.state == 'waiting' then
    R.refresh(c, e)
    return R.tell_place(c)
  end
  R.enter(c, e, CALL[c.state].wait, true)
end

-- The node rings `agent` for the call. The fact is written again under the id that the offer's own id names.
function R.force_ring(c, e, q, offer, agent)
  local a = R.agent_load(agent)
  if c.state == 'offered' or (a and not AGENT[a.state].ring) then return R.refuse_ring(c, e, offer) end
  a = a or R.agent_new(agent, 'not_ready')
  local to = CALL[c.state].ring
  R.detach(c)
  R.fill(c, e)
  c.state, c.offer, c.agent, c.expires = to, offer, agent, NOW + q.ring_ms
  local at, rv = string.match(offer, '%.(%d+)%.(%d+)$')
  c.rv = math.max(c.rv + 1, tonumber(rv or 0))
  at, rv = tonumber(at or NOW), tonumber(rv or c.rv)
  local body = {queue = c.queue, offer = offer, seat = opt(a.seat), waited_ms = opt(math.max(0, at - c.entered))}
  R.fact('offered', c.id .. ':r:' .. at .. ':' .. rv, at, body, c.id, agent)
  a.call, a.offer = c.id, offer
  R.agent_event(a, 'ring')
  R.timer(c.expires + TIMES.grace_ms, 'o:' .. c.id)
end

-- What the agent goes to after a talk that comes although it was set aside: what it had asked for, not what we had set.
local function wish_of(a)
  if a.seat == '' then return '' end
  if a.state == 'logged_out' then return 'logged_out' end
  if a.state ~= 'not_ready' then return a.next end
  return SEAT_REASONS[a.reason] and '' or 'not_ready:' .. a.reason
end

-- The agent has another call by our books: the talk wins, the other goes back to its line or is given up.
local function give_up(id)
  local other = R.call_load(id)
  if other and other.state == 'offered' then
    R.close_offer(other, nil, 'REASON_AGENT_GONE', true)
    other.state = CALL[other.state].withdrawn
    R.place(other)
  elseif other and other.state == 'talking' then
    R.lose(other)
  end
end

-- What policies and the expected wait are made of.
function R.learn(c, a, answered)
  R.waited(c.queue, answered - c.entered, false)
  a.took, a.busy = a.took + 1, NOW
  if a.state == 'offered' then
    a.busy, a.idles, a.idled = a.since, a.idles + 1, a.idled + math.max(0, a.since - a.idle)
  end
  if c.customer ~= '' and R.plan() and R.planned.own then
    redis.call('SET', P .. 'last:' .. c.customer, a.id, 'PX', TIMES.last_ms)
  end
end

-- The bridge as state and fact; the fact's id is made of the node's word, as with `enqueued`.
function R.bridge(c, a, offer, answered, event)
  R.gone(c, ELSEWHERE, true)
  redis.call('ZREM', DUE, 'o:' .. c.id)
  c.state, c.offer, c.agent, c.answered, c.expires, c.dialling = 'talking', offer, a.id, answered, 0, 0
  a.call, a.offer = c.id, offer
  R.learn(c, a, answered)
  redis.call('HINCRBY', P .. 'talking', c.queue, 1)
  local body = {queue = c.queue, offer = opt(offer), waited_ms = opt(math.max(0, answered - c.entered)), bridged_ms = answered}
  R.fact('bridged', R.fact_base(c) .. ':' .. answered .. ':b', answered, body, c.id, a.id)
  R.touch(c)
  R.agent_event(a, event)
end

-- The node talks: true whatever our books say. The row has been filled or refreshed, but for its state.
function R.force_talk(c, offer, agent, answered)
  if not (c.state == 'offered' and c.agent == agent) then R.detach(c, nil, 'REASON_AGENT_GONE', true, NOW, 'SIDE_SYSTEM') end
  local a = R.agent_load(agent) or R.agent_new(agent, 'not_ready')
  local other = (a.state == 'offered' or a.state == 'talking') and a.call ~= c.id and a.call or nil
  a.next = wish_of(a)
  R.bridge(c, a, offer, answered, 'talk')
  if other then give_up(other) end
end
