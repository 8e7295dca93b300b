-- callback: the caller hangs up and is to be called back: waits on, in its place, without a node. The row may be new, or a lost one.
-- ARGV[4..16] as enqueue, [17] number, [18] keys under which that may stand in the blacklist, with blanks between,
-- [19] trunk.
-- Returns effects: a withdraw, an offer. Facts: enqueued if it is new; callback_asked; offered, agent_changed, or its end.
local e, q = R.enqueue_words(ARGV)
if not q then return R.no_queue(e.queue) end
local c = R.call_load(e.call) or R.call_new(e.call)
if c.callback ~= '' or (c.state ~= 'unknown' and c.state ~= 'lost' and e.version <= c.ver) then return R.done() end
local to = CALL[c.state].call_back
if not to then return R.refuse('STATE', c.state .. ' does not take call_back') end
local many = R.count_callback(c, string.match(ARGV[18], '^[^ ]+') or ARGV[17])
if many then return R.refuse('CALLBACKS', many) end
if c.state == 'waiting' or c.state == 'offered' then
  R.detach(c, nil, 'REASON_CALLER_LEFT', true)
  c.ver, c.profile = math.max(c.ver, e.version), e.profile
else
  R.take_words(c, e)
  R.tell_entered(c, e)
end
c.state, c.callback, c.listed, c.trunk = to, ARGV[17], ARGV[18], ARGV[19]
R.put_down(c)
R.call_fact(c, 'callback_asked', {queue = c.queue})
R.place(c)
return R.done()
