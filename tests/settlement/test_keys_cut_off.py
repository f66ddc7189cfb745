"""A call with a key whose event loop is closed in the middle: whoever asks again on another loop goes on."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import attrs
import pytest

from tests.settlement.adversary import Lot
from tests.settlement.town import CHARGE, CREATE, Client, JournalAt, Town, operations, said
from tests.virtual import VirtualClock, VirtualLoop
from voucher_async.errors import (
    IdempotencyMismatch,
    ReservationAlreadyCharged,
    ReservationExpired,
    VoucherError,
)
from voucher_async.models import Charge
from voucher_async.outcomes import OutcomeUnknown, SettlementState, StillRunning
from voucher_async.payments.call import CallState
from voucher_async.payments.memory import MemoryJournal

T = TypeVar("T")

MONEY = {"redeem": CHARGE, "charge": CHARGE, "refund": "refundCharge", "recharge": "rechargeVoucher"}


@attrs.define
class Loops:
    """Event loops on one clock, one after the other; each is closed and nothing on it is cleaned up."""

    clock: VirtualClock = attrs.Factory(VirtualClock)
    left: list[asyncio.Task[Any]] = attrs.Factory(list[asyncio.Task[Any]])

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        loop = VirtualLoop(self.clock)
        try:
            return loop.run_until_complete(work())
        finally:
            self.left += asyncio.all_tasks(loop)
            loop.close()

    def throw_away(self) -> None:
        """Let what was left end as when it is collected: it cannot be waited for any more."""
        for task in self.left:
            work: Any = task.get_coro()
            while inspect.getcoroutinestate(work) != inspect.CORO_CLOSED:
                with contextlib.suppress(RuntimeError):  # a `finally` that awaits
                    work.close()
        self.left.clear()


@pytest.fixture
def loops() -> Iterator[Loops]:
    loops = Loops()
    yield loops
    loops.throw_away()


def cut_off(
    loops: Loops, operation: str, how: str, journal_at: JournalAt = MemoryJournal, **changes: Any
) -> Client:
    """A client whose call was under way when its loop was closed."""

    async def begin() -> Client:
        town = await Town.build(journal_at)
        client = town.client()
        if how == "begun":
            hold(client, CREATE if operation == "redeem" else MONEY[operation])
            if operation != "redeem":
                client.journal.pauses_at("save")
        else:
            town.script(Lot(how))
        client.begin(operation, **changes)
        await asyncio.sleep(0.5)
        town.script()
        return client

    client = loops.run(begin)
    client.wire.on_send = None
    client.journal.pauses_at("")
    return client


def hold(client: Client, operation: str) -> asyncio.Event:
    """Hold the requests of an operation back until the event."""
    goes_on = asyncio.Event()

    async def wait(sent: str) -> None:
        if sent == operation:
            await goes_on.wait()

    client.wire.on_send = wait
    return goes_on


@operations
@pytest.mark.parametrize("how", ["hung", "hung answer", "begun"])
def test_who_asks_again_on_another_loop_takes_the_call_over(
    loops: Loops, operation: str, how: str, journal_at: JournalAt
) -> None:
    client = cut_off(loops, operation, how, journal_at)
    charge = loops.run(lambda: said(client.ask(operation, timeout=100.0)))
    if is_done_once(client, operation, how, charge):
        (record,) = loops.run(client.records)[-1:]
        assert record.state is CallState.DONE
        assert is_done_once(client, operation, how, loops.run(lambda: said(client.ask(operation))))


def is_done_once(client: Client, operation: str, how: str, told: Charge | VoucherError) -> bool:
    """Whether it was done; a charge of this client that got lost is final for its reservation."""
    assert client.core.supervisor.pending == ()
    if (operation, how) == ("charge", "hung"):
        assert isinstance(told, ReservationExpired)
        assert client.town.made("charge") == []
        return False
    assert isinstance(told, Charge)
    assert client.town.made(operation) == [told.id]
    return True


def test_a_redeem_goes_on_behind_a_new_reservation(loops: Loops) -> None:
    client = cut_off(loops, "redeem", "hung")
    before = len(client.wire.sent)
    loops.run(lambda: client.redeem(timeout=28.0))
    assert client.wire.sent[before] == CREATE


@operations
@pytest.mark.parametrize("how", ["hung", "hung answer"])
def test_once_it_was_settled_the_key_tells_its_end(loops: Loops, operation: str, how: str) -> None:
    client = cut_off(loops, operation, how)
    (pending,) = client.core.supervisor.pending
    deadline = client.wire.deadline

    settlement = loops.run(lambda: client.core.supervisor.settle(pending, deadline(100.0)))
    assert (settlement.state is SettlementState.DONE) == (how == "hung answer")
    charge = loops.run(lambda: said(client.ask(operation, timeout=100.0)))
    is_done_once(client, operation, how, charge)


def test_a_key_that_was_cut_off_is_still_compared(loops: Loops) -> None:
    client = cut_off(loops, "refund", "hung")
    told = loops.run(lambda: said(client.ask("refund", amount="2.00")))
    assert isinstance(told, IdempotencyMismatch)


@operations
def test_a_call_on_a_loop_that_only_stands_still_is_not_taken_over(operation: str) -> None:
    """It goes on when its loop does."""
    clock = VirtualClock()
    loop, other = VirtualLoop(clock), VirtualLoop(clock)

    async def begin() -> tuple[Client, asyncio.Task[Any], asyncio.Event]:
        client = (await Town.build()).client()
        goes_on = hold(client, MONEY[operation])
        task = client.begin(operation, timeout=200.0)
        await asyncio.sleep(0.5)
        return client, task, goes_on

    async def end() -> Any:
        goes_on.set()
        return await one

    try:
        client, one, goes_on = loop.run_until_complete(begin())
        told = other.run_until_complete(said(client.ask(operation, timeout=5.0)))
        assert isinstance(told, StillRunning)
        charge = loop.run_until_complete(end())
        assert client.town.made(operation) == [charge.id]
    finally:
        other.close()
        loop.close()


def test_nothing_is_said_twice_when_the_caller_that_was_cut_off_is_thrown_away(loops: Loops) -> None:
    client = cut_off(loops, "redeem", "hung answer")
    loops.throw_away()
    charge = loops.run(lambda: client.redeem(timeout=100.0))
    assert client.town.made("redeem") == [charge.id]
    assert client.core.supervisor.pending == ()


def test_equal_payments_without_a_key_meet_no_call_of_a_loop_that_is_gone(loops: Loops) -> None:
    client = cut_off(loops, "redeem", "hung answer", key=None)
    charge = loops.run(lambda: client.redeem(None, timeout=100.0))
    assert client.town.made("redeem") == [charge.id]
    assert client.core.supervisor.pending == ()


def test_a_reservation_whose_charge_was_cut_off_is_in_doubt_until_it_was_settled(loops: Loops) -> None:
    client = cut_off(loops, "charge", "hung answer", key=None)
    told = loops.run(lambda: said(client.charge(None, timeout=5.0)))
    assert isinstance(told, OutcomeUnknown)
    pending, deadline = told.pending, client.wire.deadline
    settlement = loops.run(lambda: client.core.supervisor.settle(pending, deadline(100.0)))
    assert settlement.state is SettlementState.DONE
    told = loops.run(lambda: said(client.charge(None)))
    assert isinstance(told, ReservationAlreadyCharged)


@pytest.mark.parametrize("inside", [True, False])
def test_a_checkout_that_was_cut_off_is_taken_over(loops: Loops, *, inside: bool) -> None:
    async def begin() -> Client:
        client = (await Town.build()).client()
        if not inside:
            client.town.script(Lot("hung answer"))
        loops.left.append(asyncio.create_task(check_out(client, waits=inside)))
        await asyncio.sleep(0.5)
        client.town.script()
        return client

    client = loops.run(begin)

    async def again() -> tuple[Charge, ...]:
        for _ in range(3):
            told = await said(check_out(client))
            if not isinstance(told, VoucherError):
                return told
            await asyncio.sleep(20.0)
        raise AssertionError(told)

    charges = loops.run(again)
    assert client.town.made("redeem") == [charge.id for charge in charges]
    assert client.core.supervisor.pending == ()


async def check_out(client: Client, *, waits: bool = False) -> tuple[Charge, ...]:
    given = {"order_number": "A-1", "currency": "EUR", "idempotency_key": "K-1"}
    async with client.core.lifecycle.checkout(**given) as checkout:
        await checkout.reserve(code=client.town.vouchers[0].code, amount="4.00")
        if waits:
            await asyncio.Event().wait()
        return await checkout.charge()


@operations
@pytest.mark.parametrize("how", ["hung", "begun"])
def test_another_process_takes_it_over_while_its_client_is_busy(
    loops: Loops, operation: str, how: str, journal_at: JournalAt
) -> None:
    client = cut_off(loops, operation, how, journal_at)

    async def both() -> Charge:
        second = client.town.client()
        two = second.begin(operation, timeout=120.0)
        for _ in range(30):
            await client.redeem(None, amount="0.01", order_number="B-1")
            await asyncio.sleep(3.0)
        return await two

    charge = loops.run(both)
    made = client.town.adversary.emulator.charges()
    kind = {"refund": "refund", "recharge": "recharge"}.get(operation, "charge")
    paid = [each for each in made if each.type == kind and each.order_number != "B-1"]
    assert [each.id for each in paid if each.id != client.town.charge.id] == [charge.id]
    assert client.core.joining.ownership.heartbeat._held == set()


@pytest.mark.parametrize("loses", [False, True], ids=["charges", "is in doubt"])
def test_who_was_cut_off_denies_nothing_that_another_worker_does(loops: Loops, *, loses: bool) -> None:
    """Its record was handed over, and has another owner since; what is known of the old call is too old."""
    first = cut_off(loops, "redeem", "hung")
    town = first.town

    async def later() -> None:
        (pending,) = first.core.supervisor.pending
        await first.redeem(None, code=town.vouchers[1].code, order_number="B-9")
        await asyncio.sleep(11.0)  # the window has passed, and the record was handed over
        second = town.client()
        town.script(*(Lot("late", late=6.0) for _ in range(9 if loses else 0)))
        await said(second.redeem(timeout=3.0))
        town.script()
        told = await said(first.core.supervisor.settle(pending, first.wire.deadline(3.0)))
        assert getattr(told, "state", None) is not SettlementState.NOT_DONE, told
        await asyncio.sleep(30.0)
        charge = await town.client().redeem(timeout=28.0)
        made = [each.id for each in town.adversary.emulator.charges("A-1") if each.type == "charge"]
        assert made == [charge.id]

    loops.run(later)
