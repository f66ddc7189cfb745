"""The engine of `voucher-async check`: looks at everything that a client needs, and changes nothing."""

from voucher_async.cli.checking.engine import check
from voucher_async.cli.checking.findings import Fact, Finding, State

__all__ = ["Fact", "Finding", "State", "check"]
