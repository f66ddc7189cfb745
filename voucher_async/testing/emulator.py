"""The emulator of the JTL-Voucher Cloud API, started in the process on a loopback port."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from types import TracebackType
from typing import Literal, Self

from voucher_async.clock import Clock, SteadyClock
from voucher_async.testing._clients import connected, new_client, new_pin
from voucher_async.testing._engine import Engine
from voucher_async.testing._hosts import Hosts, reachable, url_of
from voucher_async.testing._ledger import Ledger
from voucher_async.testing._log import RequestLog
from voucher_async.testing._records import (
    ALL_SCOPES,
    ChargeRecord,
    ClientRecord,
    ReservationRecord,
    VoucherRecord,
    written,
)
from voucher_async.testing._refusals import Refusal
from voucher_async.testing._routes import ROUTES
from voucher_async.testing._settings import EmulatorSettings, variables_of
from voucher_async.testing._state import Change, Options, Outcome, Revoked, commit
from voucher_async.testing._thread import ServerThread, uncancelled
from voucher_async.testing._vouchers import create_voucher, set_voucher_status
from voucher_async.testing._way import Way
from voucher_async.testing.faults import Faults
from voucher_async.testing.habits import Habits

__all__ = ["EmulatorSettings", "VoucherEmulator"]


class VoucherEmulator:
    """A server that behaves like the real API: same paths, rules, codes and dates, but no money.

    `async with` serves on the running loop, `with` from a thread of its own: for clients on any loop, and for
    tests without one. Every method can be called from any thread.

    Example:
        ```python
        async with VoucherEmulator() as emulator, VoucherClient(**emulator.settings()) as client:
            voucher = emulator.add_voucher(amount="25.00")
            await client.redeem(code=voucher.code, amount="10.00", currency="EUR", order_number="A-1")
            assert emulator.balance(voucher.id) == Decimal("15.00")
        ```

    Args:
        clock: the source of the time; by default the system's, which goes on when a test freezes it.
        token_lifetime: seconds; None leaves `expires_in` out of the answer (the token lives for an hour).
        host: the address to listen on.
        port: the port to listen on, 0 for any free one.
        conflict_status: the status of a refusal by a business rule (balance, expired, superseded ...).
        reservations_lower_balance: whether an open reservation lowers the `remaining_amount` that reads show.
        allow_double_charge: whether a reservation can be charged again while it lasts.
        newest_first: the order of lists; oldest first by default.
        max_per_page: the size to which a greater `per_page` is lowered.
        client_id: the id of the default client; by default made up.
        client_secret: its secret; by default made up.
        hosts: names by which clients reach it, besides its addresses: a request for another host is refused
            with 421, and `environ` allows them plain http. None asks for no host.
        keep_requests: how many of the latest requests and faults are remembered; None for all.
        console: serves a page beside the API, at `console_url`: for people, without a log-in.

    Attributes:
        routes: every operation, with its id, method, path template and scope.
        clock: the source of the time.
        faults: makes requests go wrong; none, until set.
        habits: lasting behaviour of the server and the way to it; none, until set.
    """

    routes = ROUTES

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        token_lifetime: int | None = 3600,
        host: str = "127.0.0.1",
        port: int = 0,
        conflict_status: Literal[409, 422] = 409,
        reservations_lower_balance: bool = False,
        allow_double_charge: bool = False,
        newest_first: bool = False,
        max_per_page: int = 100,
        client_id: str | None = None,
        client_secret: str | None = None,
        hosts: Sequence[str] | None = None,
        keep_requests: int | None = None,
        console: bool = False,
    ) -> None:
        # Pytest imports this package at its start; the web server is loaded at the first use.
        from voucher_async.testing._server import Server, new_console  # noqa: PLC0415

        self.clock: Clock = clock or SteadyClock()
        self._ahead = dt.timedelta()
        options = Options(
            token_lifetime=token_lifetime,
            conflict_status=conflict_status,
            reservations_lower_balance=reservations_lower_balance,
            allow_double_charge=allow_double_charge,
            newest_first=newest_first,
            max_per_page=max_per_page,
        )
        self._engine = Engine(options, self.now, most_requests=keep_requests)
        self.faults: Faults = Faults(self._engine, keep_requests)
        self.habits: Habits = self._engine.habits
        self._way = Way(self._engine)
        self._hosts = None if hosts is None else Hosts(hosts)
        page = new_console(self, self._engine, host) if console else None
        self._server = Server(self._way, self.clock, self.faults, host, port, hosts=self._hosts, console=page)
        self._thread: ServerThread | None = None
        self._client = self.add_client(name="Default", id=client_id, secret=client_secret)

    def __enter__(self) -> Self:
        """Listen, served by a thread; `start` and `stop` use one, too, until the block ends.

        Raises:
            RuntimeError: when it is running already.
            OSError: when the port is taken.
        """
        self._check_idle()
        self._thread = ServerThread(self._server)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the port and every connection, and end the thread."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.stop()

    async def __aenter__(self) -> Self:
        """Start, see `start`."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, see `stop`."""
        await self.stop()

    def __repr__(self) -> str:
        return f"<VoucherEmulator {self.url if self._server.running else 'not running'}>"

    async def start(self) -> None:
        """Listen. After a `stop` the same port is taken and everything is still remembered.

        Raises:
            RuntimeError: when it is running already.
            OSError: when the port is taken.
        """
        self._check_idle()
        if self._thread is None:
            await self._server.start()
        else:
            self._thread.start()

    def _check_idle(self) -> None:
        if self._server.running:
            raise RuntimeError("the emulator is running")

    async def stop(self) -> None:
        """Close the port and every connection; does nothing when it is not running.

        Requests that a fault has delayed are dropped. Cancelled meanwhile, it still stops, and raises the
        cancellation afterwards.
        """
        thread = self._thread
        # not in this thread: requests under way may wait for this loop
        await uncancelled(self._server.stop() if thread is None else asyncio.to_thread(thread.stop))

    @property
    def url(self) -> str:
        """Address by which this machine reaches it, without a path.

        Raises:
            RuntimeError: when it never started and the port is not known yet.
        """
        if not self._server.port:
            raise RuntimeError("the emulator was not started")
        return url_of(reachable(self._server.host), self._server.port)

    @property
    def base_url(self) -> str:
        """The API's base, `url` with `/v1`."""
        return f"{self.url}/v1"

    @property
    def token_url(self) -> str:
        """The token endpoint."""
        return f"{self.url}/oauth/token"

    @property
    def console_url(self) -> str:
        """The page beside the API.

        Raises:
            RuntimeError: when it was not asked for by `console=True`, or the port is not known yet.
        """
        if self._server.console is None:
            raise RuntimeError("the emulator has no console: VoucherEmulator(console=True)")
        return f"{self.url}{self._server.console.path}"

    @property
    def client_id(self) -> str:
        """The id of the default client, which has every scope."""
        return self._client.id

    @property
    def client_secret(self) -> str:
        """The secret that the default client was made with."""
        return self._client.secret or ""

    def settings(self, client: ClientRecord | None = None) -> EmulatorSettings:
        """Settings that a client needs to talk to this emulator.

        Args:
            client: a client made by `add_client`; the default client otherwise.
        """
        client = client or self._client
        return EmulatorSettings(
            client_id=client.id,
            client_secret=client.secret or "",
            base_url=self.base_url,
            token_url=self.token_url,
        )

    def environ(self, client: ClientRecord | None = None) -> dict[str, str]:
        """Variables by which `VoucherClient.from_env` talks to this emulator, for `monkeypatch.setenv`.

        Args:
            client: a client made by `add_client`; the default client otherwise.
        """
        return variables_of(self.settings(client), () if self._hosts is None else self._hosts.names)

    def now(self) -> dt.datetime:
        """The emulator's time, which its `Date` headers tell: the clock's, plus what it is ahead."""
        return self.clock.now() + self._ahead

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass: on the emulator's clock, and so for a client that shares it.

        A clock that cannot be moved, such as the system's, goes on as it is, and the emulator is ahead of it.

        Raises:
            ValueError: a `ManualClock` was to go back.
        """
        move = getattr(self.clock, "advance", self.shift)
        move(seconds)

    def shift(self, seconds: float) -> None:
        """Move the emulator's date away from its clock, by so many seconds: a server whose clock is wrong."""
        with self._engine.guard:
            self._ahead += dt.timedelta(seconds=seconds)

    @property
    def requests(self) -> RequestLog:
        """Every request, without anything secret."""
        return self._engine.log

    @property
    def ledger(self) -> Ledger:
        """Every movement of money."""
        double_charges = self._engine.options.allow_double_charge
        return Ledger(self._engine.state, self._engine.guard, double_charges=double_charges)

    def add_client(
        self,
        *,
        scopes: Sequence[str] = ALL_SCOPES,
        name: str = "Client",
        type: str = "pos",
        id: str | None = None,
        secret: str | None = None,
    ) -> ClientRecord:
        """A connected client in a group of its own, with the group's scopes.

        `id` and `secret` are made up unless they are given.
        """
        with self._engine.guard:
            command = self._engine.command()
            group, client = new_client(command, name=name, scopes=tuple(scopes), type=type, id=id)
            client = connected(command, client, secret)
            self._commit(group, client)
        return client

    def new_connect_pin(
        self, *, scopes: Sequence[str] = ALL_SCOPES, name: str = "Shop", type: str = "pos"
    ) -> str:
        """The PIN that connects a new client with these scopes; good for 30 minutes and one use."""
        with self._engine.guard:
            command = self._engine.command()
            group, client = new_client(command, name=name, scopes=tuple(scopes), type=type)
            pin = new_pin(command, client)
            self._commit(group, client, pin)
        return pin.pin

    def revoke_tokens(self, client_id: str | None = None) -> None:
        """Revoke the tokens of one client, or of all."""
        self._commit(Revoked(client_id))

    def add_voucher(
        self,
        *,
        amount: Decimal | str | int,
        currency: str = "EUR",
        active: bool = True,
        **fields: str | int | bool | None,
    ) -> VoucherRecord:
        """A new voucher, made without a request, owned by the default client.

        Args:
            amount: in `currency`; `"5"` is 5.00.
            currency: ISO 4217.
            active: whether it can be used at once.
            **fields: any other property of a create request: `id`, `code`, `pin`, `type`, `sku`, `batch` ...

        Raises:
            ValueError: naming the codes of the rules that the voucher breaks.
        """
        given = {name: value for name, value in fields.items() if value is not None}
        body = {"amount": written(amount), "currency": currency, **given}
        with self._engine.guard:
            command = self._engine.command(client=self._client, body=body)
            try:
                outcome = create_voucher(command)
            except Refusal as refusal:
                raise ValueError(", ".join(error.code for error in refusal.errors)) from None
            self._commit(*outcome.changes)
            voucher = next(change for change in outcome.changes if isinstance(change, VoucherRecord))
            return self.set_status(voucher.id, "active" if active else "inactive")

    def set_status(self, voucher_id: str, status: Literal["active", "inactive"]) -> VoucherRecord:
        """Activate or deactivate a voucher, as the Admin UI would."""
        with self._engine.guard:
            body, ids = {"status": status}, {"id": voucher_id}
            command = self._engine.command(client=self._client, ids=ids, body=body)
            outcome: Outcome = set_voucher_status(command)
            self._commit(*outcome.changes)
            return self.voucher(voucher_id)

    def voucher(self, voucher_id: str) -> VoucherRecord:
        """A voucher as it is now.

        Raises:
            KeyError: when there is none with that id.
        """
        return self._engine.state.vouchers[voucher_id]

    def balance(self, voucher_id: str) -> Decimal:
        """Balance of a voucher: amount - charges + refunds + recharges, in its currency.

        Raises:
            KeyError: when there is none with that id.
        """
        return self.voucher(voucher_id).balance

    def vouchers(self) -> tuple[VoucherRecord, ...]:
        """Every voucher, oldest first."""
        with self._engine.guard:
            return tuple(self._engine.state.vouchers.values())

    def charges(
        self,
        order_number: str | None = None,
        *,
        voucher_id: str | None = None,
        type: Literal["charge", "recharge", "refund"] | None = None,
    ) -> tuple[ChargeRecord, ...]:
        """Charges, refunds and recharges, oldest first, narrowed down by what is given.

        Args:
            order_number: as it was sent, whatever the habits made of it.
            voucher_id: the voucher that the money came from or went to.
            type: `charge`, `recharge` or `refund`.
        """
        wanted = {"sent_order_number": order_number, "voucher_id": voucher_id, "type": type}
        with self._engine.guard:
            return self._engine.state.charges_with(wanted)

    def reservations(self, voucher_id: str | None = None) -> tuple[ReservationRecord, ...]:
        """Reservations, oldest first, of one voucher or of all; a voucher's newest is the one that counts."""
        with self._engine.guard:
            reservations = tuple(self._engine.state.reservations.values())
        return tuple(each for each in reservations if voucher_id in (None, each.voucher_id))

    def _commit(self, *changes: Change) -> None:
        with self._engine.guard:
            commit(self._engine.state, changes)
