"""`voucher-async pending`, `untold` and `order`: the journal's records of money calls."""

from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from voucher_async.cli.commands import settling
from voucher_async.cli.common import DEFAULT, Common, Session
from voucher_async.cli.comparing import Compared, Entry, compare_order
from voucher_async.cli.exits import Exit
from voucher_async.cli.journaling import call_of, called, one_of, openness, shortened
from voucher_async.errors import InvalidInput
from voucher_async.journals.sql import SqlJournal
from voucher_async.masking import visible
from voucher_async.operations import CREATE_VOUCHER
from voucher_async.payments.call import CallRecord

__all__ = ["register"]

_UNTOLD: Final = ("id", "operation", "amount", "currency", "order_number", "charge", "at")
_RECORDS: Final = ("id", "operation", "state", "amount", "currency", "key", "charge", "refunds", "told")
_ENTRIES: Final = ("charge", "type", "amount", "at", "record")
_SHORT: Final = 8  # characters of a charge's id in the table of records


def register(app: App) -> None:
    """Add the commands to the program."""
    app.command(order)
    app.command(pending)
    app.command(untold)
    settling.register(app)


async def pending(*, common: Common = DEFAULT) -> None:
    """List the calls whose end nobody knows yet, with the reason and the next step.

    They are those of the profile's journal: in doubt, under way in another process, or left by a process that
    is gone. Nothing is sent, so this works without a connection.

    Args:
        common: see `Common`.
    """
    async with common.session() as session:
        journal = session.journal
        records = await session.client.history(ended=False).to_list(limit=None)
        names = shortened(records)
        for number, record in enumerate(records):
            is_alive = await journal.is_alive(record.owner)
            known = openness(record, session.client.settings, is_alive=is_alive)
            row = {"since": known.since, "why": known.why, "settled_by": known.settled_by}
            if common.json:
                more = {"voucher_id": record.voucher_id, "parent": record.parent}
                session.terminal.line({**call_of(record), **row, **more})
                continue
            if number:
                session.terminal.out.print()
            call = {"id": names[record.id], "call": called(record), "key": record.key}
            session.terminal.show_one({**call, "state": record.state.value, **row})
        if not records and not common.json:
            session.terminal.say("Nothing is open.")


async def untold(
    *ids: str,
    acknowledge: Annotated[bool, Parameter(name="--acknowledge")] = False,
    common: Common = DEFAULT,
) -> int:
    """List the calls that were carried out, and of which no caller was told; and acknowledge them.

    A customer has paid, for example, and the shop may not know: its process ended before it heard of the
    charge. Mark such an order as paid, or give the money back, then acknowledge it. Nothing is sent.

    Args:
        ids: Ids of calls, or their beginnings of 6 characters or more. Default: all.
        acknowledge: Note that somebody knows of these calls now, so that they are listed no more.
        common: see `Common`.
    """
    if acknowledge and not ids:
        raise InvalidInput("id", "must be given: `untold` lists the ids that can be acknowledged", None)
    async with common.session() as session:
        journal = session.journal
        listed = await session.client.history(told=False).to_list(limit=None)
        records = [each for each in listed if not await _is_told_as_a_part(journal, each)]
        if ids:
            records = [_found(records, start) for start in dict.fromkeys(ids)]
        names = shortened(records) if not common.json else {each.id: each.id for each in records}
        if acknowledge:
            chosen = {each.id for each in records}
            for record in listed:
                if record.id in chosen or record.parent in chosen:
                    await session.client.acknowledge(record)
        rows = [_untold_row(record, names, is_told=acknowledge) for record in records]
        for row in rows if not common.json else []:
            row["charge"] = row["charge"] or (row["voucher_id"] and f"voucher {row['voucher_id']}")
        session.terminal.show(
            rows,
            _UNTOLD,
            empty="There is no charge of which nobody was told.",
        )
        if acknowledge:
            session.terminal.say(f"Acknowledged: {len(records)}.")
    return Exit.DONE


def _created_by(record: CallRecord) -> str | None:
    return record.parameters.target if record.parameters.operation == CREATE_VOUCHER.id else None


async def _is_told_as_a_part(journal: SqlJournal, record: CallRecord) -> bool:
    """True for a part of a checkout, or of an order's refund, whose caller was told of the whole."""
    whole = None if record.parent is None else await journal.get(record.scope, record.parent)
    return whole is not None and whole.told


def _found(records: list[CallRecord], start: str) -> CallRecord:
    record = one_of(records, start)
    if record is None:
        raise InvalidInput("id", "is of no call of which nobody was told; `untold` lists them", start)
    return record


def _untold_row(record: CallRecord, names: dict[str, str], *, is_told: bool) -> dict[str, Any]:
    charge = record.charge
    made = {
        "charge": charge and charge.id,
        "voucher_id": (charge and charge.voucher_id) or record.voucher_id or _created_by(record),
        "at": (charge.created_at if charge else record.changed_at).isoformat(timespec="seconds"),
        "told": is_told,
    }
    return {**call_of(record), "id": names[record.id], **made}


async def order(
    number: str,
    /,
    *,
    voucher: Annotated[tuple[str, ...], Parameter(name="--voucher")] = (),
    common: Common = DEFAULT,
) -> None:
    """Show what the journal and the API say of an order, side by side, and name the differences.

    The journal knows the calls of its own clients; the API's lists show the charges and refunds of everybody,
    those that were made by hand, too. Reads alone (operations `listCharges` and `getCharge`, scopes
    `read-lists` and `read`).

    Args:
        number: The order number.
        voucher: The id of a voucher that may have paid for the order, beside those that the journal knows;
            may be repeated.
        common: see `Common`.
    """
    async with common.session() as session:
        journal = session.journal
        records = await session.client.history(order_number=number).to_list(limit=None)
        charged = {each.charge.id for each in records if each.charge is not None}
        async for each in session.client.history(ended=False):  # a refund in doubt may name no order
            if each.parameters.target in charged and each.order_number is None:
                records.append(each)
        compared = Compared(number, records, extra=voucher)
        _show_records(session, compared.records)
        if not compared.vouchers:
            session.terminal.say(
                "No voucher is known for this order, so no list was read: --voucher ID names one."
            )
            return
        await compare_order(compared, session.client, journal)
        _show_entries(session, compared)
        _show_differences(session, compared)


def _show_records(session: Session, records: list[CallRecord]) -> None:
    if session.terminal.as_json:
        for record in records:
            session.terminal.line({"kind": "record", **record.to_dict()})
        return
    session.terminal.out.print("The journal:", style="bold")
    names = shortened(records)
    session.terminal.show(
        (_record_row(each, names) for each in records),
        _RECORDS,
        empty="The journal has no call of this order.",
    )


def _record_row(record: CallRecord, names: dict[str, str]) -> dict[str, Any]:
    charge = None if record.charge is None else record.charge.id
    if charge is not None and len(charge) > _SHORT:
        charge = f"{charge[:_SHORT]}..."
    refunds = [f"{each.amount:.2f}" for each in record.refunds]
    made = {"charge": charge, "refunds": refunds, "told": record.told}
    return {**call_of(record), "id": names[record.id], **made}


def _show_entries(session: Session, compared: Compared) -> None:
    terminal, names = session.terminal, shortened(compared.records)
    for voucher_id in compared.vouchers:
        rows = [_entry_row(each) for each in compared.entries if each.charge.voucher_id == voucher_id]
        if not terminal.as_json:
            rows = [{**row, "record": names.get(row["record"] or "")} for row in rows]
            terminal.out.print()
            terminal.out.print(f"The API's list of voucher {visible(voucher_id)}:", style="bold")
        terminal.show(rows, _ENTRIES, empty="It has nothing of this order.")


def _entry_row(entry: Entry) -> dict[str, Any]:
    charge = entry.charge
    return {
        "kind": "entry",
        "charge": charge.id,
        "type": str(charge.type),
        "amount": f"{charge.amount:.2f}",
        "voucher": charge.voucher_id,
        "order_number": charge.order_number,
        "client_id": charge.client_id,
        "at": charge.created_at.isoformat(timespec="seconds"),
        "record": entry.record_id,
    }


def _show_differences(session: Session, compared: Compared) -> None:
    terminal = session.terminal
    for each in compared.differences:
        if terminal.as_json:
            terminal.line({"kind": "difference", **each.to_dict()})
    open_calls = sum(not each.ended for each in compared.records)
    if open_calls:
        terminal.say(f"Open calls of this order: {open_calls}. `voucher-async pending` tells what is next.")
    if terminal.as_json:
        return
    terminal.out.print()
    if not compared.differences:
        both = "Both say the same." if compared.entries else "Neither has a charge of this order."
        terminal.out.print(both, style="bold")
        return
    terminal.out.print("Differences:", style="bold")
    for each in compared.differences:
        terminal.out.print(f"* {each.shown}", soft_wrap=not terminal.out.is_terminal)
