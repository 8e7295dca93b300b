-- cancel: the caller leaves the line without an agent.
-- ARGV[4] call, [5] version, [6] reason. Returns effects: a withdraw if an offer was out. Facts: left_queue; offer_failed.
local c, version, reason = R.call_load(ARGV[4]) or R.call_new(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
if c.state ~= 'unknown' and version <= c.ver then return R.done() end
if R.pending(c) then return R.done() end
local to = CALL[c.state].cancel
if not to then return R.refuse('STATE', c.state .. ' does not take cancel') end
c.ver = version
R.detach(c, reason, 'REASON_CALLER_LEFT', true)
R.over(c, to)
return R.done()
