"""Returns: giving back what an order took."""

from __future__ import annotations

from collections.abc import Sequence

from voucher_async.config import Timeout
from voucher_async.money import Amount
from voucher_async.order_refunds import OrderRefund
from voucher_async.refunding import OrderRefunds

__all__ = ["Returning"]


class Returning:
    """The client's method for returns."""

    _order_refunds: OrderRefunds

    async def refund_order(
        self,
        order_number: str,
        amount: Amount | None = None,
        *,
        voucher_ids: Sequence[str] = (),
        idempotency_key: str | None = None,
        timeout: float | Timeout | None = None,
    ) -> OrderRefund:
        """Give back what an order took, over all its vouchers (`listCharges`, `refundCharge`).

        The charges of the order are those that the journal knows, and those in the lists of their vouchers.
        What was refunded before, by this client or by hand, is left out. Calls of the order that are in doubt
        are settled first. A partial amount comes from the latest charge first: earlier vouchers were used
        up, the last one the customer may still have. Never is more refunded than was charged.

        A key names one return: asked again, also after a crash and by another process with the same journal,
        what is missing of it is given back, and nothing twice. Without a key, two calls for all that is left
        are one refund, as are a call that crashed and the next one; two calls for an amount are two returns.

        Args:
            order_number: the order.
            amount: how much, in currency units, at least 0.01; None gives back all that is left.
            voucher_ids: vouchers that paid for the order, where the journal does not know them.
            idempotency_key: names the return, 1 to 255 printable characters.
            timeout: seconds for all of it, or a `Timeout`.

        Returns:
            What was given back, by charge; an amount of 0.00 where nothing was left.

        Raises:
            InvalidInput: refused before anything was refunded: the amount is more than is left, the order was
                paid in several currencies, or neither the journal nor `voucher_ids` knows a voucher of it.
            IdempotencyMismatch: the key was used for another return; nothing was sent.
            OrderRefundFailed: not all was given back; its `outcomes` have what was, its `open_calls` the
                calls of the order that are still open. Ask again with the same key.
            OrderRefundUnknown: the same, and at least one refund may or may not have been made.
            StillRunning: another caller's refund with this key is under way: ask again with the key.
            JournalFailed: the journal cannot be read or written; nothing was refunded.
            LockFailed: the client's `voucher_lock` failed; nothing was refunded.
            ApiError, TransportError: the vouchers' charges could not be read; nothing was refunded.
        """
        return await self._order_refunds.refund(
            order_number,
            amount,
            voucher_ids=voucher_ids,
            idempotency_key=idempotency_key,
            timeout=timeout,
        )
