"""The things that a batch needs of the client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from voucher_async.hooks import Hook
    from voucher_async.models import CompleteVoucher, CreateVoucherRequest, Voucher

__all__ = ["Issuer"]


class Issuer(Protocol):
    """Creates and activates vouchers."""

    async def create(self, body: CreateVoucherRequest, key: str) -> tuple[CompleteVoucher, bool]:
        """Create a voucher under an idempotency key, or find it; and whether this call created it.

        Args:
            body: the voucher.
            key: the idempotency key.
        """
        ...

    async def activate(self, id: str) -> Voucher:
        """Activate a voucher."""
        ...

    def now(self) -> float:
        """Monotonic time in seconds."""
        ...

    async def pause(self, seconds: float) -> None:
        """Wait so many seconds, or until the client is closed."""
        ...

    @property
    def is_closed(self) -> bool:
        """True when the client was closed, so that pauses end at once."""
        ...

    def watched_by(self, hook: Hook) -> AbstractContextManager[None]:
        """Tell a hook of the client's requests, inside of `with`."""
        ...
