"""The workers of examples/: a message that is delivered twice, or whose worker was killed, charges once.

Each runs as a process of its own, against a real Valkey and the emulator. All do so side by side, since each
has to wait until the lease of a killed one is over.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import attrs
import pytest
import redis.asyncio

from tests.examples.queues import QUEUES, Queue
from tests.examples.workers import Shop
from tests.valkey import valkey
from voucher_async import Conflict
from voucher_async.testing import VoucherEmulator, faults

pytestmark = pytest.mark.timeout(300)  # for the one that waits for all of it

CASES = pytest.mark.parametrize("name", QUEUES)


@attrs.define
class Told:
    """What the workers of a queue have done, and answered.

    Attributes:
        shop: their shop.
        killed: the answer to a message whose worker was killed after the charge.
        twice: the answers to two messages about one order.
        refused: the answer to an order whose voucher does not hold enough.
        again: the answer to an order that came while the server was not available.
        stopped: the exit code of a worker that was asked to stop in the middle of a charge.
        last: its answer.
    """

    shop: Shop
    killed: object = None
    twice: tuple[object, ...] = ()
    refused: object = None
    again: object = None
    stopped: int | None = None
    last: object = None


async def tell(queue: Queue, told: Told) -> Told:
    shop, script = queue.shop, queue.shop.emulator.faults.script
    async with queue.opened():
        async with shop.worker(queue.command) as dying:
            script("createReservation", faults.Unavailable(retry_after=3600))  # longer than a call waits
            again = await queue.send(shop.order("again"))
            await shop.met_a_fault()
            script("chargeReservation", faults.SlowHeaders(seconds=60))  # it is charged, and nobody is told
            killed = await queue.send(shop.order("killed"))
            await shop.charged("killed")
            await queue.strike(dying, killed)
        await queue.lapse()
        async with shop.worker(queue.command) as heir:
            shop.order("twice")
            twice = [await queue.send("twice") for _ in range(2)]
            refused = await queue.send(shop.order("refused", "99.00"))
            told.twice = tuple([await queue.answer("twice", each) for each in twice])
            told.refused = await queue.answer("refused", refused)
            told.again = await queue.answer("again", again)
            told.killed = await queue.answer("killed", killed)
            script("chargeReservation", faults.SlowHeaders(seconds=1))
            last = await queue.send(shop.order("last"))
            await shop.charged("last")
            told.stopped = await heir.stop()
            told.last = await queue.answer("last", last)
    return told


async def tell_all(folder: Path, url: str, stack: ExitStack) -> list[Told | BaseException]:
    async with redis.asyncio.Redis.from_url(url) as server:
        stories = []
        for name, kind in QUEUES.items():
            (folder / name).mkdir()
            shop = Shop(folder / name, stack.enter_context(VoucherEmulator()), url)
            stories.append(tell(kind(shop, server), Told(shop)))
        return await asyncio.gather(*stories, return_exceptions=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workers")


@pytest.fixture(scope="module")
def stories(folder: Path) -> Iterator[dict[str, Told | BaseException]]:
    with valkey(folder / "valkey") as url, ExitStack() as stack:
        yield dict(zip(QUEUES, asyncio.run(tell_all(folder, url, stack)), strict=True))


@pytest.fixture
def told(name: str, stories: dict[str, Told | BaseException]) -> Told:
    story = stories[name]
    if isinstance(story, BaseException):
        raise story
    return story


@CASES
def test_a_message_whose_worker_is_killed_after_the_charge_charges_once(told: Told) -> None:
    assert told.killed == told.shop.charge("killed") == told.shop.paid("killed")


@CASES
def test_a_message_that_comes_twice_charges_once(told: Told) -> None:
    assert told.twice == (told.shop.charge("twice"),) * 2


@CASES
def test_a_payment_that_has_not_ended_is_asked_for_again(told: Told) -> None:
    assert told.again == told.shop.charge("again") == told.shop.paid("again")


@CASES
def test_a_refusal_is_the_answer(told: Told, name: str) -> None:
    assert "INSUFFICIENT_BALANCE" in str(told.refused)
    assert isinstance(told.refused, Conflict) is (
        name == "arq"
    )  # the others have answers in JSON, or as text
    assert told.shop.paid("refused") is None
    asked = [each.operation_id for each in told.shop.emulator.requests if each.status == 409]
    assert asked == ["createReservation"]  # once


@CASES
def test_a_worker_that_is_asked_to_stop_ends_its_payment(told: Told) -> None:
    assert (told.stopped, told.last) == (0, told.shop.charge("last"))


@CASES
def test_nothing_is_left_open_and_no_code_is_told(told: Told, folder: Path) -> None:
    told.shop.check()
    assert len(told.shop.emulator.charges()) == 4
    stored = b"".join(file.read_bytes() for file in (folder / "valkey").rglob("*.aof"))
    assert b"killed" in stored
    assert not [code for code in told.shop.codes if code.encode() in stored]


@CASES
def test_the_example_has_25_lines_at_most(root: Path, name: str) -> None:
    assert len((root / "examples" / f"{name}_worker.py").read_text(encoding="utf-8").splitlines()) <= 25


def test_every_relative_link_of_the_page_leads_somewhere(root: Path) -> None:
    page = root / "docs" / "workers.md"
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert {f"../examples/{name}_worker.py" for name in QUEUES} < set(targets)
    assert not [target for target in targets if not (page.parent / target).exists()]
