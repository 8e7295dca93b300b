-- assert: the node's truth about one call after a reconnect; it wins over what we hold.
-- ARGV[4..16] as enqueue, [17] offer, [18] agent, [19] since_ms, [20] what: wait, ring, talk.
-- Returns effects: queued, offer (again), withdraw, release, away (again). Facts: those of the state that had to be made; enqueued, offered,
-- bridged under the ids they had.
local e, q = R.enqueue_words(ARGV)
local offer, agent, since, what = ARGV[17], ARGV[18], tonumber(ARGV[19]), ARGV[20]
if not q then return R.no_queue(e.queue) end
if tonumber(redis.call('HGET', P .. 'node:' .. e.node, 'sess') or 0) ~= e.session then return R.done() end
local c = R.call_load(e.call) or R.call_new(e.call)
if c.state == 'ended' then
  R.emit(e.node, 'release', c.id, 'REASON_UNSPECIFIED')
  return R.done()
end
if c.state == 'left' and e.version <= c.ver then
  R.away_again(c, e)
  return R.done()
end
if what == 'ring' and c.dialling == 1 and c.offer == offer then -- for its node the agent's seat is no talk yet
  R.refresh(c, e)
  return R.done()
end
local to = CALL[c.state][what]
if not to then return R.refuse('STATE', c.state .. ' does not take ' .. what) end
if what == 'wait' then
  if to == c.state and c.queue == e.queue then
    R.refresh(c, e)
    if to == 'offered' then R.repeat_offer(c) else R.tell_place(c) end
    R.tell_remote(c)
  else
    R.enter(c, e, CALL[c.state].move, true)
  end
elseif what == 'ring' then
  if R.placement_of(offer) then
    R.assert_ring_elsewhere(c, e, offer)
  elseif c.state == 'offered' and c.offer == offer then
    R.refresh(c, e)
  else
    R.force_ring(c, e, q, offer, agent)
  end
elseif c.state == 'talking' and c.agent == agent then
  R.refresh(c, e)
  if c.dialling == 1 then R.reached(c, since) end -- the customer picked up while we were away
elseif R.placement_of(offer) then
  R.assert_talk_elsewhere(c, e, offer, agent, since)
else
  if LIVE[c.state] then R.refresh(c, e) else R.fill(c, e) end
  R.force_talk(c, offer, agent, since)
end
return R.done()
