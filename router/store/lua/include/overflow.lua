-- Verbs of calls that other centres answer, what they share; one source with router/core/overflow.py.

-- the agent's own fault
local SEAT_FAILED = {REASON_NO_ANSWER = true, REASON_BUSY = true, REASON_DECLINED = true, REASON_NOT_REGISTERED = true}

-- The call whose open placement it is, at home.
function R.at_home(placement)
  local call = R.placement_of(placement)
  local c = call and R.call_load(call)
  local r = c and R.remote(c)
  if r and r.placement == placement then return c, r end
end

-- Nobody elsewhere; ask again then.
function R.unplaced(c, r, again)
  c.place, r.placement, r.again, r.not_at = HOME[c.place].no_place, '', again, ''
  R.touch(c)
  R.timer(again, 'p:' .. c.id)
end

-- The timer of a placement that is not to be asked for now. A call that rings here wants nobody elsewhere any more; when it waits
-- again, the rules of that moment say whether it asks.
function R.remote_due(c)
  if c.place == 'ringing' then return R.remote_failed(c, 'REASON_EXPIRED', true) end
  R.gone(c, 'REASON_EXPIRED')
end

-- State of a placement at the centre whose agent it is, by the row of its call.
function R.there_state(c, placement)
  if not c or c.home == '' then return 'none' end
  if c.state == 'offered' and c.offer == placement then return R.guest(c).up > 0 and 'up' or 'reserved' end
  if c.state == 'talking' and c.offer == placement then return 'talking' end
  if c.last_offer ~= placement then return 'none' end
  return c.offer == placement and 'done' or 'over'
end

-- The guest and where the event leads; nil: it has no effect.
function R.there(placement, event)
  local call = R.placement_of(placement)
  local c = call and R.call_load(call)
  local to = THERE[R.there_state(c, placement)][event]
  if c and to then return c, to end
end

-- Whether `by` may speak of a guest as its home: its home, or '' the nation, which passes on what it has checked.
local function of_home(c, by)
  return by == '' or by == c.home
end

-- The home bridged it. Late, it still counts, unless the agent has another call since.
function R.confirm(placement, answered, by)
  local c = R.there(placement, 'confirm')
  if not c or c.state == 'talking' or not of_home(c, by) then return end
  if c.state == 'offered' then return R.bridge(c, R.agent_load(c.agent), placement, answered, 'answered') end
  local a = R.agent_load(c.last_agent)
  if a.state ~= 'offered' and a.state ~= 'talking' then
    R.guest_in(c)
    R.force_talk(c, placement, c.last_agent, answered)
  end
end

-- The placement is over at our end.
function R.end_there(c, event, why, ended, side)
  R.guest_out(c)
  if c.state == 'offered' then
    R.close_offer(c, event, why, false)
  else
    c.last_offer, c.last_agent = c.offer, c.agent
    R.release_agent(c, ended, side)
  end
  R.over(c, 'left')
end

-- The talk is over and its Confirm never came: it began when our edge saw the seat answer. Both ledgers count it.
function R.unconfirmed(c)
  if R.there_state(c, c.offer) == 'up' then R.bridge(c, R.agent_load(c.agent), c.offer, R.guest(c).up, 'answered') end
end

-- The home gives a placement up. That it was hung up on a home says of talks alone.
function R.released_there(placement, reason, side, ended, by)
  local c = R.there(placement, 'release')
  if c and not of_home(c, by) then return end
  if c and reason == 'REASON_HANGUP' then R.unconfirmed(c) end
  if c then R.end_there(c, SEAT_FAILED[reason] and 'failed' or 'withdrawn', reason, ended, side) end
end

-- The timer of a reservation. Its seat was seen to answer: people talk, though the home could not say so. Else the home never spoke,
-- so it is not the agent's fault.
function R.guest_due(c)
  if THERE[R.there_state(c, c.offer)].expire == 'talking' then
    return R.unconfirmed(c)
  end
  R.close_offer(c, 'withdrawn', 'REASON_EXPIRED', false)
  R.guest_back(c, 'REASON_EXPIRED')
end

-- The agent says that nobody is there (any more); whether it was a talk with another centre's caller.
function R.by_hand(a)
  local c = a.state == 'talking' and R.call_load(a.call)
  if not c or not R.there(c.offer, 'by_hand') then return false end
  local placement, home = c.offer, c.home
  R.end_there(c, 'withdrawn', 'REASON_HANGUP', NOW, 'SIDE_AGENT')
  R.tell_released(home, placement, 'REASON_HANGUP', 'SIDE_AGENT', NOW)
  return true
end
