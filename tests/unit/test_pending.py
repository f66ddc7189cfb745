"""Open outcomes as JSON: what older versions stored is read, what cannot be one is refused."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voucher_async import ConfigurationError, InvalidInput, PendingOutcome
from voucher_async.errors import VoucherError

TEXTS = st.text(min_size=1)
MOMENTS = st.datetimes(timezones=st.sampled_from([dt.UTC, dt.timezone(dt.timedelta(hours=-3, minutes=-30))]))
VERSION_1 = """{
    "version": 1, "id": "5f0c", "operation": "chargeReservation", "voucher_id": "V", "reservation_id": "r",
    "charge_id": null, "amount": "4.00", "currency": "EUR", "order_number": "A-1",
    "sent_at": "2026-01-01T12:00:05+00:00", "sends": 2, "since": "2026-01-01T12:00:00+00:00",
    "until": "2026-01-01T12:01:00+00:00", "known": null
}"""


def stored(**changes: Any) -> str:
    return json.dumps(json.loads(PendingOutcome(operation="chargeReservation").to_json()) | changes)


def test_what_version_1_stored_is_still_read() -> None:
    noon = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
    assert PendingOutcome.from_json(VERSION_1) == PendingOutcome(
        id="5f0c",
        operation="chargeReservation",
        voucher_id="V",
        reservation_id="r",
        amount=Decimal("4.00"),
        currency="EUR",
        order_number="A-1",
        sent_at=noon + dt.timedelta(seconds=5),
        sends=2,
        since=noon,
        until=noon + dt.timedelta(minutes=1),
    )


def test_what_version_1_stored_belongs_to_no_place_and_is_written_as_version_2() -> None:
    pending = PendingOutcome.from_json(VERSION_1)
    pending.check_place("https://api.example", "shop")
    assert json.loads(pending.to_json())["version"] == 2


@given(
    st.builds(
        PendingOutcome,
        id=TEXTS,
        operation=TEXTS,
        voucher_id=st.none() | TEXTS,
        reservation_id=st.none() | TEXTS,
        charge_id=st.none() | TEXTS,
        amount=st.none() | st.decimals("0.01", "999999.99", places=2) | st.just(Decimal(5)),
        currency=st.none() | TEXTS,
        order_number=st.none() | TEXTS,
        sent_at=st.none() | MOMENTS,
        sends=st.integers(1, 1_000_000),
        since=st.none() | MOMENTS,
        until=st.none() | MOMENTS,
        known=st.none() | st.lists(TEXTS).map(tuple),
        known_whole=st.booleans(),
        reserved_by=st.none() | TEXTS,
        answered=st.booleans(),
        echoed=st.booleans(),
        base_url=st.none() | TEXTS,
        client_id=st.none() | TEXTS,
    )
)
def test_version_2_survives_json_whole(pending: PendingOutcome) -> None:
    assert PendingOutcome.from_json(pending.to_json()) == pending
    assert PendingOutcome.from_json(pending.to_json().encode()) == pending


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"version":' * 100_000,
        '{"version": 2, "id": ' + "9" * 5000 + "}",
        "NaN",
        '{"version": 2, "amount": NaN}',
        '{"version": 2, "order_number": "A-\\udfff"}',
        b"\xff\xfe{",
        "\ud800",
        "",
        5,
        None,
    ],
    ids=[
        "lists",
        "objects",
        "digits",
        "NaN",
        "NaN inside",
        "half a pair",
        "no UTF-8",
        "surrogate",
        "nothing",
        "number",
        "None",
    ],
)
def test_what_is_no_json_object_is_refused(text: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        PendingOutcome.from_json(text)
    assert caught.value.field == "pending"


@pytest.mark.parametrize("version", [None, 0, 3, True, "2", [], {}, 2.5, 10**400])
def test_a_version_that_is_not_known_is_refused(version: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        PendingOutcome.from_json(stored(version=version))
    assert caught.value.field == "pending.version"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", ""),
        ("id", None),
        ("id", ["x"]),
        ("operation", {"deep": [[[[]]]]}),
        ("voucher_id", 5),
        ("amount", "NaN"),
        ("amount", "Infinity"),
        ("amount", "-5.00"),
        ("amount", "1e400"),
        ("amount", "9" * 400),
        ("amount", "\u0665.00"),
        ("amount", 10**400),
        ("sends", None),
        ("sends", 0),
        ("sends", -1),
        ("sends", 1.0),
        ("sends", True),
        ("sends", "1"),
        ("sends", 1_000_001),
        ("sends", 10**400),
        ("since", 5),
        ("since", "2026-01-01T00:00:00"),
        ("until", "9" * 400),
        ("sent_at", {}),
        ("known", "abc"),
        ("known", {"a": 1}),
        ("known", [""]),
        ("known", [None]),
        ("known_whole", 1),
        ("known_whole", "true"),
        ("answered", 0),
        ("answered", []),
        ("echoed", 1),
        ("reserved_by", False),
        ("base_url", 5),
        ("client_id", []),
    ],
    ids=repr,
)
def test_a_value_that_no_client_writes_is_refused_by_its_field(field: str, value: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        PendingOutcome.from_json(stored(**{field: value}))
    assert caught.value.field == f"pending.{field}"
    assert "`$" not in caught.value.rule
    assert len(str(caught.value)) < 400


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(sorted(PendingOutcome.__annotations__))


@given(st.dictionaries(NAMES, JSON, max_size=4))
def test_whatever_was_stored_is_read_or_refused(changes: dict[str, Any]) -> None:
    try:
        pending = PendingOutcome.from_json(stored(**changes))
    except InvalidInput:
        return
    assert PendingOutcome.from_json(pending.to_json()) == pending
    assert PendingOutcome.from_json(pending.to_json().encode()) == pending


def test_a_flag_that_is_missing_or_null_is_not_set() -> None:
    content = json.loads(stored(known_whole=None))
    del content["answered"], content["echoed"]
    pending = PendingOutcome.from_json(json.dumps(content))
    assert (pending.known_whole, pending.answered, pending.echoed) == (False, False, False)


@pytest.mark.parametrize(
    ("base_url", "client_id"), [("https://a", "shop"), (None, "shop"), ("https://a", None), (None, None)]
)
def test_an_outcome_of_this_client_or_of_nobody_is_looked_into(
    base_url: str | None, client_id: str | None
) -> None:
    pending = PendingOutcome(operation="chargeReservation", base_url=base_url, client_id=client_id)
    pending.check_place("https://a", "shop")


@pytest.mark.parametrize(
    ("base_url", "client_id", "word"),
    [("https://sandbox", "shop", "https://sandbox"), ("https://a", "other", "the client other")],
)
def test_an_outcome_of_another_environment_or_client_is_refused(
    base_url: str, client_id: str, word: str
) -> None:
    pending = PendingOutcome(operation="chargeReservation", base_url=base_url, client_id=client_id)
    with pytest.raises(ConfigurationError, match=word) as caught:
        pending.check_place("https://a", "shop")
    assert isinstance(caught.value, VoucherError)
