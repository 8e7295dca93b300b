-- ready: the agent can take a call; during a call: afterwards.
-- ARGV[4] agent. Returns effects with the agent. Facts: agent_changed; offered if a call waited.
local a = R.agent_load(ARGV[4])
if not a then return R.refuse('AGENT', ARGV[4]) end
local to = AGENT[a.state].ready
if not to then return R.refuse('STATE', a.state .. ' does not take ready') end
if a.state == 'offered' or a.state == 'talking' then
  R.wish(a, '')
elseif to ~= a.state then
  R.agent_event(a, 'ready')
end
R.see(a)
return R.done()
