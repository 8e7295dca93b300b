-- logout: the agent goes; in a talk, after it.
-- ARGV[4] agent. Returns effects with the agent. Facts: agent_changed; offer_failed (and offered to another) if its seat rang.
local a = R.agent_load(ARGV[4])
if not a then return R.refuse('AGENT', ARGV[4]) end
local to = AGENT[a.state].logout
if not to then return R.refuse('STATE', a.state .. ' does not take logout') end
if a.state == 'offered' then
  local c = R.call_load(a.call)
  R.close_offer(c, 'logout', 'REASON_AGENT_GONE', true)
  c.state = CALL[c.state].withdrawn
  R.place(c)
elseif a.state == 'talking' then
  R.wish(a, 'logged_out')
elseif to ~= a.state then
  R.agent_event(a, 'logout')
end
R.see(a)
return R.done()
