"""Keeping a reservation alive while the customer is still paying elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from voucher_async.api_errors import ApiError, RateLimited
from voucher_async.checkout.turns import in_turn
from voucher_async.errors import ConfigurationError, Fate

if TYPE_CHECKING:
    from voucher_async.checkout.held import HeldReservation
    from voucher_async.checkout.kit import CheckoutKit

__all__ = ["keep_alive"]

AHEAD: Final = 300.0
RETRY: Final = 30.0


async def keep_alive(kit: CheckoutKit, held: HeldReservation, order_number: str) -> None:
    """Renew the reservation, each time five minutes before it can no longer be charged.

    Ends when the reservation was charged or has ended, when another one of this client replaced it (which a
    renewal would end), when the server refuses, or when the client was closed.
    """
    pause = max(held.remaining - AHEAD, 0.0)
    while True:
        await kit.pauses.wait(pause)
        deadline = kit.sender.deadline()
        try:
            async with in_turn(kit.lock, (held.key,), deadline):
                if held.remaining <= 0:
                    return
                held.renewed(await kit.reservations.make(held.request, deadline))
        except Exception as error:  # noqa: BLE001 - the customer is still paying: renew again
            kit.report.renewal_failed(held.amount, order_number, error)
            if _is_final(error):
                return
            pause = RETRY
        else:
            kit.report.renewed(held.amount, order_number)
            pause = max(held.remaining - AHEAD, RETRY)


def _is_final(error: Exception) -> bool:
    if isinstance(error, ConfigurationError):
        return True
    return isinstance(error, ApiError) and error.fate is Fate.ANSWERED and not isinstance(error, RateLimited)
