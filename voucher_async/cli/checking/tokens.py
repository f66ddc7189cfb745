"""The step `token`: the credentials, the answer of the token endpoint, and what the token says of itself."""

from __future__ import annotations

import datetime as dt
import math
import time
from typing import TYPE_CHECKING, Final, cast

import attrs

from voucher_async.api_errors import AuthenticationError, BadAnswer, RateLimited, ServerError
from voucher_async.cli.checking.findings import Finding, failed, ok, warning
from voucher_async.cli.claims import claims_of
from voucher_async.errors import ConnectFailed, TransportError, VoucherError
from voucher_async.masking.text import Masker

if TYPE_CHECKING:
    from voucher_async.cli.checking.asking import Asking
    from voucher_async.cli.checking.findings import Fact
    from voucher_async.config import Settings

__all__ = ["Granted", "log_in"]

_NAME: Final = "token"
_WRONG: Final = {"invalid_client", "unauthorized_client", "invalid_grant", "access_denied"}
_AGAIN: Final = "Wait a minute, and check again."
_REASONS: Final[dict[type[VoucherError], tuple[str, str, str]]] = {
    RateLimited: ("busy", "too many requests", _AGAIN),
    ServerError: ("server-error", "the token endpoint fails", _AGAIN),
    BadAnswer: (
        "no-oauth",
        "what answers is no OAuth token endpoint",
        "Correct VOUCHER_TOKEN_URL, or look for a proxy or a log-in page in between.",
    ),
    ConnectFailed: (
        "unreachable",
        "the token endpoint is not reached",
        "See the steps dns, tcp, tls and proxy.",
    ),
    TransportError: (
        "no-answer",
        "the token endpoint does not answer",
        "Check again; then look for a firewall, a proxy or a server that hangs.",
    ),
}
_OTHER: Final = (
    "refused",
    "the token endpoint refuses the request",
    "Correct VOUCHER_TOKEN_URL: this address gives no tokens.",
)
_SHORT: Final = 60.0  # seconds
_LONGEST: Final = 200  # characters of a scope's name that are shown, and names


@attrs.frozen
class Granted:
    """The end of a token request.

    Attributes:
        finding: of this step.
        is_there: there is a token.
        scopes: those that the token names; None when it names none.
    """

    finding: Finding
    is_there: bool
    scopes: tuple[str, ...] | None = None


async def log_in(asking: Asking, settings: Settings) -> Granted:
    """Request a token."""
    about = settings.token_url
    began = time.perf_counter()
    try:
        token, said = await asking.token()
    except VoucherError as error:
        return Granted(_refused(about, error), is_there=False)
    took = round((time.perf_counter() - began) * 1000, 1)
    claims = claims_of(token.value)
    named = (said.get("scope"), claims.get("scopes"), claims.get("scope"))
    scopes = next(filter(None, (_scopes(each, settings) for each in named)), None)
    lifetime = _seconds(said.get("expires_in"))
    facts: dict[str, Fact] = {
        "lifetime_seconds": lifetime,
        "used_for_seconds": token.lifetime,
        "is_jwt": claims.are_some,
        "jwt_ends": _moment(claims.get("exp")),
        "scopes": scopes,
        "request_ms": took,
    }
    return Granted(_judged(about, settings, facts, lifetime, scopes), is_there=True, scopes=scopes)


def _judged(
    about: str,
    settings: Settings,
    facts: dict[str, Fact],
    lifetime: float | None,
    scopes: tuple[str, ...] | None,
) -> Finding:
    lives = "that does not say how long it lives" if lifetime is None else f"that lives {lifetime:g} s"
    named = "" if scopes is None else f", with the scopes {', '.join(scopes)}"
    seen = f"a token {lives}{named}"
    lacking = [each for each in settings.scopes or () if scopes is not None and each not in scopes]
    if lacking:
        advice = "Have the client's group given these scopes in the Admin UI."
        return warning(
            _NAME, about, f"{seen}; asked for, but not given: {', '.join(lacking)}", advice, **facts
        )
    if lifetime is not None and lifetime < _SHORT:
        advice = "Have the token's life made longer: a new one is requested all the time."
        return warning(_NAME, about, seen, advice, **facts)
    return ok(_NAME, about, seen, **facts)


def _refused(about: str, error: VoucherError) -> Finding:
    problem, words, advice = _reason(error)
    status = getattr(error, "status", None)
    code = getattr(error, "code", None)
    said = str(error.args[0])
    return failed(_NAME, about, f"{words}: {said}", advice, problem=problem, status=status, code=code)


def _reason(error: VoucherError) -> tuple[str, str, str]:
    """The kind of a failure, words for it, and advice."""
    if isinstance(error, AuthenticationError):
        return _reason_of_refusal(error)
    return next((words for kind, words in _REASONS.items() if isinstance(error, kind)), _OTHER)


def _reason_of_refusal(error: AuthenticationError) -> tuple[str, str, str]:
    """The reason for which a log-in was refused: a firewall's page does not speak of the secret."""
    if error.code == "invalid_scope":
        advice = "Ask for scopes that the client's group has, or for none."
        return "wrong-scopes", "a scope that was asked for is not the client's", advice
    if error.code in _WRONG or (error.code is None and error.has_envelope):
        advice = (
            "Correct VOUCHER_CLIENT_ID and VOUCHER_CLIENT_SECRET, which are of one environment, or connect "
            "anew with a PIN from the Admin UI."
        )
        return "wrong-credentials", "the client id or the client secret is wrong", advice
    if error.code is None:
        advice = "Look for a firewall, proxy or log-in page in between, and check client id and secret."
        return "refused-unread", "the log-in is refused, not in the words of OAuth", advice
    return _OTHER


def _scopes(said: object, settings: Settings) -> tuple[str, ...] | None:
    """The names of scopes: a list of texts, or a text of them; None for anything else, and for none."""
    given: object = said.split() if isinstance(said, str) else said
    if not isinstance(given, list):
        return None
    names = [name for name in cast("list[object]", given) if isinstance(name, str)]
    masker = Masker((settings.client_secret,))
    shown = [masker.shown(name, _LONGEST) for name in names]
    return tuple(dict.fromkeys(shown[:_LONGEST])) or None


def _seconds(said: object) -> float | None:
    if isinstance(said, bool) or not isinstance(said, (int, float, str)):
        return None
    try:
        seconds = float(said)
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) else None


def _moment(said: object) -> str | None:
    seconds = _seconds(said)
    try:
        return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()
    except (OverflowError, OSError, ValueError):
        return None
