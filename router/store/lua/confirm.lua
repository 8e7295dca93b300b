-- confirm: the home centre bridged a placement: our agent talks.
-- ARGV[4] placement, [5] answered_ms, [6] the centre that says so ('': the nation). Returns effects: none. Facts: bridged, agent_changed.
R.confirm(ARGV[4], tonumber(ARGV[5]), ARGV[6])
return R.done()
