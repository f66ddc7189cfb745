"""An operator's verdict about an outcome that nothing else can settle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.errors import InvalidInput, Proof
from voucher_async.models import Charge
from voucher_async.operations import GET_CHARGE
from voucher_async.outcomes import OutcomeUnknown, Settlement, SettlementState
from voucher_async.payments.call import DRIVEN, REFUND_ORDER, CallRecord, CallState
from voucher_async.payments.facts import Event, Facts, call_of
from voucher_async.payments.ownership import ask_journal
from voucher_async.sansio import build

if TYPE_CHECKING:
    from voucher_async.clock import Deadline
    from voucher_async.outcomes import PendingOutcome
    from voucher_async.payments.machine import Machine
    from voucher_async.payments.ownership import Ownership
    from voucher_async.payments.supervisor import Supervisor

__all__ = ["Verdict", "resolve"]

_LONGEST: Final = 1000
_UNDER_WAY: Final = "its call is under way: wait for its end"


@attrs.frozen(kw_only=True)
class Verdict:
    """The verdict of an operator on the end of a call.

    Attributes:
        charge: it was carried out, and this is its charge, or its charge's id; None: it was not.
        by: the operator's name.
        why: the operator's reason.
    """

    charge: Charge | str | None
    by: str
    why: str

    def check(self) -> None:
        """Refuse a verdict that nobody could read later.

        Raises:
            InvalidInput: `by` or `why` is empty, too long, or holds characters that cannot be printed.
        """
        for name, text in (("by", self.by), ("why", self.why)):
            if not 0 < len(text.strip()) <= _LONGEST or not text.isprintable():
                raise InvalidInput(name, f"must be 1 to {_LONGEST} printable characters", text[:_LONGEST])


async def resolve(
    supervisor: Supervisor,
    ownership: Ownership,
    pending: PendingOutcome,
    verdict: Verdict,
    deadline: Deadline,
) -> Settlement:
    """Record an operator's verdict; documented at `VoucherClient.resolve`."""
    verdict.check()
    pending.check_place(supervisor.settler.settings.base_url, supervisor.settler.settings.client_id)
    supervisor.open_cut_off()
    if supervisor.settler.registry.under_way(pending.id) is not None:
        raise OutcomeUnknown(_UNDER_WAY, pending=pending)
    charge = verdict.charge
    if isinstance(charge, str):
        charge = await _read(supervisor, pending, charge, deadline)
    settlement = Settlement(
        pending=pending,
        state=SettlementState.NOT_DONE if charge is None else SettlementState.DONE,
        charge=charge,
        proof=Proof.RESOLVED if charge is None else None,
    )
    await _record(supervisor.settler.machine, ownership, settlement, verdict)
    supervisor.resolved(settlement)
    return settlement


async def _read(
    supervisor: Supervisor, pending: PendingOutcome, charge_id: str, deadline: Deadline
) -> Charge:
    if pending.voucher_id is None:
        raise InvalidInput("done", "must be the charge, not its id: its voucher is not known", charge_id)
    ids = {"id": pending.voucher_id, "charge_id": charge_id}
    return (await supervisor.settler.sender.send(build(GET_CHARGE, ids=ids), deadline)).value


async def _record(machine: Machine, ownership: Ownership, settlement: Settlement, verdict: Verdict) -> None:
    journal, pending = ownership.journal, settlement.pending
    while True:
        record = await ask_journal(journal.get(ownership.scope, pending.id))
        if record is None:
            await ask_journal(journal.claim(_recorded(ownership, settlement, verdict, None)))
            return
        if record.ended:
            raise InvalidInput("pending", f"is not open: its record says {record.state}", pending.id)
        if settlement.charge is not None:
            await _check_owner(ownership, settlement.charge, pending)
        if settlement.charge is None and await _has_given_back(ownership, record):
            words = "is of an order's refund, a part of which was made: ask again with its key"
            raise InvalidInput("pending", words, pending.id)
        if not await _may_be_said(machine, ownership, record, settlement):
            raise OutcomeUnknown(_UNDER_WAY, pending=pending)
        if await ask_journal(journal.save(_recorded(ownership, settlement, verdict, record), durable=True)):
            return


async def _check_owner(ownership: Ownership, charge: Charge, pending: PendingOutcome) -> None:
    """Refuse the charge of another call: no journal stores one for two.

    Raises:
        InvalidInput: another record has it.
    """
    owner = await ask_journal(ownership.journal.owner_of(ownership.scope, charge.id))
    if owner not in {None, pending.id}:
        raise InvalidInput("done", f"must be this call's charge: it is that of the call {owner}", charge.id)


async def _has_given_back(ownership: Ownership, record: CallRecord) -> bool:
    """Tell whether a key would be freed whose next caller gives back once more what was given back."""
    if record.parameters.operation != REFUND_ORDER or record.key is None:
        return False
    parts = await ask_journal(ownership.journal.children(record.scope, record.id))
    return any(each.charge is not None or not each.ended for each in parts)


async def _may_be_said(
    machine: Machine, ownership: Ownership, record: CallRecord, settlement: Settlement
) -> bool:
    """Tell whether the machine lets an operator end a call: nobody drives it, or its owner is dead."""
    call, facts = call_of(record), Facts(ownership.clock.monotonic(), owner=ownership.owner)
    if record.state in DRIVEN and not await ownership.is_alive(record):
        taken = machine.advance(call, Event.TAKEN_OVER, facts)
        call = machine.advance(taken, Event.LEFT_OPEN, facts)
    event = Event.SAID_DONE if settlement.charge is not None else Event.SAID_NOT_DONE
    return machine.may(call, event, facts)


def _recorded(
    ownership: Ownership, settlement: Settlement, verdict: Verdict, record: CallRecord | None
) -> CallRecord:
    """The record with the verdict; one of its own for a call that this journal does not know."""
    pending = settlement.pending
    if record is None:
        about = CallRecord.about(
            pending, scope=ownership.scope, owner=ownership.owner, at=ownership.clock.now()
        )
        record = attrs.evolve(about, version=0)
    return record.step(
        CallState.DONE if settlement.charge is not None else CallState.NOT_DONE,
        at=ownership.clock.now(),
        by=verdict.by,
        why=verdict.why,
        proof=settlement.proof,
        charge=settlement.charge,
        told=True,
    )
