"""Small storms, with killed workers or habits: nothing is charged twice, nobody is told what is not true."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from tests.chaos import report as reports
from tests.chaos.conductor import Conductor, Report
from tests.chaos.config import Storm
from tests.chaos.shop.plan import ShopStorm
from tests.chaos.shop.storm import ShopConductor
from tests.seeds import chosen

STORM = Storm(calls=300, workers=2, lanes=30, seed=chosen(), kills=1, delay=0.6, slack=1.2, patience=45.0)
LIGHT = attrs.evolve(STORM, lanes=20, share=0.1, kills=0, delay=1.0)
HABITS = attrs.evolve(LIGHT, variant="habits", turn=0.1)
KEYS = attrs.evolve(LIGHT, calls=150, variant="keys", turn=0.5, patience=20.0)
SHARED = attrs.evolve(KEYS, calls=80, variant="keys-sqlite", kills=1, pauses=1)
SHOP = ShopStorm(checkouts=30, seed=chosen(), lanes=12, delay=0.4, window=5.0, close_wait=2.0)


async def stormed(storm: Storm, folder: Path) -> Report:
    """The report of a storm in which nobody was told what is not true."""
    report = await Conductor(storm, folder).run()
    shares = reports.table_of_habits(report.verdict.shares)
    replay = f"{reports.command_of(storm)}\n{reports.table([report])}\n{shares}"
    assert report.verdict.violations == (), replay
    assert reports.noise_of(report) == "", replay
    assert report.calls >= storm.calls
    return report


async def test_a_storm_leaves_nobody_with_a_wrong_answer(tmp_path: Path) -> None:
    report = await stormed(STORM, tmp_path)
    assert report.kills == 2
    # enough faults and calls to be a storm
    assert len(report.injected) > 8
    assert report.verdict.told["done"] > 50
    assert report.verdict.told["cancelled"] > 10
    assert report.verdict.doubted > 20
    assert report.verdict.killed > 10


async def test_habits_by_turns_leave_nobody_with_a_wrong_answer(tmp_path: Path) -> None:
    report = await stormed(HABITS, tmp_path)
    # enough calls under habits
    assert len([share for share in report.verdict.shares if share.calls]) > 5
    assert report.verdict.told["done"] > 50


async def test_payments_that_are_asked_for_three_times_are_made_once(tmp_path: Path) -> None:
    report = await stormed(KEYS, tmp_path)
    assert report.calls >= 3 * KEYS.calls
    # enough calls with a key used before
    assert report.verdict.told["done"] > 200
    assert report.verdict.told["cancelled"] > 10
    assert report.verdict.doubted > 5


async def test_killed_and_paused_workers_with_one_journal_make_payments_once(tmp_path: Path) -> None:
    # the same in PostgreSQL is a part of the storm over machines
    report = await stormed(SHARED, tmp_path)
    assert report.kills == 2
    assert report.pauses == 2
    assert report.calls >= 3 * SHARED.calls
    # enough calls with a key that another process has used
    assert report.verdict.told["done"] > 100


@pytest.mark.timeout(300)  # its processes start four times, each with a framework to load
async def test_a_shop_that_is_stopped_in_the_middle_agrees_with_the_ledger(tmp_path: Path) -> None:
    report = await ShopConductor(SHOP, tmp_path).run()
    replay = f"{SHOP.command}\n{report.log[-5_000:]}"
    assert report.wrong == (), replay
    assert report.ugly == (), replay
    assert report.open == {}, replay
    # enough of a storm
    assert report.states["paid"] > 15
    assert report.states["unpaid"] > 0
    assert report.given_back[0] > 2
    assert report.faults > 30
    assert report.cancelled > 0
