-- A placement beside a call at home, and a guest's row there: the small steps; one source with router/core/placement.py. The state at
-- home is the call's field `place` ('': never), its details are in place:<call>; a guest's home is the call's field `home`, its details
-- are in guest:<call>.

local ELSEWHERE, NOT_AT = 'REASON_ANSWERED_ELSEWHERE', 3
local PLACE_FIELDS = {
  'placement', 'centre', 'agent', 'seat', 'uri', 'skill', 'not_at', 'told', 'last', 'last_agent', 'last_centre',
  'n', 'level', 'again', 'expires',
}
local PLACE_TEXTS = 11
local GUEST_FIELDS = {'skill', 'n', 'up', 'missed'}
local GUEST_TEXTS = 1

--@maker PLACE
--@maker GUEST

-- A row that is not in Redis yet: written with all its fields.
local function blank(make)
  local row = make({})
  row.whole = true
  return row
end

-- What stands beside a call at home; nil: nothing ever did.
function R.remote(c)
  if c.place == '' then return nil end
  local r = R.remotes[c.id]
  if not r then
    r = read(P .. 'place:' .. c.id, PLACE_FIELDS, MAKE_PLACE) or blank(MAKE_PLACE)
    R.remotes[c.id] = r
  end
  return r
end

-- The same, made if there is none.
function R.remote_or_new(c)
  if c.place == '' then
    c.place = 'none'
    R.touch(c)
    R.remotes[c.id] = blank(MAKE_PLACE)
  end
  return R.remote(c)
end

-- For whom our agent is reserved; nil: the call is ours.
function R.guest(c)
  if c.home == '' then return nil end
  local g = R.guests[c.id]
  if not g then
    g = read(P .. 'guest:' .. c.id, GUEST_FIELDS, MAKE_GUEST) or blank(MAKE_GUEST)
    R.guests[c.id] = g
  end
  return g
end

function R.guest_new(c, home, skill, n)
  c.home = home
  local g = blank(MAKE_GUEST)
  g.skill, g.n = skill, n
  R.guests[c.id] = g
end

-- The rows go with their calls, before them: their keys expire together.
function R.flush_places()
  for id, r in pairs(R.remotes) do write(P .. 'place:' .. id, r, PLACE_FIELDS, PLACE_TEXTS) end
  for id, g in pairs(R.guests) do write(P .. 'guest:' .. id, g, GUEST_FIELDS, GUEST_TEXTS) end
end

function R.keep_place(c, live)
  for kind, there in pairs({place = c.place ~= '', guest = c.home ~= ''}) do
    if there and live then redis.call('PERSIST', P .. kind .. ':' .. c.id) end
    if there and not live then redis.call('PEXPIRE', P .. kind .. ':' .. c.id, TIMES.keep_ms) end
  end
end

-- What ids of facts of a call begin with: the home's and those of centres that answer for it must differ.
function R.fact_base(c)
  if c.home == '' then return c.id .. ':r' end
  return c.id .. ':x' .. R.guest(c).n
end

-- By the router that holds the links; without one nobody can be told (Holding tells it later).
function R.to_centre(centre, kind, ...)
  if R.links == nil then
    local got = redis.call('HMGET', P .. 'links', 'holder', 'until')
    R.links = got[1] and NOW < tonumber(got[2]) and got[1] or false
  end
  if R.links then R.effects[#R.effects + 1] = {'centre', centre, R.links, kind, ...} end
end

function R.tell_released(centre, placement, why, side, ended)
  R.to_centre(centre, 'released', placement, why, side or 'SIDE_UNSPECIFIED', ended or 0)
end

-- Call and number of a placement's id; nil for an offer of our own.
function R.placement_of(offer)
  return string.match(offer, '^(.+)%.p(%d+)$')
end

-- Under a new id; an older ask without an answer is given up.
local function ask(c, r, expected)
  local to = HOME[c.place].ask
  if c.place == 'asked' then R.tell_released('', r.placement, 'REASON_EXPIRED') end
  c.place, r.n, r.again = to, R.newer(r.n), NOW + TIMES.place_ms
  r.placement = c.id .. '.p' .. r.n
  R.touch(c)
  R.timer(r.again, 'p:' .. c.id)
  local till = NOW + R.queue(c.queue).ring_ms
  local profile = c.profile or redis.call('HGET', P .. 'call:' .. c.id, 'profile') or ''
  R.to_centre('', 'wanted', r.placement, c.id, c.queue, r.skill, r.level, c.prio, c.entered, till, profile, r.not_at, expected)
end

-- A call waits where its ladder lets it go to the nation: ask, unless that is under way or was in vain a moment ago.
function R.seek_elsewhere(c, skill, level, expected)
  local r = R.remote_or_new(c)
  r.skill, r.level = skill, level
  local to = HOME[c.place].want
  if not to or c.place == 'ringing' then return end
  c.place = to
  R.touch(c)
  if NOW >= r.again then return ask(c, r, expected) end
  R.timer(r.again, 'p:' .. c.id)
end

-- The open remote offer, to the call's node; again if it was told before.
function R.tell_remote(c)
  if c.place ~= 'ringing' then return end
  local r = R.remote(c)
  R.emit(c.node, 'offer', c.id, r.placement, r.agent, r.seat, r.expires, r.centre, r.uri)
end

-- The remote offer is over, not answered.
local function close_remote(c, r, why, tell)
  R.call_fact(c, 'offer_failed', {queue = c.queue, offer = r.placement, reason = reason_of(why)}, r.agent)
  if tell then R.emit(c.node, 'withdraw', c.id, r.placement, why) end
  r.last, r.last_agent, r.last_centre = r.placement, r.agent, r.centre
  redis.call('SREM', P .. 'away', c.id)
end

local function clear(r)
  r.placement, r.centre, r.agent, r.seat, r.uri, r.expires = '', '', '', '', '', 0
end

-- The last NOT_AT centres of a list, with one more.
local function remember(list, centre)
  local all = {}
  for one in string.gmatch(list, '[^;]+') do all[#all + 1] = one end
  all[#all + 1] = centre
  while #all > NOT_AT do table.remove(all, 1) end
  return table.concat(all, ';')
end

-- The seat there did not take it, or that centre gave up: look for another one at the next tick.
function R.remote_failed(c, why, tell, event)
  if c.place ~= 'ringing' then return end
  local r = R.remote(c)
  close_remote(c, r, why, tell)
  R.tell_released(r.centre, r.placement, why)
  r.not_at = remember(r.not_at, r.centre)
  c.place, r.again = HOME[c.place][event or 'failed'], NOW
  clear(r)
  R.touch(c)
  R.timer(NOW, 'p:' .. c.id)
end

-- The call does not wait any more, or its talk there is over: what is open elsewhere ends.
function R.gone(c, why, tell, ended, side)
  if c.place == '' or c.place == 'none' then return end
  local r = R.remote(c)
  redis.call('ZREM', DUE, 'p:' .. c.id)
  if c.place == 'ringing' then close_remote(c, r, why, tell) end
  if r.placement ~= '' then R.tell_released(r.centre, r.placement, why, side, ended) end
  redis.call('SREM', P .. 'away', c.id)
  c.place, r.again, r.not_at = HOME[c.place].gone, 0, ''
  clear(r)
  R.touch(c)
end

-- A guest counts among those we lend to.
function R.guest_in(c)
  if redis.call('SADD', P .. 'guests:' .. c.home, c.id) == 1 then
    redis.call('HINCRBY', P .. 'lent', R.guest(c).skill, 1)
  end
end

local function door(c)
  return '{' .. TENANT .. '}:placement:' .. c.id .. '.p' .. R.guest(c).n
end

-- Not any more; its door at the edge is shut.
function R.guest_out(c)
  if redis.call('SREM', P .. 'guests:' .. c.home, c.id) == 1 then
    redis.call('HINCRBY', P .. 'lent', R.guest(c).skill, -1)
    redis.call('DEL', door(c))
  end
end

function R.open_door(c, seat)
  redis.call('SET', door(c), c.home .. ' ' .. seat, 'PX', c.expires - NOW + TIMES.grace_ms)
end

-- The agent of a guest is gone, its offer closed: the home must look for another one.
function R.guest_back(c, why)
  R.guest_out(c)
  c.state = 'left'
  R.touch(c)
  R.tell_released(c.home, c.last_offer, why, 'SIDE_AGENT', NOW)
end
