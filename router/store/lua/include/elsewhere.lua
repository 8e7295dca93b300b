-- What media nodes say of seats of other centres: answered, not answered, re-asserted; one source with router/core/elsewhere.py.

local IN_LINE = {waiting = true, offered = true}

-- Whether an answer to this placement counts: it rings, or was the last that did.
function R.answers(c, offer)
  local r = R.remote(c)
  if not r or not IN_LINE[c.state] then return false end
  return (c.place == 'ringing' and r.placement == offer) or (c.place ~= 'talking' and r.last == offer)
end

-- The seat there answered first: what rings here ends, the agent there is confirmed.
function R.answered_elsewhere(c, offer, answered)
  local r = R.remote_or_new(c)
  if c.state == 'offered' then
    R.close_offer(c, 'withdrawn', ELSEWHERE, true)
  elseif c.state == 'waiting' then
    R.step_out(c)
  elseif c.state == 'talking' then
    R.release_agent(c, NOW, 'SIDE_SYSTEM')
  end
  if r.placement ~= offer then
    R.gone(c, ELSEWHERE, true)
    r.placement, r.agent, r.centre = offer, r.last_agent, r.last_centre
  end
  redis.call('ZREM', DUE, 'p:' .. c.id)
  c.place = HOME[c.place][c.place == 'ringing' and 'answered' or 'talk']
  c.state, c.offer, c.agent, c.answered, c.expires = 'talking', offer, r.agent, answered, 0
  R.waited(c.queue, answered - c.entered, false)
  redis.call('HINCRBY', P .. 'talking', c.queue, 1)
  redis.call('SADD', P .. 'away', c.id)
  local body = {queue = c.queue, offer = offer, waited_ms = opt(math.max(0, answered - c.entered)), bridged_ms = opt(answered)}
  R.fact('bridged', c.id .. ':r:' .. answered .. ':b', answered, body, c.id, r.agent)
  R.to_centre(r.centre, 'confirmed', offer, answered)
  R.touch(c)
end

-- The seat there did not take it, or the caller left while it rang.
function R.not_answered_elsewhere(c, offer, reason)
  local r = R.remote(c)
  if not r or r.placement ~= offer or c.place ~= 'ringing' then return end
  if reason ~= 'REASON_CALLER_LEFT' then return R.remote_failed(c, reason, false) end
  local to = CALL[c.state].cancel
  R.detach(c, reason, reason, false)
  R.over(c, to)
end

-- The node rings a seat there: right if we know it, else to be stopped. Besides, it waits, or rings a seat here.
function R.assert_ring_elsewhere(c, e, offer)
  local r = R.remote(c)
  local known = r and r.placement == offer and c.place == 'ringing'
  if not known then R.emit(e.node, 'withdraw', c.id, offer, 'REASON_EXPIRED') end
  if not IN_LINE[c.state] or c.queue ~= e.queue then return R.enter(c, e, CALL[c.state].move, true) end
  R.refresh(c, e)
  if c.state == 'offered' then R.repeat_offer(c) else R.tell_place(c) end
  if not known then R.tell_remote(c) end
end

-- The node talks with a seat there: true whatever our books say.
function R.assert_talk_elsewhere(c, e, offer, agent, since)
  if LIVE[c.state] then R.refresh(c, e) else R.fill(c, e) end
  local r = R.remote_or_new(c)
  local _, n = R.placement_of(offer)
  local centre = string.match(agent, '@([^@]*)$') or ''
  if r.placement ~= offer then
    r.last, r.last_agent, r.last_centre = offer, agent, centre
  elseif r.agent == '' then -- asked for, by a store that forgot the answer
    r.agent, r.centre = agent, centre
  end
  r.n = math.max(r.n, tonumber(n))
  R.answered_elsewhere(c, offer, since)
end
