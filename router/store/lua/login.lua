-- login: an agent is at a seat, with skills.
-- ARGV[4] agent, [5] seat, [6] skills "vip=1;sales=2". Returns effects with the agent. Facts: agent_changed if state or seat
-- changed; offer_failed (and offered to another) if a ringing seat was left.
local id, seat, skills = ARGV[4], ARGV[5], ARGV[6]
local a = R.agent_load(id) or R.agent_new(id, 'logged_out')
local event = (a.seat ~= '' and a.seat ~= seat and a.state ~= 'logged_out') and 'move' or 'login'
local to = AGENT[a.state][event]
if not to then return R.refuse('STATE', a.state .. ' does not take ' .. event) end
local from, moved = a.state, a.seat ~= seat
local anew = moved or a.skills ~= skills
if a.lined then R.line_out(a) end
a.seat = seat
R.reskill(a, skills)
if from == 'offered' and to ~= from then
  local c = R.call_load(a.call)
  R.close_offer(c, event, 'REASON_AGENT_GONE', true)
  c.state = CALL[c.state].withdrawn
  R.place(c)
elseif to ~= from then
  R.agent_event(a, event)
elseif moved then
  R.agent_to(a, to, a.reason)
elseif anew then
  a.ver = R.newer(a.ver)
  R.touch(a)
end
if a.state == 'ready' and not a.lined then R.seek(a) end
R.see(a)
return R.done()
