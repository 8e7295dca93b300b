-- Agents: what an event does to one, and the search for a call; one source with router/core/moves.py.

local RESTING = {ready = true, not_ready = true, logged_out = true}

local function changed_fact(a, previous)
  local body = {state = a.state, previous = previous, reason = opt(a.reason), seat = opt(a.seat)}
  R.fact('agent_changed', a.id .. ':r:' .. NOW .. ':' .. a.ver, NOW, body, a.call, a.id)
end

-- What policies and the expected wait are made of: who is there, since when a login lasts, how long a call took.
local function count(a, previous, state)
  if previous == 'logged_out' then a.took, a.idles, a.idled = 0, 0, 0 end
  local was, is = STAFFED[previous], STAFFED[state]
  if was ~= is then R.staff(a, is and 1 or -1) end
  if a.busy > 0 and RESTING[state] then
    local row = R.calls[a.call]
    local queue = row and row.queue or redis.call('HGET', P .. 'call:' .. a.call, 'queue')
    if queue then R.handled(queue, NOW - a.busy) end
    a.busy = 0
  end
end

-- A waiting call is placed anew: its stage is over, or the rules have changed.
function R.again(c)
  R.step_out(c)
  R.place(c)
end

-- The agent went away: who waited for this one alone waits for the others from now on.
local function let_go(a)
  for _, id in ipairs(redis.call('ZRANGE', P .. 'line:own:' .. a.id, 0, -1)) do R.again(R.call_load(id)) end
end

-- Into a state, with the pools it leaves and its fact. Longest idle counts from coming to ready; an offer that came to nothing
-- through no fault of the agent keeps the old time. Without a seat (the store was wiped) nobody can be ready or not ready.
function R.agent_to(a, state, reason)
  local previous = a.state
  if a.seat == '' and RESTING[state] then state = 'logged_out' end
  if a.lined then R.line_out(a) end
  if previous == 'after_call' and state ~= previous then
    redis.call('ZREM', DUE, 'a:' .. a.id)
    a['until'] = 0
  end
  if state == 'ready' and previous ~= 'offered' then a.idle = NOW end
  count(a, previous, state)
  if RESTING[state] then a.call, a.offer, a.next = '', '', '' end
  a.state, a.reason, a.since, a.ver = state, reason or '', NOW, R.newer(a.ver)
  changed_fact(a, previous)
  R.touch(a)
  if (state == 'not_ready' or state == 'logged_out') and R.plan() and R.planned.own then let_go(a) end
end

-- Keys of the class lines that an agent takes calls from; kept with the plan.
local function lines_of(a, plan)
  local city = plan.cities[a.id]
  local name = city and a.skills .. '|' .. city or a.skills
  local list = plan.hears[name]
  if list then return list end
  list = {}
  for skill, level in each_skill(a) do
    for _, read in ipairs(plan.reads[skill] or {}) do
      local fits = math.min(tonumber(level), WORST) <= read.level
      if fits and not read.by_city then list[#list + 1] = P .. 'line:' .. read.line end
      if fits and read.by_city and city then list[#list + 1] = P .. 'line:' .. read.line .. city end
    end
  end
  plan.hears[name] = list
  return list
end

-- The first call over all lines the agent may take calls from; nil if nobody waits.
local function first_call(a)
  local plan, best, best_score = R.plan() or R.no_plan(), nil, nil
  if plan.own then best, best_score = head_of(P .. 'line:own:' .. a.id) end
  for _, key in ipairs(lines_of(a, plan)) do
    local id, score = head_of(key)
    if id and (not best or score < best_score or (score == best_score and id < best)) then best, best_score = id, score end
  end
  return best
end

-- A ready agent that stands in no pool yet: take a call, else line up.
function R.seek(a)
  local id = first_call(a)
  while id do
    local c = R.call_load(id)
    R.step_out(c)
    if not R.barred(c) then return R.offer(c, a) end
    id = first_call(a)
  end
  R.line_up(a)
end

-- What an event of the table AGENT does. The caller has checked that the table has it.
function R.agent_event(a, event, reason)
  local to = AGENT[a.state][event]
  if to == 'rest' then
    local wish = a.next
    if wish == '' then
      to = 'ready'
    elseif wish == 'logged_out' then
      to = wish
    else
      to, reason = 'not_ready', string.sub(wish, 11)
    end
  end
  R.agent_to(a, to, reason)
  if a.state == 'ready' then R.seek(a) end
end

-- The agent as effect: both rows as they lie in Redis (store/rows.py reads them).
function R.see(a)
  R.flush()
  local view = redis.call('HMGET', P .. 'agent:' .. a.id, unpack(VIEW_AGENT))
  local call = a.call ~= '' and redis.call('HMGET', P .. 'call:' .. a.call, unpack(VIEW_CALL)) or {}
  R.effects[#R.effects + 1] = {'agent', a.id, a.call, view, call}
end

-- Other skills, for an agent that stands in no pool now.
function R.reskill(a, skills)
  if STAFFED[a.state] then R.staff(a, -1) end
  a.skills = skills
  if STAFFED[a.state] then R.staff(a, 1) end
end

-- What the agent wants after the call.
function R.wish(a, wish)
  if a.next == wish then return end
  a.next, a.ver = wish, R.newer(a.ver)
  R.touch(a)
end
