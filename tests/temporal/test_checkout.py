"""The checkout of examples/temporal_checkout.py: workers are killed, stopped and replaced in the middle.

Real workers, against Temporal's dev server and the emulator. What takes longer is in the other files of this
folder: `make workflows`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import attrs
import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError

from examples.temporal_checkout import Checkout
from tests.temporal.checkouts import Checkouts, opened
from tests.temporal.server import serving
from voucher_async.testing import faults

pytestmark = pytest.mark.timeout(300)


@attrs.define
class Told:
    """What came of the checkouts.

    Attributes:
        checkouts: the shop.
        killed: the result where the worker was killed after the charge.
        stopped: the exit code of a worker that was asked to stop in the middle of a charge.
        last: the results of the activities of that checkout, as Temporal keeps them.
        declined: the result where the card was declined.
        refused: the error where the voucher does not hold enough.
    """

    checkouts: Checkouts
    killed: str | None = None
    stopped: int | None = None
    last: tuple[str | None, ...] = ()
    declined: str | None = None
    refused: BaseException | None = None


async def tell(told: Told) -> None:
    checkouts = told.checkouts
    shop, script = checkouts.shop, checkouts.emulator.faults.script
    async with checkouts.worker() as dying:
        last = await checkouts.held("last")
        script("chargeReservation", faults.SlowHeaders(seconds=60))  # it is charged, and nobody is told
        killed = await checkouts.charging("killed")
        await dying.kill()
    async with checkouts.worker() as heir:
        declined = await checkouts.held("declined")
        await declined.signal(Checkout.card_declined)
        told.declined = await declined.result()
        refused = await checkouts.begin(shop.order("refused", "99.00"))
        with pytest.raises(WorkflowFailureError) as failed:
            await refused.result()
        told.refused = failed.value.cause
        told.killed = await killed.result()
        script("chargeReservation", faults.SlowHeaders(seconds=1))
        await last.signal(Checkout.card_authorized)
        await shop.charged("last")
        told.stopped = await heir.stop()
    told.last = await checkouts.results(last)


async def tell_all(folder: Path) -> Told:
    async with serving(folder, "gate") as server, opened(server, "gate", folder / "shop") as checkouts:
        told = Told(checkouts)
        await tell(told)
        return told


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    return asyncio.run(tell_all(tmp_path_factory.mktemp("temporal")))


def test_a_checkout_whose_worker_is_killed_after_the_charge_charges_once(told: Told) -> None:
    shop = told.checkouts.shop
    assert told.killed == shop.charge("killed") == shop.paid("killed")


def test_a_worker_that_is_asked_to_stop_ends_its_charge(told: Told) -> None:
    shop = told.checkouts.shop
    assert told.stopped == 0
    assert told.last == (None, shop.charge("last"))
    assert shop.paid("last") == shop.charge("last")


def test_a_declined_card_leaves_the_voucher_alone(told: Told) -> None:
    assert told.declined is None
    assert told.checkouts.emulator.charges("declined") == ()


def test_a_refusal_ends_the_checkout_and_is_not_asked_for_again(told: Told) -> None:
    assert isinstance(told.refused, ActivityError)
    cause = told.refused.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.non_retryable) == ("Conflict", True)
    assert "INSUFFICIENT_BALANCE" in str(cause)
    assert [each.status for each in told.checkouts.emulator.requests].count(409) == 1


def test_nothing_else_was_charged(told: Told) -> None:
    assert len(told.checkouts.emulator.charges()) == 2
