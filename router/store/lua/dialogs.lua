-- dialogs: what our edge saw of the dialogs of seats with other centres' callers (ops/keys.dialogs).
-- ARGV[4] limit. Returns {how many were taken, effects}. Facts: bridged, offer_failed or agent_released, agent_changed.

-- The seat answered: the home must confirm soon.
local function up(placement, at)
  local c, to = R.there(placement, 'up')
  if to ~= 'up' or R.guest(c).up > 0 then return end
  R.guest(c).up = at
  R.timer(NOW + TIMES.up_ms, 'o:' .. c.id)
end

-- The seat did not answer: the home says why, or else it soon ends by the timer.
local function failed(placement)
  local c, to = R.there(placement, 'expire')
  if to == 'over' then R.timer(NOW + TIMES.grace_ms, 'o:' .. c.id) end
end

-- A BYE passed.
local function over(placement, at, detail)
  local c = R.there(placement, 'down')
  local side = (detail == 'SIDE_AGENT' or detail == 'SIDE_CALLER') and detail or 'SIDE_UNSPECIFIED'
  if c and at - R.guest(c).up >= TIMES.talked_ms then R.unconfirmed(c) end
  if c then R.end_there(c, 'withdrawn', 'REASON_HANGUP', at, side) end
end

local saw = {up = up, failed = failed, over = over}
local seen = redis.call('LPOP', '{' .. TENANT .. '}:dialogs', ARGV[4]) or {}
for _, text in ipairs(seen) do
  local what, placement, at, detail = string.match(text, '^(%S*) (%S*) (%d+) ?(.*)$')
  if saw[what] then saw[what](placement, tonumber(at), detail) end
end
return {#seen, R.done()}
