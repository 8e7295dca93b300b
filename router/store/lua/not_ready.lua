-- not_ready: the agent can take no call, for a reason; during a call: afterwards.
-- ARGV[4] agent, [5] reason. Returns effects with the agent. Facts: agent_changed if state or reason changed.
local a, reason = R.agent_load(ARGV[4]), ARGV[5]
if not a then return R.refuse('AGENT', ARGV[4]) end
local to = AGENT[a.state].not_ready
if not to then return R.refuse('STATE', a.state .. ' does not take not_ready') end
if a.state == 'offered' or a.state == 'talking' then
  R.wish(a, 'not_ready:' .. reason)
elseif to ~= a.state or a.reason ~= reason then
  R.agent_event(a, 'not_ready', reason)
end
R.see(a)
return R.done()
