"""Taking back what was charged once too often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.api_errors import MissingScope
from voucher_async.errors import VoucherError
from voucher_async.outcomes import OutcomeUnknown, StillRunning
from voucher_async.payments.evidence import RULES
from voucher_async.payments.looking import read_currency
from voucher_async.payments.numbering import Numbering
from voucher_async.payments.ownership import Ownership, ask_journal
from voucher_async.payments.registry import Registry
from voucher_async.payments.report import Report
from voucher_async.payments.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from voucher_async.clock import Deadline
    from voucher_async.models import Charge
    from voucher_async.payments.money_call import MoneyCall

    Refund = Callable[[Charge, str, str], Awaitable[Charge]]

__all__ = ["Surplus"]

_TRIES: Final = 8
_TWO: Final = 2  # requests that may have had an effect: fewer leave no surplus


@attrs.define(eq=False, repr=False)
class Surplus:
    """One per client.

    Each refund has a key, made of the call's record and the charge: of several workers one sends it.

    Args:
        sender: reads the currency of a voucher.
        refund: refunds a whole charge, in time of its own: the charge, its currency, the key.
        ownership: reads what became of the refunds of other workers.
        registry: knows whose charge is whose.
        report: tells hooks and log what became of a surplus.
        numbering: order numbers as the shop has them.
    """

    sender: Sender
    refund: Refund
    ownership: Ownership
    registry: Registry
    report: Report
    numbering: Numbering

    async def take_back(
        self, money_call: MoneyCall, surplus: Sequence[Charge], deadline: Deadline
    ) -> tuple[Charge, ...] | None:
        """Refund what was carried out beyond the one that counts.

        Returns:
            The refunds; None when it has to be tried again later.
        """
        # an outcome whose record this client has not taken over may be another worker's to end
        is_foreign = money_call.foreign and not (money_call.recorder and money_call.recorder.is_own)
        is_ours = money_call.effects >= _TWO or money_call.pending.reference is not None
        if is_foreign or not is_ours or not RULES[money_call.pending.operation].take_back:
            return self._leave(money_call, surplus, None)
        for charge in surplus:
            self.registry.take(charge.id, money_call.pending.id)  # from here on no other call finds it
        try:
            currency = await read_currency(self.sender, money_call.pending, deadline)
        except MissingScope as error:
            return self._leave(money_call, surplus, error)
        except VoucherError:
            return None
        for charge in surplus:
            if charge.id not in money_call.taken_back and not await self._refund_one(
                money_call, charge, currency or ""
            ):
                return None
        done = (money_call.taken_back[charge.id] for charge in surplus)
        return tuple(refunded for refunded in done if refunded is not None)

    async def _refund_one(self, money_call: MoneyCall, charge: Charge, currency: str) -> bool:
        """Refund one charge; False when it has to be tried again later."""
        key = f"{money_call.pending.id}/surplus/{charge.id}"
        try:
            earlier = await self._earlier(money_call, charge, key)
            refunded = earlier or await self.refund(self.numbering.own(charge), currency, key)
        except StillRunning:
            return False  # another worker refunds it, or has left that in doubt
        except OutcomeUnknown as error:
            money_call.refunding[charge.id] = error.pending.id
            return False
        except VoucherError as error:
            money_call.tries += 1
            if money_call.tries < _TRIES:
                return False
            money_call.taken_back[charge.id] = None
            self.report.surplus_left(money_call, charge, error)
            return True
        money_call.taken_back[charge.id] = refunded
        self.report.surplus_refunded(money_call, charge)
        return True

    async def _earlier(self, money_call: MoneyCall, charge: Charge, key: str) -> Charge | None:
        """The refund that this client has sent before, or another worker; None where there is none.

        Raises:
            StillRunning: that refund is in doubt, or under way.
            JournalFailed: the journal cannot be read.
        """
        before = money_call.refunding.get(charge.id)
        if before is not None:
            settlement = self.registry.settlement(before)
            if settlement is None:  # it is settled as a call of its own
                raise StillRunning("its refund is in doubt", pending=money_call.pending)
            del money_call.refunding[charge.id]
            if settlement.charge is not None:
                return settlement.charge
        record = await ask_journal(self.ownership.journal.find(self.ownership.scope, key))
        if record is not None and not record.ended:
            raise StillRunning("another worker refunds it", pending=record.view)
        return None if record is None else record.charge

    def _leave(
        self, money_call: MoneyCall, surplus: Sequence[Charge], error: VoucherError | None
    ) -> tuple[Charge, ...]:
        for charge in surplus:
            self.report.surplus_left(money_call, charge, error)
        return ()
