"""Workers that stand still, are asked to stop, or die beside others; and the shop of the example.

Each story starts several workers, so `make workflows` tells them, and the gate none.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from itertools import groupby
from pathlib import Path
from typing import Final

import pytest

from tests.examples.workers import until
from tests.workflows.places import Place
from tests.workflows.slow_shop import STEPS
from tests.workflows.test_killed import LAST
from voucher_async.integrations.dbos import QUEUE
from voucher_async.testing import VoucherEmulator, faults

Story = Callable[[Place], Awaitable[None]]

pytestmark = pytest.mark.timeout(600)


def enqueue(place: Place, workflow: str, name: str, *arguments: str) -> None:
    """Start a workflow from a process that runs none."""
    with place.client() as client:
        client.enqueue({"queue_name": QUEUE, "workflow_name": workflow, "workflow_id": name}, *arguments)


async def begin(place: Place) -> None:
    await asyncio.to_thread(enqueue, place, "check_out", place.order, place.order, "10.00")


async def is_charged(place: Place) -> None:
    await until(lambda: place.emulator.charges(place.order), "the charge")


async def a_worker_that_stood_still_ends_itself(place: Place) -> None:
    place.emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=5))
    async with place.worker("shop-1") as sleeper:
        await begin(place)
        await place.pay_by_card()
        await is_charged(place)
        sleeper.process.send_signal(signal.SIGSTOP)  # in the middle of its charge, beyond its lease
        async with place.worker("shop-2") as heir:
            await place.has_ended()
            sleeper.process.send_signal(signal.SIGCONT)
            async with asyncio.timeout(60):
                assert await sleeper.process.wait() == 5
            assert "have taken this one for dead" in sleeper.printed
            assert await heir.stop() == 0
    place.check()


async def a_worker_ends_its_charge_when_asked_to_stop(place: Place) -> None:
    place.emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=1.5))
    async with place.worker("shop-1") as worker:
        await begin(place)
        await place.pay_by_card()
        await is_charged(place)
        assert await worker.stop() == 0
    async with place.worker("shop-1") as worker:
        await place.has_ended()
        assert await worker.stop() == 0
    place.check()


async def a_worker_says_that_a_charge_is_left(place: Place) -> None:
    place.emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=20))
    async with place.worker("shop-1", "--limit", "0.2", also={"VOUCHER_CLOSE_WAIT": "0.2"}) as worker:
        await begin(place)
        await place.pay_by_card()
        await is_charged(place)
        assert await worker.stop() == 3
    async with place.worker("shop-2") as worker:
        await place.has_ended()
        assert await worker.stop() == 0
    place.check()


async def a_card_that_is_refused_lets_the_voucher_go(place: Place) -> None:
    async with place.worker("shop-1") as worker:
        await begin(place)
        await place.pay_by_card("refused")
        await place.has_ended()
        assert await worker.stop() == 0
    assert (place.state, place.emulator.charges(place.order)) == ("cancelled", ())


async def a_reservation_is_made_anew_until_the_customer_has_gone(place: Place) -> None:
    async with place.worker("shop-1", also={"HOLD_SECONDS": "0.2"}) as worker:
        await begin(place)
        await place.has_ended()
        assert await worker.stop() == 0
    assert (place.state, place.emulator.charges(place.order)) == ("cancelled", ())
    assert len(place.emulator.reservations()) == 3
    with place.client() as client:
        steps = [each["function_name"] for each in client.list_workflow_steps(place.order)]
    assert [each for each in steps if not each.startswith("DBOS.")] == [
        "reserve",
        "renew 1",
        "renew 2",
        "mark",
    ]


async def a_second_worker_of_a_slot_is_refused(place: Place) -> None:
    async with place.worker("shop-1") as worker:
        async with place.process("shop-1", *place.command("shop-1")) as second:
            async with asyncio.timeout(60):
                assert await second.process.wait() == 2
        assert "'shop-1' belongs to another live process" in second.printed
        await begin(place)
        await place.pay_by_card()
        await place.has_ended()
        assert await worker.stop() == 0
    place.check()


async def workflows_of_a_killed_worker_run_once_at_a_time(place: Place) -> None:
    lines, names = place.folder / "steps.txt", [f"W-{number}" for number in range(6)]
    lines.touch()
    also, app = {"STEPS_FILE": str(lines)}, "tests.workflows.slow_shop:vouchers"
    async with (
        place.worker("shop-1", app=app, also=also) as dying,
        place.worker("shop-2", app=app, also=also) as second,
        place.worker("shop-3", app=app, also=also) as third,
    ):
        for name in names:
            await asyncio.to_thread(enqueue, place, "go_slowly", name, name)
        own = f" {dying.process.pid}\n"
        await until(lambda: own in lines.read_text(), "a step of the one that dies")
        await dying.kill()
        await until(lambda: lines.read_text().count(f" {STEPS - 1} end ") == len(names), "all to end")
        assert (await second.stop(), await third.stop()) == (0, 0)
    told = sorted(lines.read_text().splitlines(), key=lambda line: line.split()[0])
    for _, ran in groupby(told, key=lambda line: line.split()[0]):
        check_steps([line.split() for line in ran], str(dying.process.pid))


def check_steps(ran: list[list[str]], dead: str) -> None:
    """Each step ended once, in order, and no other began meanwhile but in place of one that was cut off."""
    cut_off = [
        number
        for number, (this, then) in enumerate(zip(ran, [*ran[1:], None], strict=True))
        if this[2] == "begin" and this[3] == dead and (then is None or then[3] != dead)
    ]
    whole = [line for number, line in enumerate(ran) if number not in cut_off]
    assert [line[1:3] for line in whole] == [
        [str(step), what] for step in range(STEPS) for what in ("begin", "end")
    ]
    assert all(first[3] == second[3] for first, second in zip(whole[::2], whole[1::2], strict=True))
    assert len({line[3] for line in ran}) <= 2  # whoever took it over ended it


STORIES: Final[list[Story]] = [
    a_worker_that_stood_still_ends_itself,
    a_worker_ends_its_charge_when_asked_to_stop,
    a_worker_says_that_a_charge_is_left,
    a_card_that_is_refused_lets_the_voucher_go,
    a_reservation_is_made_anew_until_the_customer_has_gone,
    a_second_worker_of_a_slot_is_refused,
    workflows_of_a_killed_worker_run_once_at_a_time,
]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: str(story.__name__))
async def test(tmp_path: Path, emulator: VoucherEmulator, story: Story) -> None:
    journal, workflows = tmp_path / "vouchers.db", tmp_path / "workflows.db"
    await story(Place(tmp_path, emulator, f"sqlite:///{workflows}", f"sqlite:///{journal}"))


async def test_a_checkout_has_no_more_points_than_are_tried(
    tmp_path: Path, emulator: VoucherEmulator
) -> None:
    place = Place(
        tmp_path, emulator, f"sqlite:///{tmp_path / 'workflows.db'}", f"sqlite:///{tmp_path / 'v.db'}"
    )
    printed = await place.ended_without_a_kill("shop-1")
    charge = emulator.charges(place.order)[0].id
    assert printed == f"{LAST} paid, {charge}"
    place.check()
