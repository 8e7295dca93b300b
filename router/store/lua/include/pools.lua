-- Where ready agents stand, and who of them is taken; one source with router/core/pools.py.

local LOOK = 32 -- agents looked at in a band that a foreign limit cuts

local function each_skill(row)
  return string.gmatch(row.skills, '([^=;]+)=(%d+)')
end

-- An exponential with mean 1 made of a text: of the first 52 bits of its sha1.
local function draw(seed)
  local bits = tonumber(string.sub(redis.sha1hex(seed), 1, 13), 16)
  return -math.log((bits + 0.5) / 4503599627370496)
end

local function clock_of(pool)
  return tonumber(redis.call('HGET', P .. 'clock', pool) or 0)
end

local function score_of(a, order, level, pool)
  if order == 'skill' then return level * SPAN + a.idle end
  if order == 'idle' then return a.idle end
  if order == 'fewest' then return a.took * CYCLE + a.idle % CYCLE end
  if order == 'mean_idle' then return a.idles > 0 and SPAN - math.floor(a.idled / a.idles) or a.idle - SPAN end
  local weight = (R.plan() or R.no_plan()).weights[a.id] or 1
  return clock_of(pool) + draw(a.id .. '|' .. pool .. '|' .. string.format('%d', NOW) .. '|' .. a.ver) / weight
end

-- Each pool the agent belongs to: {key, pool, order, level, skill}. Kept with the plan: agents have few different sets of skills.
local function pools_of(a)
  local plan = R.plan() or R.no_plan()
  local city = plan.cities[a.id]
  local name = city and a.skills .. '|' .. city or a.skills
  local list = plan.stands[name]
  if list then return list end
  list = {}
  for skill, level in each_skill(a) do
    local layout = R.layout(skill)
    for _, named in ipairs(layout.names[math.min(tonumber(level), WORST)]) do
      for _, ring in ipairs({ANY, layout.by_city and city or nil}) do
        local pool = named[2] .. ring
        list[#list + 1] = {P .. 'ready:' .. pool, pool, named[1], tonumber(level), skill}
      end
    end
  end
  plan.stands[name] = list
  return list
end

function R.line_up(a)
  for _, at in ipairs(pools_of(a)) do redis.call('ZADD', at[1], score_of(a, at[3], at[4], at[2]), a.id) end
  a.lined = true
end

-- Only the rules that were in force at line_up know where the agent stands: see sync_config.lua.
function R.line_out(a)
  for _, at in ipairs(pools_of(a)) do redis.call('ZREM', at[1], a.id) end
  a.lined = false
end

-- All pools of a skill are taken apart; who stood there.
function R.unstack(skill)
  local layout, found = R.layout(skill), {}
  for n, order in ipairs(layout.orders) do
    for _, band in ipairs(layout.bands) do
      local start = P .. 'ready:' .. order .. ':' .. skill .. ':' .. band .. ':'
      if n == 1 then
        for _, id in ipairs(redis.call('ZRANGE', start .. ANY, 0, -1)) do found[#found + 1] = id end
      end
      redis.call('DEL', start .. ANY)
      for city in pairs(layout.by_city and R.plan() and R.planned.seated or {}) do redis.call('DEL', start .. city) end
    end
  end
  return found
end

-- Those who stood there stand as the rules in force say, many with one command.
function R.stack(skill, agents)
  local words = {}
  for _, id in ipairs(agents) do
    local a = R.agent_load(id)
    for _, at in ipairs(pools_of(a)) do
      if at[5] == skill then
        local list = words[at[1]] or {'ZADD', at[1]}
        list[#list + 1], list[#list + 2] = score_of(a, at[3], at[4], at[2]), id
        words[at[1]] = list
        if #list > 1000 then
          redis.call(unpack(list))
          words[at[1]] = nil
        end
      end
    end
  end
  for _, list in pairs(words) do redis.call(unpack(list)) end
end

-- Head of a sorted set: id and score, or nil.
local function head_of(key)
  local head = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if head[1] then return head[1], tonumber(head[2]) end
end

-- The first of a band that is good enough.
local function within(key, skill, level)
  for _, id in ipairs(redis.call('ZRANGE', key, 0, LOOK - 1)) do
    local a = R.agent_load(id)
    for named, has in each_skill(a) do
      if named == skill and tonumber(has) <= level then return a end
    end
  end
end

-- The one whose lot runs out first; the clocks of all pools that took part go on by as much.
local function drawn(skill, level, ring)
  local best, best_left, looked = nil, nil, {}
  for _, band in ipairs(R.layout(skill).bands) do
    local pool = 'random:' .. skill .. ':' .. band .. ':' .. ring
    local id, score
    if band <= level then id, score = head_of(P .. 'ready:' .. pool) end
    if id then
      local clock = clock_of(pool)
      local left = score - clock
      looked[pool] = clock
      if not best or left < best_left or (left == best_left and id < best) then best, best_left = id, left end
    end
  end
  for pool, clock in pairs(looked) do redis.call('HSET', P .. 'clock', pool, clock + best_left) end
  return best and R.agent_load(best)
end

-- The first ready agent of a skill in an order, up to a level, of a ring (a city or ANY); nil if none. A limit that no ladder of ours
-- names (another centre asks) cuts a band: of that one the first LOOK are looked at.
function R.first_free(skill, level, ring, order)
  local layout = R.layout(skill)
  order = order or layout.orders[1]
  local lot = order == 'random' and drawn(skill, level, ring)
  if lot then return lot end
  local best, best_score, below = nil, nil, 0
  for _, band in ipairs(layout.bands) do
    local key = P .. 'ready:' .. order .. ':' .. skill .. ':' .. band .. ':' .. ring
    if band > level then
      if not best and below < level then return within(key, skill, level) end
      break
    end
    local id, score = head_of(key)
    below = band
    if id and (not best or score < best_score or (score == best_score and id < best)) then best, best_score = id, score end
  end
  return best and R.agent_load(best)
end

-- How many agents of a skill are ready.
function R.ready_count(skill)
  local layout, count = R.layout(skill), 0
  for _, band in ipairs(layout.bands) do
    count = count + redis.call('ZCARD', P .. 'ready:' .. layout.orders[1] .. ':' .. skill .. ':' .. band .. ':' .. ANY)
  end
  return count
end

local STAFFED = {ready = true, offered = true, talking = true, after_call = true}

-- The agent counts among those who are there, or not any more.
function R.staff(a, by)
  for skill in each_skill(a) do redis.call('HINCRBY', P .. 'staffed', skill, by) end
end
