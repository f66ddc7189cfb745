"""Contents of answers about a charge, where habits have them say something else than was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from voucher_async.testing._records import ChargeRecord
    from voucher_async.testing._state import Command
    from voucher_async.testing._views import Json

__all__ = ["listed", "read", "told"]

_SOMEBODY = "6f0d3f0e-9b1c-4a52-8f55-6d0c5f1e2b77"  # the id of a client that the emulator does not have


def told(command: Command, charge: ChargeRecord, view: Json) -> tuple[ChargeRecord, Json]:
    """A new charge as it is kept, and the answer to whoever made it."""
    habits = command.habits
    if habits.echoes_as_sent:
        view = {**view, "order_number": charge.sent_order_number}
    if habits.charge_client_id == "another":
        charge = attrs.evolve(charge, shown={"client_id": _SOMEBODY})
    view = {**_owned(command, view), **charge.shown}
    contradiction = habits.contradiction
    if contradiction is None or charge.type not in contradiction.kinds or not habits.meets("contradiction"):
        return charge, view
    if contradiction.in_lists:
        charge = attrs.evolve(charge, shown={**charge.shown, **contradiction.of(view)})
    return charge, {**view, **contradiction.of(view)}


def read(command: Command, charge: ChargeRecord, view: Json) -> Json:
    """The answer to whoever asks for a charge."""
    return {**_owned(command, view), **charge.shown}


def listed(command: Command, charge: ChargeRecord, view: Json) -> Json:
    """The entry of a charge in a list."""
    view = read(command, charge, view)
    match command.habits.list_order_numbers:
        case "missing":
            view.pop("order_number", None)
        case "null":
            view["order_number"] = None
        case _:
            pass
    return view


def _owned(command: Command, view: Json) -> Json:
    match command.habits.charge_client_id:
        case "missing":
            return {name: value for name, value in view.items() if name != "client_id"}
        case "null":
            return {**view, "client_id": None}
        case _:
            return view  # a client id of its own is stored with the charge
