"""The twin: the router's own core in virtual time, for planning and for trying a rule before it goes live."""
