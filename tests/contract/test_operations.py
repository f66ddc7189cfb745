"""The specification, the operation table, the resources and the emulator name the same operations."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from types import NoneType, SimpleNamespace
from typing import Any, NoReturn, cast

import attrs
import pytest
import yaml

from tests.contract.calls import CALLS, SHORTHANDS, VARIANTS, Api, offered
from voucher_async.api_errors import MissingScope
from voucher_async.checkout import LocalVoucherLock
from voucher_async.clock import Deadline, ServerClock, SystemClock
from voucher_async.config import Settings, Timeout, deadline_of
from voucher_async.errors import Fate
from voucher_async.hooks import Hooks
from voucher_async.operations import LIST_CHARGES, OPERATIONS, REQUEST_TOKEN
from voucher_async.resources.clients import Clients
from voucher_async.sansio import Request
from voucher_async.testing import VoucherEmulator
from voucher_async.wiring import Core

METHODS = frozenset({"get", "post", "put", "patch", "delete", "head", "options", "trace"})


@attrs.frozen
class Row:
    """What the specification says of an operation, and what the table has to say."""

    id: str
    method: str
    path: str
    scope: str | None
    secured: bool
    retry: str
    answer: str


@pytest.fixture(scope="module")
def specification(root: Path) -> list[Row]:
    document = yaml.safe_load((root / "openapi" / "voucher.yaml").read_text(encoding="utf-8"))
    return [
        _row(path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def _row(path: str, method: str, operation: dict[str, Any]) -> Row:
    security = operation["security"]
    scopes: list[str] = security[0]["BearerAuth"] if security else []
    assert len(scopes) < 2, operation["operationId"]
    return Row(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        scope=scopes[0] if scopes else None,
        secured=bool(security),
        retry=operation["x-retry"],
        answer=_answer(operation["responses"]),
    )


def _answer(responses: dict[str, Any]) -> str:
    (success,) = (response for status, response in responses.items() if status.startswith("2"))
    if "content" not in success:
        return NoneType.__name__
    return str(success["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2])


class Sent(BaseException):  # a BaseException, as an Exception would leave the money call's outcome unknown
    """Instead of an answer: the operation that was to be sent."""


class Recorder:
    """A sender that sends nothing; a blind one may not read lists."""

    def __init__(self, *, blind: bool) -> None:
        self._blind = blind

    def deadline(self, timeout: float | Timeout | None = None) -> Deadline:
        return deadline_of(SystemClock(), timeout)

    async def send(self, request: Request[Any], deadline: Deadline) -> NoReturn:
        assert deadline.left() > 0
        if self._blind and request.operation is LIST_CHARGES:
            error = MissingScope("HTTP 403", status=403)
            error.fate = Fate.ANSWERED
            raise error
        raise Sent(request.operation.id)


def recording_api(*, blind: bool = False) -> Api:
    sender, clock = Recorder(blind=blind), SystemClock()
    server_clock = ServerClock(clock)
    settings = Settings.make(client_id="c", client_secret="s", environment="sandbox")
    core = Core(
        sender,
        settings,
        clock=clock,
        server_clock=server_clock,
        hooks=Hooks(),
        lock=LocalVoucherLock(),
        lock_secret="s",
    )
    api = SimpleNamespace(
        vouchers=core.vouchers,
        reservations=core.reservations,
        charges=core.charges,
        clients=Clients(sender, Hooks()),
    )
    return cast("Api", api)


async def sent_by(name: str, variant: str) -> str:
    with pytest.raises(Sent) as caught:
        # with scopes it looks first
        await CALLS[name][variant](recording_api(blind=name == "vouchers.recharge"))
    return str(caught.value)


def test_the_table_says_what_the_specification_says(specification: list[Row]) -> None:
    table = [
        Row(o.id, o.method, o.path, o.scope, o.secured, o.retry.value, o.answer.__name__) for o in OPERATIONS
    ]
    assert sorted(table, key=lambda row: row.id) == sorted(specification, key=lambda row: row.id)


def test_every_call_of_the_sdk_is_known_here() -> None:
    assert offered() == set(CALLS)


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
async def test_a_method_sends_one_operation_whatever_its_arguments(name: str, variant: str) -> None:
    assert await sent_by(name, variant) == await sent_by(name, next(iter(CALLS[name])))


async def test_every_operation_has_exactly_one_method(specification: list[Row]) -> None:
    methods: defaultdict[str, list[str]] = defaultdict(list)
    for name in CALLS.keys() - SHORTHANDS.keys():
        methods[await sent_by(name, next(iter(CALLS[name])))].append(name)
    assert {operation for operation, names in methods.items() if len(names) > 1} == set()
    # the client itself requests tokens
    assert set(methods) == {row.id for row in specification} - {REQUEST_TOKEN.id}


@pytest.mark.parametrize("name", sorted(SHORTHANDS))
async def test_a_shorthand_sends_what_the_method_sends_that_it_stands_for(name: str) -> None:
    assert await sent_by(name, next(iter(CALLS[name]))) == await sent_by(SHORTHANDS[name], "least")


def test_every_operation_has_exactly_one_emulator_route(specification: list[Row]) -> None:
    routes = [
        (route.operation_id, route.method, route.path, route.scope, not route.public)
        for route in VoucherEmulator.routes
    ]
    wanted = [
        (
            row.id,
            row.method,
            row.path if row.id == REQUEST_TOKEN.id else f"/v1{row.path}",
            row.scope,
            row.secured,
        )
        for row in specification
    ]
    assert sorted(routes, key=str) == sorted(wanted, key=str)
