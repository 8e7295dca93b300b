-- The library begins here: what all verbs share, rows kept once per run, facts, effects.
--
-- Contract of all verbs: KEYS[1] is the fact stream "{tenant}:facts"; every other key starts with "{tenant}:r:" and so has the
-- hash tag of KEYS[1] (docs/adr/0202). ARGV[1] now (UTC ms), ARGV[2] source of facts ("router:<name>"), ARGV[3] the media node
-- whose stream asks ("" if none). Refusals are error replies "TL <CODE> <text>", codes of router/core/errors.py.
--
-- A verb validates, then changes rows (tables of this run: one per entity, so nothing is seen in two versions) and indexes,
-- and ends with R.done(), which writes the rows and answers the effects.
-- AGENT, CALL (tables of router/core), TIMES, POLICIES, SPAN and other numbers stand before this text (store/scripts.py renders them and makes each
-- verb's file the body of `function(KEYS, ARGV)` after R.begin).
local NOW, SOURCE, ASKER, FACTS, TENANT, P, DUE
local AGENT_FIELDS = {
  'state', 'seat', 'reason', 'next', 'call', 'offer', 'skills',
  'since', 'idle', 'until', 'ver', 'took', 'idles', 'idled', 'busy',
}
local AGENT_TEXTS = 7 -- so many of them are text, the rest numbers
local CALL_FIELDS = {
  'state', 'queue', 'offer', 'agent', 'node', 'last_offer', 'last_agent', 'line', 'own', 'city', 'customer', 'away',
  'place', 'home', 'callback', 'listed', 'trunk',
  'prio', 'entered', 'answered', 'ver', 'rv', 'sess', 'expires', 'rung', 'vip', 'tries', 'dialling',
}
local CALL_TEXTS = 17
-- Rows in one piece (store/scripts.py writes these functions): a table made field by field is made anew five times while it grows.
--@maker AGENT
--@maker CALL
local LIVE = {waiting = true, offered = true, talking = true}
local R = {}

-- What stays between two runs is code and constants only: all else is set anew here.
function R.begin(KEYS, ARGV)
  NOW, SOURCE, ASKER = tonumber(ARGV[1]), ARGV[2], ARGV[3]
  if KEYS[1] ~= FACTS then
    FACTS = KEYS[1]
    TENANT = string.match(FACTS, '^{(.-)}')
    P = '{' .. TENANT .. '}:r:'
    DUE = P .. 'due'
  end
  R.effects, R.agents, R.calls, R.dirty, R.planned = {}, {}, {}, {}, nil
  R.remotes, R.guests, R.links, R.look = {}, {}, nil, nil
end

function R.refuse(code, text)
  return redis.error_reply('TL ' .. code .. ' ' .. text)
end

-- Defaults are left out of facts (proto3 JSON).
local function opt(value)
  if value == '' or value == 0 or value == false then return nil end
  return value
end

local function reason_of(name)
  if name == 'REASON_UNSPECIFIED' or name == 'SIDE_UNSPECIFIED' then return nil end
  return opt(name)
end

function R.fact(kind, id, at, body, call, agent)
  local fact = {id = id, at_ms = at, tenant = TENANT, source = SOURCE, call = opt(call), agent = opt(agent)}
  fact[kind] = body
  redis.call('XADD', FACTS, '*', 'f', cjson.encode(fact))
end

-- A frame for a media node. Holder "" is the stream that asks; without a holder nobody can be told: a node without a stream
-- asserts its calls when it is back, and is told then.
function R.emit(node, kind, ...)
  if node == '' then return end -- a guest: its home is told, not a node
  local holder = ''
  if node ~= ASKER then
    holder = redis.call('HGET', P .. 'node:' .. node, 'holder')
    if not holder or holder == '' then return end
  end
  R.effects[#R.effects + 1] = {kind, node, holder, ...}
end

-- Rows remember how they were read (`was`), so that only what changed is written.
local function read(key, fields, make)
  local got = redis.call('HMGET', key, unpack(fields))
  return got[1] and make(got)
end

local function write(key, row, fields, texts)
  local words, n, was = {}, 0, row.was
  for i = 1, #fields do
    local value, known = row[fields[i]], was[i]
    if i > texts then known = tonumber(known or 0) end
    if value ~= (known or '') or row.whole then
      words[n + 1], words[n + 2] = fields[i], value
      n = n + 2
      was[i] = value
    end
  end
  row.whole = nil
  if row.profile then
    words[n + 1], words[n + 2] = 'profile', row.profile
    n = n + 2
  end
  if n > 0 then redis.call('HSET', key, unpack(words)) end
end

-- The next of a count that others remember: not one that was given out before Redis forgot its last moments.
function R.newer(was)
  return math.max(was + 1, NOW)
end

function R.agent_load(id)
  local row = R.agents[id]
  if not row then
    row = read(P .. 'agent:' .. id, AGENT_FIELDS, MAKE_AGENT)
    if not row then return nil end
    row.id, row.lined = id, row.state == 'ready'
    R.agents[id] = row
  end
  return row
end

function R.agent_new(id, state)
  local row = MAKE_AGENT({})
  row.id, row.state, row.since, row.idle, row.whole = id, state, NOW, NOW, true
  R.agents[id] = row
  redis.call('SADD', P .. 'agents', id)
  return row
end

function R.call_load(id)
  local row = R.calls[id]
  if not row then
    row = read(P .. 'call:' .. id, CALL_FIELDS, MAKE_CALL)
    if not row then return nil end
    row.id, row.over = id, not LIVE[row.state]
    R.calls[id] = row
  end
  return row
end

-- What is not in Redis reads as '' or 0, so a new row is written without what it does not have.
function R.call_new(id)
  local row = MAKE_CALL({})
  row.id, row.state = id, 'unknown'
  R.calls[id] = row
  return row
end

function R.no_rules()
  return R.refuse('CONFIG', 'the store has no configuration')
end

function R.no_queue(id)
  if not R.plan() then return R.no_rules() end
  return R.refuse('QUEUE', id)
end

-- A timer. One that is due before routers look again by themselves is told to them, and so are new rules (0).
function R.timer(at, member)
  redis.call('ZADD', DUE, at, member)
  if at < NOW + TIMES.look_ms and at < (R.look or math.huge) then R.look = at end
end

function R.touch(row)
  R.dirty[row] = true
end

local function write_call(row)
  local key = P .. 'call:' .. row.id
  if row.callback ~= '' then R.count_back(row) end
  write(key, row, CALL_FIELDS, CALL_TEXTS)
  if not LIVE[row.state] then
    redis.call('PEXPIRE', key, TIMES.keep_ms)
  elseif row.over then
    redis.call('PERSIST', key)
  end
  if row.place ~= '' or row.home ~= '' then R.keep_place(row, LIVE[row.state]) end
end

function R.flush()
  R.flush_places()
  for _, row in pairs(R.calls) do
    if R.dirty[row] then write_call(row) end
  end
  for _, row in pairs(R.agents) do
    if R.dirty[row] then write(P .. 'agent:' .. row.id, row, AGENT_FIELDS, AGENT_TEXTS) end
  end
  R.dirty = {}
end

function R.done()
  R.flush()
  if R.look then redis.call('PUBLISH', P .. 'look', R.look) end
  return R.effects
end
