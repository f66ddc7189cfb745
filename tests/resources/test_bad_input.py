"""Every bad argument of every method is refused here, by name, and nothing is sent."""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import Iterator
from decimal import Decimal
from operator import attrgetter
from typing import Any

import pytest

from voucher_async import (
    ConfigurationError,
    InvalidInput,
    InvalidInputType,
    Listing,
    ManualClock,
    VoucherClient,
    connect,
)
from voucher_async.testing import VoucherEmulator

GOOD: dict[str, dict[str, Any]] = {
    "vouchers.create": {"amount": "1.00", "currency": "EUR"},
    "vouchers.get": {"id": "v-1"},
    "vouchers.get_complete": {"id": "v-1"},
    "vouchers.list": {},
    "vouchers.update": {"id": "v-1", "sku": "s"},
    "vouchers.set_status": {"id": "v-1", "status": "active"},
    "vouchers.activate": {"id": "v-1"},
    "vouchers.deactivate": {"id": "v-1"},
    "vouchers.delete": {"id": "v-1", "comment": "c"},
    "vouchers.recharge": {"amount": "1.00", "currency": "EUR", "order_number": "A-1", "id": "v-1"},
    "vouchers.issue_many": {"specs": [], "batch": "B-1"},
    "vouchers.list_charges": {"id": "v-1"},
    "vouchers.charges": {"id": "v-1"},
    "vouchers.get_charge": {"id": "v-1", "charge_id": "c-1"},
    "charges.list": {"voucher_id": "v-1"},
    "charges.get": {"charge": "c-1", "voucher_id": "v-1"},
    "reservations.create": {"code": "CODE-1", "amount": "1.00", "currency": "EUR"},
    "reservations.charge": {"reservation": "r-1", "order_number": "A-1"},
    "charges.refund": {"charge": "c-1", "amount": "1.00", "currency": "EUR"},
    "clients.connect": {"pin": "4711"},
}
SECRET = {"code", "pin"}
FIELDS = {"reservation": {"id"}, "charge": {"id", "charge_id"}, "voucher_id": {"id"}}

SURROGATE = "abc\ud800def"
HUGE = 10**5000
ZEROES = [0, "0", "0.00", Decimal(0), "-0.00", "0.001"]
AMOUNTS = [
    *(1.5, float("nan"), True, None, b"1.00", [], object()),
    *("1.001", Decimal("1.001"), "0.009", Decimal("1E-3")),
    *("-0.01", -1, Decimal("-0.01"), "-1.00"),
    *("1000000.00", 1_000_000, Decimal("999999.991"), 10**30, HUGE, "9" * 5000),
    *(Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), "NaN", "inf"),
    *("", " ", "abc", "1,50", "1e3", "1.", ".5", " 1.00", "1.00 ", "1_0", "1.00\n", "\u0661", SURROGATE),
]
WRONG_TEXT = [5, b"bytes", True, 1.5, ["x"], SURROGATE]
CURRENCIES = ["EU", "EURO", "", "eur", "Eur", "E1R", "E R", "ÉUR", "EUR\n", " EUR", None, *WRONG_TEXT]
IDS = [
    *("", "x" * 256, ".", "..", "a\nb", "a\rb", "a\tb", "a\0b", "a\x7fb", "a\u2028b"),
    *(None, *WRONG_TEXT),
]
NOT_PAGES = [0, -1, True, 1.0, "1", HUGE, -HUGE]
MOMENTS = [dt.datetime(2026, 1, 1), dt.date(2026, 1, 1), "2026-01-01T00:00:00+00:00", 1_767_225_600, True]  # noqa: DTZ001 - naive is the point


def text(longest: int) -> list[object]:
    return ["", "x" * (longest + 1), *WRONG_TEXT]


ORDERS = [None, "", " ", "\t", " A-1", "A-1 ", *WRONG_TEXT]


KEYS = ["", "x" * 256, "a\nb", "a\0b", SURROGATE, 5, b"k"]
KEYS = ["", "x" * 256, "a\nb", "a\0b", SURROGATE, 5, b"k"]
CHARGE_LISTS: dict[str, Any] = {
    "page": [*NOT_PAGES, None],
    "per_page": NOT_PAGES,
    "created_from": MOMENTS,
    "created_to": MOMENTS,
    "order_number": ["", *WRONG_TEXT],
}
BAD: dict[str, dict[str, list[Any]]] = {
    "vouchers.create": {
        "amount": AMOUNTS,
        "currency": CURRENCIES,
        "id": ["", "x" * 256, ".", "..", "a\nb", "a\0b", *WRONG_TEXT],
        "code": text(255),
        "pin": text(255),
        "sku": ["x" * 256, *WRONG_TEXT],
        "batch": ["x" * 31, *WRONG_TEXT],
        "validity_value": [0, -1, True, 1.5, "3", HUGE, -HUGE],
        "validity_interval": ["decades", "", "Days", *WRONG_TEXT],
        "type": ["paper", "", "Digital", *WRONG_TEXT],
        "taxable": ["yes", 1, 0, ""],
        "tax_rate": [19, 19.0, Decimal(19), SURROGATE],
        "order_number": WRONG_TEXT,
        "idempotency_key": KEYS,
        "data": ["", "not JSON", "{", {}, b"{}", 5, SURROGATE],
    },
    "vouchers.get": {"id": IDS},
    "vouchers.get_complete": {"id": IDS},
    "vouchers.list": {
        "page": [*NOT_PAGES, None],
        "per_page": NOT_PAGES,
        "created_from": MOMENTS,
        "created_to": MOMENTS,
        "order_number": ["", *WRONG_TEXT],
    },
    "vouchers.update": {
        "id": IDS,
        "sku": ["x" * 256, *WRONG_TEXT],
        "batch": ["x" * 31, *WRONG_TEXT],
    },
    "vouchers.set_status": {
        "id": IDS,
        "status": ["paused", "", "Active", None, *WRONG_TEXT],
        "comment": ["  ", *text(255)],
    },
    "vouchers.activate": {"id": IDS, "comment": ["  ", *text(255)]},
    "vouchers.deactivate": {"id": IDS, "comment": ["  ", *text(255)]},
    "vouchers.delete": {"id": IDS, "comment": [None, "  ", *text(255)]},
    "vouchers.recharge": {
        "amount": [*AMOUNTS, *ZEROES],
        "currency": CURRENCIES,
        "order_number": ORDERS,
        "id": text(255),
        "idempotency_key": KEYS,
    },
    "vouchers.issue_many": {
        "specs": [5, None, "x", b"x", {"amount": "1.00"}, object()],
        "batch": ["", " ", "x" * 31, "a\nb", None, *WRONG_TEXT],
        "concurrency": [*NOT_PAGES, None],
        "activate": ["yes", 1, 0, None],
    },
    "vouchers.list_charges": {"id": IDS, **CHARGE_LISTS},
    "vouchers.charges": {"id": IDS, **CHARGE_LISTS},
    "charges.list": {"voucher_id": IDS, **CHARGE_LISTS},
    "charges.get": {"charge": IDS, "voucher_id": IDS},
    "vouchers.get_charge": {"id": IDS, "charge_id": IDS},
    "reservations.create": {
        "amount": [*AMOUNTS, *ZEROES],
        "currency": CURRENCIES,
        "code": [None, *text(255)],
        "pin": text(255),
    },
    "reservations.charge": {"reservation": IDS, "order_number": ORDERS, "idempotency_key": KEYS},
    "charges.refund": {
        "charge": IDS,
        "amount": [*AMOUNTS, *ZEROES],
        "currency": CURRENCIES,
        "idempotency_key": KEYS,
    },
    "clients.connect": {"pin": [None, *text(255)]},
}


def rows() -> Iterator[Any]:
    for method, arguments in BAD.items():
        for argument, values in arguments.items():
            for number, value in enumerate(values):
                yield pytest.param(method, argument, value, id=f"{method}-{argument}-{number}")


@pytest.fixture(scope="module")
def sleeping() -> VoucherEmulator:
    """An emulator that does not listen: whatever is sent anyway fails."""
    return VoucherEmulator(port=1)


async def call(client: VoucherClient, method: str, arguments: dict[str, Any]) -> object:
    result = attrgetter(method)(client)(**arguments)
    if isinstance(result, Listing):
        return await result.first_page()
    return await result if inspect.isawaitable(result) else result


def test_every_public_method_and_argument_is_in_the_table(sleeping: VoucherEmulator) -> None:
    client = VoucherClient("id", "secret", base_url="http://127.0.0.1:1/v1")
    internal = {"reservations.request", "reservations.make", "reservations.charge_by", "charges.take_back"}
    methods = {
        f"{group}.{name}": set(inspect.signature(method).parameters) - {"timeout"}
        for group in ("vouchers", "reservations", "charges", "clients")
        for name, method in inspect.getmembers(getattr(client, group), inspect.ismethod)
        if not name.startswith("_") and f"{group}.{name}" not in internal
    }
    without_arguments = {"clients.disconnect": set[str]()}
    table = {method: set(arguments) for method, arguments in BAD.items()}
    table["vouchers.recharge"].add("code")  # tested by itself, together with the id
    assert table | without_arguments == methods


@pytest.mark.parametrize(("method", "argument", "value"), list(rows()))
async def test_a_bad_argument_is_refused_by_name(method: str, argument: str, value: object) -> None:
    arguments = {**GOOD[method], argument: value}
    async with VoucherClient("id", "secret", base_url="http://127.0.0.1:1/v1") as client:
        with pytest.raises(InvalidInput) as caught:
            await call(client, method, arguments)
    error = caught.value
    assert error.field in {argument, *FIELDS.get(argument, ())}
    assert error.rule
    assert error.field in str(error)
    assert error.rule in str(error)
    assert len(str(error)) < 300
    assert error.facts is None
    if argument in SECRET and value is not None and value != "":
        assert error.value == "***"
        assert str(value)[:200] not in str(error)
    else:
        assert error.value


@pytest.mark.parametrize("method", ["vouchers.create", "vouchers.recharge", "reservations.create"])
async def test_a_float_is_also_a_type_error_and_a_bad_number_a_value_error(
    client: VoucherClient, emulator: VoucherEmulator, method: str
) -> None:
    with pytest.raises(TypeError):
        await call(client, method, {**GOOD[method], "amount": 1.0})
    with pytest.raises(InvalidInputType):
        await call(client, method, {**GOOD[method], "amount": True})
    with pytest.raises(ValueError, match="amount"):
        await call(client, method, {**GOOD[method], "amount": "1.001"})
    assert emulator.requests.count() == 0


async def test_bad_input_leaves_the_request_log_empty(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    for method, arguments in BAD.items():
        for argument, values in arguments.items():
            for value in values[:3]:
                with pytest.raises(InvalidInput):
                    await call(client, method, {**GOOD[method], argument: value})
    assert emulator.requests.count() == 0


@pytest.mark.parametrize(
    "names",
    [{}, {"code": "CODE-1", "id": "v-1"}, {"code": "", "id": None}, {"code": None, "id": None}],
    ids=["neither", "both", "empty", "none"],
)
async def test_recharge_wants_exactly_one_of_code_and_id(
    client: VoucherClient, emulator: VoucherEmulator, names: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await client.vouchers.recharge(amount="1", currency="EUR", order_number="A-1", **names)
    assert "CODE-1" not in str(caught.value)
    assert emulator.requests.count() == 0


@pytest.mark.parametrize("value", text(255))
async def test_a_bad_code_of_a_recharge_is_not_shown(
    client: VoucherClient, emulator: VoucherEmulator, value: Any
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await client.vouchers.recharge(amount="1", currency="EUR", order_number="A-1", code=value)
    assert caught.value.field == "code"
    assert caught.value.value == "***"
    assert emulator.requests.count() == 0


async def test_an_update_of_nothing_is_refused(client: VoucherClient, emulator: VoucherEmulator) -> None:
    with pytest.raises(InvalidInput) as caught:
        await client.vouchers.update("v-1")
    assert "sku" in str(caught.value)
    assert "batch" in str(caught.value)
    assert emulator.requests.count() == 0


@pytest.mark.parametrize("pin", ["", "x" * 256, None, 5, SURROGATE])
async def test_a_bad_pin_is_refused_by_the_module_level_connect(emulator: VoucherEmulator, pin: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        await connect(pin, base_url=emulator.base_url)
    assert caught.value.field == "pin"
    assert emulator.requests.count() == 0


LIMITS: dict[str, dict[str, Any]] = {
    "id": {"id": "i" * 255},
    "code": {"code": "c" * 255},
    "pin": {"pin": "p" * 255},
    "sku": {"sku": "s" * 255},
    "batch": {"batch": "b" * 30},
    "order_number": {"order_number": "o" * 255},
    "data": {"data": "[1, 2]"},
    "wide": {"sku": "\U0001f381" * 255, "batch": "ß" * 30},
    "most": {"amount": "999999.99"},
    "least": {"amount": "0.01"},
    "nothing": {"amount": Decimal(0)},
    "one-character": {"id": "i", "code": "c", "pin": "p", "sku": "s", "batch": "b"},
}


@pytest.mark.parametrize("name", LIMITS)
async def test_what_is_just_within_the_limits_is_sent_and_accepted(
    client: VoucherClient, emulator: VoucherEmulator, name: str
) -> None:
    voucher = await client.vouchers.create(**{**GOOD["vouchers.create"], **LIMITS[name]})
    (record,) = emulator.vouchers()
    for field, value in LIMITS[name].items():
        wanted = Decimal(value) if field == "amount" else value
        assert getattr(voucher, field) == getattr(record, field) == wanted


async def test_a_comment_of_255_characters_deletes(
    client: VoucherClient, emulator: VoucherEmulator, clock: ManualClock
) -> None:
    record = emulator.add_voucher(amount="1.00", active=False)
    await client.vouchers.delete(record.id, comment="c" * 255)
    assert emulator.vouchers() == ()


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "5", True])
@pytest.mark.parametrize("method", sorted(GOOD))
async def test_a_timeout_that_cannot_work_is_refused_before_anything_is_sent(
    client: VoucherClient, emulator: VoucherEmulator, method: str, timeout: Any
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await call(client, method, {**GOOD[method], "timeout": timeout})
    assert "timeout" in str(caught.value)
    assert emulator.requests.count() == 0
