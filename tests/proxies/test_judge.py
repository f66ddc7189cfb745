"""The judge of the proxies, without any proxy."""

from __future__ import annotations

import collections
import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Literal

import pytest

from codegen.site.results import replaced
from tests.proxies import report
from tests.proxies.judge import OPERATIONS, Kind, Record, Row, Told, judge
from tests.proxies.scenarios import SCENARIOS
from voucher_async.testing import ChargeRecord

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
TYPES: dict[Kind, Literal["charge", "recharge", "refund"]] = {
    Kind.REDEEM: "charge",
    Kind.RECHARGE: "recharge",
    Kind.REFUND: "refund",
}


def entry(kind: Kind, number: int, *, refunded: str = "0.00") -> ChargeRecord:
    return ChargeRecord(
        id=f"c-{number}",
        voucher_id="t-1",
        client_id="x",
        type=TYPES[kind],
        amount=Decimal("5.00"),
        order_number="O-1",
        created_at=NOON,
        updated_at=NOON,
        refund_of="t-1" if kind is Kind.REFUND else None,
        refunded=Decimal(refunded),
    )


def record(kind: Kind, told: Told, *charges: str, sends: int = 1, later: Told | None = None) -> Record:
    counted = collections.Counter({OPERATIONS[kind]: sends})
    return Record(
        kind=kind, target="t-1", order="O-1", told=told, later=later, charges=charges, sends=counted
    )


def wrong(row: Row) -> list[str]:
    names = ("lost", "double", "false", "crashed", "proxy_twice", "left_open")
    return [name for name in names if row.figures[name]]


@pytest.mark.parametrize("kind", Kind)
def test_the_truth_is_no_violation(kind: Kind) -> None:
    assert wrong(judge([record(kind, Told.DONE, "c-1")], [entry(kind, 1)])) == []
    assert wrong(judge([record(kind, Told.NOT_DONE)], [])) == []
    assert wrong(judge([record(kind, Told.OPEN)], [entry(kind, 1)])) == ["left_open"]
    assert wrong(judge([record(kind, Told.OPEN, later=Told.DONE)], [entry(kind, 1)])) == []


@pytest.mark.parametrize("kind", Kind)
def test_every_lie_is_found(kind: Kind) -> None:
    assert wrong(judge([record(kind, Told.NOT_DONE)], [entry(kind, 1)])) == ["lost"]
    assert wrong(judge([record(kind, Told.OPEN, later=Told.NOT_DONE)], [entry(kind, 1)])) == ["lost"]
    assert wrong(judge([record(kind, Told.DONE, "c-1")], [])) == ["false"]
    assert wrong(judge([record(kind, Told.DONE, "c-2")], [entry(kind, 1)])) == ["false"]
    assert wrong(judge([record(kind, Told.OPEN, later=Told.DONE)], [])) == ["false"]
    assert wrong(judge([record(kind, Told.CRASHED)], [])) == ["crashed"]


@pytest.mark.parametrize("kind", Kind)
def test_two_entries_are_ours_when_we_sent_two_requests_and_else_the_proxy_s(kind: Kind) -> None:
    twice = [entry(kind, 1), entry(kind, 2)]
    assert wrong(judge([record(kind, Told.DONE, "c-1", sends=2)], twice)) == ["double"]
    assert wrong(judge([record(kind, Told.DONE, "c-1", sends=1)], twice)) == ["proxy_twice"]
    assert wrong(judge([record(kind, Told.DONE, "c-1", sends=2)], [*twice, entry(kind, 3)])) == [
        "double",
        "proxy_twice",
    ]


def test_a_charge_that_was_taken_back_does_not_count() -> None:
    made = [entry(Kind.REDEEM, 1), entry(Kind.REDEEM, 2, refunded="5.00")]
    assert wrong(judge([record(Kind.REDEEM, Told.DONE, "c-1", sends=2)], made)) == []


def test_the_entries_of_another_order_do_not_count() -> None:
    other = record(Kind.RECHARGE, Told.NOT_DONE)
    other.order = "O-2"
    assert wrong(judge([other], [entry(Kind.RECHARGE, 1)])) == []


def test_the_tables_are_written_between_their_markers(tmp_path: Path) -> None:
    document = tmp_path / "proxies.md"
    document.write_text(report.DOCUMENT.read_text(encoding="utf-8"), encoding="utf-8")
    for calls in (7, 9):
        report.write({"a proxy": Row(collections.Counter(calls=calls))}, document)
    lines = document.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("| a proxy")] == [f"| a proxy |{' 9 |'}{' 0 |' * 10}"]
    with pytest.raises(ValueError, match="no markers of elsewhere"):
        replaced("\n".join(lines), "elsewhere", "")


def test_the_document_describes_every_scenario() -> None:
    assert report.habits() in report.DOCUMENT.read_text(encoding="utf-8")
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)
