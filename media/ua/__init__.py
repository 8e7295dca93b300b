"""Our SIP user agent, without I/O (RFC 3261 and friends). `api` is what the rest of media/ sees of it."""
