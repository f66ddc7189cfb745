"""Values as fields of pydantic's models, and as answers and bodies of FastAPI."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import attrs
import httpx
import pytest
from fastapi import Body, FastAPI
from pydantic import BaseModel, TypeAdapter, ValidationError

from tests.unit.samples import example
from tests.values.made import CHARGE, HELD, MODELS, PENDING, REQUESTS, SETTLED, VALUES
from voucher_async import (
    CallRecord,
    Charge,
    ChargeType,
    CompleteVoucher,
    HeldOutcome,
    HeldReservation,
    PendingOutcome,
    Recovered,
    Settlement,
    Voucher,
    VoucherClient,
    VoucherPage,
    VoucherStatus,
)
from voucher_async.models import CreateReservationRequest
from voucher_async.testing import VoucherEmulator
from voucher_async.values import Value

COMPLETE = MODELS["CompleteVoucher"]


class Order(BaseModel):
    """A shop's own model."""

    charge: Charge
    more: tuple[Charge, ...] = ()
    voucher: Voucher | None = None
    kind: ChargeType | None = None


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_pydantic_passes_values_and_writes_and_reads_them_as_json(value: Value) -> None:
    adapter = TypeAdapter[Any](type(value))
    assert adapter.validate_python(value) is value
    assert adapter.dump_python(value) == value.to_dict()
    assert json.loads(adapter.dump_json(value)) == value.to_dict()
    assert adapter.validate_json(value.to_json()) == adapter.validate_python(value.to_dict()) == value


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_the_schema_of_a_value_names_what_is_written(value: Value, mode: Any) -> None:
    schema = TypeAdapter[Any](type(value)).json_schema(mode=mode)
    assert (schema["title"], schema["type"]) == (type(value).__name__, "object")
    assert set(value.to_dict()) <= set(schema["properties"])
    assert set(schema["required"]) <= set(value.to_dict())


def test_a_schema_has_the_types_of_json() -> None:
    properties = TypeAdapter(Charge).json_schema()["properties"]
    assert properties["amount"]["type"] == "string"
    assert properties["created_at"] == {"type": "string", "format": "date-time"}
    assert properties["order_number"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert "enum" not in properties["type"]  # the server may send another one
    page = TypeAdapter(VoucherPage).json_schema()["properties"]
    assert page["data"]["items"]["properties"]["deletable"] == {"type": "boolean"}
    assert page["meta"]["properties"]["from"] == {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    assert TypeAdapter(Settlement).json_schema()["properties"]["state"]["enum"] == ["done", "not done"]


def test_a_model_of_the_shop_has_values_as_fields() -> None:
    order = Order(charge=CHARGE, more=(CHARGE,), kind=ChargeType("bonus"))
    assert order.charge is CHARGE
    written = order.model_dump_json()
    assert json.loads(written)["more"] == [CHARGE.to_dict()]
    assert Order.model_validate_json(written) == Order.model_validate(order.model_dump()) == order
    assert set(Order.model_json_schema()["$defs"]) >= {"Charge", "Voucher"}


@pytest.mark.parametrize(
    "bad", [None, 5, "c-1", [], {}, CHARGE.to_json(), COMPLETE, CHARGE.to_dict() | {"id": 5}]
)
def test_what_is_no_charge_is_an_error_at_its_place(bad: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        Order(charge=bad)
    (error,) = caught.value.errors()
    assert (error["loc"], error["type"]) == (("charge",), "invalid_input")


def test_a_union_takes_the_class_that_fits() -> None:
    adapter = TypeAdapter[Any](Voucher | Charge | None)
    assert adapter.validate_python(CHARGE) is CHARGE
    assert adapter.validate_python(CHARGE.to_dict()) == CHARGE
    assert adapter.validate_python(None) is None
    with pytest.raises(ValidationError):
        adapter.validate_python({})


def test_what_is_declared_as_a_voucher_shows_no_secret_of_a_complete_one() -> None:
    written = TypeAdapter(Voucher).dump_python(COMPLETE)  # type: ignore[arg-type]
    assert not {"code", "pin"} & set(written)
    assert TypeAdapter(list[Voucher]).dump_python([COMPLETE]) == [written]  # type: ignore[list-item]


def test_fields_are_left_out_on_request_as_of_any_model_of_pydantic() -> None:
    adapter = TypeAdapter[Any](type(COMPLETE))
    assert not {"code", "pin"} & set(json.loads(adapter.dump_json(COMPLETE, exclude={"code", "pin"})))
    assert adapter.dump_python(COMPLETE, include={"id"}) == {"id": COMPLETE.to_dict()["id"]}
    order = Order(charge=attrs.evolve(CHARGE, client_id=None))
    assert "client_id" not in order.model_dump(exclude_none=True)["charge"]
    assert list(order.model_dump(include={"charge": {"amount"}})["charge"]) == ["amount"]
    page = TypeAdapter[Any](VoucherPage).dump_python(MODELS["VoucherPage"], exclude_none=True)
    assert None not in page["data"][0].values()
    page = TypeAdapter[Any](VoucherPage).dump_python(
        MODELS["VoucherPage"], include={"data": {"__all__": {"id"}}}
    )
    assert {name for each in page["data"] for name in each} == {"id"}


def test_an_outcome_of_a_checkout_is_written_but_not_read() -> None:
    adapter = TypeAdapter(HeldOutcome)
    assert adapter.validate_python(HELD) is HELD
    assert json.loads(adapter.dump_json(HELD)) == HELD.to_dict()
    with pytest.raises(ValidationError, match="cannot be read"):
        adapter.validate_python(HELD.to_dict())


class Shop:
    """A shop's application, and requests to it."""

    def __init__(self) -> None:
        self.app = FastAPI()

    def answers(self, value: object, hint: Any, **options: Any) -> None:
        """Add a handler of `GET /` that returns a value, with an annotation; none for None."""

        async def handler() -> Any:
            return value

        if hint is None:
            del handler.__annotations__["return"]
        else:
            handler.__annotations__["return"] = hint
        self.app.get("/", **options)(handler)

    async def ask(self, method: str = "GET", **request: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as http:
            return await http.request(method, "/", **request)


@pytest.fixture
def shop() -> Shop:
    return Shop()


def as_json(value: Any) -> Any:
    if isinstance(value, Value):
        return value.to_dict()
    return [as_json(each) for each in value] if isinstance(value, (list, tuple)) else value


ANSWERS: dict[str, tuple[Any, Any]] = {
    "a charge": (CHARGE, Charge),
    "a list": ([CHARGE, CHARGE], list[Charge]),
    "a tuple": ((CHARGE,), tuple[Charge, ...]),
    "a voucher": (MODELS["Voucher"], Voucher | None),
    "no voucher": (None, Voucher | None),
    "secrets": (COMPLETE, CompleteVoucher),
    "a page": (MODELS["VoucherPage"], VoucherPage),
    "an open outcome": (PENDING, PendingOutcome),
    "a settlement": (SETTLED, Settlement),
    "a record": (VALUES["CallRecord"], CallRecord),
    "a recovery": (VALUES["Recovered"], Recovered),
}


@pytest.mark.parametrize(("value", "hint"), ANSWERS.values(), ids=ANSWERS)
async def test_a_handler_returns_a_value(shop: Shop, value: Any, hint: Any) -> None:
    shop.answers(value, hint)
    answer = await shop.ask()
    assert (answer.status_code, answer.json()) == (200, as_json(value))
    assert shop.app.openapi()["paths"]["/"]


@pytest.mark.parametrize(("value", "hint"), ANSWERS.values(), ids=ANSWERS)
async def test_a_handler_needs_no_annotation(shop: Shop, value: Any, hint: Any) -> None:
    shop.answers({"it": value}, None)
    assert (await shop.ask()).json() == {"it": as_json(value)}


@pytest.mark.parametrize(("value", "hint"), ANSWERS.values(), ids=ANSWERS)
async def test_a_value_is_a_response_model(shop: Shop, value: Any, hint: Any) -> None:
    shop.answers(value, None, response_model=hint)
    assert (await shop.ask()).json() == as_json(value)


async def test_a_value_of_another_class_is_no_answer(shop: Shop) -> None:
    shop.answers(MODELS["Reservation"], Charge)
    with pytest.raises(Exception, match="Input should be"):
        await shop.ask()


async def test_a_voucher_is_an_answer_without_its_secrets(shop: Shop) -> None:
    shop.answers(COMPLETE, Voucher)
    answer = (await shop.ask()).json()
    assert answer == {k: v for k, v in COMPLETE.to_dict().items() if k not in {"code", "pin"}}


async def test_the_secrets_are_left_out_of_an_answer_on_request(shop: Shop) -> None:
    shop.answers(COMPLETE, CompleteVoucher, response_model_exclude={"code", "pin"})
    assert not {"code", "pin"} & set((await shop.ask()).json())


def test_the_openapi_document_has_the_values_as_components(shop: Shop) -> None:
    shop.answers(CHARGE, list[Charge])
    document = shop.app.openapi()
    content = document["paths"]["/"]["get"]["responses"]["200"]["content"]["application/json"]
    assert content["schema"]["items"] == {"$ref": "#/components/schemas/Charge"}
    assert set(document["components"]["schemas"]["Charge"]["properties"]) == set(CHARGE.to_dict())


def echo(shop: Shop, hint: Any) -> Callable[..., Any]:
    """A handler of `POST /` that takes a value and returns it."""

    async def handler(value: Any) -> Any:
        return value

    handler.__annotations__.update({"value": Annotated[hint, Body()], "return": hint})
    return shop.app.post("/")(handler)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
async def test_a_value_is_the_body_of_a_request(shop: Shop, value: Value) -> None:
    echo(shop, type(value))
    answer = await shop.ask("POST", json=value.to_dict())
    assert (answer.status_code, answer.json()) == (200, value.to_dict())


@pytest.mark.parametrize("changes", [{"amount": "5"}, {"amount": 5}, {"id": None}, {"created_at": "today"}])
async def test_a_bad_body_is_refused_with_422(shop: Shop, changes: dict[str, Any]) -> None:
    echo(shop, Charge)
    answer = await shop.ask("POST", json=CHARGE.to_dict() | changes)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["msg"].startswith(f"{next(iter(changes))}: ")


@pytest.mark.parametrize("bad", [[], "charge", 5, {}])
async def test_a_body_of_another_form_is_refused_with_422(shop: Shop, bad: Any) -> None:
    echo(shop, Charge)
    assert (await shop.ask("POST", json=bad)).status_code == 422


async def test_a_request_that_breaks_a_rule_of_the_api_is_refused_with_422(shop: Shop) -> None:
    echo(shop, CreateReservationRequest)
    answer = await shop.ask("POST", json=REQUESTS["CreateReservationRequest"] | {"currency": "eur"})
    assert (answer.status_code, answer.json()["detail"][0]["ctx"]["field"]) == (422, "currency")


async def test_a_status_is_a_query_parameter(shop: Shop) -> None:
    @shop.app.get("/")
    async def handler(status: VoucherStatus) -> VoucherStatus:
        return status

    assert (await shop.ask(params={"status": "active"})).json() == "active"


async def test_a_reservation_in_a_checkout_is_an_answer(shop: Shop) -> None:
    async with VoucherEmulator() as emulator, VoucherClient(**emulator.settings()) as client:
        voucher = emulator.add_voucher(amount="5.00")
        async with client.checkout(order_number="A-1", currency="EUR") as checkout:
            held = await checkout.reserve(code=voucher.code, amount="5.00")
            shop.answers(held, HeldReservation)
            answer = (await shop.ask()).json()
            assert (answer["amount"], answer["voucher_id"]) == ("5.00", voucher.id)
            assert shop.app.openapi()


def test_an_example_of_the_api_is_a_charge() -> None:
    assert TypeAdapter(Charge).validate_python(example("Charge")) == Charge.from_dict(example("Charge"))
