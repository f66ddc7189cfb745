"""The programs of docs/orders.md and docs/refunds.md are killed at each step: one charge, a paid order."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from tests.docs.blocks import blocks_of
from tests.docs.killed import Program, Running
from voucher_async.testing import VoucherEmulator, VoucherRecord, faults

NUMBERS: Final = itertools.count()
COMMIT: Final = ("before a commit", "after a commit")
TOLD: Final = "after the charge"
SHOP: Final = (*COMMIT, *COMMIT, TOLD, *COMMIT)  # its tables, the order, the charge, the end
PLACING: Final = (*COMMIT, *COMMIT)
WORKER: Final = (*COMMIT, *COMMIT, TOLD, *COMMIT)  # its tables, a row that is taken, the charge, the end


def until_each(*names: str) -> pytest.MarkDecorator:
    cases = [names[:count] for count in range(1, len(names) + 1)]
    return pytest.mark.parametrize("steps", cases, ids=[f"{len(each)} {each[-1]}" for each in cases])


@attrs.frozen(eq=False)
class Place:
    """Where the programs run.

    Attributes:
        programs: the folder of the programs.
        folder: has the shop's database.
        emulator: the server.
        voucher: pays.
    """

    programs: Path
    folder: Path
    emulator: VoucherEmulator
    voucher: VoucherRecord

    def order(self, number: str = "A-1") -> tuple[str, str, str]:
        """The arguments that place an order."""
        return number, "10.00", self.voucher.code

    def start(self, name: str, *arguments: str, step: int = 0) -> Running:
        number = next(NUMBERS)
        log, trace = self.folder / f"{number}.log", self.folder / f"{number}.steps"
        environ = {**os.environ, "SHOP_DATABASE": f"sqlite:///{self.folder / 'shop.db'}"}
        return Program(self.programs / name, arguments, environ, step, log, trace).start()

    async def run(self, name: str, *arguments: str) -> None:
        """Run a program to its end."""
        running = self.start(name, *arguments)
        assert (await running.end(), running.complaints) == (0, "")

    async def kill(self, name: str, *arguments: str, steps: Sequence[str]) -> None:
        """Run a program, and have it killed at the last one of these steps."""
        running = self.start(name, *arguments, step=len(steps))
        assert (await running.end(), running.complaints) == (-signal.SIGKILL, "")
        assert running.steps == steps

    async def work(self, count: int = 1, name: str = "outbox.py") -> list[str]:
        """Run workers until the outbox is empty, and ask them to stop; what they complained of."""
        workers = [self.start(name) for _ in range(count)]
        while self.rows("outbox"):
            assert all(worker.process.is_alive() for worker in workers), [each.complaints for each in workers]
            await asyncio.sleep(0.02)
        for worker in workers:
            while len(worker.steps) <= len(COMMIT):  # it does not expect to be asked to stop before
                await asyncio.sleep(0.02)
            worker.process.terminate()
        assert [await worker.end() for worker in workers] == [0] * count
        return [worker.complaints for worker in workers]

    def rows(self, table: str) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.folder / "shop.db")) as db:
            db.row_factory = sqlite3.Row
            names = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
            return [dict(row) for row in db.execute(f"SELECT * FROM {table}")] if table in names else []

    def check_paid(self, *numbers: str) -> None:
        """Each order has one charge, and is paid with it; the journal never had the code."""
        orders = {order["number"]: order for order in self.rows("orders")}
        assert orders.keys() == {*numbers}
        for number, order in orders.items():
            (charge,) = self.emulator.charges(number)
            assert (order["state"], order["charge_id"]) == ("paid", charge.id)
        assert self.rows("outbox") == []
        for file in self.programs.glob("vouchers.db*"):
            assert self.voucher.code.encode() not in file.read_bytes()


@pytest.fixture
async def place(
    emulator: VoucherEmulator, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Place]:
    shop, outbox = (block.parsed for block in blocks_of(root / "docs" / "orders.md"))
    page = [block.parsed for block in blocks_of(root / "docs" / "refunds.md")]
    (returns,) = (code for code in page if code.startswith('"""A return'))
    hasty = outbox.replace("HELD = 60.0", "HELD = 0.0")
    assert hasty != outbox
    programs = {"shop.py": shop, "outbox.py": outbox, "hasty.py": hasty, "returns.py": returns}
    for name, code in programs.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    monkeypatch.setenv("VOUCHER_JOURNAL", f"sqlite:///{tmp_path / 'vouchers.db'}")
    yield Place(tmp_path, tmp_path, emulator, emulator.add_voucher(amount="100.00"))
    emulator.ledger.check()


@until_each(*SHOP)
async def test_a_shop_that_is_killed_between_two_steps_charges_once(
    place: Place, steps: Sequence[str]
) -> None:
    await place.kill("shop.py", *place.order(), steps=steps)
    await place.run("shop.py")
    if not place.rows("orders"):  # killed before it had the order: the customer places it again
        assert not place.emulator.charges()
        await place.run("shop.py", *place.order())
    place.check_paid("A-1")


@until_each(*PLACING)
async def test_an_order_is_placed_with_its_payment_or_not_at_all(place: Place, steps: Sequence[str]) -> None:
    await place.kill("outbox.py", *place.order(), steps=steps)
    assert len(place.rows("orders")) == len(place.rows("outbox")) == (steps == PLACING)
    await place.run("outbox.py", *place.order())
    await place.work()
    place.check_paid("A-1")


@until_each(*WORKER)
async def test_a_worker_that_is_killed_between_two_steps_charges_once(
    place: Place, steps: Sequence[str]
) -> None:
    await place.run("outbox.py", *place.order())
    await place.kill("outbox.py", steps=steps)
    assert len(place.rows("outbox")) == (steps != WORKER)
    await place.work(name="hasty.py")
    place.check_paid("A-1")


async def test_a_program_that_is_killed_within_its_charge_charges_once(place: Place) -> None:
    slow = faults.SlowHeaders(seconds=60)  # it is charged, and nobody is told
    place.emulator.faults.script("chargeReservation", slow, slow)
    folder = place.folder / "beside"
    folder.mkdir()
    # payments with one voucher would take turns
    beside = attrs.evolve(place, folder=folder, voucher=place.emulator.add_voucher(amount="10.00"))
    await beside.run("outbox.py", *beside.order("A-2"))
    for number, running in {
        "A-1": place.start("shop.py", *place.order("A-1")),
        "A-2": beside.start("outbox.py"),
    }.items():
        while not place.emulator.charges(number):
            assert running.process.is_alive()
            await asyncio.sleep(0.01)
        running.process.kill()
        await running.end()
    assert [order["state"] for each in (place, beside) for order in each.rows("orders")] == ["pending"] * 2
    # each waits until the lease of the killed one is over
    await asyncio.gather(place.run("shop.py"), beside.work(name="hasty.py"))
    place.check_paid("A-1")
    beside.check_paid("A-2")


@pytest.mark.parametrize("program", ["outbox.py", "hasty.py"])
async def test_several_workers_charge_each_order_once(place: Place, program: str) -> None:
    numbers = [f"A-{number}" for number in range(8)]
    await asyncio.gather(*(place.run("outbox.py", *place.order(number)) for number in numbers))
    await place.work(3, program)
    place.check_paid(*numbers)


@pytest.mark.parametrize("name", ["shop.py", "outbox.py"])
async def test_a_refusal_ends_the_payment_and_deletes_the_code(place: Place, name: str) -> None:
    running = place.start(name, "A-1", "500.00", place.voucher.code)
    assert await running.end() == 0
    (complaint,) = [running.complaints] if name == "shop.py" else await place.work()
    assert "order A-1: " in complaint
    assert place.voucher.code not in complaint
    (order,) = place.rows("orders")
    assert order["state"] == "unpaid"
    assert not order.get("code")
    assert not place.emulator.charges()


@pytest.mark.parametrize("name", ["shop.py", "outbox.py"])
async def test_a_charge_counts_after_another_worker_was_refused(place: Place, name: str) -> None:
    place.emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=1.0))
    running = place.start(name, *place.order())
    if name == "outbox.py":
        await running.end()
        working = asyncio.create_task(place.work())
    while not place.emulator.charges("A-1"):
        await asyncio.sleep(0.01)
    with closing(sqlite3.connect(place.folder / "shop.db")) as db:
        db.execute("UPDATE orders SET state = 'unpaid'")
        db.commit()
    if name == "outbox.py":
        assert await working == [""]
    assert (await running.end(), running.complaints) == (0, "")
    place.check_paid("A-1")


async def test_a_server_that_is_down_leaves_the_order_to_be_asked_for_again(place: Place) -> None:
    place.emulator.faults.script("requestToken", *[faults.Unavailable()] * 50)
    running = place.start("shop.py", *place.order())
    assert await running.end() == 0
    assert "order A-1: " in running.complaints
    assert [order["state"] for order in place.rows("orders")] == ["pending"]
    place.emulator.faults.clear()
    await place.run("shop.py")
    place.check_paid("A-1")


async def test_a_return_is_given_back_once_however_often_the_program_runs(place: Place) -> None:
    await place.run("shop.py", *place.order())
    for _ in range(2):
        await place.run("returns.py", "A-1", "return-77", "4.00")
    await place.run("returns.py", "A-1", "return-78")
    assert [each.amount for each in place.emulator.charges("A-1", type="refund")] == [4, 6]
    for arguments in (("A-1", "return-79", "0.01"), ("A-2", "return-80")):
        running = place.start("returns.py", *arguments)
        assert await running.end() == 2
        assert f"return {arguments[1]}: " in running.complaints


async def test_a_return_whose_program_is_killed_within_its_refund_is_given_back_once(place: Place) -> None:
    await place.run("shop.py", *place.order())
    place.emulator.faults.script("refundCharge", faults.SlowHeaders(seconds=60))
    running = place.start("returns.py", "A-1", "return-77")
    while not place.emulator.charges("A-1", type="refund"):
        assert running.process.is_alive()
        await asyncio.sleep(0.01)
    running.process.kill()
    await running.end()
    await place.run("returns.py", "A-1", "return-77")  # waits until the lease of the killed one is over
    assert [each.amount for each in place.emulator.charges("A-1", type="refund")] == [10]
