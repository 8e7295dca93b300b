-- hello: a media node opens a session.
-- ARGV[4] node, [5] uri, [6] epoch, [7] draining, [8] calls, [9] holder (the router with the stream).
-- Returns {session, effects}: offers of callbacks it is to make, again. Facts: with a newer epoch, the end of the calls of the process before (call_ended, ...).
if not R.plan() then return R.no_rules() end
local node, epoch = ARGV[4], tonumber(ARGV[6])
local key = P .. 'node:' .. node
local got = redis.call('HMGET', key, 'epoch', 'sess')
local known = tonumber(got[1] or 0)
if epoch < known then return R.refuse('EPOCH', known) end
local session = R.newer(tonumber(got[2] or 0))
redis.call('HSET', key, 'sess', session, 'uri', ARGV[5], 'epoch', epoch, 'draining', ARGV[7], 'calls', ARGV[8], 'holder', ARGV[9])
redis.call('HSET', key, 'seen', NOW, 'routed', 0, 'lost', 0)
redis.call('SADD', P .. 'nodes', node)
redis.call('ZADD', DUE, NOW + TIMES.lost_ms, 'n:' .. node, NOW + TIMES.lost_ms, 's:' .. node)
if known > 0 and epoch > known then R.lose_calls(node) else R.tell_callbacks(node) end
return {session, R.done()}
