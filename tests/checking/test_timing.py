"""The steps `clock` and `round trip`."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.checking.checked import checked
from tests.rawserver import RawServer, reply
from voucher_async import Settings
from voucher_async.cli.checking import State
from voucher_async.cli.checking.asking import Sample
from voucher_async.cli.checking.timing import clock_offset, judge_clock, judge_round_trip
from voucher_async.testing import VoucherEmulator

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
SETTINGS = Settings.make(client_id="c", client_secret="s", environment="sandbox")
NOT_FOUND = {"status": 404, "code": "VOUCHER.NOT_FOUND", "message": "no"}


def sample(date: float, sent: float, received: float) -> Sample:
    moments = [NOON + dt.timedelta(seconds=each) for each in (date, sent, received)]
    return Sample(*moments)


@pytest.mark.parametrize(("hours", "words"), [(1, "ahead of"), (-1, "behind")])
async def test_a_clock_that_is_an_hour_off_is_named(
    emulator: VoucherEmulator, hours: int, words: str
) -> None:
    emulator.shift(hours * 3600)
    found = await checked(emulator.environ())
    finding = found.one("clock")
    assert finding.state is State.FAILED
    assert f"(1:00:00) {words} this machine's" in finding.seen
    assert float(str(finding.facts["offset_seconds"])) == pytest.approx(hours * 3600, abs=3)
    assert "NTP" in finding.advice
    emulator.shift(-hours * 3600)


@pytest.mark.parametrize(
    ("offset", "state"), [(4, "ok"), (-4, "ok"), (6, "warning"), (-59, "warning"), (62, "failed")]
)
def test_half_the_list_lag_is_a_warning_and_the_window_a_failure(offset: float, state: str) -> None:
    found = judge_clock([sample(offset, -0.5, 0.5)], SETTINGS)
    assert found.state == state


def test_several_answers_narrow_the_offset_down() -> None:
    # a clock that is 10.2 s ahead: its second changes between the two requests
    samples = [sample(10, 0.6, 0.7), sample(11, 0.9, 1.0)]
    offset, margin, gap = clock_offset(samples)
    assert offset == pytest.approx(10.2, abs=0.2)
    assert margin == pytest.approx(0.2)
    assert gap == 0


def test_half_the_round_trip_is_taken_off() -> None:
    offset, margin, _ = clock_offset([sample(0, -4.0, 0.0)])
    assert offset == pytest.approx(2.5)
    assert margin == pytest.approx(2.5)


def test_servers_that_disagree_are_told() -> None:
    found = judge_clock([sample(0, 0, 0.1), sample(4, 0.2, 0.3)], SETTINGS)
    assert found.state is State.WARNING
    assert "clocks disagree" in found.advice


async def test_without_a_date_nothing_is_said(raw_server: RawServer) -> None:
    raw_server.scripts = [reply(NOT_FOUND, 404)]
    found = await checked(settings=raw_server.settings())
    assert found.one("clock").state is State.SKIPPED
    assert found.one("round trip").facts["reads"] == 3


async def test_the_date_of_a_copy_that_a_cache_has_kept_does_not_count(raw_server: RawServer) -> None:
    kept = reply(NOT_FOUND, 404, headers="Date: Thu, 01 Jan 2026 12:00:00 GMT\r\nAge: 3600\r\n")
    raw_server.scripts = [*[kept] * 3, reply(NOT_FOUND, 404)]  # the reads come first
    found = await checked(settings=raw_server.settings())
    assert found.one("clock").state is State.SKIPPED


@pytest.mark.parametrize(("seconds", "state"), [([0.1, 0.2, 9.0], "ok"), ([2.5, 2.5, 0.1], "warning")])
def test_the_median_counts(seconds: list[float], state: str) -> None:
    found = judge_round_trip(seconds, SETTINGS)
    assert found.state == state
    assert found.facts["reads"] == 3
