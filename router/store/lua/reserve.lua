-- reserve: an agent for another centre's call, or why not; a repeat gets the same answer.
-- ARGV[4] home, [5] our centre, [6] share, [7] 1 if we are paused, [8] placement, [9] queue, [10] skill, [11] worst level, [12] priority,
-- [13] entered_ms, [14] expires_ms, [15] profile. Returns {agent, seat, expires_ms, reason not, effects}. Facts: placed, agent_changed.
local plan = R.plan()
if not plan then return R.no_rules() end
local home, placement, skill, expires = ARGV[4], ARGV[8], ARGV[10], tonumber(ARGV[14])
local call, n = R.placement_of(placement)
local c = call and R.call_load(call)
local state = R.there_state(c, placement)
if state == 'reserved' or state == 'up' or state == 'talking' then
  local a = R.agent_load(c.agent)
  return {a.id, a.seat, c.expires, '', R.done()}
end

-- Ours of that name, else the first that asks for the skill.
local function queue_for()
  if plan.queues[ARGV[9]] then return ARGV[9] end
  for _, id in ipairs(plan.ids) do
    if plan.queues[id].skills[skill] then return id end
  end
end

local function refusal()
  if c and (LIVE[c.state] or c.last_offer == placement) then return ELSEWHERE end
  if expires <= NOW then return 'REASON_EXPIRED' end
  if ARGV[7] == '1' then return 'REASON_CLOSED' end
  if not queue_for() then return 'REASON_UNKNOWN_QUEUE' end
  local staffed = tonumber(redis.call('HGET', P .. 'staffed', skill) or 0)
  local lent = tonumber(redis.call('HGET', P .. 'lent', skill) or 0)
  if lent >= math.floor(staffed * tonumber(ARGV[6]) / 100) then return 'REASON_OVERLOAD' end
end

local why = refusal()
local a = not why and R.first_free(skill, tonumber(ARGV[11]), ANY)
if not a or not call then return {'', '', 0, why or (a and 'REASON_BAD_MESSAGE') or 'REASON_BUSY', R.done()} end
c = c or R.call_new(call)
R.guest_new(c, home, skill, tonumber(n))
c.queue, c.prio, c.entered, c.profile = queue_for(), tonumber(ARGV[12]), tonumber(ARGV[13]), ARGV[15]
c.state, c.offer, c.agent, c.expires, c.node, c.answered = 'offered', placement, a.id, expires, '', 0
R.guest_in(c)
R.open_door(c, a.seat)
local body = {queue = c.queue, offer = placement, home = opt(home), centre = opt(ARGV[5]), seat = opt(a.seat)}
body.waited_ms = opt(math.max(0, NOW - c.entered))
R.call_fact(c, 'placed', body, a.id)
a.call, a.offer = c.id, placement
R.agent_to(a, AGENT[a.state].offer)
R.timer(expires + TIMES.grace_ms, 'o:' .. c.id)
R.touch(c)
return {a.id, a.seat, expires, '', R.done()}
