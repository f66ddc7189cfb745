"""Settings: frozen, checked when made, safe to print."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict, Unpack, cast

import attrs

from voucher_async.addresses import addresses, check_url
from voucher_async.errors import ConfigurationError
from voucher_async.masking import Variables, conceal, conceals
from voucher_async.references import format_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["Environment", "Settings", "SettingsOptions", "Timeout"]

Environment: TypeAlias = Literal["sandbox", "production"]

_ADDRESSES: Final = ("environment", "base_url", "token_url")
_CLIENT_TYPE_LENGTH = 32
_LONGEST: Final = 86_400.0  # seconds: dates plus years would leave the calendar
_SETTLE_FOR: Final = 120.0
_YES, _NO = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


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
    """Check how long closing waits: None, 0 or a time span.

    Raises:
        ConfigurationError: when it is none of these.
    """
    if wait is not None:
        _check_pause("wait", wait)


def _check_pause(name: str, value: object) -> None:
    """Check a pause between two rounds: 0 for no rounds, or a time span.

    Raises:
        ConfigurationError: when it is neither.
    """
    if isinstance(value, bool) or value != 0:
        check_seconds(name, value)


class SettingsOptions(TypedDict, total=False):
    """The options that make settings; None stands for one that was not given.

    Attributes:
        client_id: the OAuth client id.
        client_secret: the OAuth client secret.
        environment: `sandbox` or `production`; or `base_url` is given.
        base_url: the API's address, version included; takes precedence over `environment`.
        token_url: the OAuth token endpoint; default: `/oauth/token` on the host of `base_url`.
        client_type: free text of at most 32 characters for the vendor's statistics.
        scopes: the scopes to ask for, or a text of them; default: all the client has.
        timeout: seconds for a whole call (default 30, at most a day), or a `Timeout` with all three limits.
        max_connections: how many connections may be open at once; default 100.
        trust_env: use the proxy of the environment, but never the login of a .netrc file; default False.
        close_wait: seconds that closing the client waits for money calls; default 10.
        settle_window: seconds after which a request can no longer take effect or first show in lists;
            default 60.
        settle_for: seconds for which an open outcome is settled in the background; default 120, and at
            least twice a `settle_window` that is given.
        list_lag: seconds within which an effect shows in lists; default 10.
        brake_at: the share of the latest money calls in doubt, such as 0.5, above which new ones are refused
            unsent; default: none are refused.
        recover_every: seconds between two recoveries of what dead workers left, about, where the journal is
            durable; default 60, 0 for none.
        order_number_format: the form in which order numbers are sent with a reference, such as
            `"{order}~{ref}"`; default: without one.
    """

    client_id: str | None
    client_secret: str | None
    environment: Environment | None
    base_url: str | None
    token_url: str | None
    client_type: str | None
    scopes: Iterable[str] | None
    timeout: float | Timeout | None
    max_connections: int | None
    trust_env: bool | None
    close_wait: float | None
    settle_window: float | None
    settle_for: float | None
    list_lag: float | None
    brake_at: float | None
    recover_every: float | None
    order_number_format: str | None


@conceals("client_secret")
@attrs.frozen(kw_only=True)
class Settings:
    """The options of a client, checked. Make one with `Settings.make` or `Settings.from_env`.

    Attributes:
        client_id: the OAuth client id.
        client_secret: the OAuth client secret; not shown in the repr.
        base_url: the API's address, version included.
        token_url: the OAuth token endpoint.
        client_type: free text of at most 32 characters for the vendor's statistics.
        scopes: the scopes to ask for; None asks for all the client has.
        timeout: the time limits of a call.
        max_connections: how many connections may be open at once.
        keepalive: seconds an idle connection is kept; less than servers keep theirs, so that a request
            rarely meets a connection that the server is just closing.
        max_answer_bytes: larger answers are refused unread.
        max_attempts: how many requests one call may make. A repeat after a 401 is not counted, nor that of a
            request which was certainly not sent: such a request is tried until the deadline. With 1 no
            request is repeated.
        safety_margin: a reservation is not charged in its last seconds, this many.
        settle_window: seconds after which a request can no longer take effect or first show in lists. Only
            then does absence alone prove that a call was not carried out.
        list_lag: seconds within which an effect shows in lists. For a charge whose reservation has ended, or
            was replaced, absence is a proof after that time.
        settle_for: seconds for which an open outcome is settled in the background; more than the window.
        close_wait: seconds that closing the client waits for money calls.
        recover_every: seconds between two recoveries of what dead workers left, give or take half of it,
            where the journal is durable; 0 for none. See `VoucherClient.recover`.
        trust_env: use the proxy of the environment (`HTTPS_PROXY` and its kin); never a .netrc file's login.
        brake_at: the share of the money calls of the last minute in doubt, of 20 at least, above which new
            ones are refused unsent; None refuses none.
        order_number_format: the form in which order numbers are sent, with a reference that identifies the
            money call, such as `"{order}~{ref}"`; None sends them as they are.
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
    settle_for: float = _SETTLE_FOR
    close_wait: float = 10.0
    recover_every: float = 60.0
    trust_env: bool = False
    brake_at: float | None = None
    order_number_format: str | None = None

    def __attrs_post_init__(self) -> None:
        for name in ("client_id", "client_secret"):
            _check_text(name, getattr(self, name))
        check_url("base_url", self.base_url)
        check_url("token_url", self.token_url)
        _check_switch("trust_env", self.trust_env)
        for name in ("max_connections", "max_answer_bytes", "max_attempts"):
            _check_count(name, getattr(self, name))
        for name in ("keepalive", "safety_margin", "settle_window", "list_lag", "settle_for", "close_wait"):
            check_seconds(name, getattr(self, name))
        _check_pause("recover_every", self.recover_every)
        _check_client_type(self.client_type)
        _check_scopes(self.scopes)
        _check_format(self.order_number_format)
        _check_share("brake_at", self.brake_at)

    @classmethod
    def make(cls, **options: Unpack[SettingsOptions]) -> Settings:
        """Settings from a client's options; `base_url` takes precedence over `environment`.

        Args:
            options: see `SettingsOptions`; `client_id` and `client_secret` are needed.

        Raises:
            ConfigurationError: a value is missing or cannot work; the message names it.
        """
        given = given_options(options)
        for name in ("client_id", "client_secret"):
            if name not in given:
                raise ConfigurationError(f"{name} must be a text: both credentials are needed, or settings")
        base_url, token_url = addresses(*(given.pop(name, None) for name in _ADDRESSES))
        scopes = given.pop("scopes", None)
        if scopes is not None:
            given["scopes"] = tuple(scopes.split() if isinstance(scopes, str) else scopes)
        if "settle_window" in given:
            window = check_seconds("settle_window", given["settle_window"])
            given.setdefault("settle_for", min(max(2 * window, _SETTLE_FOR), _LONGEST))
        given["timeout"] = to_timeout(given.pop("timeout", None))
        return cls(base_url=base_url, token_url=token_url, **given)

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str] | Variables | None = None, **overrides: Unpack[SettingsOptions]
    ) -> Settings:
        """Settings from `VOUCHER_*` variables.

        `VOUCHER_CLIENT_ID` and `VOUCHER_CLIENT_SECRET` are required, and one of `VOUCHER_ENVIRONMENT` and
        `VOUCHER_BASE_URL`. Optional are `VOUCHER_TOKEN_URL`, `VOUCHER_CLIENT_TYPE`, `VOUCHER_TRUST_ENV` (1,
        true, yes or on: use the proxy of the environment; 0, false, no or off), `VOUCHER_CLOSE_WAIT`,
        `VOUCHER_SETTLE_WINDOW`, `VOUCHER_SETTLE_FOR`, `VOUCHER_LIST_LAG`, `VOUCHER_RECOVER_EVERY` (seconds),
        `VOUCHER_BRAKE_AT` and `VOUCHER_ORDER_NUMBER_FORMAT`.

        Args:
            environ: the variables; default: the process's.
            overrides: each takes precedence over its variable, `environment` or `base_url` over all three
                variables of addresses, so that the secret is sent to no foreign host.

        Raises:
            ConfigurationError: a variable is missing or its value cannot work; the message names it.
        """
        given = given_options(overrides)
        environ = values = Variables(os.environ if environ is None else environ)
        read = _read_variables(values, given)
        return cls.make(**cast("SettingsOptions", {**read, **given}))


def given_options(options: SettingsOptions) -> dict[str, Any]:
    """The options that were given; None stands for one that was not.

    The secret among them is concealed in place, since the caller's frame keeps the mapping.

    Raises:
        TypeError: there is no such option.
    """
    if "client_secret" in options:
        options["client_secret"] = conceal(options["client_secret"])
    unknown = options.keys() - SettingsOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"unexpected keyword argument {min(unknown)!r}")
    return {name: value for name, value in options.items() if value is not None}


def _read_variables(values: Variables, given: Mapping[str, object]) -> dict[str, Any]:
    """The options that are not given, as far as variables are set for them.

    Raises:
        ConfigurationError: one is missing or cannot be read.
    """
    has_address = "environment" in given or "base_url" in given
    needed = [name for name in _READERS if name not in given and not (has_address and name in _ADDRESSES)]
    found = {name: text for name in needed if (text := values.get(_variable(name)))}
    missing = [_variable(name) for name in ("client_id", "client_secret") if name not in {**found, **given}]
    if not has_address and "environment" not in found and "base_url" not in found:
        missing.append("VOUCHER_ENVIRONMENT (or VOUCHER_BASE_URL)")
    if missing:
        raise ConfigurationError(f"not set in the environment: {', '.join(missing)}")
    unreadable = [_variable(name) for name, text in found.items() if _has_surrogates(text)]
    if unreadable:
        raise ConfigurationError(f"not UTF-8 in the environment: {', '.join(unreadable)}")
    return {name: _READERS[name](_variable(name), text) for name, text in found.items()}


def _variable(name: str) -> str:
    return f"VOUCHER_{name.upper()}"


def to_timeout(timeout: float | Timeout | None) -> Timeout:
    """Make a `Timeout` of a client's `timeout=`: None, the total in seconds, or all three limits.

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


def _to_seconds(name: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise ConfigurationError(f"{name} must be a number of seconds") from None
    return check_seconds(name, seconds)


def _to_share(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigurationError(f"{name} must be a share such as 0.5") from None


def _to_pause(name: str, text: str) -> float:
    return 0.0 if text.strip() == "0" else _to_seconds(name, text)


def _as_it_is(_: str, text: str) -> str:
    return text


_READERS: Final[dict[str, Callable[[str, str], Any]]] = {
    "client_id": _as_it_is,
    "client_secret": _as_it_is,
    "environment": _as_it_is,
    "base_url": _as_it_is,
    "token_url": _as_it_is,
    "client_type": _as_it_is,
    "trust_env": _to_bool,
    "close_wait": _to_seconds,
    "settle_window": _to_seconds,
    "settle_for": _to_seconds,
    "list_lag": _to_seconds,
    "brake_at": _to_share,
    "recover_every": _to_pause,
    "order_number_format": _as_it_is,
}


def _check_format(text: str | None) -> None:
    if text is None:
        return
    try:
        format_of(text)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"order_number_format {error}") from None


def _check_share(name: str, value: object) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if value is not None and not (is_number and 0 < cast("float", value) <= 1):
        raise ConfigurationError(f"{name} must be a share above 0 and at most 1, or None, got {value!r}")


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
    """True for a text that UTF-8 cannot encode, such as a variable that is not UTF-8."""
    return any("\ud800" <= character <= "\udfff" for character in text)


def _check_scopes(scopes: tuple[str, ...] | None) -> None:
    if scopes is None:
        return
    if not scopes:
        raise ConfigurationError("scopes must name at least one scope, or be None for all")
    for scope in scopes:
        _check_text("scopes", scope)
