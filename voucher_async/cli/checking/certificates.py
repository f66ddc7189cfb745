"""The step `tls`: a handshake as the client makes it, and the certificate that came with it."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
import time
from typing import TYPE_CHECKING, Any, Final

from voucher_async.cli.checking.findings import Finding, failed, ok, warning
from voucher_async.cli.checking.places import Refused, Route, close
from voucher_async.cli.checking.reaching import reason_of

if TYPE_CHECKING:
    from voucher_async.cli.checking.findings import Fact

__all__ = ["shake_hands"]

_NAME: Final = "tls"
_SOON: Final = 14  # days
_UNTIMED: Final = 0x200000  # OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python has no name for
_WORD: Final = 3.0  # seconds for a word in plain http

_TRUST: Final = (
    "Give the client an ssl context that trusts its authority, such as that of a company's proxy, or have "
    "the server send its whole chain."
)
_RENEW: Final = "Have its owner renew the certificate, and look at this machine's date."
_RENAME: Final = "Correct the host in the settings: the certificate is for another one."
_PROBLEMS: Final = {
    9: ("not-yet-valid", "its certificate is not valid yet", "Look at this machine's date."),
    10: ("expired", "its certificate has expired", _RENEW),
    18: ("self-signed", "its certificate is self-signed", _TRUST),
    19: ("unknown-authority", "its certificate is by an authority that is not trusted here", _TRUST),
    20: ("unknown-authority", "its certificate is by an authority that is not trusted here", _TRUST),
    21: ("unknown-authority", "its certificate is by an authority that is not trusted here", _TRUST),
    62: ("wrong-name", "its certificate is for another host", _RENAME),
    64: ("wrong-name", "its certificate is for another host", _RENAME),
}


async def shake_hands(route: Route, context: ssl.SSLContext, now: dt.datetime) -> Finding:
    """Make a TLS connection as the client does.

    Args:
        route: the way to the server.
        context: what its certificate is verified with.
        now: the date; aware.
    """
    about = str(route.place)
    began = time.perf_counter()
    try:
        _, writer = await route.open(context)
    except ssl.SSLCertVerificationError as error:
        return await _distrusted(route, error, now)
    except Refused as error:
        return failed(_NAME, about, f"no tunnel: {error}", "See the step proxy.")
    except (OSError, EOFError) as error:
        return await _no_tls(route, error)
    took = round((time.perf_counter() - began) * 1000, 1)
    made: ssl.SSLObject = writer.get_extra_info("ssl_object")
    certificate: dict[str, Any] = made.getpeercert() or {}
    facts: dict[str, Fact] = {"version": made.version(), "handshake_ms": took}
    facts |= _facts(certificate, now)
    await close(writer)
    return _judged(about, context, facts)


def _judged(about: str, context: ssl.SSLContext, facts: dict[str, Fact]) -> Finding:
    if context.verify_mode is not ssl.CERT_REQUIRED or not context.check_hostname:
        seen = f"{facts['version']}, but the ssl context of the settings does not verify who the server is"
        advice = "Take a context that verifies: others on the way can read and change what is sent."
        return warning(_NAME, about, seen, advice, **facts, problem="not-verified")
    days = facts.get("days_left")
    seen = f"{facts['version']}; the certificate of {facts.get('subject')} ends on {facts.get('ends')}"
    if isinstance(days, int) and days < _SOON:
        advice = "Have the owner of the server renew the certificate, before calls fail."
        return warning(_NAME, about, f"{seen}, in {days} days", advice, **facts, problem="ends-soon")
    return ok(_NAME, about, seen, **facts)


def _facts(certificate: dict[str, Any], now: dt.datetime) -> dict[str, Fact]:
    """The facts of a certificate, as `ssl` decodes it; none of one that was not verified."""
    if not certificate:
        return {}
    ends = _moment(certificate["notAfter"])
    return {
        "subject": _name(certificate.get("subject", ())),
        "issuer": _name(certificate.get("issuer", ())),
        "names": tuple(str(value) for _, value in certificate.get("subjectAltName", ())),
        "ends": ends.isoformat(),
        "days_left": (ends - now).days,
    }


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromtimestamp(ssl.cert_time_to_seconds(text), dt.UTC)


def _name(parts: Any) -> str:
    said = {str(name): str(value) for part in parts for name, value in part}
    return said.get("commonName") or said.get("organizationName") or ", ".join(said.values())


async def _distrusted(route: Route, error: ssl.SSLCertVerificationError, now: dt.datetime) -> Finding:
    about = str(route.place)
    words = f"its certificate is not trusted: {error.verify_message}"
    problem, seen, advice = _PROBLEMS.get(error.verify_code, ("untrusted", words, _TRUST))
    facts = await _shown(route, now)
    named = f" (it is for {', '.join(map(str, names))})" if (names := _names_in(facts)) else ""
    until = f"; it ended on {facts.get('ends')}" if problem == "expired" and facts else ""
    return failed(_NAME, about, f"{seen}{named}{until}", advice, **facts, problem=problem)


def _names_in(facts: dict[str, Fact]) -> tuple[str, ...]:
    names = facts.get("names")
    return names if isinstance(names, tuple) else ()


async def _shown(route: Route, now: dt.datetime) -> dict[str, Fact]:
    """The facts of a certificate that is not trusted; nothing is sent over these connections.

    Python decodes no certificate but one that it has verified. So it is taken as its own authority, whatever
    its dates.
    """
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE
    try:
        made = await _peer(route, anybody)
        itself = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        itself.check_hostname = False
        itself.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(_UNTIMED)
        itself.load_verify_locations(
            cadata=ssl.DER_cert_to_PEM_cert(made.getpeercert(binary_form=True) or b"")
        )
        certificate: dict[str, Any] = (await _peer(route, itself)).getpeercert() or {}
        return _facts(certificate, now)
    except (OSError, EOFError, Refused, ValueError):
        return {}


async def _peer(route: Route, context: ssl.SSLContext) -> ssl.SSLObject:
    _, writer = await route.open(context)
    made: ssl.SSLObject = writer.get_extra_info("ssl_object")
    await close(writer)
    return made


async def _no_tls(route: Route, error: Exception) -> Finding:
    about = str(route.place)
    if await speaks_http(route):
        seen = "it speaks plain http there, not TLS"
        return failed(
            _NAME,
            about,
            seen,
            "Correct the port of the settings' address, or have the server speak TLS.",
            problem="plain-http",
        )
    reason = getattr(error, "reason", None) or (reason_of(error) if isinstance(error, OSError) else "")
    seen = f"no TLS came about: {reason or 'the connection was closed'}"
    advice = "Look at what listens there: a server without TLS, one that wants a certificate of the client, "
    return failed(_NAME, about, seen, f"{advice}or a firewall in between.", problem="no-tls")


async def speaks_http(route: Route) -> bool:
    """True when plain http is answered; nothing of the settings is sent but the host."""
    try:
        async with asyncio.timeout(min(_WORD, route.limit)):
            reader, writer = await route.open(None)
            try:
                writer.write(f"HEAD / HTTP/1.1\r\nHost: {route.place}\r\nConnection: close\r\n\r\n".encode())
                return (await reader.read(5)).startswith(b"HTTP")
            finally:
                await close(writer)
    except (OSError, EOFError, Refused):  # a time-out is an OSError
        return False
