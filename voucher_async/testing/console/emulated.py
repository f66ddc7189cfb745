"""Parts of an emulator that its console needs; the emulator imports the console, not the other way round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from voucher_async.clock import Clock
    from voucher_async.testing._records import VoucherRecord
    from voucher_async.testing.faults import Faults
    from voucher_async.testing.habits import Habits

__all__ = ["Emulated"]


class Emulated(Protocol):
    """An emulator."""

    clock: Clock
    faults: Faults
    habits: Habits

    def now(self) -> dt.datetime:
        """The emulator's time."""
        ...

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass."""

    def add_voucher(
        self, *, amount: str, currency: str = "EUR", active: bool = True, **fields: str | int | bool | None
    ) -> VoucherRecord:
        """A new voucher; raises a `ValueError` that names the rules it breaks."""
        ...

    def set_status(self, voucher_id: str, status: Literal["active", "inactive"]) -> VoucherRecord:
        """Activate or deactivate a voucher."""
        ...

    def new_connect_pin(self, *, scopes: Sequence[str], name: str = "Shop") -> str:
        """The PIN that connects a new client."""
        ...
