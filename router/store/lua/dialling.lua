-- dialling: an agent has taken a callback: the customer's phone is called now.
-- ARGV[4] call, [5] version, [6] offer, [7] since when, [8] trunk. Returns effects: none. Facts: callback_dialled, agent_changed.
local c, version, offer, at = R.call_load(ARGV[4]), tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
if not c then return R.refuse('CALL', ARGV[4]) end
if version <= c.ver then return R.done() end
if c.state ~= 'offered' or c.offer ~= offer or c.callback == '' then return R.refuse('OFFER', offer) end
local a = R.agent_load(c.agent)
c.ver, c.tries, c.dialling = version, c.tries + 1, 1
redis.call('ZREM', DUE, 'o:' .. c.id)
c.state, c.answered, c.expires = CALL[c.state].answered, at, 0
R.learn(c, a, at)
redis.call('HINCRBY', P .. 'talking', c.queue, 1)
local body = {queue = c.queue, offer = opt(offer), trunk = opt(ARGV[8]), tries = c.tries}
R.fact('callback_dialled', c.id .. ':r:' .. at .. ':d' .. c.tries, at, body, c.id, c.agent) -- before `bridged`, whenever it is heard
R.touch(c)
R.agent_event(a, 'answered')
return R.done()
