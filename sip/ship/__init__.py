"""The shipper: accounting lines of the edge onto the stream of facts, at least once, in order per file, nothing lost."""
