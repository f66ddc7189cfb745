"""Access: tokens, their lives and scopes, and refusals of both."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

from voucher_async.cli.claims import claims_of
from voucher_async.cli.probing.bench import CENT, Probe
from voucher_async.cli.probing.findings import Question
from voucher_async.cli.probing.line import Unfit
from voucher_async.masking import conceal
from voucher_async.operations import GET_VOUCHER, LIST_VOUCHERS, OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from voucher_async.cli.probing.bench import Bench
    from voucher_async.cli.probing.line import Reply
    from voucher_async.operations import Operation

__all__ = ["PROBES"]

_RESPONSES: Final = "/components/responses"
_NOBODY: Final = "probe-nobody"
_NOTHING_HERE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE})
_SLACK: Final = 60.0  # seconds: the clock of this machine may be off

_URL = Question("token-url", "Are tokens given at the assumed address?", ("/paths/~1oauth~1token/servers/1",))
_LIFE = Question("token-life", "Does the answer say how long a token lives?")
_EXP = Question("token-exp", "Does the `exp` in the token agree with `expires_in`?")
_SUBSET = Question(
    "token-scope",
    "Does a token have only the scopes that were asked for?",
    ("/components/schemas/TokenRequest/properties/scope",),
)
_REFUSED = Question(
    "token-refused",
    "Are wrong credentials answered 401 in the form of OAuth?",
    (f"{_RESPONSES}/ClientRefused", "/components/schemas/OAuthError"),
)
_EMPTY = Question(
    "token-empty",
    "Are empty credentials answered 400 in the form of OAuth?",
    (
        f"{_RESPONSES}/TokenRefused",
        "/components/schemas/TokenRequest/properties/client_id",
        "/components/schemas/TokenRequest/properties/client_secret",
    ),
)
_UNAUTHORIZED = Question(
    "unauthorized",
    "Is a token that nobody gave answered 401 in the API's envelope?",
    (f"{_RESPONSES}/Unauthorized",),
)
_FORBIDDEN = Question(
    "forbidden", "Is a missing scope answered 403 in the API's envelope?", (f"{_RESPONSES}/Forbidden",)
)
_BODIES: Final[Mapping[str, Mapping[str, object]]] = {
    "createVoucher": {"amount": "0.001"},
    "updateVoucher": {"sku": "probe"},
    "deleteVoucher": {"comment": "probe"},
    "setVoucherStatus": {"status": "inactive"},
    "rechargeVoucher": {"amount": CENT, "currency": "EUR", "order_number": "probe", "id": _NOBODY},
    "createReservation": {"amount": CENT, "currency": "EUR", "code": _NOBODY},
    "chargeReservation": {"order_number": "probe"},
    "refundCharge": {"amount": CENT, "currency": "EUR"},
}
"""Requests that change nothing whoever sends them: what they name does not exist."""


async def _token(bench: Bench) -> None:
    reply = await bench.line.grant()
    value = conceal(reply.text("access_token"))
    evidence = f"the token request to {bench.line.settings.token_url} was answered {reply.said}"
    # credentials that are refused say nothing about the address
    holds = True if reply.ok and value else False if reply.status in _NOTHING_HERE else None
    bench.notes.say(_URL, evidence, holds=holds, follows="set `token_url`")
    if not value:
        raise Unfit(f"no token was given: {reply.said}")
    said = reply.content.get("expires_in")
    is_number = isinstance(said, int) and not isinstance(said, bool)
    evidence = f"expires_in is {said}" if is_number else "expires_in is missing or no number"
    bench.notes.say(_LIFE, evidence, holds=is_number, follows="tokens are renewed every 5 minutes")
    exp = _exp(value)
    if exp is None:
        bench.notes.say(_EXP, "the token is no JWT, or has no `exp`", holds=None)
    elif not is_number:
        bench.notes.say(_EXP, f"exp is {exp}, and there is no expires_in to compare", holds=None)
    else:
        lives = exp - reply.came.timestamp()
        evidence = f"exp is {exp}, {lives:.0f} s from now; expires_in is {said}"
        bench.notes.say(
            _EXP, evidence, holds=abs(lives - cast("int", said)) <= _SLACK, follows="the token ends earlier"
        )


def _exp(token: str) -> int | None:
    """The `exp` of a JWT; None when it is none. Nothing else of it is kept."""
    try:
        return int(claims_of(token).get("exp"))
    except (ValueError, TypeError):
        return None


async def _refusals(bench: Bench) -> None:
    refused = await bench.line.grant(secret="not-the-secret")
    form = refused.content.get("error")
    evidence = (
        f"a wrong secret was answered {refused.status}, {f'error {form}'[:60] if form else refused.said}"
    )
    fits = refused.status == HTTPStatus.UNAUTHORIZED and isinstance(form, str)
    follows = "compare the client's settings with what is documented"
    bench.notes.say(_REFUSED, evidence, holds=_if_said(fits, refused), follows=follows)
    empty = [await bench.line.grant(client_id=""), await bench.line.grant(secret="")]
    evidence = f"an empty id and an empty secret were answered {' and '.join(each.said for each in empty)}"
    fits = all(each.status == HTTPStatus.BAD_REQUEST and each.text("error") for each in empty)
    bench.notes.say(_EMPTY, evidence, holds=_if_said(fits, *empty), follows="it is never sent by the SDK")
    reply = await bench.line.ask(GET_VOUCHER, ids={"id": _NOBODY}, token="nobody-gave-this")
    challenge = reply.headers.get("WWW-Authenticate", "none")[:40]
    evidence = f"answered {reply.said}; WWW-Authenticate: {challenge}"
    fits = reply.status == HTTPStatus.UNAUTHORIZED and reply.enveloped
    bench.notes.say(_UNAUTHORIZED, evidence, holds=_if_said(fits, reply))


def _if_said(holds: bool, *replies: Reply) -> bool | None:  # noqa: FBT001 - the verdict itself
    """The verdict, where no answer is that of something on the way, or of a server that is busy or broken."""
    return holds if all(map(_is_said, replies)) else None


def _is_said(reply: Reply) -> bool:
    is_refusal = HTTPStatus.BAD_REQUEST <= reply.status < HTTPStatus.INTERNAL_SERVER_ERROR
    return reply.ok or (is_refusal and reply.status != HTTPStatus.TOO_MANY_REQUESTS)


async def _subset(bench: Bench) -> None:
    token = await _token_for(bench, ("read",))
    reply = await bench.line.ask(LIST_VOUCHERS, query=[("per_page", "1")], token=token)
    evidence = f"with `read` alone, listVouchers was answered {reply.said}"
    refused = reply.status == HTTPStatus.FORBIDDEN
    bench.notes.say(
        _SUBSET,
        evidence,
        holds=refused if refused or reply.ok else None,
        follows="limit scopes in the Admin UI",
    )
    if refused:
        bench.notes.say(_FORBIDDEN, evidence, holds=reply.enveloped, follows="the SDK reads the status alone")


async def _token_for(bench: Bench, scopes: tuple[str, ...]) -> str:
    """A token with these scopes alone, asked for once in a run."""
    if scopes not in bench.tokens:
        reply = await bench.line.grant(scopes)
        value = reply.text("access_token")
        if not value:
            raise Unfit(f"no token with the scopes {' '.join(scopes)}: {reply.said}")
        bench.tokens[scopes] = conceal(value)
    return bench.tokens[scopes]


def _scope(operation: Operation[Any], path: str) -> Probe:
    """A probe that an operation needs one scope, and no other."""
    question = Question(
        f"scope-{operation.id}",
        f"Does {operation.id} need the scope `{operation.scope}`, and no other?",
        (path,),
    )
    scope = operation.scope or ""

    async def run(bench: Bench) -> None:
        others = tuple(each for each in _SCOPES if each != scope)
        without = await _harmless(bench, operation, others)
        alone = await _harmless(bench, operation, (scope,))
        evidence = f"with `{scope}` alone {alone.said}, with all others {without.said}"
        refused = HTTPStatus.FORBIDDEN
        if not (_is_the_api(alone) and _is_the_api(without)):
            bench.notes.say(question, evidence, holds=None)
            return
        fits = without.status == refused and alone.status != refused
        bench.notes.say(
            question, evidence, holds=fits, follows="give the client the scopes that the server asks for"
        )

    return Probe(question.id, (question,), run)


def _is_the_api(reply: Reply) -> bool:
    """True for an answer of the API itself to what was asked, not of something on the way."""
    return reply.decides or (reply.status == HTTPStatus.FORBIDDEN and reply.enveloped)


async def _harmless(bench: Bench, operation: Operation[Any], scopes: tuple[str, ...]) -> Reply:
    token = await _token_for(bench, scopes)
    ids = {name: _NOBODY for name in ("id", "charge_id") if f"{{{name}}}" in operation.path}
    reply = await bench.line.ask(operation, _BODIES.get(operation.id), ids=ids, token=token)
    if reply.status == HTTPStatus.UNAUTHORIZED:
        bench.tokens.pop(scopes, None)
    return reply


_SCOPES: Final = tuple(sorted({each.scope for each in OPERATIONS if each.scope}))


def _place(operation: Operation[Any]) -> str:
    path = operation.path.replace("~", "~0").replace("/", "~1")
    return f"/paths/{path}/{operation.method.lower()}"


PROBES: Final = (
    Probe("token", (_URL, _LIFE, _EXP), _token),
    Probe("refused access", (_REFUSED, _EMPTY, _UNAUTHORIZED), _refusals),
    Probe("scopes asked for", (_SUBSET, _FORBIDDEN), _subset),
    *(_scope(each, _place(each)) for each in OPERATIONS if each.scope),
)
