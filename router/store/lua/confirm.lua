-- confirm: the home centre bridged a placement: our agent talks.
-- ARGV[4] placement, [5] answered_ms. Returns effects: none. Facts: bridged, agent_changed.
R.confirm(ARGV[4], tonumber(ARGV[5]))
return R.done()
