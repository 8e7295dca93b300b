-- Agents: the line of the free, what an event does to one, and the search for a call.

local function each_skill(row)
  return string.gmatch(row.skills, '([^=;]+)=(%d+)')
end

function R.line_up(a)
  for skill, level in each_skill(a) do
    redis.call('ZADD', P .. 'ready:' .. skill, tonumber(level) * SPAN + a.idle, a.id)
  end
  a.lined = true
end

function R.line_out(a)
  for skill in each_skill(a) do redis.call('ZREM', P .. 'ready:' .. skill, a.id) end
  a.lined = false
end

local function changed_fact(a, previous)
  local body = {state = a.state, previous = previous, reason = opt(a.reason), seat = opt(a.seat)}
  R.fact('agent_changed', a.id .. ':r:' .. NOW .. ':' .. a.ver, NOW, body, a.call, a.id)
end

-- Into a state, with the indexes it leaves and its fact. Longest idle counts from coming to ready; an offer that came to nothing
-- through no fault of the agent keeps the old time. Without a seat (the store was wiped) nobody can be ready or not ready.
function R.agent_to(a, state, reason)
  local previous = a.state
  if a.seat == '' and (state == 'ready' or state == 'not_ready') then state = 'logged_out' end
  if a.lined then R.line_out(a) end
  if previous == 'after_call' and state ~= previous then
    redis.call('ZREM', DUE, 'a:' .. a.id)
    a['until'] = 0
  end
  if state == 'ready' and previous ~= 'offered' then a.idle = NOW end
  if state == 'ready' or state == 'not_ready' or state == 'logged_out' then a.call, a.offer, a.next = '', '', '' end
  a.state, a.reason, a.since, a.ver = state, reason or '', NOW, a.ver + 1
  changed_fact(a, previous)
  R.touch(a)
end

-- The first call over all lines of the agent's skills, and its line; nil if nobody waits.
local function first_call(a)
  local best, best_score, line
  for skill in each_skill(a) do
    for queue in string.gmatch(redis.call('HGET', P .. 'skills', skill) or '', '[^;]+') do
      local head = redis.call('ZRANGE', P .. 'wait:' .. queue, 0, 0, 'WITHSCORES')
      local score = tonumber(head[2])
      if score and (not best or score < best_score or (score == best_score and head[1] < best)) then
        best, best_score, line = head[1], score, queue
      end
    end
  end
  return best, line
end

-- A ready agent that stands in no line yet: take a call, else line up. An index entry without its row (nothing of ours leaves
-- one) is dropped and not tripped over.
function R.seek(a)
  while true do
    local id, queue = first_call(a)
    if not id then return R.line_up(a) end
    redis.call('ZREM', P .. 'wait:' .. queue, id)
    local c = R.call_load(id)
    if c and c.state == 'waiting' then return R.offer(c, a, R.queue(queue)) end
  end
end

-- The first ready agent of a skill: best level, then longest idle; nil if none.
function R.first_free(skill)
  while true do
    local id = redis.call('ZRANGE', P .. 'ready:' .. skill, 0, 0)[1]
    if not id then return nil end
    local a = R.agent_load(id)
    if a and a.state == 'ready' then return a end
    redis.call('ZREM', P .. 'ready:' .. skill, id)
  end
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

-- What the agent wants after the call.
function R.wish(a, wish)
  if a.next == wish then return end
  a.next, a.ver = wish, a.ver + 1
  R.touch(a)
end
