-- agent: the agent as it is.
-- ARGV[4] agent. Returns effects with the agent. Facts: none.
local a = R.agent_load(ARGV[4])
if not a then return R.refuse('AGENT', ARGV[4]) end
R.see(a)
return R.done()
