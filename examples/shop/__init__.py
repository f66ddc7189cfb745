"""A small shop that takes gift vouchers: FastAPI, pages made on the server, no build step.

`make shop` starts it with an emulator behind it; docs/shop.md has the map of its files.
"""
