-- route: where a call goes: refused if the caller is on the blacklist, else the media node with the least load.
-- ARGV[4] call, [5] refused already for this reason ("": not), [6] body of the fact so far (JSON), [7..] keys under which the
-- caller may stand in the blacklist and among the VIPs. Returns {node, uri, refused, vip}. Facts: routed.
local plan = R.plan()
if not plan then return R.no_rules() end
local refused = ARGV[5]
local function listed()
  if #ARGV < 7 or plan.black == 0 then return false end
  for _, till in ipairs(redis.call('HMGET', P .. 'black', unpack(ARGV, 7))) do
    if till and (tonumber(till) == 0 or tonumber(till) > NOW) then return true end
  end
  return false
end

local function vip()
  if #ARGV < 7 or plan.vip == 0 then return 0 end
  for _, level in ipairs(redis.call('HMGET', P .. 'vip', unpack(ARGV, 7))) do
    if level then return tonumber(level) end
  end
  return 0
end

local function least_loaded()
  local best, best_load, best_uri
  for _, node in ipairs(redis.call('SMEMBERS', P .. 'nodes')) do
    local got = redis.call('HMGET', P .. 'node:' .. node, 'uri', 'draining', 'lost', 'seen', 'calls', 'routed')
    local fit = got[2] == '0' and got[3] == '0' and tonumber(got[4]) >= NOW - TIMES.lost_ms
    local load = fit and tonumber(got[5]) + tonumber(got[6])
    if fit and (not best or load < best_load or (load == best_load and node < best)) then
      best, best_load, best_uri = node, load, got[1]
    end
  end
  return best, best_uri
end

if refused == '' and listed() then refused = 'REASON_BLACKLISTED' end
local node, uri = '', ''
if refused == '' then
  node, uri = least_loaded()
  if not node then return R.refuse('NODES', 'no media node takes calls') end
  redis.call('HINCRBY', P .. 'node:' .. node, 'routed', 1)
end
local body = cjson.decode(ARGV[6])
body.node, body.refused = opt(node), opt(refused)
R.fact('routed', ARGV[4] .. ':r:' .. NOW .. ':0', NOW, body, ARGV[4])
return {node, uri, refused, refused == '' and vip() or 0}
