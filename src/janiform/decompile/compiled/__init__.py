"""Programs out of compiled weights, exactly: tables by products of what writes and what reads, layer by layer."""
