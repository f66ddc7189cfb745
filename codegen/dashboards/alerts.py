"""The alert rules as Prometheus loads them."""

from __future__ import annotations

from typing import Any, Final

import attrs

from codegen.dashboards.queries import FAILED, LEFT, NOT_MADE, OURS, SETTLE_FOR, increase, matching
from voucher_async.integrations import measures as m

__all__ = ["rules"]

_SETTLE_FOR: Final = f"{SETTLE_FOR:.0f}"
_OVER: Final = "15m"  # an event is alerted on for so long
_UNREAD: Final = 600  # seconds after which the journal's metrics say nothing any more
_SHARE: Final = 0.05  # of requests with 5xx


@attrs.frozen(kw_only=True)
class _Rule:
    name: str
    expression: str
    severity: str
    summary: str
    description: str
    lasts: str = "0s"

    def written(self) -> dict[str, Any]:
        return {
            "alert": self.name,
            "expr": self.expression,
            "for": self.lasts,
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.summary, "description": self.description},
        }


def _share_of_5xx() -> str:
    of_all = increase(m.REQUEST_DURATION, "job", over="5m", where=(OURS,))
    failed = (OURS, 'http_response_status_code=~"5.."')
    return f"{increase(m.REQUEST_DURATION, 'job', over='5m', where=failed)} / {of_all} > {_SHARE}"


def _no_token() -> str:
    failed = increase(m.TOKEN_REFRESH_DURATION, "job", over="5m", where=(FAILED,))
    worked = increase(m.TOKEN_REFRESH_DURATION, "job", over="5m", where=('error_type=""',))
    return f"{failed} > 0 unless {worked} > 0"


_RULES: Final = (
    _Rule(
        name="VoucherOutcomeOpen",
        expression=f"max by (job) ({matching(m.JOURNAL_OLDEST)}) > {_SETTLE_FOR}",
        severity="critical",
        summary="Money calls stay in doubt: customers may be charged for what they did not get.",
        description=(
            f"The oldest call in the journal has been open for longer than the {_SETTLE_FOR} s for which the "
            "SDK looks by itself. List `client.history(ended=False)`; give each one `client.settle`, or find "
            "the charge in the Admin UI and tell `client.resolve`."
        ),
    ),
    _Rule(
        name="VoucherDoubtsStay",
        expression=f"sum by (job) ({matching(m.DOUBTS_OPEN)}) > 0",
        severity="warning",
        lasts=f"{_SETTLE_FOR}s",
        summary="Money calls are in doubt all the time.",
        description=(
            "The server, or a proxy before it, loses answers, or lists cannot be read. See the panel of "
            "requests by status; the setting `brake_at` refuses new payments meanwhile."
        ),
    ),
    _Rule(
        name="VoucherDoubtsLeft",
        expression=f"{increase(m.DOUBTS_LEFT, 'job', over=_OVER, where=())} > 0",
        severity="warning",
        summary="A client was closed with money calls in doubt: this process looks for them no more.",
        description=(
            "Where the journal is durable, another client settles them about every minute, or "
            "`client.recover` does. Else give `client.settle` the outcomes that `aclose` returned."
        ),
    ),
    _Rule(
        name="VoucherUntold",
        expression=f"max by (job) ({matching(m.JOURNAL_UNTOLD)}) > 0",
        severity="warning",
        lasts=_OVER,
        summary="Charges were made of which no caller was told.",
        description=(
            "Their orders may look unpaid. Go through `client.history(told=False)`, mark the orders as paid "
            "or refund the charges, then `client.acknowledge` each record."
        ),
    ),
    _Rule(
        name="VoucherRefundFailed",
        expression=f"{increase(m.REFUNDS, 'job', over=_OVER, where=(NOT_MADE,))} > 0",
        severity="critical",
        summary="A checkout did not refund a charge: the customer is still charged.",
        description=(
            "The log has an ERROR with the order and the charge. Enter the checkout again with its key, "
            "which finishes the refund first, or refund the charge with `client.charges.refund`."
        ),
    ),
    _Rule(
        name="VoucherSurplusLeft",
        expression=f"{increase(m.SURPLUS, 'job', over=_OVER, where=(LEFT,))} > 0",
        severity="critical",
        summary="A charge was made once too often, and stays.",
        description=(
            "It could not be refunded, or may belong to an equal payment. The log has an ERROR with the "
            "order and the charge: compare the voucher's charges with your orders, then refund it by hand."
        ),
    ),
    _Rule(
        name="VoucherTokenRefreshFails",
        expression=_no_token(),
        severity="critical",
        lasts="1m",  # one refresh that failed is made again after a pause
        summary="No token is to be had: calls fail, or will when the current token ends.",
        description=(
            "By `error_type`: AuthenticationError is a wrong or withdrawn secret; anything else is the "
            "network, or the token endpoint."
        ),
    ),
    _Rule(
        name="VoucherServerErrors",
        expression=_share_of_5xx(),
        severity="warning",
        lasts="5m",
        summary="The API answers with 5xx.",
        description=(
            f"More than {_SHARE:.0%} of the requests of five minutes. Payments go on where the SDK can "
            "repeat or settle them; watch the doubts."
        ),
    ),
    _Rule(
        name="VoucherJournalUnread",
        expression=(
            f"time() - max by (job) ({matching(m.JOURNAL_READ)}) > {_UNREAD} "
            f"or absent({matching(m.JOURNAL_READ)})"
        ),
        severity="warning",
        lasts=_OVER,
        summary="What is known of the journal is old: VoucherOutcomeOpen and VoucherUntold cannot fire.",
        description=(
            "Nobody calls `observe` of the hook any more, or the journal cannot be read: `observe` raises "
            "`JournalFailed`."
        ),
    ),
)


def rules() -> dict[str, Any]:
    """The whole file."""
    return {"groups": [{"name": "voucher", "rules": [rule.written() for rule in _RULES]}]}
