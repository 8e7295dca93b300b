-- route: where a call goes: refused if the caller is on the blacklist, else the media node with the least load.
-- ARGV[4] call, [5] refused already for this reason ("": not), [6] body of the fact so far (JSON), [7..] keys under which the
-- caller may stand in the blacklist and among the VIPs. Returns {node, uri, refused, vip}. Facts: routed.
local plan = R.plan()
if not plan then return R.no_rules() end
local refused = ARGV[5]
local function vip()
  if #ARGV < 7 or plan.vip == 0 then return 0 end
  for _, level in ipairs(redis.call('HMGET', P .. 'vip', unpack(ARGV, 7))) do
    if level then return tonumber(level) end
  end
  return 0
end

if refused == '' and R.listed({unpack(ARGV, 7)}) then refused = 'REASON_BLACKLISTED' end
local node, uri = '', ''
if refused == '' then
  node, uri = R.least_loaded()
  if not node then return R.refuse('NODES', 'no media node takes calls') end
end
local body = cjson.decode(ARGV[6])
body.node, body.refused = opt(node), opt(refused)
R.fact('routed', ARGV[4] .. ':r:' .. NOW .. ':0', NOW, body, ARGV[4])
return {node, uri, refused, refused == '' and vip() or 0}
