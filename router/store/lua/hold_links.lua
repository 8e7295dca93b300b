-- hold_links: whether a router is the one that keeps the links to other centres.
-- ARGV[4] router, [5] for how long, ms. Returns 1 or 0. Facts: none.
local got = redis.call('HMGET', P .. 'links', 'holder', 'until')
if got[1] and got[1] ~= ARGV[4] and NOW < tonumber(got[2]) then return 0 end
redis.call('HSET', P .. 'links', 'holder', ARGV[4], 'until', NOW + tonumber(ARGV[5]))
return 1
