-- The rules compiled, one source with router/core/plan.py. They lie as one text in <P>rules, with its digest in config.stamp; what is
-- made of it is kept over runs as a memo: the same stamp is the same text.

local ANY, OWN, WORST = '*', -1, 9
local MEMO = {} -- by tenant
local PLAIN = {} -- layouts of skills that no queue asks for

local function rung_of(queue, stage, skill)
  local named = stage.skill ~= '' and stage.skill or skill
  local rung = {after = stage.after_ms, skill = named, level = math.min(stage.level, WORST), ring = stage.ring}
  rung.by_city, rung.nation = stage.ring == 'city', stage.ring == 'nation'
  rung.line = queue .. ':' .. named .. ':' .. rung.level .. ':' .. (rung.by_city and '' or ANY)
  return rung
end

local function ladder_of(q, stages)
  local rungs = {}
  for n, stage in ipairs(stages) do rungs[n] = rung_of(q.id, stage, q.skill) end
  return rungs
end

-- A queue ready to use; `text` is the rule as it came, for telling whether it has changed.
local function queue_of(text)
  local q = cjson.decode(text)
  q.text = text
  q.rungs = ladder_of(q, #q.stages > 0 and q.stages or {{after_ms = 0, skill = '', level = WORST, ring = 'centre'}})
  q.vip_rungs = #q.vip_stages > 0 and ladder_of(q, q.vip_stages) or q.rungs
  q.timed = #q.rungs > 1 or #q.vip_rungs > 1 or q.own_ms > 0 or q.max_wait_ms > 0
  q.order, q.nation, q.by_city, q.skills = POLICIES[q.policy], false, false, {[q.skill] = true}
  for _, rungs in ipairs({q.rungs, q.vip_rungs}) do
    for _, rung in ipairs(rungs) do
      q.nation, q.by_city = q.nation or rung.nation, q.by_city or rung.by_city
      q.skills[rung.skill] = true
    end
  end
  return q
end

local function sorted(set)
  local list = {}
  for key in pairs(set) do list[#list + 1] = key end
  table.sort(list)
  return list
end

-- How ready agents of a skill stand; names: by level, of the pools without their ring.
local function layout_of(skill, orders, bands, by_city)
  local made = {orders = sorted(orders), bands = sorted(bands), by_city = by_city, names = {}}
  for level = 1, WORST do
    local band
    for n = #made.bands, 1, -1 do
      if made.bands[n] >= level then band = made.bands[n] end
    end
    made.names[level] = {}
    for n, order in ipairs(made.orders) do made.names[level][n] = {order, order .. ':' .. skill .. ':' .. band .. ':'} end
  end
  made.text = table.concat(made.orders, ',') .. ';' .. table.concat(made.bands, ',') .. ';' .. tostring(by_city)
  return made
end

local function each_rung(queues, skill, work)
  for _, q in pairs(queues) do
    for _, rungs in ipairs({q.rungs, q.vip_rungs}) do
      for _, rung in ipairs(rungs) do
        if rung.skill == skill then work(q, rung) end
      end
    end
  end
end

-- The class lines that agents of a skill look at.
local function reads_of(queues, skill)
  local found = {}
  each_rung(queues, skill, function(_, rung)
    found[rung.line .. (rung.by_city and ' city' or '')] = {line = rung.line, level = rung.level, by_city = rung.by_city}
    if rung.by_city then found[rung.line .. ANY] = {line = rung.line .. ANY, level = rung.level, by_city = false} end
  end)
  local list = {}
  for _, key in ipairs(sorted(found)) do list[#list + 1] = found[key] end
  return list
end

function R.compiled(doc)
  local plan = {queues = {}, layouts = {}, reads = {}, rivals = {}, own = false, cities = doc.cities, weights = doc.weights}
  plan.worth, plan.black, plan.vip, plan.seated, plan.texts = doc.worth, doc.black, doc.vip, {}, doc.queues
  local skills = {}
  for id, text in pairs(doc.queues) do
    local q = queue_of(text)
    q.gone = doc.gone[id] or false
    plan.queues[id], plan.own = q, plan.own or q.own_ms > 0
    for skill in pairs(q.skills) do skills[skill] = true end
  end
  plan.skills = sorted(skills)
  for skill in pairs(skills) do
    local orders, bands, by_city = {}, {[WORST] = true}, false
    each_rung(plan.queues, skill, function(q, rung)
      orders[q.order], bands[rung.level], by_city = true, true, by_city or rung.by_city
    end)
    if not next(orders) then orders.skill = true end
    plan.layouts[skill], plan.reads[skill] = layout_of(skill, orders, bands, by_city), reads_of(plan.queues, skill)
  end
  plan.ids = sorted(plan.queues)
  for _, id in ipairs(plan.ids) do
    plan.rivals[id] = {}
    for _, other in ipairs(plan.ids) do
      if other ~= id and plan.queues[other].skill == plan.queues[id].skill then table.insert(plan.rivals[id], other) end
    end
  end
  for _, city in pairs(plan.cities) do plan.seated[city] = true end
  plan.stands, plan.hears = {}, {} -- kept by pools_of, lines_of
  plan.towns = table.concat(sorted(plan.seated), '\n')
  return plan
end

-- The rules in force; false if the store was emptied: then nothing it says is true before it has them again.
function R.plan()
  if R.planned == nil then
    local stamp = redis.call('HGET', P .. 'config', 'stamp')
    local memo = MEMO[TENANT]
    if stamp and not (memo and memo.stamp == stamp) then
      memo = R.compiled(cjson.decode(redis.call('GET', P .. 'rules')))
      memo.stamp, MEMO[TENANT] = stamp, memo
    end
    R.planned = stamp and memo
  end
  return R.planned
end

-- What stands in for a plan in a store that was emptied.
function R.no_plan()
  return {cities = {}, weights = {}, layouts = {}, reads = {}, seated = {}, stands = {}, hears = {}}
end

-- New rules for this run and the next; `plan` is `doc` compiled.
function R.put_plan(doc, plan)
  local text = cjson.encode(doc)
  local stamp = redis.sha1hex(text)
  redis.call('SET', P .. 'rules', text)
  redis.call('HSET', P .. 'config', 'stamp', stamp)
  plan.stamp, R.planned, MEMO[TENANT] = stamp, plan, plan
end

-- Of a skill that no queue asks for.
function R.plain(skill)
  PLAIN[skill] = PLAIN[skill] or layout_of(skill, {skill = true}, {[WORST] = true}, false)
  return PLAIN[skill]
end

function R.layout(skill)
  return R.plan() and R.planned.layouts[skill] or R.plain(skill)
end

-- A configured queue, or nil.
function R.queue(id)
  local plan = R.plan()
  return plan and plan.queues[id]
end

function R.ladder(c, q)
  return c.vip > 0 and q.vip_rungs or q.rungs
end
