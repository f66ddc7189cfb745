"""Charges of a checkout that were refused, and may have been carried out by a copy that came late.

Theory of operation. "Refused" says nothing of a copy that a proxy holds, so the doubt stays with the key. Its
next run looks for each such charge, as it claims the key, and once more right before it charges: by then its
reservations have ended those of earlier runs. What is found, or unclear, becomes this run's: the plan of its
run is written anew, then the records of its charges. From there it is finished as any checkout that was left:
all of the plan is charged, then it is done; else what was charged is refunded (`finishing.py`). So the record
that is written first tells whoever takes it over the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.checkout.finishing import child_of
from voucher_async.errors import JournalFailed, Proof
from voucher_async.models import Charge, Reservation
from voucher_async.money import ZERO
from voucher_async.operations import CHARGE_RESERVATION
from voucher_async.outcomes import OutcomeUnknown
from voucher_async.payments.call import CHECKOUT, REDEEM, CallRecord, CallState, Parameters, Planned, new_id
from voucher_async.payments.known import earlier_of, parts_of
from voucher_async.payments.money_call import CallContext
from voucher_async.payments.recording import Recorder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voucher_async.checkout.kit import CheckoutKit
    from voucher_async.clock import Deadline

__all__ = ["Late", "adopt", "find_late"]

_CHARGING: Final = frozenset({CHECKOUT, REDEEM, CHARGE_RESERVATION.id})
_OF_ONE_CALL: Final = frozenset({Proof.NOT_SENT, Proof.UNAUTHORIZED})  # silent about earlier requests


@attrs.frozen(kw_only=True)
class Late:
    """A charge that was refused, and was carried out, or may have been.

    Attributes:
        run: the record of the call that it is part of.
        record: its own record.
        charge: the charge; None where it is unclear.
        error: the reason why it is unclear.
    """

    run: CallRecord
    record: CallRecord
    charge: Charge | None = None
    error: OutcomeUnknown | None = None


async def find_late(kit: CheckoutKit, recorder: Recorder, deadline: Deadline) -> list[Late]:
    """Look for the charges of earlier runs that were refused, and of earlier tries of this one.

    Args:
        kit: looks.
        recorder: writes the record of this run.
        deadline: when to give up; what is not clear by then is unclear.

    Raises:
        IdempotencyMismatch: one of a call that is no checkout was carried out; the record is its own now.
        JournalFailed: the journal cannot be read.
    """
    found: list[Late] = []
    # the latest first: of two that look alike, who sent the later one has looked for the other
    for late in reversed(await _doubtful(kit, recorder.record)):
        context = CallContext(deadline, late.record)
        try:
            charge = await kit.joining.replay.look_again(late.record, context)
        except OutcomeUnknown as error:
            found.append(attrs.evolve(late, error=error))
            continue
        if charge is not None:
            charge = kit.supervisor.settler.numbering.own(charge)
            if late.run.parameters.operation != CHECKOUT:
                await kit.joining.replay.check_late(charge, late.run.parameters, recorder)
            found.append(attrs.evolve(late, charge=charge))
    return found


async def _doubtful(kit: CheckoutKit, record: CallRecord) -> list[Late]:
    """The charges that may be carried out yet, or may not have shown, the oldest first.

    The latest word on a reservation counts: it is charged once.
    """
    latest: dict[str, Late] = {}
    for run in await _runs(kit, record):
        for each in await _charges_of(kit, run):
            reservation = each.view.reservation_id or each.parameters.target
            if each.proof not in _OF_ONE_CALL or reservation not in latest:
                latest[reservation] = Late(run=run, record=each)
    return [late for late in latest.values() if kit.joining.replay.may_be_late(late.record)]


async def _runs(kit: CheckoutKit, record: CallRecord) -> list[CallRecord]:
    runs = (*await earlier_of(kit.joining.ownership, record), record)
    return [each for each in runs if each.parameters.operation in _CHARGING]


async def _charges_of(kit: CheckoutKit, run: CallRecord) -> Sequence[CallRecord]:
    if run.parameters.operation != CHECKOUT:
        return [run]
    parts = await parts_of(kit.joining.ownership, run) if run.plan else []
    return [each for each in parts if each.parameters.operation == CHARGE_RESERVATION.id]


async def adopt(kit: CheckoutKit, recorder: Recorder, found: Sequence[Late]) -> None:
    """Make what was found a part of this run: the plan first, then the records.

    Args:
        kit: has the journal.
        recorder: writes the record of this run.
        found: what was carried out late, or may have been.

    Raises:
        StillRunning: another worker has the record, or the charge.
        JournalFailed: it could not be written; the next run looks again.
    """
    plan, parts, parameters = _planned_anew(recorder.record, found)
    recorder.record = attrs.evolve(recorder.record, parameters=parameters)
    await recorder.planned(plan)
    for late, planned in parts:
        await _store(kit, recorder, late, planned)


def _planned_anew(
    record: CallRecord, found: Sequence[Late]
) -> tuple[list[Planned], list[tuple[Late, Planned]], Parameters]:
    """The plan of the run that was charged late, with new ids, each charge's place in it, and its parameters.

    Charges of several runs are no run's payment, nor is one that has no place in a plan: with an entry that
    is never charged the plan is not fulfilled, so that all is refunded.
    """
    runs = {late.run.id: late.run for late in found}
    anew = {each.record: attrs.evolve(each, record=new_id()) for run in runs.values() for each in run.plan}
    is_one = len(runs) == 1 and all(late.record.id in anew for late in found)
    parts = [(late, anew.setdefault(late.record.id, _unplanned(late.record))) for late in found]
    plan = list(anew.values())
    if is_one:
        return plan, parts, found[0].run.parameters
    return [*plan, attrs.evolve(plan[0], record=new_id())], parts, record.parameters


def _unplanned(record: CallRecord) -> Planned:
    """A place in the plan for a charge without one: of a `redeem`, or of a plan that was replaced."""
    sent, at = record.view, record.begun_at
    reservation = Reservation(
        id=sent.reservation_id or record.parameters.target,
        voucher_id=sent.voucher_id or "",
        voucher_taxable=False,
        amount=sent.amount or ZERO,
        valid_until=at,
        created_at=at,
        updated_at=at,
    )
    return Planned(target="", asked=reservation.amount, reservation=reservation)


async def _store(kit: CheckoutKit, recorder: Recorder, late: Late, planned: Planned) -> None:
    ownership = kit.joining.ownership
    own = Recorder(ownership, child_of(ownership, recorder.record, planned), is_stored=False)
    if late.error is None:
        await own.done(late.charge, told=True, why="a refused request was carried out after all")
    else:
        pending = attrs.evolve(late.error.pending, id=own.id)
        await own.opened(OutcomeUnknown(str(late.error.args[0]), pending=pending))
    if own.is_lost:
        raise recorder.taken_over(None)
    if own.record.state is not (CallState.DONE if late.error is None else CallState.OPEN):
        raise JournalFailed("a charge that was carried out late cannot be stored; nothing was sent")
