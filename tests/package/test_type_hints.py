"""Annotations can be resolved, and doubles be made, of whatever is public."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator
from typing import Annotated, Any
from unittest import mock

import httpx
import pytest
from fastapi import Depends, FastAPI

import voucher_async
from voucher_async import Settings, VoucherClient, connect, models, testing
from voucher_async.integrations import fastapi as in_fastapi
from voucher_async.integrations import problems
from voucher_async.integrations import starlette as in_starlette
from voucher_async.journals.sql import SqlJournal
from voucher_async.payments.memory import MemoryJournal
from voucher_async.resources.charges import Charges
from voucher_async.resources.clients import Clients
from voucher_async.resources.reservations import Reservations
from voucher_async.resources.vouchers import Vouchers

DOUBLES = [mock.create_autospec(VoucherClient, instance=True), mock.AsyncMock(spec=VoucherClient)]
RESOURCES = (Charges, Clients, Reservations, Vouchers)
JOURNALS = (MemoryJournal, SqlJournal)


def functions_of(cls: type) -> Iterator[Callable[..., Any]]:
    """The functions that a class and its bases of this package are made of."""
    for base in cls.__mro__:
        for member in vars(base).values() if base.__module__.startswith("voucher_async") else ():
            function = getattr(member, "fget", None) or getattr(member, "__func__", member)
            if inspect.isfunction(function):
                yield function


def public_callables() -> dict[str, Callable[..., Any]]:
    places = (voucher_async, models, testing, in_fastapi, in_starlette, problems)
    named: list[Any] = [getattr(place, name) for place in places for name in place.__all__]
    classes = [each for each in (*named, *RESOURCES, *JOURNALS) if inspect.isclass(each)]
    functions: list[Callable[..., Any]] = list(filter(inspect.isfunction, named))
    found: list[Any] = [*functions, *(each for cls in classes for each in (cls, *functions_of(cls)))]
    return {f"{each.__module__}.{each.__qualname__}": each for each in found}


PUBLIC = public_callables()


def test_public_callables_are_found() -> None:
    some = [VoucherClient, VoucherClient.redeem, VoucherClient.checkout, Vouchers.create, connect]
    assert {id(each) for each in some} <= {id(each) for each in PUBLIC.values()}
    assert len(PUBLIC) > 400


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_the_type_hints_of_everything_public_can_be_resolved(name: str) -> None:
    typing.get_type_hints(PUBLIC[name], include_extras=True)


@pytest.mark.parametrize(
    "double", [mock.create_autospec(VoucherClient, instance=True), mock.AsyncMock(spec=VoucherClient)]
)
@pytest.mark.parametrize("name", ["vouchers", "reservations", "charges", "clients", "pending", "settings"])
def test_a_double_of_the_client_has_its_attributes(double: Any, name: str) -> None:
    assert getattr(double, name) is not None


def test_a_double_of_the_client_takes_what_the_client_takes() -> None:
    double = mock.create_autospec(VoucherClient)
    double.from_env({"VOUCHER_CLIENT_ID": "id"}, journal="sqlite:///vouchers.db")
    with pytest.raises(TypeError):
        double.from_env({}, "journal")
    with pytest.raises(TypeError):
        double.return_value.redeem(order="A-1")


@pytest.mark.parametrize("name", ["vouchers", "reservations", "charges", "clients"])
async def test_the_operations_of_a_client_cannot_be_replaced(name: str) -> None:
    async with VoucherClient("id", "secret", environment="sandbox") as client:
        assert type(getattr(client, name)) in RESOURCES
        with pytest.raises(AttributeError):
            setattr(client, name, None)


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"ID": "till-7", "SECRET": "secret"}
    for name, value in names.items():
        monkeypatch.setenv(f"VOUCHER_CLIENT_{name}", value)
    monkeypatch.setenv("VOUCHER_BASE_URL", "https://vouchers.test/v1")


async def ask(app: FastAPI) -> httpx.Response:
    """The answer to a request of somebody who would like the shop to use another API."""
    evil = {"VOUCHER_CLIENT_ID": "evil", "VOUCHER_CLIENT_SECRET": "s", "VOUCHER_ENVIRONMENT": "sandbox"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as http:
        return await http.post("/", params={"base_url": "http://evil"}, json={"environ": evil})


@pytest.mark.usefixtures("environ")
async def test_fastapi_makes_a_client_of_the_environment_and_of_nothing_in_the_request() -> None:
    app = FastAPI()

    @app.post("/")
    async def place(shop: Annotated[VoucherClient, Depends(VoucherClient.from_env)]) -> str:
        async with shop:
            return f"{shop.settings.client_id} {shop.settings.base_url}"

    answer = await ask(app)
    assert (answer.status_code, answer.json()) == (200, "till-7 https://vouchers.test/v1")
    assert "requestBody" not in app.openapi()["paths"]["/"]["post"]


@pytest.mark.usefixtures("environ")
async def test_fastapi_makes_settings_of_the_environment_too() -> None:
    app = FastAPI()

    @app.post("/")
    async def place(settings: Annotated[Settings, Depends(Settings.from_env)]) -> str:
        return settings.client_id

    assert (await ask(app)).json() == "till-7"


def test_the_whole_signature_is_still_shown() -> None:
    shown = str(inspect.signature(VoucherClient.from_env))
    assert shown.startswith("(environ: ")
    assert "**overrides: " in shown
