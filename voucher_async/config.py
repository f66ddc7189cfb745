"""Settings: frozen, checked when made, safe to print."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from ssl import SSLContext
from typing import Any, Final, Literal, TypeAlias, TypedDict, Unpack, cast

import attrs

from voucher_async.addresses import addresses, check_insecure_hosts, check_url, to_hosts
from voucher_async.checks import (
    LONGEST,
    check_client_type,
    check_context,
    check_count,
    check_format,
    check_pause,
    check_scopes,
    check_seconds,
    check_share,
    check_switch,
    check_text,
)
from voucher_async.clock import Clock, Deadline
from voucher_async.errors import ConfigurationError
from voucher_async.masking import Variables, conceal, conceals
from voucher_async.proxy import check_proxy, shown
from voucher_async.signatures import called_without_arguments
from voucher_async.variables import ADDRESSES, read_variables

__all__ = ["Environment", "Settings", "SettingsOptions", "Timeout"]

Environment: TypeAlias = Literal["sandbox", "production"]

_SETTLE_FOR: Final = 120.0


@attrs.frozen
class Timeout:
    """Time limits in seconds, each a day at most: of a client, or of one call by its `timeout=`.

    A limit that is left out has the default here, also where the client has another:
    `attrs.evolve(client.settings.timeout, read=60)` changes one of the client's.

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


class SettingsOptions(TypedDict, total=False):
    """The options that make settings; None stands for one that was not given.

    Attributes:
        client_id: the OAuth client id.
        client_secret: the OAuth client secret.
        environment: `sandbox` or `production`; or `base_url` is given.
        base_url: the API's address, version included; takes precedence over `environment`.
        token_url: the OAuth token endpoint; default: `/oauth/token` on the host of `base_url`.
        insecure_hosts: hosts for which plain http will do, such as `("emulator",)` for the emulator in a
            container; a warning is logged; default: the machine's own alone.
        client_type: free text of at most 32 characters for the vendor's statistics.
        scopes: the scopes to ask for, or a text of them; default: all the client has.
        timeout: seconds for a whole call (default 30, at most a day), or a `Timeout` with all three limits.
        max_connections: how many connections may be open at once; default 100.
        trust_env: use the proxy of the environment, but never the login of a .netrc file; default False.
        proxy: the URL of a proxy, such as `http://user:password@proxy.example:3128`; default: none.
        ssl: an `ssl.SSLContext` that the server's certificate is verified with; default: the system's.
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
        look_before_charge: look whether `redeem` has charged before, as after a loss of the journal; default
            False.
        order_number_format: the form in which order numbers are sent with a reference, such as
            `"{order}~{ref}"`; default: without one.
    """

    client_id: str | None
    client_secret: str | None
    environment: Environment | None
    base_url: str | None
    token_url: str | None
    insecure_hosts: Iterable[str] | None
    client_type: str | None
    scopes: Iterable[str] | None
    timeout: float | Timeout | None
    max_connections: int | None
    trust_env: bool | None
    proxy: str | None
    ssl: SSLContext | None
    close_wait: float | None
    settle_window: float | None
    settle_for: float | None
    list_lag: float | None
    brake_at: float | None
    recover_every: float | None
    look_before_charge: bool | None
    order_number_format: str | None


@conceals("client_secret", "proxy")
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
        look_before_charge: every `redeem` looks, once it has reserved, for a charge of the same voucher,
            amount and order number, of whatever age, that no record knows, and returns that. For the days
            after a journal has lost records: it takes up to `list_lag` longer, and needs `read-lists`.
        order_number_format: the form in which order numbers are sent, with a reference that identifies the
            money call, such as `"{order}~{ref}"`; None sends them as they are.
        insecure_hosts: hosts for which plain http will do, in small letters; for tests. Whoever is on the
            way to them can read and change all that is sent.
        proxy: the URL of a proxy for all requests, those for tokens included; its login is not shown in the
            repr. It takes precedence over the proxy of the environment, and over its exceptions (`NO_PROXY`).
        ssl: the TLS context for connections to the API, to tokens and to an https proxy; None: the system's
            authorities. One that verifies nothing is used, and a warning is logged.
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
    look_before_charge: bool = False
    order_number_format: str | None = None
    insecure_hosts: tuple[str, ...] = ()
    proxy: str | None = attrs.field(default=None, repr=shown)
    ssl: SSLContext | None = None

    def __attrs_post_init__(self) -> None:
        for name in ("client_id", "client_secret"):
            check_text(name, getattr(self, name))
        check_insecure_hosts(self.insecure_hosts)
        check_url("base_url", self.base_url, self.insecure_hosts)
        check_url("token_url", self.token_url, self.insecure_hosts)
        check_proxy(self.proxy, self.base_url, self.token_url, self.insecure_hosts)
        check_context(self.ssl)
        check_switch("trust_env", self.trust_env)
        check_switch("look_before_charge", self.look_before_charge)
        for name in ("max_connections", "max_answer_bytes", "max_attempts"):
            check_count(name, getattr(self, name))
        for name in ("keepalive", "safety_margin", "settle_window", "list_lag", "settle_for", "close_wait"):
            check_seconds(name, getattr(self, name))
        check_pause("recover_every", self.recover_every)
        check_client_type(self.client_type)
        check_scopes(self.scopes)
        check_format(self.order_number_format)
        check_share("brake_at", self.brake_at)

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
        hosts = given["insecure_hosts"] = to_hosts(given.get("insecure_hosts", ()))
        check_insecure_hosts(hosts)
        named = [given.pop(name, None) for name in ADDRESSES]
        base_url, token_url = addresses(*named, insecure_hosts=hosts)
        scopes = given.pop("scopes", None)
        if scopes is not None:
            given["scopes"] = tuple(scopes.split() if isinstance(scopes, str) else scopes)
        if "settle_window" in given:
            window = check_seconds("settle_window", given["settle_window"])
            given.setdefault("settle_for", min(max(2 * window, _SETTLE_FOR), LONGEST))
        given["timeout"] = to_timeout(given.pop("timeout", None))
        return cls(base_url=base_url, token_url=token_url, **given)

    @classmethod
    @called_without_arguments
    def from_env(
        cls, environ: Mapping[str, str] | Variables | None = None, **overrides: Unpack[SettingsOptions]
    ) -> Settings:
        """Settings from `VOUCHER_*` variables.

        `VOUCHER_CLIENT_ID` and `VOUCHER_CLIENT_SECRET` are required, and one of `VOUCHER_ENVIRONMENT` and
        `VOUCHER_BASE_URL`. Optional are `VOUCHER_TOKEN_URL`, `VOUCHER_INSECURE_HOSTS` (names, with commas
        between them), `VOUCHER_CLIENT_TYPE`, `VOUCHER_TRUST_ENV` (1, true, yes or on: use the proxy of the
        environment; 0, false, no or off), `VOUCHER_CLOSE_WAIT`, `VOUCHER_SETTLE_WINDOW`,
        `VOUCHER_SETTLE_FOR`, `VOUCHER_LIST_LAG`, `VOUCHER_RECOVER_EVERY` (seconds), `VOUCHER_BRAKE_AT`,
        `VOUCHER_LOOK_BEFORE_CHARGE` and `VOUCHER_ORDER_NUMBER_FORMAT`.

        Args:
            environ: the variables; default: the process's.
            overrides: each takes precedence over its variable, `environment` or `base_url` over all three
                variables of addresses, so that the secret is sent to no foreign host.

        Raises:
            ConfigurationError: a variable is missing or its value cannot work; the message names it.
        """
        given = given_options(overrides)
        environ = values = Variables(os.environ if environ is None else environ)
        read = read_variables(values, given)
        return cls.make(**cast("SettingsOptions", {**read, **given}))


def conceal_in(options: SettingsOptions) -> None:
    """Conceal the secrets among options in place, since the caller's frame keeps the mapping."""
    if "client_secret" in options:
        options["client_secret"] = conceal(options["client_secret"])
    if "proxy" in options:
        options["proxy"] = conceal(options["proxy"])


def given_options(options: SettingsOptions) -> dict[str, Any]:
    """The options that were given; None stands for one that was not.

    Raises:
        TypeError: there is no such option.
    """
    conceal_in(options)
    unknown = options.keys() - SettingsOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"unexpected keyword argument {min(unknown)!r}")
    return {name: value for name, value in options.items() if value is not None}


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


def deadline_of(clock: Clock, timeout: float | Timeout | None, default: float = Timeout().total) -> Deadline:
    """The deadline of a call that begins now, by its `timeout=`.

    Args:
        clock: measures it.
        timeout: the total in seconds, or all limits; None: the client's.
        default: the client's total, in seconds.

    Raises:
        ConfigurationError: not a positive number of seconds.
    """
    if isinstance(timeout, Timeout):
        return Deadline(clock, timeout.total, connect=timeout.connect, read=timeout.read)
    return Deadline(clock, default if timeout is None else check_seconds("timeout", timeout))
