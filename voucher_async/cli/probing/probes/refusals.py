"""Refusals by business rules: their statuses and codes, provoked one by one."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from voucher_async.cli.probing.bench import CENT, Probe, id_of
from voucher_async.cli.probing.findings import Question
from voucher_async.cli.probing.line import Unfit
from voucher_async.masking import conceal
from voucher_async.operations import (
    CREATE_RESERVATION,
    DELETE_VOUCHER,
    GET_CHARGE,
    GET_VOUCHER,
    RECHARGE_VOUCHER,
    UPDATE_VOUCHER,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from voucher_async.cli.probing.bench import Bench
    from voucher_async.cli.probing.line import Reply

__all__ = ["PROBES"]

_CONFLICT: Final = "/components/responses/Conflict"
_CREATE: Final = "/components/schemas/CreateVoucherRequest/properties"
_RULES: Final = frozenset({HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY})
_MISSING: Final = frozenset({HTTPStatus.NOT_FOUND})
_EITHER: Final = _RULES | _MISSING
_FOLLOWS: Final = "tell a maintainer of the SDK: it classifies refusals by status, and this one is another"
_UNKNOWN_ID: Final = "00000000-0000-4000-8000-000000000000"


async def _too_small(bench: Bench) -> Reply:
    return await bench.reserve(await bench.voucher(), "99.00")


async def _nothing(bench: Bench) -> Reply:
    return await bench.reserve(await bench.voucher(), "0.00")


async def _nothing_more(bench: Bench) -> Reply:
    return await bench.recharge(await bench.voucher(), f"{bench.batch}-nothing", "0.00")


async def _inactive(bench: Bench) -> Reply:
    return await bench.reserve(await bench.voucher(active=False))


async def _wrong_code(bench: Bench) -> Reply:
    body = {"amount": CENT, "currency": bench.currency, "code": f"{bench.batch}-no-such-code"}
    return await bench.line.ask(CREATE_RESERVATION, body)


async def _other_spelling(bench: Bench) -> Reply:
    """A code with its letters in the other case, which tills and databases may take for the same."""
    voucher = await bench.voucher()
    other = conceal(voucher.code.swapcase())
    if other == voucher.code:
        raise Unfit("the server's code has no letters")
    bench.line.secrets.append(other)
    return await bench.reserve(voucher, code=other)


async def _wrong_pin(bench: Bench) -> Reply:
    voucher = await bench.voucher(pin="4711")
    return await bench.reserve(voucher, pin="1147")


async def _other_currency(bench: Bench) -> Reply:
    return await bench.reserve(await bench.voucher(), currency=bench.other_currency)


async def _no_reservation(bench: Bench) -> Reply:
    return await bench.charge_reservation(_UNKNOWN_ID, f"{bench.batch}-gone")


async def _large_refund(bench: Bench) -> Reply:
    charged = await bench.charge(await bench.voucher(), f"{bench.batch}-large")
    return await bench.refund(charged.id, "0.02")


async def _second_refund(bench: Bench) -> Reply:
    charged = await bench.charge(await bench.voucher(), f"{bench.batch}-double")
    (await bench.refund(charged.id)).fit()
    return await bench.refund(charged.id)


async def _refund_currency(bench: Bench) -> Reply:
    charged = await bench.charge(await bench.voucher(), f"{bench.batch}-currency")
    return await bench.refund(charged.id, currency=bench.other_currency)


async def _refund_nowhere(bench: Bench) -> Reply:
    return await bench.refund(_UNKNOWN_ID)


async def _recharge_refunded(bench: Bench) -> Reply:
    reply = (await bench.recharge(await bench.voucher(), f"{bench.batch}-recharge")).fit()
    return await bench.refund(id_of(reply))


async def _delete_active(bench: Bench) -> Reply:
    return await bench.delete((await bench.voucher()).id)


async def _delete_charged(bench: Bench) -> Reply:
    voucher = await bench.voucher()
    await bench.charge(voucher, f"{bench.batch}-kept")
    (await bench.set_status(voucher.id, "inactive")).fit()
    return await bench.delete(voucher.id)


async def _update_active(bench: Bench) -> Reply:
    voucher = await bench.voucher()
    return await bench.line.ask(UPDATE_VOUCHER, {"sku": "probe"}, ids={"id": voucher.id})


async def _id_taken(bench: Bench) -> Reply:
    return await bench.create((await bench.voucher(active=False)).id)


async def _code_taken(bench: Bench) -> Reply:
    voucher = await bench.voucher(active=False)
    return await bench.create(bench.new_id(), code=voucher.code)


async def _no_voucher(bench: Bench) -> Reply:
    return await bench.line.ask(GET_VOUCHER, ids={"id": f"{bench.batch}-none"})


async def _no_charge(bench: Bench) -> Reply:
    voucher = await bench.voucher(active=False)
    return await bench.line.ask(GET_CHARGE, ids={"id": voucher.id, "charge_id": _UNKNOWN_ID})


async def _no_currency(bench: Bench) -> Reply:
    return await bench.create(bench.new_id(), currency=None)


async def _no_validity(bench: Bench) -> Reply:
    return await bench.create(bench.new_id(), validity_value=0, validity_interval="days")


async def _no_change(bench: Bench) -> Reply:
    voucher = await bench.voucher(active=False)
    return await bench.line.ask(UPDATE_VOUCHER, {}, ids={"id": voucher.id})


async def _no_comment(bench: Bench) -> Reply:
    voucher = await bench.voucher(active=False)
    return await bench.line.ask(DELETE_VOUCHER, {"comment": ""}, ids={"id": voucher.id})


async def _no_order(bench: Bench) -> Reply:
    reservation = (await bench.reserve(await bench.voucher())).fit()
    return await bench.charge_reservation(id_of(reservation), "")


async def _neither(bench: Bench) -> Reply:
    body = {"amount": CENT, "currency": bench.currency, "order_number": f"{bench.batch}-nobody"}
    return await bench.line.ask(RECHARGE_VOUCHER, body)


def _refusal(
    id: str,
    text: str,
    attempt: Callable[[Bench], Awaitable[Reply]],
    *places: str,
    statuses: frozenset[HTTPStatus] = _RULES,
) -> Probe:
    """A probe that one thing is refused, with one of these statuses and in the API's envelope."""
    question = Question(f"refused-{id}", text, places)

    async def run(bench: Bench) -> None:
        reply = await attempt(bench)
        evidence = f"{reply.operation} was answered {reply.said}"
        if reply.ok:
            bench.notes.say(
                question, evidence, holds=False, follows="the server allows it: check it before you ask"
            )
        elif reply.status in statuses and reply.enveloped:
            bench.notes.say(question, evidence, holds=True)
        elif reply.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS}:
            bench.notes.say(question, f"{evidence}, which is not about the rule", holds=None)
        elif reply.status not in statuses and not reply.enveloped:
            bench.notes.say(question, f"{evidence}, which is not the API's", holds=None)
        elif reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            bench.notes.say(question, f"{evidence}, which says nothing", holds=None)
        else:
            bench.notes.say(question, evidence, holds=False, follows=_FOLLOWS)

    return Probe(question.id, (question,), run)


PROBES: Final = (
    _refusal("balance", "Is a reservation above the balance refused with 409 or 422?", _too_small, _CONFLICT),
    _refusal(
        "nothing",
        "Is a reservation of 0.00 refused?",
        _nothing,
        "/components/schemas/PositiveMoney",
    ),
    _refusal(
        "nothing-more",
        "Is a recharge of 0.00 refused?",
        _nothing_more,
        "/components/schemas/PositiveMoney",
    ),
    _refusal(
        "inactive", "Is a reservation of an inactive voucher refused with 409 or 422?", _inactive, _CONFLICT
    ),
    _refusal("code", "Is a code that nobody has answered 404?", _wrong_code, statuses=_MISSING),
    _refusal("spelling", "Is a code in the other case another code?", _other_spelling, statuses=_EITHER),
    _refusal("pin", "Is a wrong PIN refused with 409 or 422?", _wrong_pin),
    _refusal("currency", "Is another currency refused with 409 or 422?", _other_currency),
    _refusal(
        "reservation", "Is a reservation that nobody has answered 404?", _no_reservation, statuses=_MISSING
    ),
    _refusal(
        "refund-large", "Is a refund above the charge refused with 409 or 422?", _large_refund, _CONFLICT
    ),
    _refusal("refund-second", "Is a second whole refund refused with 409 or 422?", _second_refund, _CONFLICT),
    _refusal("refund-currency", "Is a refund in another currency refused with 409 or 422?", _refund_currency),
    _refusal(
        "refund-charge", "Is a charge that nobody has answered 404?", _refund_nowhere, statuses=_MISSING
    ),
    _refusal("refund-recharge", "Is the refund of a recharge refused?", _recharge_refunded, statuses=_EITHER),
    _refusal(
        "delete-active", "Is deleting an active voucher refused with 409 or 422?", _delete_active, _CONFLICT
    ),
    _refusal("delete-charged", "Is deleting a voucher with charges refused?", _delete_charged, _CONFLICT),
    _refusal(
        "update-active", "Is changing an active voucher refused with 409 or 422?", _update_active, _CONFLICT
    ),
    _refusal("id-taken", "Is an id that is taken refused with 409 or 422?", _id_taken),
    _refusal("code-taken", "Is a code that is taken refused with 409 or 422?", _code_taken),
    _refusal("voucher", "Is a voucher that nobody has answered 404?", _no_voucher, statuses=_MISSING),
    _refusal(
        "charge", "Is a charge that a voucher does not have answered 404?", _no_charge, statuses=_MISSING
    ),
    _refusal("no-currency", "Is a voucher without a currency refused?", _no_currency, f"{_CREATE}/currency"),
    _refusal("no-validity", "Is a validity of no days refused?", _no_validity, f"{_CREATE}/validity_value"),
    _refusal(
        "no-change", "Is a change of nothing refused?", _no_change, "/components/schemas/UpdateVoucherRequest"
    ),
    _refusal(
        "no-comment",
        "Is deleting with an empty comment refused?",
        _no_comment,
        "/components/schemas/DeleteVoucherRequest/properties/comment",
    ),
    _refusal(
        "no-order",
        "Is a charge with an empty order number refused?",
        _no_order,
        "/components/schemas/ChargeReservationRequest/properties/order_number",
    ),
    _refusal("nobody", "Is a recharge of no voucher refused with 409 or 422?", _neither, statuses=_EITHER),
)
