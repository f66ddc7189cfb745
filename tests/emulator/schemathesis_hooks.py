"""Loaded by `schemathesis run`: serves an emulator in that process and gives its requests something to find.

Generated identifiers, codes and PINs are strangers to any server, and almost every answer would be a refusal.
Every other request that the specification calls good is therefore given ones that exist; the bad ones stay as
they are.
"""

from __future__ import annotations

import asyncio
import atexit
import itertools
import json
import os
import threading
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import schemathesis

from voucher_async.testing import VoucherEmulator
from voucher_async.testing._engine import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from voucher_async.testing import ClientRecord, VoucherRecord

ENOUGH = 2000
EMULATOR = VoucherEmulator(port=int(os.environ["EMULATOR_PORT"]), token_lifetime=86_400)


def token_of(client: ClientRecord) -> str:
    form = {"grant_type": "client_credentials", "client_id": client.id, "client_secret": client.secret}
    call = Call(
        method="POST",
        raw_path="/oauth/token",
        content_type="application/x-www-form-urlencoded",
        body=urlencode(form).encode(),
    )
    body: Any = EMULATOR._engine.answer(call).body
    return str(body["access_token"])


TOKEN = token_of(EMULATOR._client)


def posted(path: str, body: dict[str, str]) -> str:
    """The id of what a request made."""
    call = Call(
        method="POST",
        raw_path=f"/v1{path}",
        authorization=f"Bearer {TOKEN}",
        content_type="application/json",
        body=json.dumps(body).encode(),
    )
    answer: Any = EMULATOR._engine.answer(call).body
    return str(answer["id"])


def reservation() -> str:
    code = EMULATOR.add_voucher(amount="500.00").code
    return posted("/reservations", {"code": code, "amount": "20.00", "currency": "EUR"})


def charge() -> str:
    return posted(f"/reservations/{reservation()}/charge", {"order_number": "A-1"})


def several(make: Callable[[], Any]) -> Iterator[Any]:
    """Made now, before the emulator serves: later two threads would change its memory at once."""
    return itertools.cycle([make() for _ in range(ENOUGH)])


PINS = several(EMULATOR.new_connect_pin)
LONELY = several(lambda: token_of(EMULATOR.add_client()))
ACTIVE = several(lambda: EMULATOR.add_voucher(amount="500.00"))
INACTIVE = several(lambda: EMULATOR.add_voucher(amount="500.00", active=False).id)
RESERVATIONS = several(reservation)
CHARGES = several(charge)
CHARGED = {charge.voucher_id: charge.id for charge in EMULATOR.charges()}
EVERY_OTHER = itertools.cycle([True, False])


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """The token endpoint is not below `/v1`, and schemathesis has one base URL for all."""
    del context
    paths = raw_schema["paths"].items()
    raw_schema["paths"] = {path if "servers" in item else f"/v1{path}": item for path, item in paths}


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """RFC 6749 section 3.2: a parameter without a value counts as left out, so that it is not refused."""
    del context
    return not (isinstance(case.body, dict) and case.body.get("client_type") == "")


def operation_id(case: Any) -> str:
    return str(case.operation.definition.raw["operationId"])


@schemathesis.auth(refresh_interval=None)
class Token:
    """A real token; one of its own for each `disconnectClient`, which locks its caller out."""

    def get(self, case: Any, context: Any) -> str:
        del context
        return str(next(LONELY)) if operation_id(case) == "disconnectClient" else TOKEN

    def set(self, case: Any, data: str, context: Any) -> None:
        del context
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


def existing_path(name: str) -> dict[str, str]:
    """Identifiers of the right kind for an operation's path."""
    if name in {"updateVoucher", "deleteVoucher"}:
        return {"id": next(INACTIVE)}
    if name == "chargeReservation":
        return {"id": next(RESERVATIONS)}
    if name == "refundCharge":
        return {"id": next(CHARGES)}
    voucher_id, charge_id = next(iter(CHARGED.items()))
    return {"id": voucher_id, "charge_id": charge_id}


def existing_body(name: str) -> dict[str, str]:
    """Properties that an operation accepts."""
    voucher: VoucherRecord = next(ACTIVE)
    amount = {"amount": "0.50", "currency": "EUR"}
    bodies: dict[str, dict[str, str]] = {
        "createVoucher": {"currency": "EUR"},
        "connectClient": {"pin": next(PINS)},
        "createReservation": {**amount, "code": voucher.code},
        "chargeReservation": {"order_number": "A-1"},
        "rechargeVoucher": {**amount, "order_number": "R-1", "id": voucher.id},
        "refundCharge": {**amount, "amount": "0.01"},
        "requestToken": {
            "client_id": EMULATOR.client_id,
            "client_secret": EMULATOR.client_secret,
            "scope": "read",
        },
    }
    return bodies.get(name, {})


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    if case.meta is None or case.meta.generation.mode.is_negative or not next(EVERY_OTHER):
        return
    name = operation_id(case)
    if case.path_parameters:
        known = existing_path(name)
        case.path_parameters.update({key: known[key] for key in case.path_parameters if key in known})
    if isinstance(case.body, dict):
        case.body.update(existing_body(name))
    if name == "rechargeVoucher" and isinstance(case.body, dict):
        case.body.pop("code", None)


def serve() -> None:
    """Serve for as long as the process lives."""
    started = threading.Event()

    async def run() -> None:
        async with EMULATOR:
            started.set()
            await asyncio.Event().wait()

    threading.Thread(target=asyncio.run, args=(run(),), daemon=True).start()
    assert started.wait(10)


def report() -> None:
    """How often each operation was asked, and what it said: `{"getVoucher": {"200": 17, ...}, ...}`."""
    answers: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for entry in EMULATOR.requests:
        answers[str(entry.operation_id)][entry.status] += 1
    Path(os.environ["EMULATOR_REPORT"]).write_text(json.dumps(answers))


EMULATOR.requests.clear()
serve()
atexit.register(report)
