-- end_after_call: after-call work is done: to ready, or to what the agent asked for meanwhile. In a talk with another centre's
-- caller: nobody is there any more.
-- ARGV[4] agent. Returns effects with the agent. Facts: agent_changed; offered if a call waited.
local a = R.agent_load(ARGV[4])
if not a then return R.refuse('AGENT', ARGV[4]) end
if R.by_hand(a) then
  R.see(a)
  return R.done()
end
if not AGENT[a.state].end_after_call then return R.refuse('STATE', a.state .. ' does not take end_after_call') end
R.agent_event(a, 'end_after_call')
R.see(a)
return R.done()
