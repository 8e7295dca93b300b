-- enqueue: a call enters a line and is offered to a free agent at once; a repeat is told its place again.
-- ARGV[4] call, [5] version, [6] queue, [7] priority (-1: the queue's), [8] entered_ms, [9] profile, [10] node, [11] session, [12] home city of
-- the caller, [13] customer (a key), [14] agent it is meant for, [15] level of a VIP, [16] reason why nobody may enter now ("": open).
-- Returns effects: an offer, or queued, or away. Facts: enqueued (or turned_away); left_queue of another line; offered, agent_changed; what an agent in a talk with
-- the call gets.
local e, q = R.enqueue_words(ARGV)
if not q then return R.no_queue(e.queue) end
local c = R.call_load(e.call) or R.call_new(e.call)
local known = c.state ~= 'unknown' and c.state ~= 'lost' and e.version <= c.ver
local live = LIVE[c.state]
if known then
  if c.state == 'waiting' or c.state == 'offered' then R.tell_place(c) end
  if c.state == 'left' then R.away_again(c, e) end
  return R.done()
end
local event = live and c.queue ~= e.queue and 'move' or 'enqueue'
local to = CALL[c.state][event]
if not to then return R.refuse('STATE', c.state .. ' does not take ' .. event) end
if q.gone and (event == 'move' or not live) then return R.refuse('QUEUE', e.queue) end
if live and to == c.state and event == 'enqueue' then
  R.refresh(c, e)
  R.tell_place(c)
else
  R.enter(c, e, to)
end
return R.done()
