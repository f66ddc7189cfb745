"""Every habit of the emulator is told apart from outside, by the question that it answers with no."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest

from tests.probing.runs import evidence_of, probed, refuted
from voucher_async.cli.probing import Verdict
from voucher_async.testing import habits

REPEATED: Final = {"delivered-once"}
UNDONE: Final = {"refused-undone"}
GONE: Final = {"list-order-numbers", "order-number-long", "order-number-words", "order-number-spaces"}
TOTALS: Final = {"page-total"}

SEEN: Final[Mapping[str, set[str]]] = {
    "delivered twice": REPEATED | UNDONE,
    "delivered twice, first answer": REPEATED,
    "delivered three times": REPEATED | UNDONE,
    "delivered twice, then 429": REPEATED | UNDONE,
    "delivered twice, then 403": REPEATED | UNDONE,
    "done, then 405": UNDONE,
    "done, then 413": UNDONE,
    "done, then 408": UNDONE,
    "done, then 431": UNDONE,
    "done, then 503": UNDONE,
    "order numbers trimmed": {"order-number-spaces", "order-number-invisible"},
    "order numbers folded": {"order-number-case"},
    "order numbers in capitals": {"order-number-case"},
    "order numbers composed": {"order-number-composed"},
    "order numbers normalised": {"order-number-composed", "order-number-compatible"},
    "order numbers cut": {"order-number-long"},
    "order numbers null": GONE,
    "order numbers folded, echoed as sent": {
        "order-number-spaces",
        "order-number-invisible",
        "order-number-case",
        "order-number-echo",
    },
    "filters split": {"filter-commas", "filter-words"},
    "filters ignored": {"filter-honoured", "filter-dates", "filter-vouchers"},
    "filters loose": {"filter-whole", "filter-case", "filter-vouchers"},
    "pages of 2": {"page-size", "page-cap"},
    "pages capped": {"page-size", "page-cap"},
    "newest first": {"page-order"},
    "by id": {"page-order", "page-cap"},
    "totals too low": TOTALS,
    "totals too high": TOTALS,
    "no totals": TOTALS,
    "charges stamped early": {"clocks-records"},
    "charges stamped late": {"clocks-records", "clocks-ahead"},
    "summer time": {"clocks-records", "clocks-ahead"},
    "winter time": {"clocks-records"},
    "proxy's date": {"clocks-date", "clocks-ahead", "clocks-local"},
    "fine reservations": {"clocks-seconds"},
    "fine charges": {"clocks-seconds"},
    "rounded stamps": {"clocks-ahead"},
    "tolerant codes": {"refused-spelling"},
    "another type": {"answers-true"},
    "another type, in lists too": {"answers-true", "lists-true"},
    "another amount": {"answers-true"},
    "another amount, in lists too": {"answers-true", "lists-true"},
    "another voucher": {"answers-true", "lists-true"},
    "another order": {"answers-true"},
    "cached lists": {"lists-original"},
    "cached lists, query ignored": {"list-lag", "lists-original"},
    "cached lists, with age": {"lists-original", "caching-headers"},
    "cached lists, new date": {"lists-original"},
    "cached balances": {"balance-original"},
    "cached absence": {"absence-original", "balance-original"},
    "stale if error": {"lists-original"},  # seen by the copies of half a second, not by an error
    "charges of nobody": {"charge-client"},
    "charges of another": {"charge-client"},
    "lists without order numbers": GONE,
    "lists with null order numbers": GONE,
}
"""Each habit, and the questions that it answers with no."""

UNSEEN: Final[Mapping[str, str]] = {}
"""Habits that nothing shows from outside, each with the reason; there is none today."""

# what only a longer run, another server or the Admin UI can tell
OPEN: Final = {
    "token-exp",  # the emulator's tokens are no JWTs
    "delivered-once",  # absence is never seen
    "connect",
    "null-client",
    "disconnect",
    "reservation-ends",
    "voucher-ends",
    "too-many",
    "server-error",
    "too-large",
}


def test_every_habit_is_in_one_of_the_tables() -> None:
    assert SEEN.keys() | UNSEEN.keys() == habits.KINDS.keys()
    assert not SEEN.keys() & UNSEEN.keys()


@pytest.mark.parametrize("habit", SEEN)
async def test_the_habit_is_seen(habit: str) -> None:
    report = await probed(*SEEN[habit], habits=dict(habits.KINDS[habit]))
    assert refuted(report) >= SEEN[habit], evidence_of(report)
    for finding in report.of(Verdict.REFUTED):
        assert finding.evidence


async def test_without_a_habit_everything_that_is_assumed_is_confirmed() -> None:
    report = await probed()
    assert {finding.id for finding in report.of(Verdict.UNKNOWN)} == OPEN, evidence_of(report)
    assert refuted(report) == set()
    assert report.settings == {}
    assert all(finding.follows is None for finding in report.findings)
