"""The journals that keep the records of money calls in a database; each is imported by its own path."""
