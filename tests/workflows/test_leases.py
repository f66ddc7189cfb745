"""Leases of executors, on both databases: who lives, who is dead, and that the dead stay so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tests.workflows.places import databases
from voucher_async import VoucherError
from voucher_async.integrations.dbos import ExecutorTaken
from voucher_async.integrations.dbos.leases import Leases, executors

if TYPE_CHECKING:
    from tests.journals.postgres import Server


@pytest.fixture(params=databases())
def leases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Leases]:
    url = f"sqlite:///{tmp_path / 'workflows.db'}"
    if request.param == "postgresql":
        server: Server = request.getfixturevalue("server")
        url = server.url(request.getfixturevalue("database"))
    leases = Leases(url, 60.0)
    for _ in range(2):
        leases.open()
    yield leases
    leases.close()


def let_lapse(leases: Leases, executor_id: str) -> None:
    with leases._engine.begin() as db:
        mine = executors.c.executor_id == executor_id
        db.execute(sa.update(executors).where(mine).values(lease_until=executors.c.lease_until - 61))


def test_a_slot_has_one_live_executor(leases: Leases) -> None:
    first, other = leases.take("shop-1"), leases.take("shop-2")
    with pytest.raises(ExecutorTaken):
        leases.take("shop-1")
    assert leases.renew(first)
    assert leases.dead() == []
    leases.end(first)
    assert leases.dead() == [first]
    assert leases.take("shop-1") != first
    assert leases.renew(other)


def test_who_was_not_heard_of_is_dead_and_stays_so(leases: Leases) -> None:
    first, second = leases.take("shop-1"), leases.take("shop-2")
    let_lapse(leases, first)
    let_lapse(leases, second)
    assert leases.renew(second)  # nobody has looked yet
    heir = leases.take("shop-1")
    assert leases.dead() == [first]
    assert not leases.renew(first)
    let_lapse(leases, heir)
    assert set(leases.dead()) == {first, heir}
    assert not leases.renew(heir)
    assert leases.renew(second)


def test_the_long_dead_are_forgotten_once_they_have_left_nothing(leases: Leases) -> None:
    first, second = leases.take("shop-1"), leases.take("shop-2")
    for each in (first, second):
        leases.end(each)
    leases.forget({first, second})
    assert set(leases.dead()) == {first, second}
    with leases._engine.begin() as db:
        db.execute(sa.update(executors).values(lease_until=executors.c.lease_until - 2 * 24 * 3600))
    leases.forget({first})
    assert leases.dead() == [second]


def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    leases = Leases("postgresql://shop:hunter2@127.0.0.1:1/shop", 1.0)
    with pytest.raises(VoucherError, match=r"postgresql://shop:\*+@") as failed:
        leases.open()
    assert "hunter2" not in str(failed.value)
    leases.close()
