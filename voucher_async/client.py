"""The client: the door to everything, and the owner of its lifetime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import aiohttp  # noqa: TC002 - takes by far the longest to load: not to be left until a client is made
import attrs

from voucher_async.config import Settings, check_wait
from voucher_async.errors import ConfigurationError
from voucher_async.masking import Variables, conceal, known

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

    from voucher_async.auth import TokenStore
    from voucher_async.checkout import Checkout, VoucherLock
    from voucher_async.clock import Clock
    from voucher_async.config import Environment, Timeout
    from voucher_async.models import Charge, ConnectedClient
    from voucher_async.money import Amount
    from voucher_async.payments.journal import Journal
    from voucher_async.pending import PendingOutcome, Settlement
    from voucher_async.resources.charges import Charges
    from voucher_async.resources.clients import Clients
    from voucher_async.resources.reservations import Reservations
    from voucher_async.resources.vouchers import Vouchers

__all__ = ["VoucherClient", "connect"]


class VoucherClient:
    """A client of the JTL-Voucher Cloud API.

    One client serves any number of tasks of one event loop. It can be made outside a loop; it opens its
    connections at the first call. Use it as `async with`, or call `aclose` when done.

    Args:
        client_id: the OAuth client id.
        client_secret: the OAuth client secret.
        environment: `sandbox` or `production`; or give `base_url`.
        base_url: where the API lives, version included; goes before `environment`.
        token_url: the OAuth token endpoint; default: `/oauth/token` on the host of `base_url`.
        client_type: free text of at most 32 characters for the vendor's statistics.
        scopes: the scopes to ask for; None asks for all the client has.
        timeout: seconds for a whole call (default 30, at most a day), or a `Timeout` with all three limits.
        max_connections: how many connections may be open at once.
        trust_env: use the proxy of the environment, but never the login of a .netrc file.
        session: an aiohttp session to use; it is never closed and never changed.
        token_store: where tokens are kept; default: in memory.
        hooks: observers; see `voucher_async.Hook`.
        voucher_lock: who may use a voucher; default: turns within this process.
        journal: where the records of money calls and their idempotency keys are kept, shared by any number
            of clients; default: in memory, for this client alone.
        journal_scope: whose keys they are, for clients with several client ids that serve one order
            together; default: this base URL and client id.
        clock: where the time comes from; for tests.
        settings: all settings at once, instead of the arguments from `client_id` to `trust_env`.

    Attributes:
        vouchers: create, read, change, recharge vouchers, list their charges.
        reservations: reserve amounts and charge them, step by step.
        charges: refund.
        clients: connect and disconnect.

    Raises:
        ConfigurationError: a setting is missing or cannot work.
    """

    def __init__(
        self,
        client_id: str | None = None,
        client_secret: str | None = None,
        *,
        environment: Environment | None = None,
        base_url: str | None = None,
        token_url: str | None = None,
        client_type: str | None = None,
        scopes: Iterable[str] | None = None,
        timeout: float | Timeout | None = None,
        max_connections: int = 100,
        trust_env: bool = False,
        session: aiohttp.ClientSession | None = None,
        token_store: TokenStore | None = None,
        hooks: Sequence[object] = (),
        voucher_lock: VoucherLock | None = None,
        journal: Journal | None = None,
        journal_scope: str | None = None,
        clock: Clock | None = None,
        settings: Settings | None = None,
    ) -> None:
        client_secret = conceal(client_secret)
        if settings is None:
            if client_id is None or client_secret is None:
                raise ConfigurationError("client_id and client_secret are needed, or settings")
            settings = Settings.make(
                client_id=client_id,
                client_secret=client_secret,
                environment=environment,
                base_url=base_url,
                token_url=token_url,
                client_type=client_type,
                scopes=scopes,
                timeout=timeout,
                max_connections=max_connections,
                trust_env=trust_env,
            )
        elif client_id is not None or client_secret is not None:
            raise ConfigurationError("give either settings or client_id and client_secret")
        # loaded when it is needed first, see there
        from voucher_async.assembly import Parts  # noqa: PLC0415

        parts = Parts(
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
        self._transport = parts.transport
        self._tokens = parts.tokens
        self._desk = parts.desk
        self._lifecycle = parts.lifecycle
        self.vouchers: Vouchers = parts.vouchers
        self.reservations: Reservations = parts.reservations
        self.charges: Charges = parts.charges
        self.clients: Clients = parts.clients

    @classmethod
    def from_env(
        cls,
        environ: Mapping[str, str] | Variables | None = None,
        *,
        session: aiohttp.ClientSession | None = None,
        token_store: TokenStore | None = None,
        hooks: Sequence[object] = (),
        trust_env: bool | None = None,
    ) -> Self:
        """A client from `VOUCHER_CLIENT_ID`, `VOUCHER_CLIENT_SECRET`, `VOUCHER_ENVIRONMENT` and so on.

        `VOUCHER_BASE_URL`, `VOUCHER_TOKEN_URL`, `VOUCHER_CLIENT_TYPE` and `VOUCHER_TRUST_ENV` are optional.

        Args:
            environ: the variables; default: the process's.
            session: as for the constructor.
            token_store: as for the constructor.
            hooks: as for the constructor.
            trust_env: as for the constructor; None: what `VOUCHER_TRUST_ENV` says.

        Raises:
            ConfigurationError: a variable is missing or cannot work; the message names it.
        """
        environ = None if environ is None else Variables(environ)
        settings = Settings.from_env(environ)
        if trust_env is not None:
            settings = attrs.evolve(settings, trust_env=trust_env)
        return cls(settings=settings, session=session, token_store=token_store, hooks=hooks)

    def __repr__(self) -> str:
        return f"<VoucherClient {self._settings.client_id} at {self._settings.base_url}>"

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
        timeout: float | None = None,
    ) -> Charge:
        """Pay with a voucher: reserve an amount and charge it (`createReservation`, `chargeReservation`).

        Two of them for one code in one process take turns, because a second reservation kills the first. When
        another process reserves the voucher in between, the charge is refused, as a rule with `Conflict`.

        When the answer to the charge is lost, it is looked for, and the reservation charged again when it is
        not there. When the caller is cancelled while money moves, the charge is finished in the background.
        Asked again for the same payment (code, amount, order number) while that one is open, this raises the
        same `OutcomeUnknown`; when it was charged meanwhile and nobody was told, it returns that charge. Who
        gets it, from here or from `settle`, or refunds it, was told: after that it is another payment.

        Args:
            code: the voucher's code.
            amount: how much, in currency units, at least 0.01.
            currency: ISO 4217; must be the voucher's.
            order_number: the order it pays for.
            pin: an extra check for printed vouchers.
            idempotency_key: names the payment, 1 to 255 printable characters: at most one charge is made
                for it, ever, and everybody who asks with it gets that one.
            join: without a key, wait for an equal call that is under way (code, amount, currency, order,
                pin), and return its charge. False for a till where equal payments are different customers'.
            timeout: seconds for all of it; None takes the client's.

        Returns:
            The charge.

        Raises:
            InvalidInput: refused before anything was sent.
            IdempotencyMismatch: the key was used for another payment; nothing was sent.
            ChargeRefunded: the key's charge was made and taken back; the key stays used.
            StillRunning: another caller's call for this payment is under way: ask again with the key.
            JournalFailed: the journal cannot be written; nothing was sent.
            OutcomeUnknown: it may or may not have been charged; `settle` its `pending` later.
            ApiError: refused by the server; nothing was charged.
            ReservationExpired: making the reservation took up its life; nothing was charged.
            TransportError: nothing was charged.
            LockFailed: the voucher lock that was handed in failed; nothing was sent.
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
        finishes what a run left behind that died or ended in doubt. Once it was charged, a run reserves and
        charges nothing: `reserve` and `charge` answer as they did then. The key is free again when the block
        was left without a charge, or when all that was charged was taken back.

        Args:
            order_number: the order; every charge carries it.
            currency: ISO 4217; the vouchers' currency.
            idempotency_key: names the payment, 1 to 255 printable characters.

        Returns:
            The checkout, for `async with`; nothing is sent yet. With a key, entering it raises
            `IdempotencyMismatch`, `StillRunning`, `JournalFailed`, and `CheckoutFailed` or `CheckoutUnknown`
            when an earlier run left charges that can be neither completed nor taken back now.

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

    @property
    def pending(self) -> tuple[PendingOutcome, ...]:
        """The outcomes that are open: being settled, given up for now, or of calls whose callers are gone."""
        return self._desk.pending

    async def settle(self, pending: PendingOutcome, *, timeout: float | None = None) -> Settlement:
        """Find out what became of a call whose outcome is open (`listCharges`, scope `read-lists`).

        It reads, and never repeats the call; only what this client's own repeated charge has charged once too
        often is refunded, that of another process is reported. So it can be asked as often as you like, in
        any process, with the same answer (which of two equal charges is called the surplus may differ). A
        call of this client that is under way is waited for. The outcome of another process is called not done
        only after the settle window, ten seconds: let it have the time. While it lives it settles its own.

        Args:
            pending: the open outcome, from `OutcomeUnknown.pending`, `client.pending` or a hook.
            timeout: seconds to wait; settling goes on in the background.

        Returns:
            Whether it was carried out, the charge, and what was carried out once too often.

        Raises:
            OutcomeUnknown: it cannot be told, or not yet; the message says why.
        """
        return await self._desk.settle(pending, self._transport.deadline(timeout))

    def forget(self, pending: PendingOutcome) -> None:
        """Take an open outcome off the list of `pending`, once you know by other means what became of it.

        For those that nothing can settle, such as a recharge by code alone. Nothing is sent.

        Args:
            pending: the open outcome; one that is not open here is ignored.
        """
        self._desk.forget(pending)

    async def aclose(self, wait: float | None = None) -> tuple[PendingOutcome, ...]:
        """Finish what moves money, then close the connections; a second call does nothing.

        Cancelled meanwhile, however often, it closes all the same, and raises the cancellation then.

        Args:
            wait: seconds to wait for calls that move money and for open outcomes; None takes
                `Settings.close_wait`. What takes longer is cut short: its callers and the hooks are told
                what is known.

        Returns:
            What is still open; store it, and `settle` it later.

        Raises:
            ConfigurationError: the client is in use on another event loop, or `wait` is no time span of at
                most a day; nothing was closed.
        """
        check_wait(wait)
        self._transport.session.check_loop("close it there")
        # loaded long since, with the parts
        from voucher_async.cancelling import to_the_end  # noqa: PLC0415

        return await to_the_end(self._close(wait))

    async def _close(self, wait: float | None) -> tuple[PendingOutcome, ...]:
        try:
            await self._desk.finish(wait)
        finally:
            try:
                await self._tokens.aclose()
            finally:
                self._desk.close()
                await self._transport.aclose()
        return await self._desk.end()


async def connect(
    pin: str,
    *,
    environment: Environment | None = None,
    base_url: str | None = None,
    timeout: float | Timeout | None = None,
    session: aiohttp.ClientSession | None = None,
    hooks: Sequence[object] = (),
    trust_env: bool = False,
) -> ConnectedClient:
    """Turn a connection PIN into credentials, before there is a client (`connectClient`, no authentication).

    Args:
        pin: the connection PIN that the Admin UI shows; valid for 30 minutes, works once.
        environment: `sandbox` or `production`; or give `base_url`.
        base_url: where the API lives, version included.
        timeout: seconds for the whole call, or a `Timeout`.
        session: an aiohttp session to use; it is never closed and never changed.
        hooks: observers.
        trust_env: use the proxy of the environment, but never the login of a .netrc file.

    Returns:
        The client: its `id` and `secret` are the `client_id` and `client_secret` of a `VoucherClient`.

    Raises:
        InvalidInput: refused before anything was sent.
        OutcomeUnknown: the PIN may be used up and the secret lost; a new PIN is needed.
        ApiError: refused by the server.
        TransportError: nothing was sent.
        ConfigurationError: neither `environment` nor `base_url`, or one that cannot work.
    """
    pin = conceal(pin)
    # there are no credentials yet, and this operation asks for none
    settings = Settings.make(
        client_id="not-connected",
        client_secret="not-connected",
        environment=environment,
        base_url=base_url,
        timeout=timeout,
        trust_env=trust_env,
    )
    from voucher_async import assembly  # noqa: PLC0415 - as for a client

    return await assembly.connect(pin, settings, session, hooks)
