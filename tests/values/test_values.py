"""Values as dicts and as JSON, and back."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from types import FrameType, MappingProxyType
from typing import Any

import attrs
import pytest

from tests.unit.samples import example
from tests.values.made import ANSWERS, CHARGE, HELD, MODELS, NOON, PENDING, REQUESTS, SETTLED, VALUES
from voucher_async import (
    Charge,
    CompleteVoucher,
    InvalidInput,
    NotFound,
    PendingOutcome,
    Reservation,
    Settlement,
    Voucher,
    VoucherClient,
    models,
    wire,
)
from voucher_async.models import CreateReservationRequest
from voucher_async.testing import VoucherEmulator
from voucher_async.values import Value


def test_every_model_is_tried() -> None:
    classes = {name for name in models.__all__ if attrs.has(getattr(models, name))}
    assert set(MODELS) == classes
    assert {getattr(models, name) for name in classes} <= set(Value.__subclasses__()) | {
        models.CompleteVoucher,
        models.VoucherDetails,
    }


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_value_is_read_back_from_its_dict_and_from_its_json(value: Value) -> None:
    written, text = value.to_dict(), value.to_json()
    assert json.loads(text) == written == dict(value)
    for twin in (
        type(value).from_dict(written),
        type(value).from_json(text),
        type(value).from_json(text.encode()),
    ):
        assert twin == value
        assert type(twin) is type(value)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_value_is_equal_to_its_pickles_and_copies(value: Value) -> None:
    twins = [
        pickle.loads(pickle.dumps(value, protocol)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    ]
    for twin in (*twins, copy.copy(value), copy.deepcopy(value)):
        assert twin == value
        assert repr(twin) == repr(value)


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_written_with_what_the_api_said(name: str) -> None:
    said = example(ANSWERS[name])
    written = MODELS[name].to_dict()
    assert {key: moments_apart(value) for key, value in written.items() if value is not None} == {
        key: moments_apart(value) for key, value in said.items() if key in written and value is not None
    }


def moments_apart(value: Any) -> Any:
    """JSON with the zone of every moment written in one way, and without what is null."""
    if isinstance(value, Mapping):
        return {name: moments_apart(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [moments_apart(each) for each in value]
    return (
        value.removesuffix("Z").removesuffix("+00:00").removesuffix(".000000")
        if isinstance(value, str)
        else value
    )


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_is_written_as_it_is_sent(name: str) -> None:
    assert MODELS[name].to_dict() == REQUESTS[name] == json.loads(wire.encode(MODELS[name]))


def test_amounts_have_two_decimals_and_moments_their_offset() -> None:
    written = attrs.evolve(CHARGE, created_at=NOON).to_dict()
    assert written["amount"] == "5.00"
    assert written["created_at"] == "2027-01-02T12:00:00+02:00"
    assert type(written["type"]) is str


def test_python_values_are_read_too() -> None:
    fields = attrs.asdict(CHARGE)
    assert Charge.from_dict(fields) == Charge.from_dict(MappingProxyType(fields)) == CHARGE


def test_secrets_are_written_and_not_shown() -> None:
    voucher = CompleteVoucher.from_dict(example("CompleteVoucher", code="PLANTED-1", pin="PLANTED-2"))
    assert (voucher.to_dict()["code"], json.loads(voucher.to_json())["pin"]) == ("PLANTED-1", "PLANTED-2")
    assert "PLANTED" not in f"{voucher!r} {voucher}"
    request = CreateReservationRequest(amount="1.00", currency="EUR", code="PLANTED-1")
    assert request.to_dict()["code"] == "PLANTED-1"
    assert "PLANTED" not in repr(request)


BAD: dict[str, Any] = {
    "a number for an amount": {"amount": 5},
    "an amount of one decimal": {"amount": "5.0"},
    "a date without an offset": {"created_at": "2026-01-01T00:00:00"},
    "a number for a text": {"id": 5},
    "null": {"voucher_id": None},
    "a number too large": {"id": 10**400},
    "a set": {"id": {object()}},
    "an object": {"id": object()},
    "half a surrogate pair": {"id": "\ud800"},
}


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD)
def test_what_is_no_charge_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        Charge.from_dict({**CHARGE.to_dict(), **changes})
    assert caught.value.field in {*changes, "Charge"}
    assert caught.value.value == "***"


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "null", b"\xff\xff", "\ud800", None, 5])
@pytest.mark.parametrize("cls", [Charge, Settlement, PendingOutcome])
def test_what_is_no_json_of_a_value_is_refused(cls: type[Value], text: Any) -> None:
    with pytest.raises(InvalidInput):
        cls.from_json(text)


@pytest.mark.parametrize(
    "content", [None, [], "charge", CHARGE, {}, {"pending": None}, {"operation": object()}]
)
@pytest.mark.parametrize("cls", [Charge, Settlement, PendingOutcome])
def test_what_is_no_dict_of_a_value_is_refused(cls: type[Value], content: Any) -> None:
    with pytest.raises(InvalidInput):
        cls.from_dict(content)


def test_a_request_is_read_by_its_rules() -> None:
    with pytest.raises(InvalidInput, match="currency: must match"):
        CreateReservationRequest.from_dict({"amount": "1.00", "currency": "eur", "code": "c"})


READINGS: dict[str, Callable[[], object]] = {
    "a bad answer": lambda: CompleteVoucher.from_dict({"code": "PLANTED"}),
    "a bad request": lambda: CreateReservationRequest.from_dict(
        {"amount": "1.00", "currency": "eur", "code": "PLANTED"}
    ),
    "what JSON cannot hold": lambda: CompleteVoucher.from_dict({"code": "PLANTED", "id": object()}),
    "bad JSON": lambda: CompleteVoucher.from_json('{"code": "PLANTED"'),
    "JSON of a bad answer": lambda: CompleteVoucher.from_json(b'{"code": "PLANTED"}'),
    "JSON of a list": lambda: CompleteVoucher.from_json('["PLANTED"]'),
}


@pytest.mark.parametrize("reading", READINGS.values(), ids=READINGS)
def test_what_cannot_be_read_shows_no_secret_in_its_error_and_frames(reading: Callable[[], object]) -> None:
    with pytest.raises(InvalidInput) as caught:
        reading()
    own = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__) if is_of_package(frame)]
    assert own
    shown = [f"{caught.value} {vars(caught.value)}", *(repr(frame.f_locals) for frame in own)]
    assert not [each for each in shown if "PLANTED" in each]
    assert caught.value.__context__ is None


def is_of_package(frame: FrameType) -> bool:
    return str(frame.f_globals["__name__"]).startswith("voucher_async.")


def test_a_settlement_has_its_outcome_as_that_is_stored() -> None:
    assert SETTLED.to_dict()["pending"] == json.loads(PENDING.to_json())


def test_an_outcome_of_a_checkout_is_written_with_the_words_of_its_error() -> None:
    assert HELD.to_dict()["error"] is None
    refused = attrs.evolve(HELD, error=NotFound("no voucher", status=404))
    assert refused.to_dict()["error"] == "NotFound: no voucher"
    assert attrs.evolve(HELD, error=RuntimeError("code PLANTED")).to_dict()["error"] == "RuntimeError"
    assert json.loads(refused.to_json())["charge"] == CHARGE.to_dict()


def test_a_value_is_no_list() -> None:
    with pytest.raises(TypeError, match="not iterable"):
        list(CHARGE)  # type: ignore[call-overload]
    assert CHARGE.to_dict() == {**CHARGE}


def test_a_derived_model_is_written_as_its_base_without_its_secrets() -> None:
    complete = MODELS["CompleteVoucher"]
    assert set(Voucher._written(complete)) == set(MODELS["Voucher"].to_dict())


@pytest.mark.parametrize("cls", [Charge, Voucher, CompleteVoucher, models.VoucherDetails, Reservation])
def test_models_are_read_natively(cls: type[Any]) -> None:
    assert wire._native(cls) is cls
    assert not hasattr(MODELS[cls.__name__], "__dict__")


def test_a_model_is_loaded_without_what_writes_it() -> None:
    program = (
        "import sys; from voucher_async import Charge; print({'msgspec', 'pydantic_core'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


async def test_a_reservation_in_a_checkout_is_written_as_it_is_at_the_moment() -> None:
    async with VoucherEmulator() as emulator, VoucherClient(**emulator.settings()) as client:
        voucher = emulator.add_voucher(amount="5.00", code="PLANTED-CODE")
        async with client.checkout(order_number="A-1", currency="EUR") as checkout:
            held = await checkout.reserve(code=voucher.code, amount="8.00", allow_partial=True)
            written = held.to_dict()
            assert (written["asked"], written["amount"], written["missing"]) == ("8.00", "5.00", "3.00")
            assert (written["voucher_id"], written["charged"]) == (voucher.id, False)
            assert Reservation.from_dict(written["reservation"]) == held.reservation
            assert "PLANTED" not in held.to_json()
            await checkout.charge()
            assert held.to_dict()["charged"] is True
