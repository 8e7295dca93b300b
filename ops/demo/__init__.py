"""`tierline demo`: a province with seats, and a busy hour in small that is checked against its script, call by call.

script.py    what is played: scenes, calls, what must come of each     sounds.py     what is said
stage.py     the centre, the phones and the callers as processes       baresip.py    two seats with a real softphone
desk.py      the console's HTTP API as agents and a supervisor use it  director.py   lets it happen in order
show.py      what people see meanwhile                                 check.py      ledger and recordings against the script
"""
