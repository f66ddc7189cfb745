"""A caller: makes one call of the plan, and writes down what it was told."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any

import attrs

from tests.chaos.plan import CURRENCY, LAST, Call, code_of
from tests.chaos.records import CANCELLED, CRASHED, DONE, NOT_DONE, UNKNOWN, Began, Journal, Outcome, Told
from tests.chaos.watcher import CALL, Watcher
from voucher_async import (
    ApiError,
    Charge,
    CheckoutFailed,
    ConfigurationError,
    HeldOutcome,
    JournalFailed,
    OutcomeUnknown,
    PendingOutcome,
    VoucherClient,
    VoucherError,
)

Meddle = Callable[[], Awaitable[None]]


@attrs.define
class Refundable:
    """A charge that a caller was told, the order number that was sent, and what is left of it to refund."""

    charge: Charge
    order: str
    left: Decimal


@attrs.frozen
class Refund:
    """A refund to be made: of which charge, and how much."""

    target: Refundable
    amount: Decimal


def _open_in(error: Exception | None) -> PendingOutcome | None:
    """What an error leaves open; a refusal that could not be looked into does, too."""
    return error.pending if isinstance(error, (OutcomeUnknown, ApiError)) else None


def _is_unread(call: Call, error: VoucherError) -> bool:
    """Whether a call says that it sent nothing, and not whether its key was paid with before."""
    return bool(call.key) and isinstance(error, (ConfigurationError, JournalFailed)) and not error.proof


def _proof_of(error: Exception | None) -> str:
    return error.proof.name if isinstance(error, VoucherError) and error.proof else ""


def _outcome(held: HeldOutcome) -> Outcome:
    pending = _open_in(held.error)
    return Outcome(
        voucher=held.voucher_id,
        state=str(held.state),
        charge=held.charge.id if held.charge else "",
        pending=pending.id if pending else "",
        proof=_proof_of(held.error),
    )


class Caller:
    """Makes calls.

    Args:
        client: what they are made with.
        journal: where they are written down.
        watcher: the client's hook.

    Attributes:
        refundable: the charges that can be refunded.
        open: the outcomes that callers were told are unknown, by id.
        holds_back: what was charged is refunded only when nobody asks for it any more.
        held_back: what was charged so far, by payment.
        made: how many calls were begun; those who ask again for a payment do not count.
    """

    def __init__(self, client: VoucherClient, journal: Journal, watcher: Watcher) -> None:
        self._client = client
        self._journal = journal
        self._watcher = watcher
        self.refundable: list[Refundable] = []
        self.open: dict[str, PendingOutcome] = {}
        self.made = 0
        self.holds_back = False
        self.held_back: dict[str, list[Refundable]] = {}

    def pick(self, where: float) -> Refundable | None:
        """One of the refundable charges; `where` is between 0 and 1."""
        return self.refundable[int(where * len(self.refundable))] if self.refundable else None

    def refund_of(self, call: Call, target: Refundable | None) -> Refund | None:
        """What a call refunds of a charge; that much less of it is left."""
        if target is None:
            return None
        amount = (target.left * Decimal(str(call.part))).quantize(Decimal("0.01"))
        amount = max(amount, Decimal("0.01"))
        target.left -= amount
        if target.left <= 0 and target in self.refundable:
            self.refundable.remove(target)
        return Refund(target, amount)

    async def make(
        self, number: int, call: Call, *, refund: Refund | None = None, meddle: Meddle | None = None
    ) -> str:
        """Make a call, and say what the caller was told.

        Args:
            number: the piece of work it belongs to.
            call: the call.
            refund: the refund, where it is one.
            meddle: done between reserving and charging, in a checkout.
        """
        self.made += not call.turn
        self._begin(number, call, refund)
        task = asyncio.create_task(self._tell(call, self._do(call, refund, meddle)))
        going: asyncio.TimerHandle | None = None
        if call.cancel is not None and call.cancel.after is not None:
            going = asyncio.get_running_loop().call_later(call.cancel.after, task.cancel)
        elif call.cancel is not None:
            self._watcher.leavers[call.id, call.cancel.at] = task
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if going is not None:
            going.cancel()
        elif call.cancel is not None:
            self._watcher.leavers.pop((call.id, call.cancel.at), None)
        return CANCELLED if task.cancelled() else task.result()

    def _begin(self, number: int, call: Call, refund: Refund | None) -> None:
        self._journal.write(
            Began(
                call=call.id,
                unit=number,
                payment=call.payment,
                kind=call.kind,
                order=refund.target.order if refund else call.order,
                things=(refund.target.charge.id,) if refund else call.vouchers,
                amounts=(str(refund.amount),) if refund else call.amounts,
                at=time.monotonic(),
                patient=call.timeout is None and call.cancel is None,
                key=call.key,
                turn=call.turn,
            )
        )

    async def _tell(self, call: Call, work: Awaitable[Sequence[Charge]]) -> str:
        """Write down what the caller is told, and say it."""
        CALL.set(call.id)
        try:
            charges = await work
        except asyncio.CancelledError:
            told = Told(call=call.id, what=CANCELLED)
        except VoucherError as error:
            told = self._of_error(call, error)
        except Exception as error:  # noqa: BLE001 - anything else is a finding of the storm
            told = Told(call=call.id, what=CRASHED, error=repr(error))
        else:
            told = Told(call=call.id, what=DONE, charges=tuple(charge.id for charge in charges))
            if call.kind in {"redeem", "charge", "checkout"}:
                mine = [Refundable(charge, call.order, charge.amount) for charge in charges]
                if self.holds_back:
                    self.held_back[call.payment] = mine
                else:
                    self.refundable.extend(mine)
        self._journal.write(attrs.evolve(told, at=time.monotonic()))
        return told.what

    def _of_error(self, call: Call, error: VoucherError) -> Told:
        held = error.outcomes if isinstance(error, CheckoutFailed) else ()
        found = [_open_in(error), *(_open_in(outcome.error) for outcome in held)]
        pendings = {pending.id: pending for pending in found if pending is not None}
        self.open.update(pendings)
        return Told(
            call=call.id,
            what=UNKNOWN if found[0] is not None or _is_unread(call, error) else NOT_DONE,
            error=type(error).__name__,
            pendings=tuple(pendings),
            outcomes=tuple(_outcome(outcome) for outcome in held),
            proof=_proof_of(error),
        )

    async def _do(self, call: Call, refund: Refund | None, meddle: Meddle | None) -> Sequence[Charge]:
        client, timeout, key = self._client, call.timeout, call.key or None
        if refund is not None:
            charge = refund.target.charge
            # the whole charge by default, as in most shops
            part = None if refund.amount == charge.amount else refund.amount
            refunding = client.charges.refund(
                charge, part, currency=CURRENCY, timeout=timeout, idempotency_key=key
            )
            return [await refunding]
        if call.kind == "checkout":
            return await self._check_out(call, meddle)
        voucher, value, order = call.vouchers[0], call.amounts[0], call.order
        code = code_of(voucher, loud=call.loud)
        payment: dict[str, Any] = {
            "amount": value,
            "currency": CURRENCY,
            "order_number": order,
            "timeout": timeout,
            "idempotency_key": key,
        }
        if call.kind == "recharge":
            return [await client.vouchers.recharge(id=voucher, **payment)]
        if call.kind == "charge":
            reservation = await client.reservations.create(code=code, amount=value, currency=CURRENCY)
            return [await client.reservations.charge(reservation, order_number=order, timeout=timeout)]
        return [await client.redeem(code=code, **payment)]

    async def _check_out(self, call: Call, meddle: Meddle | None) -> Sequence[Charge]:
        key = call.key or None
        begun = self._client.checkout(order_number=call.order, currency=CURRENCY, idempotency_key=key)
        async with begun as checkout:
            for voucher, amount in zip(call.vouchers, call.amounts, strict=True):
                last = call.timeout if call.turn == LAST else None  # who asks in the calm has time
                await checkout.reserve(code=code_of(voucher), amount=amount, timeout=last)
            if meddle is not None:
                await meddle()
            return await checkout.charge(timeout=call.timeout)
