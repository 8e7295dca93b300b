-- settle_answered: the seat answered and is bridged with the caller.
-- ARGV[4] call, [5] version, [6] offer, [7] answered_ms. Returns effects; a withdraw if the call had gone to another agent.
-- Facts: bridged, agent_changed. An answer to the offer that we closed last still counts: people talk.
local c, version, offer, answered = R.call_load(ARGV[4]), tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
if not c then return R.refuse('CALL', ARGV[4]) end
if version > c.ver and c.dialling == 1 and c.offer == offer then
  c.ver = version
  R.reached(c, answered)
  return R.done()
end
if version <= c.ver or (c.state == 'talking' and c.offer == offer) then return R.done() end
if R.answers(c, offer) then
  c.ver = version
  R.answered_elsewhere(c, offer, answered)
  return R.done()
end
local late = c.last_offer == offer and (c.state == 'waiting' or c.state == 'offered')
if not late and not (c.state == 'offered' and c.offer == offer) then return R.refuse('OFFER', offer) end
c.ver = version
if late then
  R.force_talk(c, offer, c.last_agent, answered)
else
  R.bridge(c, R.agent_load(c.agent), offer, answered, 'answered')
end
return R.done()
