-- sync_config: a version of the rules comes into force: queues, blacklist, agents' skills.
-- ARGV[4] generation, [5] digest, [6..9] sha256, who, why and text of the rule book ("" if the rules are nobody's version), [10] number
-- of agents, then two words an agent (id, skills "vip=1;sales=2"), then the number of queues, then five words a queue (id, skill,
-- priority, ring_ms, after_ms), then two words an entry of the blacklist (key, until ms). Returns {generation now, digest now, effects,
-- sha256 now}. Facts: rules_changed for a new version; offered, agent_changed where a changed skill makes a match. An older generation
-- than the known one changes nothing, nor does another book of the same version. A queue that is gone takes no new calls; those that
-- wait in it are still answered.
local generation, digest, sha = tonumber(ARGV[4]), ARGV[5], ARGV[6]
local known = redis.call('HMGET', P .. 'config', 'generation', 'digest', 'sha256')
if known[1] then
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
if known[2] == digest then return {generation, digest, R.done(), sha} end
local agents = tonumber(ARGV[10])
local base = 11 + agents * 2 -- where the number of queues stands
local count = tonumber(ARGV[base])
local skills, now_there = {}, {}

-- Who is logged in has changed skills at once; who is not gets them with the next login.
local function reskill(id, text)
  local a = R.agent_load(id)
  if not a or a.state == 'logged_out' or a.skills == text then return end
  local lined = a.lined
  if lined then R.line_out(a) end
  a.skills, a.ver = text, a.ver + 1
  R.touch(a)
  if lined then R.line_up(a) end
end

local function serves(skill, queue)
  skills[skill] = skills[skill] and skills[skill] .. ';' .. queue or queue
end

for n = 0, count - 1 do
  local id, skill, prio, ring, acw = unpack(ARGV, base + 1 + n * 5, base + 5 + n * 5)
  redis.call('HSET', P .. 'queue:' .. id, 'skill', skill, 'prio', prio, 'ring', ring, 'acw', acw, 'closed', 0)
  serves(skill, id)
  now_there[id] = true
end
for _, id in ipairs(redis.call('SMEMBERS', P .. 'queues')) do
  if not now_there[id] then
    redis.call('HSET', P .. 'queue:' .. id, 'closed', 1)
    serves(redis.call('HGET', P .. 'queue:' .. id, 'skill'), id)
  end
end
redis.call('DEL', P .. 'skills', P .. 'black')
for skill, queues in pairs(skills) do redis.call('HSET', P .. 'skills', skill, queues) end
for id in pairs(now_there) do redis.call('SADD', P .. 'queues', id) end
for n = base + 1 + count * 5, #ARGV - 1, 2 do redis.call('HSET', P .. 'black', ARGV[n], ARGV[n + 1]) end
for n = 11, base - 1, 2 do reskill(ARGV[n], ARGV[n + 1]) end
local order = {}
for skill in pairs(skills) do order[#order + 1] = skill end
table.sort(order)
for _, skill in ipairs(order) do
  local a = R.first_free(skill)
  while a do
    R.line_out(a)
    R.seek(a)
    a = a.state == 'offered' and R.first_free(skill) or nil
  end
end
return {generation, digest, R.done(), sha}
