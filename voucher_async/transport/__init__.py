"""The way over the wire: one session, one attempt loop, pure retry decisions."""
