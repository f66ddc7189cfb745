"""Taking back what was charged once too often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.api_errors import MissingScope
from voucher_async.errors import VoucherError
from voucher_async.outcomes import OutcomeUnknown, StillRunning
from voucher_async.payments.call import CallRecord, CallState
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

    Of n charges n - 1 are refunded, with the keys `.../surplus/1` to `.../surplus/n-1` of the call's record.
    So at least one stands, however many workers refund, and whichever of the charges each wants to keep.

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

    async def kept_first(self, money_call: MoneyCall, found: Sequence[Charge]) -> tuple[Charge, ...] | None:
        """The charges that were found, those last that some worker refunds already; None: try again later."""
        if len(found) < _TWO:
            return tuple(found)
        try:
            slots = await self._slots(money_call, len(found) - 1)
        except VoucherError:
            return None
        targets = {record.parameters.target for record in slots.values() if record is not None}
        return tuple(sorted(found, key=lambda charge: charge.id in targets))

    async def _slots(self, money_call: MoneyCall, count: int) -> dict[str, CallRecord | None]:
        """The keys of the refunds, and the record that has each; None for a key that is free.

        Raises:
            JournalFailed: the journal cannot be read.
        """
        journal, scope, slots = self.ownership.journal, self.ownership.scope, dict[str, CallRecord | None]()
        for number in range(1, count + 1):
            key = f"{money_call.pending.id}/surplus/{number}"
            record = await ask_journal(journal.find(scope, key))
            slots[key] = None if record is None or record.state is CallState.NOT_DONE else record
        return slots

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
                money_call, charge, currency or "", len(surplus)
            ):
                return None
        done = (money_call.taken_back[charge.id] for charge in surplus)
        return tuple(refunded for refunded in done if refunded is not None)

    async def _refund_one(self, money_call: MoneyCall, charge: Charge, currency: str, count: int) -> bool:
        """Refund one charge of so many; False when it has to be tried again later."""
        try:
            refunded = self._settled(money_call, charge)
            if refunded is None:
                key, refunded = await self._slot(money_call, charge, count)
                refunded = refunded or await self.refund(self.numbering.own(charge), currency, key)
        except StillRunning:
            return False  # another worker refunds, or has left that in doubt
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

    def _settled(self, money_call: MoneyCall, charge: Charge) -> Charge | None:
        """The refund that this client has sent before, and that was in doubt; None where there is none.

        Raises:
            StillRunning: it is in doubt still, and settled as a call of its own.
        """
        before = money_call.refunding.get(charge.id)
        if before is None:
            return None
        settlement = self.registry.settlement(before)
        if settlement is None:
            raise StillRunning("its refund is in doubt", pending=money_call.pending)
        del money_call.refunding[charge.id]
        return settlement.charge

    async def _slot(self, money_call: MoneyCall, charge: Charge, count: int) -> tuple[str, Charge | None]:
        """The key for the refund of a charge, and the refund, where a worker has made it.

        Raises:
            StillRunning: that refund is in doubt, or under way, or others have all keys.
            JournalFailed: the journal cannot be read.
        """
        slots = await self._slots(money_call, count)
        for key, record in slots.items():
            if record is not None and record.parameters.target == charge.id:
                if record.charge is None:
                    raise StillRunning("another worker refunds it", pending=record.view)
                return key, record.charge
        free = next((key for key, record in slots.items() if record is None), None)
        if free is None:
            raise StillRunning("another worker refunds another charge", pending=money_call.pending)
        return free, None

    def _leave(
        self, money_call: MoneyCall, surplus: Sequence[Charge], error: VoucherError | None
    ) -> tuple[Charge, ...]:
        for charge in surplus:
            self.report.surplus_left(money_call, charge, error)
        return ()
