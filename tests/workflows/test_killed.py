"""A checkout whose worker is killed at one of its steps, and which another one goes on with: one charge.

The other worker has new code. At every second point it is one of another slot, which has to find what the
first one has left. In the gate it is one point on one of the databases; `make workflows` takes them all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.seeds import drawing
from tests.workflows.places import ALL, ROOT, Place, databases
from voucher_async.testing import VoucherEmulator

if TYPE_CHECKING:
    from tests.journals.postgres import Server

LAST: Final = 22
"""The last point of a checkout; see `tests.workflows.killed`."""
AT_ONCE: Final = 4
"""Points at once: each waits until the lease of a killed worker is over."""

pytestmark = pytest.mark.timeout(3600 if ALL else 120)


def points(database: str) -> list[int]:
    """The points at which workers are killed."""
    every = list(range(1, LAST + 1))
    return every if ALL else [drawing(f"workflows/{database}").choice(every)]


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
    async with place.worker(f"shop-{1 + point % 2}", app=deploy(place)) as worker:
        await place.pay_by_card()  # the same webhook, delivered again or for the first time
        await place.has_ended()
        assert await worker.stop() == 0
    place.check()


async def go_on_with_all(
    folder: Path, emulator: VoucherEmulator, database: str, url: Callable[[str], str]
) -> list[Place]:
    """Do so at each point, in a place of its own: a checkout, and its databases."""
    places: list[Place] = []
    room = asyncio.Semaphore(AT_ONCE)

    async def one(point: int) -> None:
        name = f"{database}_{point}"
        (folder / name).mkdir()
        place = Place(folder / name, emulator, url(f"{name}/workflows.db"), url(f"{name}/vouchers.db"), name)
        places.append(place)
        async with room:
            await go_on_with(place, point)

    async with asyncio.TaskGroup() as tasks:
        for point in points(database):
            tasks.create_task(one(point))
    return places


@pytest.mark.parametrize("database", databases())
async def test_a_checkout_is_gone_on_with(
    tmp_path: Path, emulator: VoucherEmulator, database: str, request: pytest.FixtureRequest
) -> None:
    if database == "sqlite":
        places = await go_on_with_all(
            tmp_path, emulator, database, lambda file: f"sqlite:///{tmp_path / file}"
        )
        assert len(places) == (LAST if ALL else 1)
        return
    server: Server = request.getfixturevalue("server")

    def url(file: str) -> str:
        name = file.partition("/")[0]
        if not server.run(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
            server.run(f"CREATE DATABASE {name} STRATEGY FILE_COPY")
        return server.url(name)

    places = await go_on_with_all(tmp_path, emulator, database, url)
    assert len(places) == (LAST if ALL else 1)
    for place in places:
        stored = server.run(
            "SELECT * FROM dbos.operation_outputs; SELECT * FROM dbos.workflow_status", place.order
        )
        assert place.order in stored
        place.check_secrets(stored.encode())
