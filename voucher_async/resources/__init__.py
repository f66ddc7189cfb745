"""The operations as methods: one class per file, each of which needs only a `Sender`."""
