"""The client: all operations as attributes, and the lifetime of connections, tasks and tokens."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from ssl import SSLContext
from types import TracebackType
from typing import Self, Unpack, cast

import aiohttp

from voucher_async.assembly import Assembly
from voucher_async.auth import TokenStore
from voucher_async.bookkeeping import Bookkeeping
from voucher_async.cancelling import to_the_end
from voucher_async.checkout import Checkout, VoucherLock
from voucher_async.checks import check_wait
from voucher_async.clock import Clock
from voucher_async.config import Environment, Settings, SettingsOptions, Timeout, conceal_in
from voucher_async.leftovers import Leftovers
from voucher_async.masking import Variables, conceal, known
from voucher_async.models import Charge
from voucher_async.money import Amount
from voucher_async.options import ClientOptions, settings_of
from voucher_async.outcomes import PendingOutcome
from voucher_async.payments.journal import Journal
from voucher_async.payments.pauses import Pauses
from voucher_async.reconciling import Reconciling
from voucher_async.resources.charges import Charges
from voucher_async.resources.clients import Clients
from voucher_async.resources.reservations import Reservations
from voucher_async.resources.vouchers import Vouchers
from voucher_async.returning import Returning
from voucher_async.signatures import called_without_arguments

__all__ = ["VoucherClient"]


class VoucherClient(Reconciling, Returning, Bookkeeping):
    """A client of the JTL-Voucher Cloud API.

    One client serves any number of tasks of one event loop. It can be made outside a loop; it opens its
    connections at the first call. Use it as `async with`, which logs a WARNING for each outcome that stays
    open, or call `aclose` when done, which returns them. A client that is deleted unclosed causes a
    `ResourceWarning`.

    Args:
        client_id: the OAuth client id.
        client_secret: the OAuth client secret.
        environment: `sandbox` or `production`; or give `base_url`.
        base_url: the API's address, version included; takes precedence over `environment`.
        token_url: the OAuth token endpoint; default: `/oauth/token` on the host of `base_url`.
        insecure_hosts: hosts for which plain http will do, for tests; default: the machine's own alone.
        client_type: free text of at most 32 characters for the vendor's statistics.
        scopes: the scopes to ask for; None asks for all the client has.
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
        brake_at: the share of the latest money calls in doubt above which new ones are refused unsent
            (`TooManyInDoubt`), such as 0.5; default: none are refused.
        recover_every: seconds between two recoveries of what dead workers left, give or take half of it,
            where the journal is durable; default 60, 0 for none. See `recover`.
        look_before_charge: look whether `redeem` has charged before, for the days after the journal has lost
            records; default False.
        order_number_format: the form in which order numbers are sent, with a reference that identifies the
            money call, such as `"{order}~{ref}"`; results show your own number again. None sends it as it
            is.
        session: an aiohttp session to use; it is never closed and never changed.
        token_store: a store of tokens, for any number of clients; or its URL (`redis://host:6379/0`), or
            `journal` for the journal's database, which the client opens and closes; default: in memory.
        hooks: observers; see `voucher_async.Hook`.
        voucher_lock: gives turns to the users of a voucher; default: the journal's, or within this process.
        journal: the store of the records of money calls and their idempotency keys, shared by any number
            of clients; or the URL of a database that keeps them, such as `sqlite:///vouchers.db`, which the
            client opens and closes; default: in memory, for this client alone.
        journal_scope: a name for the owner of the keys, for clients with several client ids that serve one
            order together; default: this base URL and client id.
        clock: the source of the time; for tests.
        settings: all settings at once, instead of the arguments from `client_id` to `order_number_format`.

    Raises:
        ConfigurationError: a setting is missing or cannot work, or one is given beside `settings`.
    """

    def __init__(
        self,
        client_id: str | None = None,
        client_secret: str | None = None,
        *,
        environment: Environment | None = None,
        base_url: str | None = None,
        token_url: str | None = None,
        insecure_hosts: Iterable[str] | None = None,
        client_type: str | None = None,
        scopes: Iterable[str] | None = None,
        timeout: float | Timeout | None = None,
        max_connections: int | None = None,
        trust_env: bool | None = None,
        proxy: str | None = None,
        ssl: SSLContext | None = None,
        close_wait: float | None = None,
        settle_window: float | None = None,
        settle_for: float | None = None,
        list_lag: float | None = None,
        brake_at: float | None = None,
        recover_every: float | None = None,
        look_before_charge: bool | None = None,
        order_number_format: str | None = None,
        session: aiohttp.ClientSession | None = None,
        token_store: TokenStore | str | None = None,
        hooks: Sequence[object] = (),
        voucher_lock: VoucherLock | None = None,
        journal: Journal | str | None = None,
        journal_scope: str | None = None,
        clock: Clock | None = None,
        settings: Settings | None = None,
    ) -> None:
        client_secret, proxy = conceal(client_secret), conceal(proxy)
        if isinstance(journal, str):
            journal = conceal(journal)  # a password may be in it
        if isinstance(token_store, str):
            token_store = conceal(token_store)
        options: SettingsOptions = {
            "client_id": client_id,
            "client_secret": client_secret,
            "environment": environment,
            "base_url": base_url,
            "token_url": token_url,
            "insecure_hosts": insecure_hosts,
            "client_type": client_type,
            "scopes": scopes,
            "timeout": timeout,
            "max_connections": max_connections,
            "trust_env": trust_env,
            "proxy": proxy,
            "ssl": ssl,
            "close_wait": close_wait,
            "settle_window": settle_window,
            "settle_for": settle_for,
            "list_lag": list_lag,
            "brake_at": brake_at,
            "recover_every": recover_every,
            "look_before_charge": look_before_charge,
            "order_number_format": order_number_format,
        }
        settings = settings_of(settings, options)
        assembly = Assembly(
            settings,
            session=session,
            token_store=token_store,
            hooks=hooks,
            voucher_lock=voucher_lock,
            journal=journal,
            journal_scope=journal_scope,
            clock=clock,
        )
        self._settings = settings
        self._transport = assembly.transport
        self._tokens = assembly.tokens
        self._supervisor = assembly.supervisor
        self._joining = assembly.joining
        self._recovery = assembly.recovery
        self._lifecycle = assembly.lifecycle
        self._vouchers = assembly.vouchers
        self._reservations = assembly.reservations
        self._charges = assembly.charges
        self._clients = assembly.clients
        self._order_refunds = assembly.order_refunds
        self._leftovers = assembly.leftovers
        self._polling = Pauses(assembly.supervisor.settler.clock)
        self._own_journal = assembly.own_journal
        self._own_token_store = assembly.own_token_store

    @classmethod
    @called_without_arguments
    def from_env(
        cls, environ: Mapping[str, str] | Variables | None = None, **overrides: Unpack[ClientOptions]
    ) -> Self:
        """A client from `VOUCHER_CLIENT_ID`, `VOUCHER_CLIENT_SECRET`, `VOUCHER_ENVIRONMENT` and so on.

        `VOUCHER_BASE_URL`, `VOUCHER_TOKEN_URL`, `VOUCHER_INSECURE_HOSTS`, `VOUCHER_CLIENT_TYPE`,
        `VOUCHER_TRUST_ENV`, `VOUCHER_CLOSE_WAIT`, `VOUCHER_SETTLE_WINDOW`, `VOUCHER_SETTLE_FOR`,
        `VOUCHER_LIST_LAG`, `VOUCHER_RECOVER_EVERY`, `VOUCHER_BRAKE_AT`, `VOUCHER_LOOK_BEFORE_CHARGE`,
        `VOUCHER_JOURNAL` and `VOUCHER_TOKEN_STORE` (URLs) and `VOUCHER_ORDER_NUMBER_FORMAT` are optional.

        A framework that fills in parameters, as FastAPI does for `Depends`, sees none here. It would make a
        client for each request: one for the whole application is faster, and its journal in memory lasts.

        Args:
            environ: the variables; default: the process's.
            overrides: the constructor's arguments, but for `settings`; each takes precedence over its
                variable, and None stands for one that is not given. `environment` or `base_url` takes
                precedence over all three variables of addresses: the secret is sent to no foreign host.

        Raises:
            ConfigurationError: a variable is missing or cannot work; the message names it.
        """
        conceal_in(overrides)
        environ = Variables(os.environ if environ is None else environ)
        journal = overrides.pop("journal", None)
        token_store = overrides.pop("token_store", None)
        own: ClientOptions = {
            "session": overrides.pop("session", None),
            "token_store": environ.get("VOUCHER_TOKEN_STORE") if token_store is None else token_store,
            "hooks": overrides.pop("hooks", ()),
            "voucher_lock": overrides.pop("voucher_lock", None),
            "journal": environ.get("VOUCHER_JOURNAL") if journal is None else journal,
            "journal_scope": overrides.pop("journal_scope", None),
            "clock": overrides.pop("clock", None),
        }
        # every other keyword is an option of the settings, and refused there if it is none
        settings = Settings.from_env(environ, **cast("SettingsOptions", overrides))
        return cls(settings=settings, **own)

    def __repr__(self) -> str:
        settings: Settings | None = getattr(self, "_settings", None)
        if settings is None:  # the constructor has failed; a traceback with values shows this all the same
            return "<VoucherClient that was not made>"
        return f"<VoucherClient {settings.client_id} at {settings.base_url}>"

    @property
    def vouchers(self) -> Vouchers:
        """The operations of vouchers: create, read, change, recharge them, list their charges."""
        return self._vouchers

    @property
    def reservations(self) -> Reservations:
        """The operations of reservations: reserve amounts and charge them, step by step."""
        return self._reservations

    @property
    def charges(self) -> Charges:
        """The operations of charges: read, list, refund."""
        return self._charges

    @property
    def clients(self) -> Clients:
        """The operations of clients: connect and disconnect."""
        return self._clients

    @property
    def settings(self) -> Settings:
        """The settings in force; their repr holds no secret."""
        return self._settings

    async def redeem(
        self,
        *,
        code: str,
        amount: Amount,
        currency: str,
        order_number: str,
        pin: str | None = None,
        idempotency_key: str | None = None,
        join: bool = True,
        timeout: float | Timeout | None = None,
    ) -> Charge:
        """Pay with a voucher: reserve an amount and charge it (`createReservation`, `chargeReservation`).

        Calls for one code in one process take turns, because a second reservation ends the first. When the
        charge is refused because another process has reserved the voucher in between, a new reservation is
        made and, if the voucher's list then shows no charge, charged. This happens once; a second refusal
        is raised.

        When the answer to the charge is lost, the charge is looked for, and the reservation charged again if
        there is none. When the caller is cancelled while the charge is under way, the charge is finished in
        the background. Without a key, repeating the call (code, amount, order number) raises the same
        `OutcomeUnknown` as long as the outcome is open, and returns the charge if it was made and nobody was
        told. A caller is told by the result of this method or of `settle`, or by refunding the charge. From
        then on a repeated call is another payment.

        Args:
            code: the voucher's code.
            amount: how much, in currency units, at least 0.01.
            currency: ISO 4217; must be the voucher's.
            order_number: the order it pays for.
            pin: an extra check for printed vouchers.
            idempotency_key: names the payment, 1 to 255 printable characters: at most one charge is made
                for it, ever, and every call with it returns that charge.
            join: without a key, wait for an equal call that is under way (code, amount, currency, order,
                pin), and return its charge. False for a till where equal payments are different customers'.
            timeout: seconds for all of it, or a `Timeout`; None takes the client's.

        Returns:
            The charge.

        Raises:
            InvalidInput: refused before anything was sent.
            IdempotencyMismatch: the key was used for another payment; nothing was sent.
            ChargeRefunded: the key's charge was made and refunded; the key stays used.
            StillRunning: another caller's call for this payment is under way: ask again with the key.
            JournalFailed: the journal cannot be written; nothing was sent.
            OutcomeUnknown: it may or may not have been charged; `settle` its `pending` later.
            ApiError: refused by the server; nothing was charged.
            ReservationExpired: the reservation's answer came too late to charge it; nothing was charged.
            TransportError: nothing was charged.
            LockFailed: the client's `voucher_lock` failed; nothing was sent.
            TooManyInDoubt: the brake is on (`brake_at`); nothing was sent.
        """
        code, pin = conceal(code), conceal(pin)
        with known(code, pin):
            return await self._lifecycle.redeem(
                code=code,
                amount=amount,
                currency=currency,
                order_number=order_number,
                pin=pin,
                idempotency_key=idempotency_key,
                join=join,
                timeout=timeout,
            )

    def checkout(self, *, order_number: str, currency: str, idempotency_key: str | None = None) -> Checkout:
        """One order, paid with one or more vouchers: reserve them, take the rest, charge all or none.

        With an idempotency key the order has one set of charges, ever, however often the block is run. The
        key is claimed at `async with`, which waits while another run with it is inside its block, and first
        finishes an earlier run that died, ended in doubt, or was charged by a late copy. Once the order is
        charged, a further run reserves and charges nothing: `reserve` and `charge` return what was. The
        key is free again when the block was left without a charge, or all charges were refunded.

        Args:
            order_number: the order; every charge carries it.
            currency: ISO 4217; the vouchers' currency.
            idempotency_key: names the payment, 1 to 255 printable characters.

        Returns:
            The checkout, for `async with`; nothing is sent yet. With a key, entering it raises
            `IdempotencyMismatch`, `StillRunning`, `JournalFailed`, and `CheckoutFailed` or `CheckoutUnknown`
            when an earlier run left charges that can be neither completed nor refunded now.

        Raises:
            InvalidInput: a bad order number or key.
        """
        return self._lifecycle.checkout(
            order_number=order_number, currency=currency, idempotency_key=idempotency_key
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        leftovers: Leftovers | None = getattr(self, "_leftovers", None)
        if leftovers is not None:  # missing when the constructor has failed
            leftovers.warn(self)

    async def aclose(self, wait: float | None = None) -> tuple[PendingOutcome, ...]:
        """Finish money calls, then close the connections; a second call does nothing.

        Cancelled meanwhile, it still closes, and raises the cancellation afterwards.

        Args:
            wait: seconds to wait for money calls and open outcomes; None takes `Settings.close_wait`. A call
                that takes longer is ended: its caller gets an error, the hooks an event, with all that is
                known of its outcome.

        Returns:
            The outcomes that are still open; store them, and `settle` them later.

        Raises:
            ConfigurationError: the client is in use on another event loop, or `wait` is no time span of at
                most a day; nothing was closed.
        """
        check_wait(wait)
        self._transport.session.check_loop("Close it there.")
        return await to_the_end(self._close(wait))

    async def _close(self, wait: float | None) -> tuple[PendingOutcome, ...]:
        self._recovery.stop()
        self._polling.end()
        try:
            await self._supervisor.finish(wait)
        finally:
            try:
                await self._tokens.aclose()
            finally:
                self._supervisor.close()
                await self._transport.aclose()
        await self._recovery.end()
        try:
            return await self._supervisor.end()
        finally:
            if self._own_token_store is not None:
                await self._own_token_store.aclose()
            if self._own_journal is not None:
                await self._own_journal.aclose()
