"""Assembly of a client from its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voucher_async.auth import TokenGrant, TokenProvider, check_store, store_key
from voucher_async.cancelling import to_the_end
from voucher_async.clock import ServerClock, SystemClock
from voucher_async.errors import ConfigurationError
from voucher_async.hooks import Hooks
from voucher_async.leftovers import Leftovers
from voucher_async.opening import open_journal, open_token_store
from voucher_async.proxy import check_environment
from voucher_async.resources.clients import Clients
from voucher_async.sansio.tokens import token_request
from voucher_async.transport.risks import warn_of_risks
from voucher_async.transport.sender import Transport
from voucher_async.transport.session import Session
from voucher_async.wiring import Core

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voucher_async.auth import TokenStore
    from voucher_async.checkout import Lifecycle, VoucherLock
    from voucher_async.clock import Clock
    from voucher_async.config import Settings
    from voucher_async.models import ConnectedClient
    from voucher_async.opening import OwnTokenStore
    from voucher_async.payments.joining import Joining
    from voucher_async.payments.journal import Journal
    from voucher_async.payments.recovery import Recovery
    from voucher_async.payments.supervisor import Supervisor
    from voucher_async.refunding import OrderRefunds
    from voucher_async.resources.charges import Charges
    from voucher_async.resources.reservations import Reservations
    from voucher_async.resources.vouchers import Vouchers
    from voucher_async.transport.session import ClientSession

__all__ = ["Assembly", "connect"]


class Assembly:
    """The parts of one client, wired to each other.

    Args:
        settings: all settings.
        session: an aiohttp session to use; None opens one.
        token_store: where tokens are kept, or the URL of that; None keeps them in memory.
        hooks: observers.
        voucher_lock: who may use a voucher; None: the journal says so, or a lock of this process.
        journal: where the records of money calls are, or the URL of a database; None: in memory.
        journal_scope: whose records they are; None: those of this base URL and client id.
        clock: where the time comes from; None: the operating system.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        session: ClientSession | None,
        token_store: TokenStore | str | None,
        hooks: Sequence[object],
        voucher_lock: VoucherLock | None,
        journal: Journal | str | None = None,
        journal_scope: str | None = None,
        clock: Clock | None,
    ) -> None:
        self._settings = settings
        if voucher_lock is not None and not callable(getattr(voucher_lock, "hold", None)):
            raise ConfigurationError(f"voucher_lock: {type(voucher_lock).__name__} has no method hold")
        clock = clock or SystemClock()
        self.own_journal: Journal | None = None
        if isinstance(journal, str):
            journal = self.own_journal = open_journal(journal, clock)
        self.own_token_store: OwnTokenStore | None = None
        if isinstance(token_store, str):
            token_store = self.own_token_store = open_token_store(token_store, journal, clock)
        elif token_store is not None:
            check_store(token_store)
        listeners = Hooks(hooks, clock)
        self.transport: Transport = _transport(settings, clock, listeners, session)
        self.tokens: TokenProvider = TokenProvider(
            self._fetch_token,
            clock=clock,
            store=token_store,
            key=store_key(settings.token_url, settings.client_id, settings.scopes),
            on_refresh=listeners.token_refreshed,
        )
        self.transport.tokens = self.tokens
        core = Core(
            self.transport,
            settings,
            clock=clock,
            server_clock=self.transport.server_clock,
            hooks=listeners,
            lock=voucher_lock,
            lock_secret=settings.client_secret,
            journal=journal,
            journal_scope=journal_scope,
        )
        self.supervisor: Supervisor = core.supervisor
        self.leftovers: Leftovers = Leftovers(self.transport.session, self.supervisor)
        self.joining: Joining = core.joining
        self.recovery: Recovery = core.recovery
        self.vouchers: Vouchers = core.vouchers
        self.reservations: Reservations = core.reservations
        self.charges: Charges = core.charges
        self.lifecycle: Lifecycle = core.lifecycle
        self.order_refunds: OrderRefunds = core.order_refunds
        self.clients: Clients = Clients(self.transport, listeners)

    async def _fetch_token(self) -> TokenGrant:
        settings = self._settings
        request = token_request(
            settings.client_id,
            settings.client_secret,
            scopes=settings.scopes,
            client_type=settings.client_type,
        )
        token = (await self.transport.send(request, self.transport.deadline())).value
        return TokenGrant(access_token=token.access_token, expires_in=token.expires_in)


async def connect(
    pin: str, settings: Settings, session: ClientSession | None, hooks: Sequence[object]
) -> ConnectedClient:
    """Connect without a client; documented at `voucher_async.connect`."""
    clock = SystemClock()
    transport = _transport(settings, clock, Hooks(hooks, clock), session)
    try:
        return await Clients(transport, transport.hooks).connect(pin)
    finally:
        await to_the_end(transport.aclose())


def _transport(settings: Settings, clock: Clock, hooks: Hooks, session: ClientSession | None) -> Transport:
    if session is not None and not (settings.proxy is None and settings.ssl is None):
        raise ConfigurationError("proxy and ssl are set on the session that is handed in, not beside it")
    if session is None and settings.trust_env and settings.proxy is None:
        check_environment(settings.base_url, settings.token_url, settings.insecure_hosts)
    warn_of_risks(settings)
    return Transport(
        settings, Session(settings, session), clock=clock, server_clock=ServerClock(clock), hooks=hooks
    )
