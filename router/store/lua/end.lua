-- end: the call is over, in whatever state; true whenever it comes.
-- ARGV[4] call, [5] version, [6] reason, [7] side, [8] ended_ms. Returns effects: an offer if the agent takes the next call.
-- Facts: agent_released or left_queue (offer_failed), agent_changed.
local c, version, reason, side = R.call_load(ARGV[4]) or R.call_new(ARGV[4]), tonumber(ARGV[5]), ARGV[6], ARGV[7]
if c.state == 'ended' then return R.done() end
local to = CALL[c.state]['end']
c.ver = math.max(c.ver, version)
if R.pending(c) then -- a node lets a callback go that it could not make: it is tried again
  R.touch(c)
  if c.state ~= 'waiting' then R.not_reached(c, reason) end
  return R.done()
end
R.detach(c, reason, 'REASON_CALLER_LEFT', false, tonumber(ARGV[8]), side)
R.over(c, to)
return R.done()
