"""`voucher-async settle` and `resolve`: find out how calls ended, or say so."""

import datetime as dt
from typing import Any, Final

from cyclopts import App

from voucher_async.cli.awaiting import Settling, patience
from voucher_async.cli.common import DEFAULT, Common, Session
from voucher_async.cli.exits import Exit
from voucher_async.cli.journaling import call_of, called, one_of, openness, shortened, text_of
from voucher_async.errors import InvalidInput
from voucher_async.journals.sql import SqlJournal
from voucher_async.models import Charge, ChargeType
from voucher_async.operations import CHARGE_RESERVATION
from voucher_async.outcomes import OutcomeUnknown
from voucher_async.payments.call import CHECKOUT, COMPOSED, REDEEM, CallRecord, CallState
from voucher_async.reconciliation.entries import KINDS

__all__ = ["register"]

_SETTLED: Final = ("id", "state", "charge", "why", "call")
_TYPES: Final = frozenset(ChargeType)
_CLOCKS: Final = dt.timedelta(minutes=5)  # between the server's and this machine's
_CHARGING: Final = frozenset({REDEEM, CHARGE_RESERVATION.id, CHECKOUT})


def register(app: App) -> None:
    """Add the commands to the program."""
    app.command(settle)
    app.command(resolve)


async def settle(id: str | None = None, /, *, wait: float | None = None, common: Common = DEFAULT) -> int:
    """Find out how the calls ended that `pending` lists; what was found is in the journal from then on.

    The vouchers' lists are read, and no call is made a second time. A call that was carried out is found at
    once; to be sure that one was not takes the whole settle window, 60 seconds. What was charged once too
    often is refunded, and a checkout of a process that is gone is charged whole or refunded, those of others
    that such processes left included. Operation `listCharges`, scope `read-lists`.

    Exit status 3: some are still open.

    Args:
        id: The id of one call, or its beginning of 6 characters or more. Default: all.
        wait: Seconds to wait for the ends. Default: 30 more than the settle window, so 90.
        common: see `Common`.
    """
    async with common.session() as session:
        journal = session.journal
        seconds = patience(session, wait)
        records = await session.client.history(ended=False).to_list(limit=None)
        if id is not None:
            found = one_of(records, id) or await _ended(session, id)
            records = [found]
        if not records:
            session.terminal.say("Nothing is open.")
            return Exit.DONE
        left = [each for each in records if not each.ended]
        if any(each.parameters.operation in _CHARGING for each in left):
            session.confirm(
                f"Settle {len(left)} calls, and refund what was charged once too often or in part,"
            )
        settling = Settling(session, journal, left, seconds)
        await settling.run()
        await settling.close()
        ends = [settling.ends.get(each.id, each) for each in records]
        names = {each.id: each.id for each in ends} if common.json else shortened(ends)
        rows = [await _end_row(each, names, settling, journal) for each in ends]
        session.terminal.show(rows, _SETTLED)
    _tell_surplus(session, rows)
    still_open = [each for each in ends if not each.ended]
    if still_open:
        session.terminal.say(f"Still open: {len(still_open)}. `voucher-async pending` tells what is next.")
    elif any(each.state is CallState.DONE and not each.told for each in ends):
        session.terminal.say("`voucher-async untold` lists charges until somebody was told of them.")
    if still_open:
        return Exit.OPEN
    return Exit.PARTLY if settling.surplus else Exit.DONE


def _tell_surplus(session: Session, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        for refund in row["surplus_refunds"]:
            what = f"{text_of(refund['amount'], refund['currency'])} (charge {refund['charge']})"
            session.terminal.say(f"Charged once too often by the {row['call']}: {what}; {_refunded(refund)}.")
        for charge in row["surplus"]:
            session.terminal.say(
                f"Perhaps charged once too often by the {row['call']}: charge {charge}; it was not refunded. "
                "Make sure that it is no other payment before you refund it."
            )


def _refunded(refund: dict[str, Any]) -> str:
    return "refunded" if refund["state"] == CallState.DONE else f"its refund is {refund['state']}"


async def _ended(session: Session, start: str) -> CallRecord:
    """A record that has ended.

    Raises:
        InvalidInput: there is none with such an id.
    """
    record = one_of(await session.client.history(ended=True).to_list(limit=None), start)
    if record is None:
        raise InvalidInput("id", "is of no call in this journal; `pending` lists those that are open", start)
    return record


async def _end_row(
    record: CallRecord, names: dict[str, str], settling: Settling, journal: SqlJournal
) -> dict[str, Any]:
    made, reason = record.charge, settling.reasons.get(record.id)
    surplus = await _surplus_refunds(record, journal)
    found = made and f"{made.type} of {made.amount:.2f} at {made.created_at.isoformat(timespec='seconds')}"
    return {
        **call_of(record),
        "id": names[record.id],
        "call": called(record),
        "charge": made and made.id,
        "proof": record.proof and str(record.proof),
        "why": found or (record.proof and str(record.proof)) or (None if record.ended else reason),
        "surplus": settling.surplus.get(record.id, []),
        "surplus_refunds": surplus,
    }


async def _surplus_refunds(record: CallRecord, journal: SqlJournal) -> list[dict[str, Any]]:
    """The refunds of what the call had charged once too often."""
    refunds: list[dict[str, Any]] = []
    while True:
        found = await journal.find(record.scope, f"{record.id}/surplus/{len(refunds) + 1}")
        if found is None:
            return refunds
        refunds.append({"charge": found.parameters.target, **call_of(found)})


async def resolve(
    id: str,
    /,
    *,
    by: str,
    why: str,
    done: str | None = None,
    not_done: bool = False,
    voucher: str | None = None,
    common: Common = DEFAULT,
) -> int:
    """Say how a call ended that nothing else can settle, after a look in the Admin UI.

    Make sure of it: a call that is said not to have been carried out is charged when its key is used again.
    What is known is shown, and you are asked before the verdict is recorded, with your name and your reason.
    Nothing is sent but the read of the charge (operation `getCharge`, scope `read`).

    Args:
        id: The id of the call, or its beginning of 6 characters or more.
        by: Your name.
        why: Your reason.
        done: It was carried out, and this is the id of its charge, refund or recharge.
        not_done: It was not carried out, and will not be.
        voucher: The id of the voucher of that charge, where the journal does not know it.
        common: see `Common`.
    """
    if (done is None) is not not_done:
        raise InvalidInput("done", "or --not-done must be given, and not both", done)
    async with common.session() as session:
        journal = session.journal
        records = await session.client.history(ended=False).to_list(limit=None)
        record = one_of(records, id)
        if record is None:
            ended = await _ended(session, id)
            raise InvalidInput("id", f"is of a call that has ended: it is {ended.state}", id)
        is_alive = await journal.is_alive(record.owner)
        _show_known(session, record, is_alive=is_alive)
        await _check_parts(journal, record, done)
        charge = None if done is None else await _charge(session, journal, record, done, voucher)
        verdict = "it was not carried out" if charge is None else f"{_told(charge)} is its {charge.type}"
        for doubt in [] if charge is None else _doubts(record, charge):
            session.terminal.say(doubt)  # whoever says --yes reads it, too
        session.terminal.confirm(f"Record for good that {verdict}, in {session.where}?")
        try:
            settlement = await session.client.resolve(
                record.view, done=charge, not_done=not_done, by=by, why=why
            )
        except OutcomeUnknown as error:
            session.terminal.say(f"error: {error}; nothing was recorded.")
            return Exit.OPEN
        session.terminal.show_one(
            {
                **call_of(record),
                "state": settlement.state.value,
                "charge": charge and charge.id,
                "proof": settlement.proof and str(settlement.proof),
            }
        )
    return Exit.DONE


def _show_known(session: Session, record: CallRecord, *, is_alive: bool) -> None:
    known = openness(record, session.client.settings, is_alive=is_alive)
    say = session.terminal.say
    say(f"{record.id}: {called(record)}, key {record.key or '-'}, voucher {record.voucher_id or '-'}")
    say(f"{record.state} since {known.since}: {known.why}")
    for step in record.transitions:
        say(f"  {step.at.isoformat(timespec='seconds')} {step.state}{f': {step.why}' if step.why else ''}")


async def _check_parts(journal: SqlJournal, record: CallRecord, done: str | None) -> None:
    """Refuse a verdict on a whole whose parts say something else.

    Raises:
        InvalidInput: a part has moved money that stands, or is open; or one charge is named for the whole.
    """
    if record.parameters.operation not in COMPOSED:
        return
    if done is not None:
        raise InvalidInput("done", "is for one charge: resolve the parts of this call, then settle it", done)
    for part in await journal.children(record.scope, record.id):
        if not part.ended:
            raise InvalidInput(
                "id", f"is of a call with a part that is open: resolve {part.id} first", record.id
            )
        if part.charge is not None and not part.refunds:
            what = f"{part.charge.type} {part.charge.id}"
            raise InvalidInput(
                "not_done", f"would deny the {what}, which a part of this call made", record.id
            )


async def _charge(
    session: Session, journal: SqlJournal, record: CallRecord, charge_id: str, voucher: str | None
) -> Charge:
    """The charge that a call is said to have made.

    Raises:
        InvalidInput: its voucher is not known, it is another call's, or of a type that the call never makes.
        NotFound: there is no such charge.
    """
    owner = await journal.owner_of(record.scope, charge_id)
    if owner not in {None, record.id}:
        raise InvalidInput("done", f"is the charge of another call, {owner}", charge_id)
    known = record.view.voucher_id or record.voucher_id
    if known is not None and voucher not in {None, known}:
        raise InvalidInput("voucher", f"must be that of the call, {known}", voucher)
    voucher_id = known or voucher
    if voucher_id is None:
        raise InvalidInput("voucher", "must be given: the journal does not know the voucher", None)
    charge = await session.client.charges.get(charge_id, voucher_id=voucher_id)
    kind = KINDS.get(record.parameters.operation, charge.type)
    if charge.type != kind and charge.type in _TYPES:
        raise InvalidInput("done", f"must be a {kind}, and is a {charge.type}", charge_id)
    return charge


def _told(charge: Charge) -> str:
    order = f" for order {charge.order_number}" if charge.order_number else ""
    made = charge.created_at.isoformat(timespec="seconds")
    return f"{charge.id} of {charge.amount:.2f}{order}, made at {made}"


def _doubts(record: CallRecord, charge: Charge) -> list[str]:
    """The facts that speak against a verdict, in sentences."""
    asked, said = record.view.amount or record.parameters.amount, list[str]()
    if asked is not None and asked != charge.amount:
        said.append(f"The call asked for {text_of(asked, record.view.currency)}, not {charge.amount:.2f}.")
    if record.order_number and charge.order_number and record.order_number != charge.order_number:
        said.append(f"The call is for order {record.order_number}, not {charge.order_number}.")
    if record.begun_at - charge.created_at > _CLOCKS:
        made, begun = (each.isoformat(timespec="seconds") for each in (charge.created_at, record.begun_at))
        said.append(f"It was made at {made}, before the call was begun, at {begun}.")
    return said
