"""Vouchers in bulk on the command line: a batch with its progress and its file, and files from the API."""
