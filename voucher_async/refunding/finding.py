"""Finding what an order took: by the journal's records, and by the lists of its vouchers.

The journal knows the charges of its clients at once, and which charge each of their refunds is of. The lists
know what others have done: refunds by hand, and charges of which the journal has no record. Lists lag, and
filters are not to be relied on, so whole lists are read, and what the journal knows counts whether a list
shows it yet or not.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.api_errors import BadAnswer
from voucher_async.cancelling import WAITS
from voucher_async.errors import InvalidInput, VoucherError
from voucher_async.models import Charge, ChargeType
from voucher_async.money import total
from voucher_async.operations import CHARGE_RESERVATION, GET_VOUCHER, REFUND_CHARGE
from voucher_async.order_refunds import OrderRefundFailed
from voucher_async.payments.call import CHECKOUT, REDEEM, CallRecord, CallState, Parameters
from voucher_async.payments.known import charge_in, currency_in, in_plain, record_of_charge
from voucher_async.payments.likeness import Likeness, compare
from voucher_async.payments.ownership import ask_journal
from voucher_async.payments.recording import Recorder
from voucher_async.refunding.standing import Standing, Taken, standing_of
from voucher_async.sansio import build

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from voucher_async.checkout.kit import CheckoutKit
    from voucher_async.clock import Deadline

__all__ = ["Finder", "settled"]

_CHARGING: Final = frozenset({REDEEM, CHARGE_RESERVATION.id})
_MOVING: Final = _CHARGING | {CHECKOUT, REFUND_CHARGE.id}
_AGAIN: Final = 1.0  # seconds after which a list that was not read whole is read once more


@attrs.define
class _Known:
    """The part of an order that the journal knows.

    Attributes:
        charges: its charges, by id, with their records.
        refunds: the refunds of them, by id, with the ids of their charges.
    """

    charges: dict[str, tuple[Charge, CallRecord]] = attrs.Factory(dict[str, "tuple[Charge, CallRecord]"])
    refunds: dict[str, tuple[Charge, str]] = attrs.Factory(dict[str, tuple[Charge, str]])

    @classmethod
    def of(cls, records: Iterable[CallRecord]) -> _Known:
        known = cls()
        for record in records:
            operation, charge = record.parameters.operation, record.charge
            if record.state is not CallState.DONE or charge is None:
                continue
            if operation in _CHARGING:
                known.charges[charge.id] = charge_in(record) or charge, record
                known.refunds.update((each.id, (each, charge.id)) for each in record.refunds)
            elif operation == REFUND_CHARGE.id:
                known.refunds[charge.id] = charge, record.parameters.target
        return known

    def refunded(self, charge_id: str) -> Sequence[Charge]:
        return [refund for refund, target in self.refunds.values() if target == charge_id]


class Finder:
    """Finds what an order took.

    Args:
        kit: reads, and settles.
        recover: ends what a dead worker left.
        order_number: the order, the shop's own number.
        voucher_ids: vouchers that may have paid for it, beside those that the journal knows.
        own: the id of the record of its refund, whose parts are its own to settle.
        deadline: when to give up.
    """

    def __init__(
        self,
        kit: CheckoutKit,
        recover: Callable[[CallRecord], Awaitable[CallRecord | None]],
        *,
        order_number: str,
        voucher_ids: Sequence[str],
        own: str,
        deadline: Deadline,
    ) -> None:
        self._kit = kit
        self._recover = recover
        self._ownership = kit.joining.ownership
        self._settler = kit.supervisor.settler
        self._order_number = order_number
        self._voucher_ids = voucher_ids
        self._own = own
        self._deadline = deadline

    async def find(self) -> Standing:
        """The part of the order that is charged, and not refunded.

        Raises:
            InvalidInput: nobody knows the order, or it was paid in more than one currency.
            OrderRefundFailed: a call of the order is open, or under way. It has no proof: what was given back
                before is not known here.
            VoucherError: what the vouchers' lists say could not be read.
        """
        records = await self._settled_records()
        known = _Known.of(records)
        if not records and not self._voucher_ids:
            raise InvalidInput(
                "order_number",
                "is of no call that the journal of this client knows: give the vouchers that paid for it, "
                "voucher_ids=[...]",
                self._order_number,
            )
        vouchers = dict.fromkeys([*(c.voucher_id for c, _ in known.charges.values()), *self._voucher_ids])
        lists = await asyncio.gather(*map(self._list, vouchers))
        entries = await self._unowned(known, [entry for entries in lists for entry in entries])
        taken = await self._taken(known, entries)
        currencies = sorted({each.currency for each in taken if each.left})
        if len(currencies) > 1:
            raise InvalidInput(
                "order_number",
                f"was paid in {' and '.join(currencies)}: refund its charges one by one",
                self._order_number,
            )
        return standing_of(taken, self._unattributed(known, entries))

    # calls of the order that have not ended

    async def _settled_records(self) -> list[CallRecord]:
        records = await self._records()
        unfinished = [each for each in records if self._is_unfinished(each)]
        if not unfinished:
            return records
        await asyncio.gather(*map(self._settle, unfinished))
        records = await self._records()
        left = [each for each in records if self._is_unfinished(each)]
        if left:
            raise self._open(left)
        return records

    async def _records(self) -> list[CallRecord]:
        """The records of the order, and those of refunds in doubt that do not name it."""

        async def read() -> list[CallRecord]:
            journal, scope = self._ownership.journal, self._ownership.scope
            return [each async for each in journal.history(scope, order_number=self._order_number)]

        records = [each for each in await ask_journal(read()) if each.parameters.operation in _MOVING]
        charged = _Known.of(records).charges
        there = {each.id for each in records}
        for voucher_id in dict.fromkeys(charge.voucher_id for charge, _ in charged.values()):
            doubtful = await ask_journal(self._ownership.journal.alike(self._probe(voucher_id)))
            records += (
                each for each in doubtful if each.id not in there and each.parameters.target in charged
            )
            there |= {each.id for each in doubtful}
        return records

    def _probe(self, voucher_id: str) -> CallRecord:
        """A record that is like every refund of a voucher."""
        probe = self._ownership.new_record(Parameters(operation=REFUND_CHARGE.id), None)
        return attrs.evolve(probe, state=CallState.SENT, voucher_id=voucher_id)

    def _is_unfinished(self, record: CallRecord) -> bool:
        return not record.ended and record.parent != self._own

    async def _settle(self, record: CallRecord) -> None:
        """End a call of the order if that can be done; the record says whether it was."""
        try:
            with WAITS.limit(self._deadline.left()):
                is_alive = await self._ownership.is_alive(record)
                is_begun = record.state is CallState.BEGUN
                if record.parameters.operation == CHECKOUT or (is_begun and not is_alive):
                    await self._wait_for(record)
                    await self._recover(record)
                else:
                    await self._kit.supervisor.settle(record.view, self._deadline)
        except (VoucherError, TimeoutError):
            return

    async def _wait_for(self, record: CallRecord) -> None:
        """Wait while a live worker drives a checkout."""
        while record.state in {CallState.BEGUN, CallState.SENT} and await self._ownership.is_alive(record):
            await self._kit.pauses.wait_within(_AGAIN, self._deadline)
            now = await ask_journal(self._ownership.journal.get(record.scope, record.id))
            if now is None or self._deadline.left() <= 0 or self._kit.pauses.are_over:
                return
            record = now

    def _open(self, left: Sequence[CallRecord]) -> OrderRefundFailed:
        words = ", ".join(f"{each.parameters.operation} ({each.state})" for each in left)
        return OrderRefundFailed(
            f"the order has calls that are open or under way ({words}), so nothing more was refunded: settle "
            "them, then ask again",
            open_calls=[each.view for each in left],
        )

    # lists

    async def _list(self, voucher_id: str) -> Sequence[Charge]:
        """The entries of a voucher that are of the order, charges and refunds, as the list shows them."""
        looking = self._settler.looking
        look = await looking.read(voucher_id, self._deadline)
        if not look.all:  # entries have moved meanwhile
            await self._kit.pauses.wait_within(_AGAIN, self._deadline)
            look = await looking.read(voucher_id, self._deadline)
        if not look.all:
            raise BadAnswer("HTTP 200 with a list of charges that is not complete", status=200)
        at = (attrs.evolve(each, voucher_id=voucher_id) for each in look.charges)
        return [each for each in at if self._likeness(each) is not Likeness.OTHER]

    async def _unowned(self, known: _Known, entries: Sequence[Charge]) -> list[Charge]:
        """The entries without those that the journal knows to be another order's.

        Order numbers come back changed, or not at all: an entry of another order may look like one of this.
        """
        kept: list[Charge] = []
        for entry in entries:
            is_known = entry.id in known.charges or entry.id in known.refunds
            record = None if is_known else await self._record_of(entry.id)
            if record is not None and record.parameters.operation == REFUND_CHARGE.id:
                target = record.parameters.target
                if target in known.charges:  # a refund that was made meanwhile
                    known.refunds[entry.id] = entry, target
                record = await self._record_of(target)
            order_number = None if record is None else record.parameters.order_number
            if order_number in {None, self._order_number}:
                kept.append(entry)
        return kept

    async def _record_of(self, charge_id: str) -> CallRecord | None:
        record = await record_of_charge(self._ownership, charge_id, self._deadline)
        return record and await in_plain(self._ownership, record, self._order_number, self._deadline)

    def _likeness(self, entry: Charge) -> Likeness:
        return compare(self._order_number, self._settler.numbering.own(entry).order_number)

    async def _taken(self, known: _Known, entries: Sequence[Charge]) -> list[Taken]:
        shown = {each.id: each for each in entries}
        strangers = [each for each in entries if each.id not in known.charges and self._is_ours(each)]
        charges = [*(charge for charge, _ in known.charges.values()), *strangers]
        currencies = await self._currencies(known, charges)
        return [
            Taken(
                charge=self._settler.numbering.own(charge),
                currency=currencies[charge.id],
                position=position,
                refunded=total(refund.amount for refund in known.refunded(charge.id)),
                mark=self._mark(shown.get(charge.id)),
            )
            for position, charge in enumerate(charges)
        ]

    def _is_ours(self, entry: Charge) -> bool:
        """True for a charge of this client: order numbers are not unique among those who share a voucher."""
        is_own = entry.client_id == self._settler.settings.client_id
        return entry.type == ChargeType.CHARGE and is_own and self._likeness(entry) is Likeness.EQUAL

    def _mark(self, shown: Charge | None) -> str | None:
        numbering = self._settler.numbering
        if shown is None or not numbering.is_on or numbering.own(shown).order_number == shown.order_number:
            return None
        return shown.order_number

    def _unattributed(self, known: _Known, entries: Sequence[Charge]) -> list[Charge]:
        return [each for each in entries if each.type == ChargeType.REFUND and each.id not in known.refunds]

    async def _currencies(self, known: _Known, charges: Sequence[Charge]) -> dict[str, str]:
        """The currency of each charge: by its record, else its voucher's."""
        found: dict[str, str] = {}
        of_voucher: dict[str, str] = {}
        for charge in charges:
            record = known.charges[charge.id][1] if charge.id in known.charges else None
            currency = None if record is None else currency_in(record)
            if currency is None:
                if charge.voucher_id not in of_voucher:
                    request = build(GET_VOUCHER, ids={"id": charge.voucher_id})
                    answer = await self._settler.sender.send(request, self._deadline)
                    of_voucher[charge.voucher_id] = answer.value.currency.upper()
                currency = of_voucher[charge.voucher_id]
            found[charge.id] = currency
        return found


async def settled(kit: CheckoutKit, record: CallRecord, deadline: Deadline) -> CallRecord:
    """A part of a refund, once its record has ended; as it is, where it stays open.

    Args:
        kit: settles.
        record: the record of one refund.
        deadline: when to give up.
    """
    if record.ended:
        return record
    ownership, settlement = kit.joining.ownership, None
    with contextlib.suppress(VoucherError):
        settlement = await kit.supervisor.settle(record.view, deadline)
    now = await ask_journal(ownership.journal.get(record.scope, record.id)) or record
    if settlement is None or now.ended or now.owner != ownership.owner:
        return now
    recorder = Recorder(ownership, now, is_stored=True)  # this client knows the end, and could not write it
    await recorder.settled(kit.supervisor.settler.numbering.own_settlement(settlement))
    return recorder.record
