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
R.look = 0
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
local reskilled, concerned = {}, {}
for n = 12, agents_end, 2 do
  local got = redis.call('HMGET', P .. 'agent:' .. ARGV[n], 'state', 'skills') -- whole rows only of those that change
  if got[1] and got[1] ~= 'logged_out' and got[2] ~= ARGV[n + 1] then
    local a = R.agent_load(ARGV[n])
    reskilled[#reskilled + 1] = {a, ARGV[n + 1]}
    concerned[a.id] = true
  end
end

-- Ready agents who may take other calls than before, or by another weight, the longest idle first. Without old rules (a store of
-- before they were kept) these are all.
local function gather_changed()
  local function other(was, is)
    for id in pairs(was) do
      if was[id] ~= is[id] then concerned[id] = true end
    end
  end
  for _, pair in ipairs(old and {{old.cities, plan.cities}, {old.weights, plan.weights}} or {}) do
    other(pair[1], pair[2])
    other(pair[2], pair[1])
  end
  for _, id in ipairs(old and {} or redis.call('SMEMBERS', P .. 'agents')) do concerned[id] = true end
  local found = {}
  for id in pairs(concerned) do
    local a = R.agent_load(id)
    if a and a.lined then found[#found + 1] = a end
  end
  table.sort(found, function(a, b) return a.idle < b.idle or (a.idle == b.idle and a.id < b.id) end)
  return found
end

-- Skills laid out otherwise, each with the ready agents who may take the same calls as before but stand elsewhere.
local function gather_moved()
  local moved = {}
  local function look(layouts)
    for skill in pairs(layouts) do
      local is = plan.layouts[skill] or R.plain(skill)
      if not moved[skill] and R.layout(skill).text ~= is.text then moved[skill] = R.unstack(skill) end
    end
  end
  look(old.layouts)
  look(plan.layouts)
  return moved
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

local changed = gather_changed()
for _, a in ipairs(changed) do R.line_out(a) end
local moved, calls = old and gather_moved() or {}, old and gather_calls() or {}
for _, c in ipairs(calls) do R.step_out(c) end
R.put_plan(doc, plan)
redis.call('DEL', P .. 'black', P .. 'vip')
for n = agents_end + 2, black_end, 2 do redis.call('HSET', P .. 'black', ARGV[n], ARGV[n + 1]) end
for n = black_end + 1, #ARGV, 2 do redis.call('HSET', P .. 'vip', ARGV[n], ARGV[n + 1]) end
for _, pair in ipairs(reskilled) do
  R.reskill(pair[1], pair[2])
  pair[1].ver = R.newer(pair[1].ver)
  R.touch(pair[1])
end
for skill, agents in pairs(moved) do R.stack(skill, agents) end
local at = {}
for _, c in ipairs(calls) do at[c] = R.score(c) end
table.sort(calls, function(a, b) return at[a] < at[b] or (at[a] == at[b] and a.id < b.id) end)
for _, c in ipairs(calls) do R.place(c) end
for _, a in ipairs(changed) do
  if a.state == 'ready' then R.seek(a) end
end
return {generation, digest, R.done(), sha}
