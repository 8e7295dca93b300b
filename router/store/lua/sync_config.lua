-- sync_config: queues and blacklist of the centre's configuration.
-- ARGV[4] generation, [5] digest, [6] number of queues, then five words a queue (id, skill, priority, ring_ms, after_ms), then two
-- words an entry of the blacklist (key, until ms). Returns {generation now, digest now, effects}. Facts: offered, agent_changed where a
-- changed skill makes a match. An older generation than the known one changes nothing. A queue that is gone takes no new calls; those
-- that wait in it are still answered.
local generation, digest, count = tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])
local known = redis.call('HMGET', P .. 'config', 'generation', 'digest')
if known[1] and (tonumber(known[1]) > generation or known[2] == digest) then return {tonumber(known[1]), known[2], R.done()} end
local skills, now_there = {}, {}

local function serves(skill, queue)
  skills[skill] = skills[skill] and skills[skill] .. ';' .. queue or queue
end

for n = 0, count - 1 do
  local id, skill, prio, ring, acw = unpack(ARGV, 7 + n * 5, 11 + n * 5)
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
for n = 7 + count * 5, #ARGV - 1, 2 do redis.call('HSET', P .. 'black', ARGV[n], ARGV[n + 1]) end
redis.call('HSET', P .. 'config', 'generation', generation, 'digest', digest)
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
return {generation, digest, R.done()}
