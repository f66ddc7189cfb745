"""Reserve, then charge: in one call, or as a checkout."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from voucher_async.checkout.checkout import Checkout
from voucher_async.checkout.turns import VoucherLock, in_turn, voucher_key
from voucher_async.errors import ApiError, Fate, Proof, VoucherError
from voucher_async.models import ChargeReservationRequest
from voucher_async.money import to_amount
from voucher_async.payments.replies import as_not_done
from voucher_async.settlement.fence import look_behind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from voucher_async.clock import Deadline
    from voucher_async.hooks import Hooks
    from voucher_async.models import Charge, Reservation
    from voucher_async.money import Amount
    from voucher_async.resources.charges import Charges
    from voucher_async.resources.reservations import Reservations
    from voucher_async.sansio import Request
    from voucher_async.settlement import Desk, Flow, Sender
    from voucher_async.settlement.pauses import Pauses

__all__ = ["Lifecycle"]

_NO_VERDICT: Final = frozenset(
    {401, 403, 429}
)  # of whoever limits or checks rights: not about the reservation


class Lifecycle:
    """What `redeem` and checkouts work with.

    Args:
        sender: sends the requests.
        reservations: makes and charges reservations.
        charges: refunds.
        desk: runs what moves money.
        lock: who may use a voucher.
        base_url: whose vouchers they are, for the lock keys.
        lock_secret: what voucher codes are turned into lock keys with.
        pauses: waits for the moment to renew.
        hooks: told about refunds and renewals.
    """

    def __init__(
        self,
        sender: Sender,
        *,
        reservations: Reservations,
        charges: Charges,
        desk: Desk,
        lock: VoucherLock,
        base_url: str,
        lock_secret: str,
        pauses: Pauses,
        hooks: Hooks,
    ) -> None:
        self.sender = sender
        self.reservations = reservations
        self.charges = charges
        self.desk = desk
        self.lock = lock
        self.pauses = pauses
        self.hooks = hooks
        self._base_url = base_url
        self._lock_secret = lock_secret

    def key(self, code: str) -> str:
        """What stands for a voucher code in the lock."""
        return voucher_key(code, self._base_url, self._lock_secret)

    async def redeem(
        self,
        *,
        code: str,
        amount: Amount,
        currency: str,
        order_number: str,
        pin: str | None = None,
        timeout: float | None = None,
    ) -> Charge:
        """Reserve and charge; documented at `VoucherClient.redeem`."""
        deadline = self.sender.deadline(timeout)
        request = self.reservations.request(code=code, amount=amount, currency=currency, pin=pin)
        ChargeReservationRequest(order_number=order_number)  # a bad one is refused before anything is sent
        key, value = self.key(code), to_amount(amount)

        async def charge(flow: Flow, reservation: Reservation) -> Charge:
            return await self.reservations.charge_by(
                flow, reservation, order_number=order_number, currency=currency
            )

        async def work(flow: Flow) -> Charge:
            flow.key = (key, str(value), currency, order_number)
            await self.desk.settle_earlier(flow)
            async with in_turn(self.lock, (key,), deadline, last=True):
                charged = self.desk.recall(flow)
                if charged is not None:
                    return self.reservations.numbering.own(charged)
                reservation = await self._reserve(request, deadline)
                try:
                    return await charge(flow, reservation)
                except ApiError as refusal:
                    return await self._charge_once_more(flow, request, charge, refusal)

        return await self.desk.run(deadline, work)

    async def _charge_once_more(
        self,
        flow: Flow,
        request: Request[Reservation],
        charge: Callable[[Flow, Reservation], Awaitable[Charge]],
        refusal: ApiError,
    ) -> Charge:
        """Charge a new reservation after a refusal: another client's may have ended the first one meanwhile.

        The new one is a fence: whatever may still be under way with the old one is refused from now on, so
        that a look tells for good whether that one was charged. Once, and no more.
        """
        case, has_looked = flow.case, refusal.proof is Proof.REFUSED
        if case is None or not has_looked or refusal.status in _NO_VERDICT or flow.abandoned:
            raise refusal
        reservation: Reservation | None = None
        with contextlib.suppress(VoucherError):
            reservation, _ = await self.reservations.make(request, flow.deadline)
        is_fenced = reservation is not None
        found = await look_behind(self.desk.engine, flow, case, refusal, is_fenced=is_fenced)
        if found is not None:
            return self.reservations.numbering.own(found)
        if reservation is None or flow.abandoned:
            raise refusal
        return await charge(flow, reservation)

    async def _reserve(self, request: Request[Reservation], deadline: Deadline) -> Reservation:
        try:
            reservation, _ = await self.reservations.make(request, deadline)
        except VoucherError as error:
            if error.fate is Fate.UNKNOWN:
                error.fate = Fate.NOT_SENT  # a reservation may be there; the charge was not begun
            as_not_done(error, Proof.NOT_SENT)
            raise
        return reservation

    def checkout(self, *, order_number: str, currency: str) -> Checkout:
        """A checkout; documented at `VoucherClient.checkout`."""
        ChargeReservationRequest(order_number=order_number)
        return Checkout(self, order_number=order_number, currency=currency)
