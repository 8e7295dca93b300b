-- settle_failed: the seat did not take the call, or we failed (then the agent pauses), or the caller left while it rang, or another
-- centre's seat was first (then the agent is as ready as before).
-- ARGV[4] call, [5] version, [6] offer, [7] reason. Returns effects: an offer if another agent is free.
-- Facts: offer_failed, agent_changed; left_queue if the caller left; offered.
local c, version, offer, reason = R.call_load(ARGV[4]), tonumber(ARGV[5]), ARGV[6], ARGV[7]
if not c or not LIVE[c.state] or version <= c.ver then return R.done() end -- of what is over it is not the newest word
c.ver = version
R.touch(c)
if R.placement_of(offer) then
  R.not_answered_elsewhere(c, offer, reason)
  return R.done()
end
local ours = not SEAT_FAULT[reason] -- router/core/match.py
if c.offer == offer and (c.dialling == 1 or (c.state == 'offered' and R.pending(c) and ours)) then
  R.not_reached(c, reason)
  return R.done()
end
if c.state ~= 'offered' or c.offer ~= offer then return R.done() end
if reason == 'REASON_CALLER_LEFT' then
  local to = CALL[c.state].caller_left
  R.detach(c, reason, reason, false)
  R.over(c, to)
else
  local to = CALL[c.state].failed
  R.close_offer(c, R.failure(reason), reason, false)
  c.state = to
  R.place(c)
end
return R.done()
