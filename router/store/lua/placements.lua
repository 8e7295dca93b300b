-- placements: what rings or talks elsewhere.
-- No words. Returns {centre, placement, 1 if it talks} of each, in the order of calls. Facts: none.
local calls, found = redis.call('SMEMBERS', P .. 'away'), {}
table.sort(calls)
for _, id in ipairs(calls) do
  local c = R.call_load(id)
  local r = c and R.remote(c)
  if r then found[#found + 1] = {r.centre, r.placement, c.place == 'talking' and 1 or 0} end
end
return found
