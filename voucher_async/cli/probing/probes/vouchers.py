"""Vouchers: creating, changing and deleting them, and what is shown of what was not set."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from voucher_async.cli.probing.bench import Probe
from voucher_async.cli.probing.findings import Question
from voucher_async.operations import UPDATE_VOUCHER

if TYPE_CHECKING:
    from voucher_async.cli.probing.bench import Bench

__all__ = ["PROBES"]

_SCHEMAS: Final = "/components/schemas"
_UNSET: Final = ("sku", "batch", "order_number", "data", "pin")

_STATUS = Question("create-status", "Is a creation answered 201?", ("/paths/~1vouchers/post/responses/201",))
_ID = Question("create-id", "Can the id of a voucher be chosen?")
_NULL = Question(
    "unset-null",
    "Is null shown for what was not set?",
    (
        *(f"{_SCHEMAS}/Voucher/properties/{name}" for name in _UNSET if name != "pin"),
        f"{_SCHEMAS}/VoucherSecrets/properties/pin",
    ),
)
_CLIENT = Question(
    "voucher-client",
    "Does a voucher show the client that made it?",
)
_VALIDITY = Question(
    "unset-validity",
    "Is the validity of a voucher that has none of its own a number, or null?",
    (f"{_SCHEMAS}/Voucher/properties/validity_value",),
)
_PRINT = Question("type-print", "Is there a type `print` beside `digital`?", (f"{_SCHEMAS}/VoucherType",))
_CLEAR = Question(
    "update-null",
    "Does null clear `sku` and `batch`?",
    tuple(f"{_SCHEMAS}/UpdateVoucherRequest/properties/{name}" for name in ("sku", "batch")),
)
_DELETED = Question(
    "delete-status", "Is a deletion answered 204?", ("/paths/~1vouchers~1{id}/delete/responses/204",)
)
_GONE = Question("delete-again", "Is a second deletion answered 404?")
_QUIET = Question(
    "status-comment",
    "Can a voucher be activated without a comment?",
    (f"{_SCHEMAS}/SetStatusRequest/properties/comment",),
)


async def _create(bench: Bench) -> None:
    id = bench.new_id()
    reply = (await bench.create(id)).fit()
    evidence = f"createVoucher was answered {reply.said}"
    bench.notes.say(_STATUS, evidence, holds=reply.status == HTTPStatus.CREATED)
    same = reply.text("id") == id
    evidence = f"the id is {'the one that was sent' if same else 'another one'}"
    bench.notes.say(_ID, evidence, holds=same, follows="a create that is not answered cannot be looked up")
    own = reply.content.get("client_id") == bench.line.settings.client_id
    bench.notes.say(_CLIENT, f"its client_id is {'ours' if own else 'another or none'}", holds=own)
    validity = reply.content.get("validity_value", ...)
    fits = validity is None or validity is ... or isinstance(validity, int)
    shown = "missing" if validity is ... else "null" if validity is None else str(validity)[:20]
    bench.notes.say(_VALIDITY, f"validity_value {shown}", holds=fits)
    found = {name: _kind(reply.content.get(name, ...)) for name in _UNSET if name != "batch"}
    evidence = ", ".join(f"{name} {kind}" for name, kind in found.items())
    fit = all(kind in {"null", "missing"} for name, kind in found.items() if name != "pin")
    bench.notes.say(_NULL, evidence, holds=fit and found["pin"] in {"null", "missing", "text"})


def _kind(value: object) -> str:
    if value is ...:
        return "missing"
    return {None: "null", "": "empty"}.get(value, "text") if isinstance(value, str | None) else "no text"


async def _print(bench: Bench) -> None:
    id = bench.new_id()
    reply = await bench.create(id, type="print")
    evidence = f"createVoucher with `print` was answered {reply.said}"
    read = reply if reply.ok else await bench.details(id)  # refused, and made all the same?
    if read.ok:
        kind = read.text("type")
        bench.notes.say(_PRINT, f"{evidence}, with the type {str(kind)[:20]!r}", holds=kind == "print")
    else:
        holds = False if reply.refuses else None
        bench.notes.say(_PRINT, evidence, holds=holds, follows="make digital vouchers alone")


async def _change(bench: Bench) -> None:
    """Set and clear both fields of a voucher, activate it, and delete it twice."""
    id = (await bench.voucher(active=False, sku="probe")).id
    reply = await bench.line.ask(UPDATE_VOUCHER, {"sku": None, "batch": None}, ids={"id": id})
    left = {name: reply.content.get(name) for name in ("sku", "batch")}
    evidence = f"updateVoucher with null was answered {reply.said}"
    cleared = reply.ok and not any(left.values())
    bench.notes.say(_CLEAR, evidence, holds=cleared if reply.decides else None, follows="send a text")
    if reply.ok:  # the batch is what the voucher is found by
        (await bench.line.ask(UPDATE_VOUCHER, {"batch": bench.batch}, ids={"id": id})).fit()
    active = await bench.set_status(id, "active")
    bench.notes.say(
        _QUIET,
        f"setVoucherStatus was answered {active.said}",
        holds=active.ok if active.decides else None,
        follows="send a comment",
    )
    await bench.set_status(id, "inactive")
    first = await bench.delete(id)
    evidence = f"deleteVoucher was answered {first.said}"
    bench.notes.say(_DELETED, evidence, holds=first.status == HTTPStatus.NO_CONTENT if first.ok else None)
    if first.ok:
        again = await bench.delete(id)
        gone = again.status == HTTPStatus.NOT_FOUND
        bench.notes.say(
            _GONE,
            f"the second one was answered {again.said}",
            holds=gone if again.decides else None,
            follows="read it before you repeat",
        )


PROBES: Final = (
    Probe("create", (_STATUS, _ID, _CLIENT, _VALIDITY, _NULL), _create),
    Probe("print", (_PRINT,), _print),
    Probe("change", (_CLEAR, _QUIET, _DELETED, _GONE), _change),
)
