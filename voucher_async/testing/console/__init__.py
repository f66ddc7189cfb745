"""The emulator's console: a page beside the API that shows what happens, and has switches for it."""

from __future__ import annotations

from voucher_async.testing.console.page import PATH, Console

__all__ = ["PATH", "Console"]
