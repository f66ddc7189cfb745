"""A checkout whose worker is killed at one of its steps, and which another one goes on with: one charge.

The other worker has new code. At every second point it is one of another slot, which has to find what the
first one has left. In the gate it is one point on each database; `make workflows` takes them all.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.seeds import drawing
from tests.workflows.places import ROOT, Place
from voucher_async.testing import VoucherEmulator

if TYPE_CHECKING:
    from tests.journals.postgres import Server

pytestmark = pytest.mark.timeout(3600 if os.environ.get("WORKFLOWS") else 120)

LAST: Final = 34
"""The last point of a checkout; see `tests.workflows.killed`."""


def points(database: str) -> list[int]:
    """The points at which workers are killed."""
    every = list(range(1, LAST + 1))
    return every if os.environ.get("WORKFLOWS") else [drawing(f"workflows/{database}").choice(every)]


def deploy(place: Place) -> str:
    """Write a new version of the example, whose workflow has other source text; the name of its workflows."""
    source = (ROOT / "examples" / "workflow_checkout.py").read_text(encoding="utf-8")
    changed = source.replace('"cancelled"', '"called off"')
    assert changed != source
    (place.folder / "shop_of_tomorrow.py").write_text(changed, encoding="utf-8")
    return "shop_of_tomorrow:vouchers"


async def go_on_with(place: Place, point: int) -> None:
    """Kill a worker at a point, and let another one go on with its workflow."""
    assert await place.killed("shop-1", point), f"there is no point {point}"
    async with place.worker(f"shop-{1 + point % 2}", deploy(place)) as worker:
        await place.pay_by_card()  # the same webhook, delivered again or for the first time
        await place.has_ended()
        assert await worker.stop() == 0
    place.check()


def place_in(folder: Path, emulator: VoucherEmulator, url: str | None = None) -> Place:
    folder.mkdir()
    workflows = url or f"sqlite:///{folder / 'workflows.db'}"
    return Place(folder, emulator, workflows, url or f"sqlite:///{folder / 'vouchers.db'}")


@pytest.mark.parametrize("point", points("sqlite"))
async def test_a_checkout_is_gone_on_with_on_sqlite(
    tmp_path: Path, emulator: VoucherEmulator, point: int
) -> None:
    await go_on_with(place_in(tmp_path / "place", emulator), point)


@pytest.mark.parametrize("point", points("postgresql"))
async def test_a_checkout_is_gone_on_with_on_postgresql(
    tmp_path: Path, emulator: VoucherEmulator, server: Server, database: str, point: int
) -> None:
    place = place_in(tmp_path / "place", emulator, server.url(database))
    await go_on_with(place, point)
    dumped = server.run("SELECT * FROM dbos.operation_outputs; SELECT * FROM dbos.workflow_status", database)
    assert place.order in dumped
    place.check_secrets(dumped.encode())
