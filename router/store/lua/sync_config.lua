-- sync_config: a version of the rules comes into force; one source with router/core/refile.py.
-- ARGV[4] generation, [5] digest, [6..9] sha256, who, why and text of the rule book ("" if the rules are nobody's version), [10] the
-- rules as JSON (include/plan.lua), [11] number of agents, then two words an agent (id, skills "vip=1;sales=2"), then the number of
-- entries of the blacklist and two words each (key, until ms), then two words a VIP (key, level). Returns {generation now, digest now,
-- effects, sha256 now}. Facts: rules_changed for a new version; widened, offered, agent_changed where the change makes a match. An older
-- generation than the known one changes nothing, nor does another book of the same version.
local generation, digest, sha = tonumber(ARGV[4]), ARGV[5], ARGV[6]
local known = redis.call('HMGET', P .. 'config', 'generation', 'digest', 'sha256')
local old = R.plan()
if old then
  local at, had = tonumber(known[1]), known[3] or ''
  local versions = had ~= '' and sha ~= ''
  local keep = (had ~= '' and sha == '') or (versions and at == generation and had ~= sha)
  if ((had ~= '') == (sha ~= '')) and at > generation then keep = true end
  if keep or (known[2] == digest and had == sha) then return {at, known[2], R.done(), had} end
end
if sha ~= '' and known[3] ~= sha then
  local body = {version = generation, who = opt(ARGV[7]), why = opt(ARGV[8]), sha256 = sha}
  R.fact('rules_changed', 'rules:' .. TENANT .. ':' .. generation .. ':' .. string.sub(sha, 1, 12), NOW, body)
  redis.call('HSET', P .. 'config', 'document', ARGV[9])
end
redis.call('HSET', P .. 'config', 'generation', generation, 'digest', digest, 'sha256', sha)
if old and known[2] == digest then return {generation, digest, R.done(), sha} end

local doc = cjson.decode(ARGV[10])
doc.gone = {}
for id, text in pairs(old and old.texts or {}) do
  if not doc.queues[id] then doc.queues[id], doc.gone[id] = text, true end
end
local plan = R.compiled(doc)
local agents_end = 11 + 2 * tonumber(ARGV[11])
local black_end = agents_end + 1 + 2 * tonumber(ARGV[agents_end + 1])

-- Agents with other skills than before. Who is logged out gets them with the next login.
local changed, concerned = {}, {}
for n = 12, agents_end, 2 do
  local seen = redis.call('HMGET', P .. 'agent:' .. ARGV[n], 'state', 'skills') -- of thousands few are at work and changed
  if seen[1] and seen[1] ~= 'logged_out' and seen[2] ~= ARGV[n + 1] then
    local a = R.agent_load(ARGV[n])
    changed[#changed + 1] = {a, ARGV[n + 1]}
    concerned[a.id] = true
  end
end

-- Ready agents that must stand elsewhere, the longest idle first.
local function gather_agents()
  local function other(was, is)
    for id in pairs(was) do
      if was[id] ~= is[id] then concerned[id] = true end
    end
  end
  local skills = {}
  for skill in pairs(old.layouts) do skills[skill] = true end
  for skill in pairs(plan.layouts) do skills[skill] = true end
  for skill in pairs(skills) do
    local was = R.layout(skill)
    local is = plan.layouts[skill]
    if was.text ~= (is and is.text or R.plain(skill).text) then
      for _, band in ipairs(was.bands) do
        local pool = P .. 'ready:' .. was.orders[1] .. ':' .. skill .. ':' .. band .. ':' .. ANY
        for _, id in ipairs(redis.call('ZRANGE', pool, 0, -1)) do concerned[id] = true end
      end
    end
  end
  other(old.cities, plan.cities)
  other(plan.cities, old.cities)
  other(old.weights, plan.weights)
  other(plan.weights, old.weights)
  local found = {}
  for id in pairs(concerned) do
    local a = R.agent_load(id)
    if a and a.lined then found[#found + 1] = a end
  end
  table.sort(found, function(a, b) return a.idle < b.idle or (a.idle == b.idle and a.id < b.id) end)
  return found
end

-- Waiting calls that may have to stand elsewhere.
local function gather_calls()
  local found = {}
  for id, text in pairs(old.texts) do
    local towns = old.towns ~= plan.towns and old.queues[id].by_city
    if old.worth ~= plan.worth or text ~= plan.texts[id] or towns then
      for _, call in ipairs(redis.call('ZRANGE', P .. 'wait:' .. id, 0, -1)) do found[#found + 1] = R.call_load(call) end
    end
  end
  return found
end

-- Without old rules (a store of before they were kept) all who are ready stand where nobody looks.
local function gather_ready()
  local found = {}
  for _, id in ipairs(redis.call('SMEMBERS', P .. 'agents')) do
    local a = R.agent_load(id)
    if a.lined then found[#found + 1] = a end
  end
  return found
end

local agents, calls = old and gather_agents() or gather_ready(), old and gather_calls() or {}
for _, a in ipairs(agents) do R.line_out(a) end
for _, c in ipairs(calls) do R.step_out(c) end
R.put_plan(doc, plan)
redis.call('DEL', P .. 'black', P .. 'vip')
for n = agents_end + 2, black_end, 2 do redis.call('HSET', P .. 'black', ARGV[n], ARGV[n + 1]) end
for n = black_end + 1, #ARGV, 2 do redis.call('HSET', P .. 'vip', ARGV[n], ARGV[n + 1]) end
for _, pair in ipairs(changed) do
  R.reskill(pair[1], pair[2])
  pair[1].ver = pair[1].ver + 1
  R.touch(pair[1])
end
local at = {}
for _, c in ipairs(calls) do at[c] = R.score(c) end
table.sort(calls, function(a, b) return at[a] < at[b] or (at[a] == at[b] and a.id < b.id) end)
for _, c in ipairs(calls) do R.place(c) end
for _, a in ipairs(agents) do
  if a.state == 'ready' and not a.lined then R.seek(a) end
end
return {generation, digest, R.done(), sha}
