"""A money call that ends by an exception nobody foresaw: it is open, listed, told, and never made twice."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from tests.recorder import Recorder
from tests.settlement.conftest import Shop, pay
from voucher_async import Charge, Hook, OutcomeUnknown, VoucherClient
from voucher_async.testing import VoucherEmulator, faults

CHARGE = "chargeReservation"


class SoftTimeLimit(Exception):
    """What Celery raises out of a signal handler."""


class Broken(logging.Filter):
    """Fails once on what a money call says."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error: BaseException | None = error

    def filter(self, record: logging.LogRecord) -> bool:
        event = record.args[0] if isinstance(record.args, tuple) and record.args else None
        if self.error is not None and getattr(event, "operation", "") == CHARGE:
            error, self.error = self.error, None
            raise error
        return True


@pytest.fixture
def break_log() -> Iterator[Callable[[BaseException], None]]:
    logger, added = logging.getLogger("voucher_async"), list[Broken]()
    level = logger.level

    def add(error: BaseException) -> None:
        logger.setLevel(logging.DEBUG)
        added.append(Broken(error))
        logger.addFilter(added[-1])

    yield add
    logger.setLevel(level)
    for each in added:
        logger.removeFilter(each)


async def _unknown(shop: Shop, work: Coroutine[Any, Any, Charge]) -> OutcomeUnknown:
    """Wait for a call whose outcome is unknown; it is listed at that moment."""
    with pytest.raises(OutcomeUnknown) as caught:
        await work
    assert [pending.id for pending in shop.client.pending] == [caught.value.pending.id]
    return caught.value


@pytest.mark.parametrize("error", [KeyError("x"), RecursionError(), MemoryError(), UnicodeError()])
async def test_an_exception_out_of_a_log_filter_ends_no_call(
    shop: Shop, break_log: Callable[[BaseException], None], error: BaseException
) -> None:
    break_log(error)
    voucher = shop.voucher()
    charge = await shop.during(pay(shop.client, voucher))
    assert [charge.id] == shop.charged()
    assert shop.client.pending == ()


@pytest.mark.parametrize("error", [KeyError("x"), RecursionError()])
async def test_a_refund_that_a_log_filter_ended_is_open(shop: Shop, error: Exception) -> None:
    charge = await shop.during(pay(shop.client, shop.voucher()))

    def fail(*_: object) -> None:
        raise error

    looking = shop.client._supervisor.settler.lessons
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(looking), "learn", fail)
        refunding = shop.client.charges.refund(charge, currency="EUR")
        unknown = await shop.during(_unknown(shop, refunding))
    settlement = await shop.during(shop.client.settle(unknown.pending))
    assert settlement.charge is not None
    assert [settlement.charge.id] == shop.refunded()


class Leaving(Hook):
    """A hook that ends the process, once."""

    def __init__(self, error: BaseException, moment: str) -> None:
        self.error: BaseException | None = error
        self.moment = moment

    def _leave(self, moment: str, operation: str) -> None:
        if moment == self.moment and operation == CHARGE and self.error is not None:
            error, self.error = self.error, None
            raise error

    def on_attempt_started(self, event: Any) -> None:
        self._leave("started", event.operation)

    def on_attempt_ended(self, event: Any) -> None:
        self._leave("ended", event.operation)

    def on_intent(self, event: Any) -> None:
        self._leave("intent", event.operation)


@pytest.fixture
def server() -> Iterator[VoucherEmulator]:
    """An emulator in a thread of its own, so that it outlives the shop's event loop."""
    box: list[VoucherEmulator] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    over = asyncio.Event()

    async def serve() -> None:
        async with VoucherEmulator(token_lifetime=86_400) as emulator:
            box.append(emulator)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    yield box[0]
    loop.call_soon_threadsafe(over.set)
    thread.join(10)
    loop.close()


def run(client: VoucherClient, code: str) -> Any:
    """Pay on an event loop of its own, as a script or a worker does."""
    return asyncio.run(client.redeem(code=code, amount="4.00", currency="EUR", order_number="A-1"))


@pytest.mark.parametrize("moment", ["started", "ended", "intent"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_a_hook_that_ends_the_process_leaves_the_call_open(
    server: VoucherEmulator, error: BaseException, moment: str
) -> None:
    told = Recorder()
    client = VoucherClient(**server.settings(), hooks=[told, Leaving(error, moment)])
    voucher = server.add_voucher(amount="25.00")
    with pytest.raises(type(error)):
        run(client, voucher.code)
    assert [pending.operation for pending in client.pending] == [CHARGE]
    assert told.words == ["left open"]
    if moment == "ended":
        assert len(server.charges("A-1")) == 1
        run(client, voucher.code)
        assert len(server.charges("A-1")) == 1
        assert client.pending == ()


class Alarm(Hook):
    """Has a signal come while a charge is under way."""

    def on_attempt_started(self, event: Any) -> None:
        if event.operation == CHARGE:
            signal.setitimer(signal.ITIMER_REAL, 0.15)


def _interrupting(error: BaseException, run_it: Callable[[], Any]) -> None:
    """Run something, and raise an error out of a signal handler in its midst."""

    def strike(*_: object) -> None:
        raise error

    before = signal.signal(signal.SIGALRM, strike)
    try:
        with pytest.raises(type(error)):
            run_it()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("error", [SoftTimeLimit(), KeyboardInterrupt(), SystemExit(1)])
def test_a_signal_handler_that_raises_leaves_the_call_open(
    server: VoucherEmulator, error: BaseException
) -> None:
    told = Recorder()
    client = VoucherClient(**server.settings(), hooks=[told, Alarm()])
    voucher = server.add_voucher(amount="25.00")
    server.faults.script(CHARGE, faults.SlowHeaders(1.0))
    _interrupting(error, lambda: run(client, voucher.code))
    assert [pending.operation for pending in client.pending] == [CHARGE]
    assert set(told.words) == {"left open"}
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    charge = run(client, voucher.code)
    assert [charge.id] == [made.id for made in server.charges("A-1")]
    assert client.pending == ()


@pytest.mark.parametrize("closes", [True, False])
@pytest.mark.parametrize("error", [SoftTimeLimit(), KeyboardInterrupt()])
def test_a_loop_that_nobody_cleans_up_leaves_the_call_open(
    *, server: VoucherEmulator, error: BaseException, closes: bool
) -> None:
    client = VoucherClient(**server.settings(), hooks=[Alarm()])
    voucher = server.add_voucher(amount="25.00")
    server.faults.script(CHARGE, faults.SlowHeaders(1.0))
    loop = asyncio.new_event_loop()
    paying = client.redeem(code=voucher.code, amount="4.00", currency="EUR", order_number="A-1")
    _interrupting(error, lambda: loop.run_until_complete(paying))
    if closes:
        loop.close()
    assert [pending.operation for pending in client.pending] == [CHARGE]
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    if not closes:  # the loop runs on, and the call with it
        loop.run_until_complete(client.aclose())
        loop.close()
    charge = run(client, voucher.code) if closes else server.charges("A-1")[0]
    assert [charge.id] == [made.id for made in server.charges("A-1")]
    assert client.pending == ()
