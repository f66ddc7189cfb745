"""The panels of the dashboard, row by row."""

from __future__ import annotations

from typing import Final

import attrs

from codegen.dashboards.queries import (
    FAILED,
    JOB,
    LEFT,
    NOT_MADE,
    OURS,
    SETTLE_FOR,
    increase,
    matching,
    quantile,
    rate,
)
from voucher_async.integrations import measures as m
from voucher_async.integrations.prometheus import label_of

__all__ = ["ROWS", "Panel", "Query", "Row"]

_OPEN: Final = 'voucher_state=~"sent|open"'


@attrs.frozen
class Query:
    """One query of a panel, and the name of its series."""

    expression: str
    legend: str = ""


@attrs.frozen(kw_only=True)
class Panel:
    """One panel.

    Attributes:
        title: its title.
        text: what it tells, and what to do.
        queries: its queries.
        unit: Grafana's name of the unit.
        limit: the value from which on a single number is shown in red; None: a chart over time.
    """

    title: str
    text: str
    queries: tuple[Query, ...]
    unit: str = "short"
    limit: float | None = None


@attrs.frozen
class Row:
    """A row of panels under a title."""

    title: str
    panels: tuple[Panel, ...]


def _number(title: str, expression: str, text: str, *, unit: str = "short", limit: float = 1) -> Panel:
    return Panel(title=title, text=text, queries=(Query(expression),), unit=unit, limit=limit)


def _quantiles(title: str, text: str, instrument: m.Instrument, label: str) -> Panel:
    name = label_of(label)
    queries = tuple(
        Query(quantile(share, instrument, label), f"p{share * 100:.0f} {{{{{name}}}}}")
        for share in (0.5, 0.99)
    )
    return Panel(title=title, text=text, queries=queries, unit="s")


def _chart(title: str, text: str, *queries: tuple[str, str], unit: str = "short") -> Panel:
    return Panel(title=title, text=text, queries=tuple(Query(*query) for query in queries), unit=unit)


_MONEY: Final = Row(
    "Is money in doubt?",
    (
        _number(
            "In doubt now",
            f"sum({matching(m.DOUBTS_OPEN, JOB)})",
            "Money calls of clients that are open. The SDK looks for their outcomes: a number that falls "
            "again needs nobody.",
        ),
        _number(
            "Not ended, in the journal",
            f"max(sum by (instance) ({matching(m.JOURNAL_CALLS, JOB, _OPEN)}))",
            "Money calls that were sent and have not ended, those of dead processes, too, as `observe` read "
            "it.",
        ),
        _number(
            "Oldest of them",
            f"max({matching(m.JOURNAL_OLDEST, JOB)})",
            "Red when it is older than the time for which the SDK looks: `client.settle`, `client.resolve`.",
            unit="s",
            limit=SETTLE_FOR,
        ),
        _number(
            "Nobody was told",
            f"max({matching(m.JOURNAL_UNTOLD, JOB)})",
            "Calls that were carried out, and of which no caller heard: mark their orders as paid, then "
            "`client.acknowledge` them.",
        ),
        _number(
            "Surplus left",
            increase(m.SURPLUS, over="$__range", where=(JOB, LEFT)),
            "Charges that were made once too often and stay: refund them by hand after a look.",
        ),
        _number(
            "Refunds failed",
            increase(m.REFUNDS, over="$__range", where=(JOB, NOT_MADE)),
            "A checkout did not take a charge back: the customer is still charged.",
        ),
    ),
)
_DOUBTS: Final = Row(
    "Doubts and their ends",
    (
        _chart(
            "Came in doubt",
            "Money calls a second whose answer was lost, by operation.",
            (rate(m.DOUBTS, "voucher.operation"), "{{voucher_operation}}"),
            (rate(m.DOUBTS_LEFT, "voucher.operation"), "left by a closed client {{voucher_operation}}"),
        ),
        _chart(
            "Ended, by proof",
            "How doubts ended. `done` needs no proof; `not_done` has one.",
            (
                rate(m.DOUBTS_ENDED, "voucher.outcome", "voucher.proof"),
                "{{voucher_outcome}} {{voucher_proof}}",
            ),
        ),
        _chart(
            "Carried out behind the caller",
            "Untold: the caller was gone, or had been told that the outcome is unknown. Recovered: another "
            "process had begun the call.",
            (rate(m.UNTOLD, "voucher.operation"), "untold {{voucher_operation}}"),
            (rate(m.RECOVERED, "voucher.operation"), "recovered {{voucher_operation}}"),
        ),
        _chart(
            "Surplus",
            "Charges that were made once too often, by what became of them.",
            (
                rate(m.SURPLUS, "voucher.operation", "voucher.outcome"),
                "{{voucher_operation}} {{voucher_outcome}}",
            ),
        ),
    ),
)
_CALLS: Final = Row(
    "Calls",
    (
        _chart(
            "Calls, by their end",
            "Calls a second, as the caller sees them end.",
            (
                rate(m.CALL_DURATION, "voucher.call", "voucher.outcome"),
                "{{voucher_call}} {{voucher_outcome}}",
            ),
        ),
        _quantiles(
            "Duration of calls", "All attempts, pauses and turns included.", m.CALL_DURATION, "voucher.call"
        ),
        _chart(
            "Errors",
            "Calls a second that raised, by the class of the error.",
            (rate(m.CALL_DURATION, "error.type", where=(JOB, FAILED)), "{{error_type}}"),
        ),
        _quantiles(
            "Waiting for a turn",
            "Calls with one voucher take turns. Long waits: a till that all customers share, or a slow API.",
            m.TURN_DURATION,
            "voucher.turn",
        ),
        _chart(
            "Turns that were not had",
            "Calls a second whose deadline passed while they waited, by method.",
            (
                rate(m.TURN_DURATION, "voucher.call", where=(JOB, 'voucher_outcome="not_taken"')),
                "{{voucher_call}}",
            ),
        ),
        _chart(
            "Checkouts",
            "Charges that were taken back, and reservations that were made anew.",
            (rate(m.REFUNDS, "voucher.outcome"), "refund {{voucher_outcome}}"),
            (rate(m.RENEWALS, "voucher.outcome"), "renewal {{voucher_outcome}}"),
        ),
    ),
)
_REQUESTS: Final = Row(
    "Requests and tokens",
    (
        _chart(
            "Requests, by status",
            "Requests a second. No status: no answer came.",
            (
                rate(m.REQUEST_DURATION, "http.response.status_code", "error.type", where=(JOB, OURS)),
                "{{http_response_status_code}} {{error_type}}",
            ),
        ),
        _quantiles(
            "Duration of requests",
            "One request each, from sending to the answer.",
            m.REQUEST_DURATION,
            "voucher.operation",
        ),
        _chart(
            "Repeats, by reason",
            "Requests a second that are made again: a status, or an error without an answer.",
            (rate(m.REPEATS, "voucher.operation", "error.type"), "{{voucher_operation}} {{error_type}}"),
        ),
        _chart(
            "Token refreshes",
            "Refreshes a second; without an error they succeeded.",
            (
                rate(m.TOKEN_REFRESH_DURATION, "voucher.refresh", "error.type"),
                "{{voucher_refresh}} {{error_type}}",
            ),
        ),
        _chart(
            "Age of what is known of the journal",
            "Seconds since `observe` last read the journal.",
            (f"time() - max({matching(m.JOURNAL_READ, JOB)})", "age"),
            unit="s",
        ),
    ),
)

ROWS: Final = (_MONEY, _DOUBTS, _CALLS, _REQUESTS)
"""The rows of the dashboard, from the top."""
