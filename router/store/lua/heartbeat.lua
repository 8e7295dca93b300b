-- heartbeat: a media node lives.
-- ARGV[4] node, [5] session, [6] draining, [7] calls. Returns nothing. Facts: none.
local key = P .. 'node:' .. ARGV[4]
local got = redis.call('HMGET', key, 'sess', 'lost')
if got[1] ~= ARGV[5] or got[2] ~= '0' then return R.refuse('NODE', ARGV[4]) end
redis.call('HSET', key, 'draining', ARGV[6], 'calls', ARGV[7], 'seen', NOW, 'routed', 0)
redis.call('ZADD', DUE, NOW + TIMES.lost_ms, 'n:' .. ARGV[4])
return R.done()
