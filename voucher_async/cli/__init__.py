"""The command line: `voucher-async`, or `python -m voucher_async`."""

from voucher_async.cli.emulator import main

__all__ = ["main"]
