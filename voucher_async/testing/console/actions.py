"""Changes that the console's page asks for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, cast

import attrs

from voucher_async.testing import habits
from voucher_async.testing._json import read_json
from voucher_async.testing._records import ALL_SCOPES
from voucher_async.testing._state import State
from voucher_async.testing.console.emulated import Emulated
from voucher_async.testing.console.forms import HABITS, fault_of
from voucher_async.testing.console.guard import Refused
from voucher_async.testing.console.rows import moment, voucher_facts

if TYPE_CHECKING:
    from collections.abc import Callable


__all__ = ["ACTIONS", "Request"]

_ANY: Final = "*"
_MOST: Final = 100  # faults of one script
_LONGEST: Final = 366 * 86400.0  # seconds: the calendar does not end before somebody tires of pressing
_LAST_YEAR: Final = 9000
_VOUCHER: Final = ("code", "pin", "type", "batch", "sku", "order_number")


@attrs.frozen
class Request:
    """A change that was asked for, read with care.

    Attributes:
        emulator: what is changed.
        state: the emulator's memory, to read.
        body: the JSON object.
    """

    emulator: Emulated
    state: State
    body: Mapping[str, object] = attrs.field(repr=False)

    @classmethod
    def of(cls, emulator: Emulated, state: State, content: bytes) -> Request:
        """Read a body; raises `Refused` when it is no JSON object."""
        try:
            body = read_json(content or b"{}")
        except ValueError:
            raise Refused(400, "The body is no JSON.") from None
        if not isinstance(body, dict):
            raise Refused(400, "The body has to be a JSON object.")
        return cls(emulator, state, cast("dict[str, object]", body))

    def text(self, name: str, default: str | None = None) -> str:
        """A text that is not empty."""
        value = self.body.get(name, default)
        if not isinstance(value, str) or not value:
            raise Refused(422, f"{name} has to be a text.")
        if any("\ud800" <= sign <= "\udfff" for sign in value):  # no answer with it could be read
            raise Refused(422, f"{name} has half a sign of two (a surrogate).")
        return value

    def number(self, name: str, least: float, most: float, default: float | None = None) -> float:
        """A number in a range."""
        value = self.body.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise Refused(422, f"{name} has to be a number from {least:g} to {most:g}.")
        return value

    def names(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """Some texts."""
        value = self.body.get(name, default)
        if not isinstance(value, list | tuple):
            raise Refused(422, f"{name} has to be a list of texts.")
        return tuple(str(each) for each in cast("list[object]", value))


def _add_voucher(request: Request) -> Mapping[str, object]:
    given = {name: request.text(name) for name in _VOUCHER if request.body.get(name)}
    amount, currency = request.text("amount"), request.text("currency", "EUR")
    is_active = request.body.get("active", True) is True
    try:
        voucher = request.emulator.add_voucher(amount=amount, currency=currency, active=is_active, **given)
    except ValueError as error:
        raise Refused(422, f"The API refuses such a voucher: {error}") from None
    return voucher_facts(voucher)


def _set_status(request: Request) -> Mapping[str, object]:
    id, status = request.text("id"), request.text("status")
    if id not in request.state.vouchers:
        raise Refused(404, "There is no such voucher.")
    if status not in {"active", "inactive"}:
        raise Refused(422, "status has to be active or inactive.")
    return voucher_facts(request.emulator.set_status(id, cast("Literal['active', 'inactive']", status)))


def _new_pin(request: Request) -> Mapping[str, object]:
    scopes = request.names("scopes", ALL_SCOPES)
    if not scopes or not set(scopes) <= set(ALL_SCOPES):
        raise Refused(422, f"scopes has to be some of {', '.join(ALL_SCOPES)}.")
    text = request.emulator.new_connect_pin(scopes=scopes, name=request.text("name", "Shop"))
    pin = request.state.pins[text]
    return {"pin": text, "client_id": pin.client_id, "valid_until": moment(pin.valid_until)}


def _script(request: Request) -> Mapping[str, object]:
    count = request.number("count", 1, _MOST, 1)
    if count != math.floor(count):
        raise Refused(422, "count has to be a whole number.")
    fault = fault_of(request.text("kind"), _fields(request))
    request.emulator.faults.script(request.text("operation", _ANY), *[fault] * int(count))
    return {"fault": repr(fault)}


def _chance(request: Request) -> Mapping[str, object]:
    share, seed = request.number("share", 0, 1), request.number("seed", 0, 2**53, 1)
    kind, operation = request.text("kind", _ANY), request.text("operation", _ANY)
    request.emulator.faults.chance(
        share,
        seed=int(seed),
        operations=None if operation == _ANY else [operation],
        kinds=None if kind == _ANY else [fault_of(kind, _fields(request))],
    )
    return {"share": share}


def _fields(request: Request) -> Mapping[str, object]:
    fields = request.body.get("fields", {})
    if not isinstance(fields, dict):
        raise Refused(422, "fields has to be an object.")
    return cast("dict[str, object]", fields)


def _delay(request: Request) -> Mapping[str, object]:
    faults = request.emulator.faults
    faults.date_offset = request.number("date_offset", -_LONGEST, _LONGEST, faults.date_offset)
    faults.list_lag = request.number("list_lag", 0, _LONGEST, faults.list_lag)
    return {"date_offset": faults.date_offset, "list_lag": faults.list_lag}


def _no_faults(request: Request) -> Mapping[str, object]:
    request.emulator.faults.clear()
    return {}


def _take_on(request: Request) -> Mapping[str, object]:
    name = request.text("kind")
    if name not in habits.KINDS:
        raise Refused(422, f"There is no habit {name!r}.")
    request.emulator.habits.set(**habits.KINDS[name])
    return {"kind": name}


def _take_off(request: Request) -> Mapping[str, object]:
    name = request.text("habit")
    if name not in HABITS:
        raise Refused(422, f"There is no habit {name!r}.")
    request.emulator.habits.set(**{name: getattr(habits.Habits(), name)})
    return {"habit": name}


def _no_habits(request: Request) -> Mapping[str, object]:
    request.emulator.habits.clear()
    return {}


def _advance(request: Request) -> Mapping[str, object]:
    seconds = request.number("seconds", 0, _LONGEST)
    if request.emulator.now().year >= _LAST_YEAR:
        raise Refused(422, "The calendar ends soon.")
    request.emulator.advance(seconds)
    return {"now": moment(request.emulator.now())}


ACTIONS: Final[Mapping[str, Callable[[Request], Mapping[str, object]]]] = MappingProxyType(
    {
        "vouchers": _add_voucher,
        "vouchers/status": _set_status,
        "pins": _new_pin,
        "faults": _script,
        "faults/chance": _chance,
        "faults/delay": _delay,
        "faults/clear": _no_faults,
        "habits": _take_on,
        "habits/off": _take_off,
        "habits/clear": _no_habits,
        "clock": _advance,
    }
)
"""Changes by the path below the console's that a POST asks for them at."""
