-- placed: another centre has reserved an agent for a call of ours.
-- ARGV[4] that centre, [5] placement, [6] agent there, [7] seat, [8] uri to dial, [9] expires_ms. Returns effects: the offer; or released
-- to that centre, if nobody waits for it. Facts: placed.
local by, placement, agent, seat, uri, expires = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8], tonumber(ARGV[9])
local c, r = R.at_home(placement)
if not c or c.place ~= 'asked' or c.state ~= 'waiting' then
  if c and (c.place == 'ringing' or c.place == 'talking') then return R.done() end
  R.tell_released(by, placement, ELSEWHERE)
  if c then
    c.place, r.placement = HOME[c.place].no_place, ''
    R.touch(c)
  end
  return R.done()
end
c.place = HOME[c.place].placed
r.centre, r.agent, r.seat, r.uri, r.expires, r.told = by, agent .. '@' .. by, seat, uri, expires, ''
redis.call('SADD', P .. 'away', c.id)
R.timer(expires + TIMES.grace_ms, 'p:' .. c.id)
local body = {queue = c.queue, offer = placement, centre = by, seat = opt(seat), waited_ms = opt(math.max(0, NOW - c.entered))}
R.call_fact(c, 'placed', body, r.agent)
R.tell_remote(c)
return R.done()
