-- Where calls wait: which line, until when, and what they are told; one source with router/core/lines.py.
--
-- A waiting call that comes into a rung with the ring `nation` passes R.seek_place; what then stands beside it is placement.lua's.

local BUSY = {offered = true, talking = true, after_call = true}

function R.score(c)
  return SPAN + c.entered - c.prio * R.plan().worth
end

-- Which stage of its ladder it has waited for; from 0.
function R.rung_at(c, q)
  local waited, at = NOW - c.entered, 0
  for n, rung in ipairs(R.ladder(c, q)) do
    if rung.after <= waited then at = n - 1 end
  end
  return at
end

-- The agent it is meant for, if ready, or busy and worth waiting for still.
local function own_agent(c, q)
  local a = R.agent_load(c.own)
  if a and (a.state == 'ready' or (BUSY[a.state] and NOW < c.entered + q.own_ms)) then return a end
end

-- For a waiting call in no line: who takes it now (or nil), its rung, and the line it belongs to else.
function R.choose(c, q)
  local own = c.own ~= '' and own_agent(c, q)
  if own then return own.state == 'ready' and own or nil, OWN, 'own:' .. own.id end
  local at = q.timed and R.rung_at(c, q) or 0
  local rung = R.ladder(c, q)[at + 1]
  local ring = rung.by_city and R.plan().seated[c.city] and c.city or ANY
  return R.first_free(rung.skill, rung.level, ring, q.order), at, rung.by_city and rung.line .. ring or rung.line
end

-- When something changes for a waiting call although nothing happens; nil never.
local function next_wake(c, q)
  local at
  local following = R.ladder(c, q)[c.rung + 2]
  if c.rung == OWN then
    at = c.entered + q.own_ms
  elseif following then
    at = c.entered + following.after
  end
  if q.max_wait_ms > 0 and c.callback == '' then at = math.min(at or math.huge, c.entered + q.max_wait_ms) end
  return at
end

-- Into its lines, with the timer of what comes next.
function R.step_in(c, q, line)
  local at = R.score(c)
  c.line = line
  redis.call('ZADD', P .. 'wait:' .. c.queue, at, c.id)
  redis.call('ZADD', P .. 'line:' .. line, at, c.id)
  local wake = q.timed and next_wake(c, q)
  if wake then R.timer(wake, 'w:' .. c.id) end
  if q.nation then R.seek_place(c, q) end
end

-- Out of its lines; it stops waiting, or is to be placed anew.
function R.step_out(c)
  redis.call('ZREM', P .. 'wait:' .. c.queue, c.id)
  if c.line ~= '' then
    redis.call('ZREM', P .. 'line:' .. c.line, c.id)
  else -- a callback that failed stands in none for a while
    redis.call('ZREM', DUE, 'w:' .. c.id)
  end
  c.line = ''
  R.touch(c)
  local q = R.queue(c.queue)
  if q.timed then redis.call('ZREM', DUE, 'w:' .. c.id) end
end

-- On a rung; a higher one than before is told to the ledger.
function R.reach(c, q, at)
  local was = c.rung
  c.rung = at
  if at > was then
    local rung = R.ladder(c, q)[at + 1]
    local body = {queue = c.queue, rung = opt(at), ring = c.callback ~= '' and rung.nation and 'centre' or rung.ring}
    body.waited_ms = opt(math.max(0, NOW - c.entered))
    R.call_fact(c, 'widened', body)
  end
end

-- How long a waiting call will wait still; see router/core/expect.py.
local function expected(c, rank)
  local at, before, queue = R.score(c), rank, c.queue
  for _, other in ipairs(R.plan().rivals[queue]) do
    before = before + redis.call('ZCOUNT', P .. 'wait:' .. other, '-inf', '(' .. string.format('%.17g', at))
  end
  local staffed = tonumber(redis.call('HGET', P .. 'staffed', R.queue(queue).skill) or 0)
  if staffed <= 0 then return 0 end
  local got = redis.call('HMGET', P .. 'flow', 'handling:' .. queue, 'waited:' .. queue, 'gone:' .. queue)
  local handling, waited, gone = tonumber(got[1] or 0), tonumber(got[2] or 0), tonumber(got[3] or 0)
  local work = (before + 1) * (handling ~= 0 and handling or HANDLING_MS) / staffed
  if gone <= 0 or waited <= 0 then return math.floor(work) end
  local theta = gone / UNIT / waited
  return math.floor(math.log(1 + work * theta) / theta)
end

-- An agent was taken by a call of the queue for so long.
function R.handled(queue, ms)
  local field = 'handling:' .. queue
  local was = tonumber(redis.call('HGET', P .. 'flow', field) or 0)
  redis.call('HSET', P .. 'flow', field, was ~= 0 and was + math.floor((ms - was) / H_SHARE) or ms)
end

-- A call left the line after so long.
function R.waited(queue, ms, gave_up)
  if ms < WORTH_MS then return end
  local got = redis.call('HMGET', P .. 'flow', 'waited:' .. queue, 'gone:' .. queue)
  local waited, gone = tonumber(got[1] or 0), tonumber(got[2] or 0)
  waited = waited + ms - math.floor(waited / T_SHARE)
  gone = gone + (gave_up and UNIT or 0) - math.floor(gone / T_SHARE)
  redis.call('HSET', P .. 'flow', 'waited:' .. queue, waited, 'gone:' .. queue, gone)
end

-- Where it stands; offered means that nobody is before it.
function R.tell_place(c)
  local line = P .. 'wait:' .. c.queue
  local rank = redis.call('ZRANK', line, c.id)
  local waiting = redis.call('ZCARD', line)
  if rank then
    R.emit(c.node, 'queued', c.id, rank + 1, waiting, expected(c, rank))
  else
    R.emit(c.node, 'queued', c.id, 1, waiting + 1, 0)
  end
end

-- It waits: if it may be answered by another centre, ask for an agent there; whether it may. Who is to be called back is called from here.
function R.seek_place(c, q)
  local rung = c.rung ~= OWN and c.callback == '' and R.ladder(c, q)[c.rung + 1]
  if not rung or not rung.nation then return false end
  local rank = redis.call('ZRANK', P .. 'wait:' .. c.queue, c.id) or 0
  R.seek_elsewhere(c, rung.skill, rung.level, expected(c, rank))
  return true
end
R.expected = expected
