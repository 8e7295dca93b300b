"""What a media node says to the rest of its centre: the router's stream (session.py) and the ledger in Redis (outbox.py)."""
