"""Rows and switches that a page shows of an emulator, as JSON."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from voucher_async.testing._views import moment as iso
from voucher_async.testing._views import money
from voucher_async.testing.habits import KINDS, brief

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping

    from voucher_async.testing._log import RequestEntry
    from voucher_async.testing._records import (
        ClientRecord,
        Movement,
        ReservationRecord,
        VoucherRecord,
    )
    from voucher_async.testing.console.emulated import Emulated
    from voucher_async.testing.faults import Fault, Faults
    from voucher_async.testing.habits import Habits

__all__ = [
    "Row",
    "client_row",
    "moment",
    "movement_row",
    "request_row",
    "reservation_row",
    "switches",
    "voucher_facts",
]

Row = dict[str, object]

_SHOWN: Final = 20  # runs of equal faults that one operation waits for


def moment(value: dt.datetime) -> str:
    """A moment with its offset, to the millisecond."""
    return value.isoformat(timespec="milliseconds")


def voucher_facts(voucher: VoucherRecord) -> Row:
    """A voucher. Its code and PIN are shown on purpose: the money is made up, and a till needs them."""
    return {
        "id": voucher.id,
        "code": voucher.code,
        "pin": voucher.pin,
        "amount": money(voucher.amount),
        "balance": money(voucher.balance),
        "currency": voucher.currency,
        "status": voucher.status,
        "type": voucher.type,
        "valid_until": iso(voucher.valid_until),
        "batch": voucher.batch,
        "order_number": voucher.sent_order_number,
    }


def reservation_row(reservation: ReservationRecord, voucher: VoucherRecord | None, *, newest: bool) -> Row:
    """A reservation; whether it is over is for the page to say, whose clock goes on."""
    return {
        "id": reservation.id,
        "voucher_id": reservation.voucher_id,
        "code": voucher.code if voucher else None,
        "amount": money(reservation.amount),
        "currency": voucher.currency if voucher else "",
        "ends_at": moment(reservation.ends_at),
        "charged": reservation.charged,
        "newest": newest,
    }


def movement_row(movement: Movement, code: object, currency: object) -> Row:
    """A line of the ledger."""
    return {
        "kind": movement.kind,
        "voucher_id": movement.voucher_id,
        "code": code,
        "currency": currency,
        "amount": money(movement.amount),
        "balance": money(movement.balance),
        "at": moment(movement.at),
        "order_number": movement.order_number,
    }


def request_row(entry: RequestEntry) -> Row:
    """A request, as the request log has it: without anything secret."""
    return {
        "operation": entry.operation_id,
        "method": entry.method,
        "path": entry.path,
        "status": entry.status,
        "at": moment(entry.at),
        "fault": entry.fault,
        "client_id": entry.client_id,
    }


def client_row(client: ClientRecord) -> Row:
    """A client without its secret."""
    return {
        "id": client.id,
        "name": client.name,
        "scopes": client.scopes,
        "connected_at": iso(client.connected_at),
    }


def switches(emulator: Emulated) -> Row:
    """Everything that the page's switches stand for."""
    return {
        "faults": _faults(emulator.faults),
        "habits": _habits(emulator.habits),
        "clock": _clock(emulator),
    }


def _faults(faults: Faults) -> Row:
    chance = faults.chances
    return {
        "scripted": [
            {
                "operation": operation,
                "faults": list(itertools.islice(_runs(script), _SHOWN)),
                "count": len(script),
            }
            for operation, script in faults.scripted.items()
        ],
        "chance": None
        if chance is None
        else {
            "share": chance.share,
            "seed": chance.seed,
            "operations": sorted(chance.operations),
            "kinds": [repr(kind) for kind in chance.kinds],
        },
        "date_offset": faults.date_offset,
        "list_lag": faults.list_lag,
    }


def _runs(script: Iterable[Fault | None]) -> Iterable[tuple[str, int]]:
    for fault, run in itertools.groupby(script):
        yield ("none" if fault is None else repr(fault)), len(list(run))


def _habits(habits: Habits) -> Mapping[str, Row]:
    on = habits.on
    return {name: {"kind": _kind(name, on), "text": brief(value)} for name, value in on.items()}


def _kind(habit: str, on: Mapping[str, object]) -> str | None:
    """The name of a habit as it is on; None for one that was made by hand."""
    fitting = (
        name
        for name, kind in KINDS.items()
        if habit in kind and all(on.get(each) == value for each, value in kind.items())
    )
    return next(fitting, None)


def _clock(emulator: Emulated) -> Row:
    """Movement of the clock: by hand, or by itself, so many seconds ahead of its source."""
    ahead = round((emulator.now() - emulator.clock.now()).total_seconds())
    if hasattr(emulator.clock, "advance"):
        return {"by_hand": True, "ahead": ahead, "now": moment(emulator.now())}
    return {"by_hand": False, "ahead": ahead}
