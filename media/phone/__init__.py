"""Phones of our own for trying and testing: a carrier that calls (`tierline call`), a desk phone (`tierline seat`)."""
