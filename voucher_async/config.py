"""Settings: frozen, checked when made, safe to print."""

from __future__ import annotations

import ipaddress
import math
import os
import re
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from urllib.parse import SplitResult, urlsplit

import attrs

from voucher_async.errors import ConfigurationError
from voucher_async.masking import Variables, conceal, conceals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Environment", "Settings", "Timeout"]

Environment: TypeAlias = Literal["sandbox", "production"]

_HOSTS: Final[dict[str, str]] = {
    "production": "https://vouchers.api.jtl-software.com",
    "sandbox": "https://vouchers-sbx.api.jtl-software.com",
}
_VARIABLES: Final = tuple(
    f"VOUCHER_{name}"
    for name in ("CLIENT_ID", "CLIENT_SECRET", "ENVIRONMENT", "BASE_URL", "TOKEN_URL", "CLIENT_TYPE")
)
_CLIENT_TYPE_LENGTH = 32
_LONGEST: Final = 86_400.0  # seconds: dates reckoned from more than years do not exist
_HOST = re.compile(r"(?=.{1,254}\Z)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_YES, _NO = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})
_BRACKETED = re.compile(r"(.*@)?\[[0-9a-fA-F:.]+\](:[0-9]*)?")


@attrs.frozen
class Timeout:
    """Time limits in seconds, each a day at most.

    Attributes:
        total: the whole call: token, connection, every attempt, every pause, reading the answer.
        connect: making one connection, TLS included; waiting for a free one counts towards `total` alone.
        read: the longest silence while an answer is awaited or read.
    """

    total: float = 30.0
    connect: float = 5.0
    read: float = 15.0

    def __attrs_post_init__(self) -> None:
        for name in ("total", "connect", "read"):
            check_seconds(f"timeout.{name}", getattr(self, name))


def check_seconds(name: str, value: object) -> float:
    """A time span must be a positive number of seconds, and a day at most.

    Raises:
        ConfigurationError: when it is not.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigurationError(f"{name} must be a number of seconds, not {type(value).__name__}")
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds) or seconds <= 0:
        raise ConfigurationError(f"{name} must be a positive number of seconds, got {seconds}")
    if seconds > _LONGEST:
        raise ConfigurationError(f"{name} must be at most {_LONGEST:.0f} seconds (a day), got {seconds:g}")
    return seconds


def check_wait(wait: object) -> None:
    """How long closing waits: None, 0 or a time span.

    Raises:
        ConfigurationError: when it is none of these.
    """
    if wait is not None and (isinstance(wait, bool) or wait != 0):
        check_seconds("wait", wait)


def _is_loopback(host: str) -> bool:
    # not *.localhost: Python's resolver may ask the network for it
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split(name: str, url: object) -> SplitResult:
    if not isinstance(url, str):
        raise ConfigurationError(f"{name} must be a str, not {type(url).__name__}")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ConfigurationError(f"{name} is not a URL") from None
    # urlsplit of older Pythons takes [::1].example.com for ::1
    if "]" in parts.netloc and not _BRACKETED.fullmatch(parts.netloc):
        raise ConfigurationError(f"{name} is not a URL")
    return parts


def _check_url(name: str, url: str) -> None:
    parts = _split(name, url)
    if not url.isascii():
        raise ConfigurationError(f"{name} must be ASCII{_in_ascii(parts.hostname)}")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"{name} must be an absolute http(s) URL")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"{name} must not hold credentials")
    if not url.isprintable() or any(c in " ?#\\" for c in url):
        raise ConfigurationError(f"{name} must not have a query, a fragment, white space or a backslash")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ConfigurationError(f"{name} must use https: plain http would show the token to the network")
    if parts.port == 0 or not _is_host(parts.hostname):
        raise ConfigurationError(f"{name} must name a host that can exist, and a port above 0 if any")


def _in_ascii(host: str | None) -> str:
    """Advice on how to write a host in ASCII."""
    if not host or host.isascii():
        return ": write other characters as %-sequences of their UTF-8"
    try:
        return f": write the host as {host.encode('idna').decode()}"
    except UnicodeError:
        return ": write the host in its xn-- form"


def _is_host(host: str) -> bool:
    if ":" in host:
        return True  # an address, see _BRACKETED
    try:
        host.encode().decode("idna")
    except UnicodeError:
        return False
    return _HOST.fullmatch(host) is not None


def _urls(environment: str | None, base_url: str | None, token_url: str | None) -> tuple[str, str]:
    if base_url is None:
        if environment is None:
            raise ConfigurationError(
                'say environment="sandbox" or environment="production", or give base_url'
            )
        if environment not in _HOSTS:
            raise ConfigurationError(f"environment must be one of {', '.join(_HOSTS)}, got {environment!r}")
        base_url = f"{_HOSTS[environment]}/v1"
    _check_url("base_url", base_url)
    if token_url is None:
        parts = urlsplit(base_url)
        token_url = f"{parts.scheme}://{parts.netloc}/oauth/token"
    _check_url("token_url", token_url)
    return base_url.rstrip("/"), token_url


@conceals("client_secret")
@attrs.frozen(kw_only=True)
class Settings:
    """Everything a client needs to know, checked. Make one with `Settings.make` or `Settings.from_env`.

    Attributes:
        client_id: the OAuth client id.
        client_secret: the OAuth client secret; not shown in the repr.
        base_url: where the API lives, version included.
        token_url: the OAuth token endpoint.
        client_type: free text of at most 32 characters for the vendor's statistics.
        scopes: the scopes to ask for; None asks for all the client has.
        timeout: the time limits of a call.
        max_connections: how many connections may be open at once.
        keepalive: seconds an idle connection is kept; less than servers keep theirs, so that a request
            rarely meets a connection that the server is just closing.
        max_answer_bytes: larger answers are refused unread.
        max_attempts: how many requests one call may make. A repeat after a 401 is not counted, nor one of
            what was certainly not sent: that is tried as long as the deadline allows. With 1 nothing is.
        safety_margin: seconds before its end from which on a reservation is not charged any more.
        settle_window: seconds within which a request that was sent is carried out and shows in lists, if at
            all. Where nothing else ends it, an open outcome is called not done only after that.
        list_lag: seconds within which what was carried out shows in lists. An open charge whose reservation
            has ended, or was replaced, is called not done after that.
        settle_for: seconds that an open outcome is looked after in the background; more than the window.
        close_wait: seconds that closing the client waits for calls that move money.
        trust_env: use the proxy of the environment (`HTTPS_PROXY` and its kin); never a .netrc file's login.
    """

    client_id: str
    client_secret: str = attrs.field(repr=False)
    base_url: str
    token_url: str
    client_type: str | None = None
    scopes: tuple[str, ...] | None = None
    timeout: Timeout = Timeout()
    max_connections: int = 100
    keepalive: float = 4.0
    max_answer_bytes: int = 16 * 1024 * 1024
    max_attempts: int = 4
    safety_margin: float = 10.0
    settle_window: float = 60.0
    list_lag: float = 10.0
    settle_for: float = 120.0
    close_wait: float = 10.0
    trust_env: bool = False

    def __attrs_post_init__(self) -> None:
        for name in ("client_id", "client_secret"):
            _check_text(name, getattr(self, name))
        _check_url("base_url", self.base_url)
        _check_url("token_url", self.token_url)
        _check_switch("trust_env", self.trust_env)
        for name in ("max_connections", "max_answer_bytes", "max_attempts"):
            _check_count(name, getattr(self, name))
        for name in ("keepalive", "safety_margin", "settle_window", "list_lag", "settle_for", "close_wait"):
            check_seconds(name, getattr(self, name))
        _check_client_type(self.client_type)
        _check_scopes(self.scopes)

    @classmethod
    def make(
        cls,
        *,
        client_id: str,
        client_secret: str,
        environment: str | None = None,
        base_url: str | None = None,
        token_url: str | None = None,
        client_type: str | None = None,
        scopes: Iterable[str] | None = None,
        timeout: float | Timeout | None = None,
        max_connections: int = 100,
        trust_env: bool = False,
    ) -> Settings:
        """Settings from what a client is constructed with; `base_url` goes before `environment`.

        Raises:
            ConfigurationError: a value is missing or cannot work; the message names it.
        """
        client_secret = conceal(client_secret)
        base_url, token_url = _urls(environment, base_url, token_url)
        if isinstance(scopes, str):
            scopes = scopes.split()
        return cls(
            client_id=client_id,
            client_secret=client_secret,
            base_url=base_url,
            token_url=token_url,
            client_type=client_type,
            scopes=None if scopes is None else tuple(scopes),
            timeout=to_timeout(timeout),
            max_connections=max_connections,
            trust_env=trust_env,
        )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | Variables | None = None) -> Settings:
        """Settings from `VOUCHER_*` variables.

        `VOUCHER_CLIENT_ID` and `VOUCHER_CLIENT_SECRET` are required, and one of `VOUCHER_ENVIRONMENT` and
        `VOUCHER_BASE_URL`; `VOUCHER_TOKEN_URL`, `VOUCHER_CLIENT_TYPE` and `VOUCHER_TRUST_ENV` (1, true, yes
        or on: use the proxy of the environment; 0, false, no or off) are optional.

        Raises:
            ConfigurationError: a variable is missing or its value cannot work; the message names it.
        """
        environ = values = Variables(os.environ if environ is None else environ)
        missing = [name for name in ("VOUCHER_CLIENT_ID", "VOUCHER_CLIENT_SECRET") if not values.get(name)]
        if not values.get("VOUCHER_ENVIRONMENT") and not values.get("VOUCHER_BASE_URL"):
            missing.append("VOUCHER_ENVIRONMENT (or VOUCHER_BASE_URL)")
        if missing:
            raise ConfigurationError(f"not set in the environment: {', '.join(missing)}")
        unreadable = [name for name in _VARIABLES if _has_surrogates(values.get(name) or "")]
        if unreadable:
            raise ConfigurationError(f"not UTF-8 in the environment: {', '.join(unreadable)}")
        return cls.make(
            client_id=str(values.get("VOUCHER_CLIENT_ID")),
            client_secret=conceal(values.get("VOUCHER_CLIENT_SECRET") or ""),
            environment=values.get("VOUCHER_ENVIRONMENT") or None,
            base_url=values.get("VOUCHER_BASE_URL") or None,
            token_url=values.get("VOUCHER_TOKEN_URL") or None,
            client_type=values.get("VOUCHER_CLIENT_TYPE") or None,
            trust_env=_to_bool("VOUCHER_TRUST_ENV", values.get("VOUCHER_TRUST_ENV") or "0"),
        )


def to_timeout(timeout: float | Timeout | None) -> Timeout:
    """What a client was given as `timeout=`: nothing, the total in seconds, or all three limits.

    Raises:
        ConfigurationError: not a positive number of seconds.
    """
    if timeout is None:
        return Timeout()
    if isinstance(timeout, Timeout):
        return timeout
    return Timeout(total=check_seconds("timeout", timeout))


def _to_bool(name: str, text: str) -> bool:
    word = text.strip().lower()
    if word not in _YES | _NO:
        raise ConfigurationError(f"{name} must be one of 1, true, yes, on, 0, false, no and off")
    return word in _YES


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str) or not value or not value.isprintable() or " " in value:
        raise ConfigurationError(f"{name} must be a text without white space or control characters")


def _check_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{name} must be a whole number of at least 1, got {value!r}")


def _check_switch(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} must be True or False, got {value!r}")


def _check_client_type(client_type: object) -> None:
    if client_type is None:
        return
    if not isinstance(client_type, str) or not 0 < len(client_type) <= _CLIENT_TYPE_LENGTH:
        raise ConfigurationError(f"client_type must be a text of 1 to {_CLIENT_TYPE_LENGTH} characters")
    if _has_surrogates(client_type):
        raise ConfigurationError("client_type must not hold lone surrogates")


def _has_surrogates(text: str) -> bool:
    """Whether UTF-8 cannot write it; what is no UTF-8 in the environment looks so as well."""
    return any("\ud800" <= character <= "\udfff" for character in text)


def _check_scopes(scopes: tuple[str, ...] | None) -> None:
    if scopes is None:
        return
    if not scopes:
        raise ConfigurationError("scopes must name at least one scope, or be None for all")
    for scope in scopes:
        _check_text("scopes", scope)
