"""The operations as methods: one class a file, each needs only a `Sender`."""
