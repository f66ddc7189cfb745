"""A small storm, with killed workers: nothing is charged twice, and nobody is told what is not true."""

from __future__ import annotations

from pathlib import Path

from tests.chaos import report as reports
from tests.chaos.conductor import Conductor
from tests.chaos.config import Storm

STORM = Storm(calls=300, workers=2, lanes=30, seed=20, variant="double", kills=1)


async def test_a_storm_leaves_nobody_with_a_wrong_answer(tmp_path: Path) -> None:
    report = await Conductor(STORM, tmp_path).run()
    replay = f"{reports.command_of(STORM)}\n{reports.table([report])}"
    assert report.verdict.violations == (), replay
    assert reports.noise_of(report) == "", replay
    assert report.calls >= STORM.calls
    assert report.kills == 2
    # else it was no storm
    assert len(report.injected) > 8
    assert report.verdict.told["done"] > 50
    assert report.verdict.told["cancelled"] > 10
    assert report.verdict.doubted > 20
    assert report.verdict.killed > 10
