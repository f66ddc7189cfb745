"""One cell, in a network namespace of its own: `plan.run` starts it."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import datetime as dt
import json
import socket
import ssl
import sys
from collections.abc import Coroutine
from typing import Any, cast

import aiohttp
import attrs
from aiohttp import web

from tests.outage.namespace import set_loopback
from tests.outage.plan import Cell, Outcome
from voucher_async import Charge, Hook, OutcomeUnknown, Settings, Settled, VoucherClient, VoucherError
from voucher_async.cancelling import Limit
from voucher_async.sansio import Response
from voucher_async.testing import VoucherEmulator
from voucher_async.transport.exchange import Exchange
from voucher_async.transport.session import Session

_ENDS = {"done": "done", "recovered": "done", "not done": "not done"}
_PATHS = {"charge": "/charge", "recharge": "/vouchers/recharge", "refund": "/refund"}
_OPERATIONS = {"charge": "chargeReservation", "recharge": "rechargeVoucher", "refund": "refundCharge"}
_EARLY = 0.3  # seconds into the outage at which a call is cancelled, or the client closed
_RESENT = 2.2  # kernels resend at doubling intervals: the longest one, in lengths of the outage
_LEAST = 4.0  # seconds to wait for that, at least
_UNSETTLED = 75.0  # seconds after which an open call stays open

Call = Coroutine[Any, Any, Charge]


class _Gate:
    """Holds the money requests until all are there, and lets them go into the outage."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self.opened = asyncio.Event()
        self.written = 0
        self.back = asyncio.Event()

    def wants(self, exchange: Exchange) -> bool:
        ours = exchange.method == "POST" and exchange.url.path.endswith(_PATHS[self._cell.what])
        return ours and not self.opened.is_set()

    async def pass_through(self) -> None:
        self.written += 1
        if self.written == self._cell.calls:
            set_loopback(up=False)
            asyncio.get_running_loop().call_later(self._cell.outage, self._restore)
            self.opened.set()
        await self.opened.wait()

    def _restore(self) -> None:
        set_loopback(up=True)
        self.back.set()


class _Held(Session):
    """A session whose money requests pass a gate."""

    gate: _Gate | None = None

    async def send(self, exchange: Exchange, limit: Limit) -> Response:
        if self.gate is not None and self.gate.wants(exchange):
            await self.gate.pass_through()
        return await super().send(exchange, limit)


class _Witness(Hook):
    """Keeps every word about an outcome, by its id."""

    def __init__(self) -> None:
        self.words: dict[str, list[str]] = collections.defaultdict(list)

    def on_settled(self, event: Settled) -> None:
        if event.pending is not None:
            self.words[event.pending.id].append(event.what)


@attrs.define
class _Told:
    """What was said about one call, the last word last."""

    words: list[str]
    pending: str | None = None


async def _told(call: asyncio.Task[Charge]) -> _Told:
    try:
        await call
    except OutcomeUnknown as error:
        return _Told(["open"], error.pending.id)
    except VoucherError:
        return _Told(["not done"])
    except asyncio.CancelledError:
        return _Told(["open"])
    return _Told(["done"])


@attrs.define
class _Run:
    """A cell while it runs."""

    cell: Cell
    emulator: VoucherEmulator
    client: VoucherClient
    witness: _Witness
    vouchers: list[str] = attrs.Factory(list)
    _before: collections.Counter[str] = attrs.Factory(collections.Counter)

    async def play(self) -> Outcome:
        prepared = await asyncio.gather(*map(self._prepare, range(self.cell.calls)))
        self._before = self._movements()
        session = cast("_Held", self.client._transport.session)
        session.__class__ = _Held
        session.gate = gate = _Gate(self.cell)
        begun = asyncio.get_running_loop().time()
        tasks = [asyncio.create_task(call) for call in prepared]
        await self._end(tasks, gate)
        told = list(await asyncio.gather(*map(_told, tasks)))
        over = dt.datetime.now(dt.UTC)
        if not gate.opened.is_set():
            raise RuntimeError("the calls were over before all their requests were ready")
        await gate.back.wait()
        await asyncio.sleep(
            max(self.cell.outage * _RESENT - asyncio.get_running_loop().time() + begun, _LEAST)
        )
        if self.cell.settle:
            await self._settle(told)
        late = sum(entry.at > over for entry in self.emulator.requests.of(_OPERATIONS[self.cell.what]))
        return self._judge(told, gate.written, late)

    async def _prepare(self, number: int) -> Call:
        """A call ready to be begun; getting there opens a connection for it."""
        voucher, order = self.emulator.add_voucher(amount="50.00"), f"order-{number}"
        self.vouchers.append(voucher.id)
        money: dict[str, Any] = {"amount": "10.00", "currency": "EUR"}
        if self.cell.what == "recharge":
            await self.client.vouchers.get(voucher.id)
            return self.client.vouchers.recharge(
                id=voucher.id, order_number=order, timeout=self.cell.timeout, **money
            )
        held = await self.client.reservations.create(code=voucher.code, **money)
        if self.cell.what == "charge":
            return self.client.reservations.charge(held, order_number=order, timeout=self.cell.timeout)
        charge = await self.client.reservations.charge(held, order_number=order)
        return self.client.charges.refund(charge, timeout=self.cell.timeout, **money)

    async def _end(self, tasks: list[asyncio.Task[Charge]], gate: _Gate) -> None:
        if self.cell.end == "deadline":
            return
        opened = asyncio.create_task(gate.opened.wait())
        await asyncio.wait([opened, *tasks], return_when=asyncio.FIRST_COMPLETED)
        opened.cancel()
        await asyncio.sleep(_EARLY)
        if self.cell.end == "cancel":
            for task in tasks:
                task.cancel()
        else:
            await self.client.aclose(wait=0)

    async def _settle(self, told: list[_Told]) -> None:
        """Wait for the last word on what is open, and ask for it where none comes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_UNSETTLED):
                while self.client.pending:
                    await asyncio.sleep(0.5)
        for pending in self.client.pending:
            settlement = await self.client.settle(pending, timeout=5.0)
            self.witness.words[pending.id].append(str(settlement.state))
        for each in told:
            words = self.witness.words.get(each.pending or "", [])
            each.words += [_ENDS[word] for word in words if word in _ENDS]

    def _movements(self) -> collections.Counter[str]:
        """How often each voucher's money was moved, surplus that was taken back left out."""
        kinds = [(line.kind, line.voucher_id) for line in self.emulator.ledger]
        made = collections.Counter(voucher for kind, voucher in kinds if kind == self.cell.what)
        if self.cell.what == "charge":
            made -= collections.Counter(voucher for kind, voucher in kinds if kind == "refund")
        return made

    def _judge(self, told: list[_Told], written: int, late: int) -> Outcome:
        made = self._movements() - self._before
        rows = [(each.words, made[voucher]) for each, voucher in zip(told, self.vouchers, strict=True)]
        last = collections.Counter(words[-1] for words, _ in rows)
        return Outcome(
            written=written,
            late=late,
            done=last["done"],
            not_done=last["not done"],
            unclear=last["open"],
            made=sum(count > 0 for _, count in rows),
            lost=sum(count > 0 and words[-1] != "done" for words, count in rows),
            double=sum(count > 1 for _, count in rows),
            false=sum(("not done" if count else "done") in words for words, count in rows),
        )


class _Server:
    """An emulator, over TLS where it is asked for."""

    def __init__(self, cell: Cell) -> None:
        self.emulator = VoucherEmulator()
        if cell.certificate is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(cell.certificate)
            server: Any = self.emulator._server

            async def listen(runner: web.AppRunner, bound: socket.socket) -> None:
                await web.SockSite(runner, bound, ssl_context=context).start()
                server._listening = bound

            server._listen = listen

    def settings(self, cell: Cell) -> Settings:
        known: dict[str, Any] = dict(self.emulator.settings())
        if cell.certificate is not None:
            for name in ("base_url", "token_url"):
                known[name] = known[name].replace("http:", "https:")
        return Settings(**known)


async def _main(cell: Cell) -> Outcome:
    set_loopback(up=True)
    server, witness = _Server(cell), _Witness()
    async with server.emulator, contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession()) if cell.given else None
        client = VoucherClient(settings=server.settings(cell), session=session, hooks=[witness])
        try:
            return await _Run(cell, server.emulator, client, witness).play()
        finally:
            await client.aclose(wait=0)


if __name__ == "__main__":
    print(json.dumps(attrs.asdict(asyncio.run(_main(Cell(**json.loads(sys.argv[1])))))))  # noqa: T201
