"""The client for threads: any number at once on one loop, interrupted, closed, forked, forgotten."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import importlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from voucher_async import ApiError, ConfigurationError, Fate, VoucherClient, VoucherError
from voucher_async.integrations.blocking import BlockingVouchers
from voucher_async.integrations.problems import problem_of
from voucher_async.testing import VoucherEmulator, faults

TWELVE = 12
PAY: dict[str, Any] = {"amount": "1.00", "currency": "EUR"}


@pytest.fixture
def emulator() -> Iterator[VoucherEmulator]:
    with VoucherEmulator() as emulator:
        yield emulator


@pytest.fixture
def vouchers(emulator: VoucherEmulator) -> Iterator[BlockingVouchers]:
    with BlockingVouchers(functools.partial(VoucherClient, **emulator.settings())) as vouchers:
        yield vouchers


def of_threads(work: Any) -> list[Any]:
    """The results of twelve threads; the argument is the thread's number."""
    with concurrent.futures.ThreadPoolExecutor(TWELVE) as pool:
        return list(pool.map(work, range(TWELVE)))


def test_twelve_threads_pay_at_once(emulator: VoucherEmulator, vouchers: BlockingVouchers) -> None:
    code = emulator.add_voucher(amount="50.00").code

    def pay(number: int) -> str:
        order = f"A-{number // 2}"  # each is a double click
        return vouchers.redeem(code=code, order_number=order, idempotency_key=order, **PAY).id

    charges = of_threads(pay)
    assert charges[::2] == charges[1::2]
    assert len(set(charges)) == 6
    assert [len(emulator.charges(f"A-{number}")) for number in range(6)] == [1] * 6


def test_twelve_threads_wait_at_the_same_time(vouchers: BlockingVouchers) -> None:
    meeting = asyncio.Barrier(TWELVE)

    async def meet(_: VoucherClient) -> int:
        async with asyncio.timeout(30):
            return await meeting.wait()

    assert sorted(of_threads(lambda _: vouchers.call(meet))) == list(range(TWELVE))


def test_errors_and_their_proofs_reach_the_thread(
    emulator: VoucherEmulator, vouchers: BlockingVouchers
) -> None:
    emulator.add_voucher(amount="50.00")
    with pytest.raises(ApiError) as refused:
        vouchers.redeem(code="NO-SUCH-CODE", order_number="A-1", **PAY)
    assert refused.value.proof is not None
    assert "NO-SUCH-CODE" not in str(refused.value)


def test_no_frame_of_an_error_shows_the_code(vouchers: BlockingVouchers) -> None:
    with pytest.raises(ApiError) as refused:
        vouchers.redeem(code="HUSH-HUSH", pin="4711-0815", order_number="A-1", **PAY)
    frames = [frame for frame, _ in traceback.walk_tb(refused.tb) if frame.f_code.co_filename != __file__]
    shown = repr([frame.f_locals for frame in frames])
    assert "redeemed" in shown
    assert not {"HUSH-HUSH", "4711-0815"} & set(re.findall(r"[\w-]+", shown))


def test_any_method_of_the_client_is_called(emulator: VoucherEmulator, vouchers: BlockingVouchers) -> None:
    voucher = emulator.add_voucher(amount="50.00")
    charge = vouchers.redeem(code=voucher.code, order_number="A-1", idempotency_key="A-1", **PAY)

    async def give_back(client: VoucherClient) -> Decimal:
        await client.charges.refund(charge, "0.40", currency="EUR", idempotency_key="return-1")
        return (await client.vouchers.get(voucher.id)).remaining_amount

    assert vouchers.call(give_back) == Decimal("49.40")
    assert vouchers.call(lambda client: client.vouchers.get(voucher.id)).id == voucher.id


class Interrupted(BaseException):
    """Raised in the main thread by a signal, as KeyboardInterrupt is."""


def test_a_thread_that_is_interrupted_leaves_its_charge_to_whoever_asks_again(
    emulator: VoucherEmulator, vouchers: BlockingVouchers
) -> None:
    def interrupt(*_: object) -> None:
        raise Interrupted

    def wait_and_send() -> None:
        while not emulator.charges("A-1"):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGUSR1)

    code = emulator.add_voucher(amount="50.00").code
    emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=1.0))
    pay = functools.partial(vouchers.redeem, code=code, order_number="A-1", idempotency_key="A-1", **PAY)
    former = signal.signal(signal.SIGUSR1, interrupt)
    sender = threading.Thread(target=wait_and_send)
    try:
        sender.start()
        with pytest.raises(Interrupted):  # noqa: PT012 - the signal may come late, on a busy machine
            pay()
            sender.join()
        sender.join()
        assert pay().id == emulator.charges("A-1")[0].id
    finally:
        signal.signal(signal.SIGUSR1, former)
    assert len(emulator.charges("A-1")) == 1


def test_the_time_of_a_call_is_limited(emulator: VoucherEmulator, vouchers: BlockingVouchers) -> None:
    code = emulator.add_voucher(amount="50.00").code
    emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=2.0))
    with pytest.raises(VoucherError) as late:
        vouchers.redeem(code=code, order_number="A-1", idempotency_key="A-1", timeout=0.3, **PAY)
    assert late.value.fate is Fate.UNKNOWN
    again = vouchers.redeem(code=code, order_number="A-1", idempotency_key="A-1", **PAY)
    assert [again.id] == [each.id for each in emulator.charges("A-1")]


def test_closing_waits_for_the_calls_of_other_threads(emulator: VoucherEmulator) -> None:
    code = emulator.add_voucher(amount="50.00").code
    emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=0.5))
    vouchers = BlockingVouchers(functools.partial(VoucherClient, **emulator.settings()))
    with concurrent.futures.ThreadPoolExecutor(1) as pool, vouchers:
        paying = pool.submit(vouchers.redeem, code=code, order_number="A-1", **PAY)
        while not emulator.charges("A-1"):
            time.sleep(0.01)
        vouchers.close()
        assert paying.result().id == emulator.charges("A-1")[0].id
    with pytest.raises(ConfigurationError, match="closed"):
        vouchers.redeem(code=code, order_number="A-2", **PAY)
    vouchers.close()
    assert "voucher" not in " ".join(
        each.name for each in threading.enumerate() if "emulator" not in each.name
    )


def test_closing_ends_what_takes_too_long_with_what_is_known(emulator: VoucherEmulator) -> None:
    code = emulator.add_voucher(amount="50.00").code
    emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=5.0))
    vouchers = BlockingVouchers(functools.partial(VoucherClient, **emulator.settings(), close_wait=0.1))
    with concurrent.futures.ThreadPoolExecutor(1) as pool, vouchers:
        paying = pool.submit(vouchers.redeem, code=code, order_number="A-1", **PAY)
        while not emulator.charges("A-1"):
            time.sleep(0.01)
        vouchers.close()
        with pytest.raises(VoucherError) as ended:
            paying.result()
    assert ended.value.fate is Fate.UNKNOWN


def test_closing_ends_what_goes_on_without_the_client(emulator: VoucherEmulator) -> None:
    begun = threading.Event()

    async def wait_for_ever(_: VoucherClient) -> None:
        begun.set()
        await asyncio.Event().wait()

    vouchers = BlockingVouchers(functools.partial(VoucherClient, **emulator.settings(), close_wait=0.1))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(vouchers.call, wait_for_ever)
        assert begun.wait(30)
        vouchers.close()
        with pytest.raises(VoucherError, match="the event loop in the background has ended"):
            waiting.result()


def test_closing_leaves_time_to_use_a_result(emulator: VoucherEmulator) -> None:
    code = emulator.add_voucher(amount="50.00").code
    emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=0.3))

    async def pay_and_note(client: VoucherClient) -> str:
        charge = await client.redeem(code=code, order_number="A-1", **PAY)
        await asyncio.sleep(0.2)  # a database
        return charge.id

    vouchers = BlockingVouchers(functools.partial(VoucherClient, **emulator.settings()))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        paying = pool.submit(vouchers.call, pay_and_note)
        while not emulator.charges("A-1"):
            time.sleep(0.01)
        vouchers.close()
        assert paying.result() == emulator.charges("A-1")[0].id


def test_a_call_that_its_loop_drops_is_not_called_undone(vouchers: BlockingVouchers) -> None:
    async def dropped(_: VoucherClient) -> None:
        raise asyncio.CancelledError

    with pytest.raises(VoucherError, match="ask again with the same idempotency key") as ended:
        vouchers.call(dropped)
    assert (ended.value.fate, ended.value.proof) == (Fate.UNKNOWN, None)
    assert problem_of(ended.value).kind == "outcome-unknown"


def test_a_loop_that_was_ended_says_so_and_is_closed(emulator: VoucherEmulator) -> None:
    async def leave(_: VoucherClient) -> None:
        sys.exit(3)

    vouchers = BlockingVouchers(functools.partial(VoucherClient, **emulator.settings()))
    with pytest.raises(SystemExit):
        vouchers.call(leave)
    refused = ""
    while "its event loop was ended by a SystemExit" not in refused:  # it is about to end
        try:
            vouchers.call(lambda client: client.vouchers.get("any"))
        except VoucherError as error:
            refused = str(error)
    vouchers.close()


def test_the_loop_does_not_wait_for_itself(vouchers: BlockingVouchers) -> None:
    async def nested(client: VoucherClient) -> None:
        with pytest.raises(ConfigurationError, match="await a method of the client"):
            vouchers.call(lambda client: client.vouchers.get("any"))
        with pytest.raises(ConfigurationError, match="would wait for itself"):
            vouchers.close()
        assert client.settings

    vouchers.call(nested)


def test_settings_that_are_missing_are_told_at_once_and_leave_no_thread() -> None:
    before = threading.active_count()
    with pytest.raises(ConfigurationError, match="VOUCHER_CLIENT_ID"), BlockingVouchers():
        pass  # pragma: no cover
    assert threading.active_count() == before


FORKING = """
import os, sys
from voucher_async.integrations.blocking import BlockingVouchers

vouchers = BlockingVouchers()

def pay(order):
    return vouchers.redeem(
        code=sys.argv[1], amount="1.00", currency="EUR", order_number=order, idempotency_key=order
    )

pay("parent-1")
child = os.fork()
if child == 0:
    pay("child")
    sys.exit(3)
pay("parent-2")
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_child_opens_its_own_and_what_is_forgotten_is_closed_at_exit(
    root: Path, emulator: VoucherEmulator
) -> None:
    voucher = emulator.add_voucher(amount="50.00")
    environ = {**os.environ, **emulator.environ(), "PYTHONPATH": str(root)}
    # Python 3.12 and later warn when a process with threads forks
    command = [sys.executable, "-X", "dev", "-W", "error", "-W", "ignore::DeprecationWarning", "-c", FORKING]
    done = subprocess.run([*command, voucher.code], env=environ, capture_output=True, check=True, timeout=60)
    said = [line for line in done.stderr.decode().splitlines() if not line.startswith("Executing <")]
    assert (done.stdout, said) == (b"3\n", [])
    assert emulator.balance(voucher.id) == Decimal("47.00")


def test_a_missing_anyio_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "voucher_async.integrations.blocking"
    monkeypatch.setitem(sys.modules, "anyio.from_thread", None)
    monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "voucher-async\[wsgi\]"'):
        importlib.import_module(name)


def test_twelve_threads_with_a_loop_each_are_told_the_remedy(emulator: VoucherEmulator) -> None:
    client = VoucherClient(**emulator.settings())
    voucher = emulator.add_voucher(amount="50.00")
    all_done = threading.Barrier(TWELVE)

    async def pay(number: int) -> BaseException | None:
        order = f"A-{number}"
        try:
            await client.redeem(code=voucher.code, order_number=order, idempotency_key=order, **PAY)
        except VoucherError as error:
            return error
        finally:
            await asyncio.to_thread(all_done.wait, 60)  # none of the loops has ended before
        return None

    errors = of_threads(lambda number: asyncio.run(pay(number)))
    told = [str(each) for each in errors if each is not None]
    paid = TWELVE - len(told)
    assert paid == 1
    assert all(isinstance(each, ConfigurationError) for each in errors if each is not None)
    for text in told:
        assert "in use" in text
        assert "on another event loop, which still runs" in text
        assert "voucher_async.integrations.blocking, described in docs/frameworks.md" in text
    assert emulator.balance(voucher.id) == Decimal("50.00") - paid
    assert (Path(__file__).parents[2] / "docs" / "frameworks.md").is_file()
    asyncio.run(client.aclose())
