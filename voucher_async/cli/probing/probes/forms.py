"""Requests that are malformed: what an empty text, a body that is no JSON, and another type are answered."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from voucher_async.cli.probing.bench import CENT, Probe, id_of
from voucher_async.cli.probing.findings import Question
from voucher_async.operations import CREATE_RESERVATION, CREATE_VOUCHER, RECHARGE_VOUCHER, UPDATE_VOUCHER

if TYPE_CHECKING:
    from voucher_async.cli.probing.bench import Bench
    from voucher_async.cli.probing.line import Reply

__all__ = ["PROBES"]

_RESPONSES: Final = "/components/responses"
_SCHEMAS: Final = "/components/schemas"
_EMPTY: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY})
_LONGEST_ID: Final = 255

_NO_JSON = Question("no-json", "Is a body that is no JSON answered 400?", (f"{_RESPONSES}/BadRequest",))
_NO_TYPE = Question(
    "no-type", "Is a body of another type answered 415?", (f"{_RESPONSES}/UnsupportedMediaType",)
)
_IDS = Question(
    "ids",
    "Do the ids of reservations and charges have 1 to 255 characters?",
    tuple(f"/components/parameters/{name}" for name in ("ReservationId", "ChargeId", "ChargeIdOfVoucher")),
)
_EMPTY_CREATE = Question(
    "empty-create",
    "Are an empty id, code and PIN of a new voucher refused?",
    tuple(f"{_SCHEMAS}/CreateVoucherRequest/properties/{name}" for name in ("id", "code", "pin")),
)
_EMPTY_RECHARGE = Question(
    "empty-recharge",
    "Are an empty order number, code and id of a recharge refused?",
    tuple(f"{_SCHEMAS}/RechargeRequest/properties/{name}" for name in ("order_number", "code", "id")),
)
_EMPTY_RESERVATION = Question(
    "empty-reservation",
    "Are an empty code and PIN of a reservation refused?",
    tuple(f"{_SCHEMAS}/CreateReservationRequest/properties/{name}" for name in ("code", "pin")),
)


async def _bodies(bench: Bench) -> None:
    """Send bodies that no server can read, to a change of nothing."""
    id = (await bench.voucher(active=False)).id
    broken = await bench.line.ask(UPDATE_VOUCHER, ids={"id": id}, raw=(b'{"sku": ', "application/json"))
    evidence = f"a body that is cut off was answered {broken.said}"
    holds = broken.status == HTTPStatus.BAD_REQUEST if broken.decides else None
    bench.notes.say(_NO_JSON, evidence, holds=holds)
    other = await bench.line.ask(UPDATE_VOUCHER, ids={"id": id}, raw=(b"sku=probe", "text/plain"))
    evidence = f"a body of text was answered {other.said}"
    holds = other.status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE if other.decides else None
    bench.notes.say(_NO_TYPE, evidence, holds=holds)


async def _ids(bench: Bench) -> None:
    charged = await bench.charge(await bench.voucher(), f"{bench.batch}-ids")
    lengths = {"reservation": len(id_of(charged.reservation)), "charge": len(charged.id)}
    evidence = ", ".join(f"{name} {length} characters" for name, length in lengths.items())
    bench.notes.say(_IDS, evidence, holds=max(lengths.values()) <= _LONGEST_ID)


def _say_empty(bench: Bench, question: Question, replies: dict[str, Reply]) -> None:
    evidence = "; ".join(f"an empty {name} was answered {reply.said}" for name, reply in replies.items())
    if any(reply.ok for reply in replies.values()):
        follows = "the SDK refuses it before it is sent, which costs nothing"
        bench.notes.say(question, evidence, holds=False, follows=follows)
    else:
        fit = all(reply.refuses and reply.status in _EMPTY for reply in replies.values())
        bench.notes.say(question, evidence, holds=True if fit else None)


async def _empty_create(bench: Bench) -> None:
    voucher = {"amount": CENT, "currency": bench.currency, "batch": bench.batch}
    replies: dict[str, Reply] = {}
    for name in ("code", "pin"):
        replies[name] = await bench.create(bench.new_id(), **{name: ""})
    # without an id that can be cleaned up by, the voucher is found by its answer
    replies["id"] = reply = await bench.line.ask(CREATE_VOUCHER, {**voucher, "id": ""})
    if reply.ok:
        bench.found(id_of(reply))
    _say_empty(bench, _EMPTY_CREATE, replies)


async def _empty_recharge(bench: Bench) -> None:
    voucher = await bench.voucher()
    usual = {"amount": CENT, "currency": bench.currency, "order_number": f"{bench.batch}-empty"}
    bodies: dict[str, dict[str, object]] = {
        "order_number": {**usual, "order_number": "", "id": voucher.id},
        "code": {**usual, "code": ""},
        "id": {**usual, "id": ""},
    }
    replies = {name: await bench.line.ask(RECHARGE_VOUCHER, body) for name, body in bodies.items()}
    _say_empty(bench, _EMPTY_RECHARGE, replies)


async def _empty_reservation(bench: Bench) -> None:
    body = {"amount": CENT, "currency": bench.currency, "code": ""}
    replies = {"code": await bench.line.ask(CREATE_RESERVATION, body)}
    replies["PIN"] = await bench.reserve(await bench.voucher(pin="4711"), pin="")
    _say_empty(bench, _EMPTY_RESERVATION, replies)


PROBES: Final = (
    Probe("bodies", (_NO_JSON, _NO_TYPE), _bodies),
    Probe("ids", (_IDS,), _ids),
    Probe("empty create", (_EMPTY_CREATE,), _empty_create),
    Probe("empty recharge", (_EMPTY_RECHARGE,), _empty_recharge),
    Probe("empty reservation", (_EMPTY_RESERVATION,), _empty_reservation),
)
