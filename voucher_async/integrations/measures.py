"""The instruments of metrics, and what each event adds to them: once, for every system of metrics.

An adapter gives `Measures` a function that makes an instrument; `prometheus` and `opentelemetry_metrics` are
the two of this package. No label holds an id, an order number, a key or a text of the shop or the server, so
the number of time series is bounded. No amount of money is measured: a metric is a float that is lost with
its process. The books are `VoucherClient.history` and the lists of the server.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, Protocol, TypeAlias

import attrs

from voucher_async.client import VoucherClient
from voucher_async.events import (
    AttemptEnded,
    CallEnded,
    Closed,
    DoubtEnded,
    Happened,
    Repeating,
    Settled,
    TokenRefresh,
    TurnWaited,
)
from voucher_async.hooks import Hook
from voucher_async.operations import CREATE_VOUCHER
from voucher_async.payments.call import CHECKOUT, CallState
from voucher_async.payments.evidence import RULES

__all__ = ["INSTRUMENTS", "Instrument", "Kind", "Label", "Measures", "Record", "error_of", "text_of"]

Label: TypeAlias = str | int | None


class Record(Protocol):
    """Adds to a counter, observes a value of a histogram, or sets a gauge."""

    def __call__(self, amount: float, /, *labels: Label) -> None:
        """Record a number, with the values of the instrument's labels."""


class Kind(enum.StrEnum):
    """The kinds of instruments."""

    COUNTER = "counter"
    """It only grows."""

    UP_DOWN = "up-down counter"
    """It grows and shrinks; what the living processes have counts together."""

    GAUGE = "gauge"
    """It is set; the latest value of all processes counts."""

    HISTOGRAM = "histogram"
    """It counts values by their size."""


@attrs.frozen(kw_only=True, eq=False)
class Instrument:
    """One instrument.

    Attributes:
        name: its OpenTelemetry name, of which that of Prometheus is made.
        kind: its kind.
        unit: `s`, or the thing that is counted, in braces.
        description: its meaning.
        labels: the names of its labels, in the order in which their values are recorded.
        buckets: the upper bounds of a histogram's buckets.
    """

    name: str
    kind: Kind
    unit: str
    description: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


# the bounds that OpenTelemetry's conventions advise for HTTP
_HTTP_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_LONG_BUCKETS: Final = (*_HTTP_BUCKETS, 15.0, 30.0, 60.0, 120.0)

REQUEST_DURATION: Final = Instrument(
    name="http.client.request.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="Duration of HTTP client requests.",
    labels=(
        "http.request.method",
        "server.address",
        "server.port",
        "url.template",
        "http.response.status_code",
        "error.type",
        "voucher.operation",
    ),
    buckets=_HTTP_BUCKETS,
)
CALL_DURATION: Final = Instrument(
    name="voucher.call.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="Duration of calls of the client, by the way they ended.",
    labels=("voucher.call", "voucher.outcome", "error.type"),
    buckets=_LONG_BUCKETS,
)
TURN_DURATION: Final = Instrument(
    name="voucher.turn.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="Time that calls waited for their turn with a voucher, or behind an equal call.",
    labels=("voucher.call", "voucher.turn", "voucher.outcome"),
    buckets=_LONG_BUCKETS,
)
REPEATS: Final = Instrument(
    name="voucher.repeats",
    kind=Kind.COUNTER,
    unit="{request}",
    description="Requests that are made again after a pause, by the end of the one before.",
    labels=("voucher.operation", "error.type"),
)
TOKEN_REFRESH_DURATION: Final = Instrument(
    name="voucher.token.refresh.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="Duration of token refreshes; calls wait for those in the foreground.",
    labels=("voucher.refresh", "error.type"),
    buckets=_HTTP_BUCKETS,
)
DOUBTS: Final = Instrument(
    name="voucher.doubts",
    kind=Kind.COUNTER,
    unit="{call}",
    description="Money calls whose outcome came in doubt.",
    labels=("voucher.operation",),
)
DOUBTS_ENDED: Final = Instrument(
    name="voucher.doubts.ended",
    kind=Kind.COUNTER,
    unit="{call}",
    description="Money calls in doubt whose outcome became known, by outcome and proof.",
    labels=("voucher.operation", "voucher.outcome", "voucher.proof"),
)
DOUBTS_OPEN: Final = Instrument(
    name="voucher.doubts.open",
    kind=Kind.UP_DOWN,
    unit="{call}",
    description="Money calls of the clients of this process that are in doubt now.",
    labels=("voucher.operation",),
)
DOUBTS_LEFT: Final = Instrument(
    name="voucher.doubts.left",
    kind=Kind.COUNTER,
    unit="{call}",
    description="Money calls that were in doubt when their client was closed.",
    labels=("voucher.operation",),
)
UNTOLD: Final = Instrument(
    name="voucher.untold",
    kind=Kind.COUNTER,
    unit="{call}",
    description="Money calls that were carried out, without their own caller being told.",
    labels=("voucher.operation",),
)
RECOVERED: Final = Instrument(
    name="voucher.recovered",
    kind=Kind.COUNTER,
    unit="{call}",
    description="Money calls of other processes that this one found to be carried out.",
    labels=("voucher.operation",),
)
SURPLUS: Final = Instrument(
    name="voucher.surplus",
    kind=Kind.COUNTER,
    unit="{charge}",
    description="Charges that were made once too often: refunded, or left.",
    labels=("voucher.operation", "voucher.outcome"),
)
REFUNDS: Final = Instrument(
    name="voucher.checkout.refunds",
    kind=Kind.COUNTER,
    unit="{charge}",
    description="Charges that checkouts took back, or failed to.",
    labels=("voucher.outcome",),
)
RENEWALS: Final = Instrument(
    name="voucher.checkout.renewals",
    kind=Kind.COUNTER,
    unit="{reservation}",
    description="Reservations that checkouts made anew, or failed to.",
    labels=("voucher.outcome",),
)
JOURNAL_CALLS: Final = Instrument(
    name="voucher.journal.calls",
    kind=Kind.GAUGE,
    unit="{call}",
    description="Money calls in the journal that have not ended, by state, as `observe` read it.",
    labels=("voucher.state",),
)
JOURNAL_OLDEST: Final = Instrument(
    name="voucher.journal.oldest.age",
    kind=Kind.GAUGE,
    unit="s",
    description="Time since the oldest money call in the journal was sent that has not ended; 0 without one.",
)
JOURNAL_UNTOLD: Final = Instrument(
    name="voucher.journal.untold",
    kind=Kind.GAUGE,
    unit="{call}",
    description="Money calls in the journal that were carried out, and of which no caller was told.",
)
JOURNAL_READ: Final = Instrument(
    name="voucher.journal.read.timestamp",
    kind=Kind.GAUGE,
    unit="s",
    description="Unix time at which `observe` last read the journal.",
)

INSTRUMENTS: Final = (
    REQUEST_DURATION,
    CALL_DURATION,
    TURN_DURATION,
    REPEATS,
    TOKEN_REFRESH_DURATION,
    DOUBTS,
    DOUBTS_ENDED,
    DOUBTS_OPEN,
    DOUBTS_LEFT,
    UNTOLD,
    RECOVERED,
    SURPLUS,
    REFUNDS,
    RENEWALS,
    JOURNAL_CALLS,
    JOURNAL_OLDEST,
    JOURNAL_UNTOLD,
    JOURNAL_READ,
)
"""Every instrument."""

# what `Settled` events count, and the labels after the operation's
_SETTLED: Final[dict[Happened, tuple[Instrument, tuple[str, ...]]]] = {
    Happened.IN_DOUBT: (DOUBTS, ()),
    Happened.DONE: (UNTOLD, ()),
    Happened.RECOVERED: (RECOVERED, ()),
    Happened.SURPLUS_REFUNDED: (SURPLUS, ("refunded",)),
    Happened.SURPLUS_LEFT: (SURPLUS, ("left",)),
    Happened.REFUNDED: (REFUNDS, ("refunded",)),
    Happened.REFUND_FAILED: (REFUNDS, ("failed",)),
    Happened.RENEWED: (RENEWALS, ("renewed",)),
    Happened.RENEWAL_FAILED: (RENEWALS, ("failed",)),
}
_OTHER: Final = "_OTHER"  # the conventions' word for what has no class
_MONEY_CALLS: Final = (*RULES, CREATE_VOUCHER.id)
# Prometheus sees no increase from nothing to 1: what is rare begins at 0
_ZEROS: Final[tuple[tuple[Instrument, tuple[str, ...]], ...]] = (
    *(
        (each, (call,))
        for each in (DOUBTS, DOUBTS_OPEN, DOUBTS_LEFT, UNTOLD, RECOVERED)
        for call in _MONEY_CALLS
    ),
    (RECOVERED, (CHECKOUT,)),
    *((SURPLUS, (call, "left")) for call in RULES),
    *((SURPLUS, (call, "refunded")) for call, rule in RULES.items() if rule.take_back),
    *((each, outcome) for each, outcome in _SETTLED.values() if each in {REFUNDS, RENEWALS}),
)


class Measures(Hook):
    """A hook that records in instruments.

    Args:
        make: makes an instrument, and returns what records in it.
    """

    def __init__(self, make: Callable[[Instrument], Record]) -> None:
        record = {instrument: make(instrument) for instrument in INSTRUMENTS}
        self._record = record
        self._request_ended, self._call_ended = record[REQUEST_DURATION], record[CALL_DURATION]
        self._open: dict[str, str] = {}  # the operations of the calls in doubt, by the calls' ids
        self._latest: tuple[str | None, str, str | None] = (None, "", None)
        for instrument, labels in _ZEROS:
            record[instrument](0, *labels)

    def on_call_ended(self, event: CallEnded) -> None:
        """Record the duration of a call."""
        self._call_ended(event.elapsed, event.name, text_of(event.how), event.error_type)

    def on_attempt_ended(self, event: AttemptEnded) -> None:
        """Record the duration of a request."""
        error = error_of(event)
        self._latest = event.call_id, event.operation, error
        self._request_ended(
            event.elapsed,
            event.method,
            event.server_address,
            event.server_port,
            event.template,
            event.status,
            error,
            event.operation,
        )

    def on_repeating(self, event: Repeating) -> None:
        """Count a request that is made again."""
        # no other call of this thread is told of between the end of a request and its repeat
        *which, error = self._latest
        is_known = which == [event.call_id, event.operation]
        self._record[REPEATS](1, event.operation, error if is_known else _OTHER)

    def on_token_refreshed(self, event: TokenRefresh) -> None:
        """Record the duration of a token refresh."""
        error = None if event.succeeded else type(event.error).__name__
        where = "background" if event.background else "foreground"
        self._record[TOKEN_REFRESH_DURATION](event.elapsed, where, error)

    def on_turn_waited(self, event: TurnWaited) -> None:
        """Record the time for which a call waited for its turn."""
        outcome = "taken" if event.taken else "not_taken"
        self._record[TURN_DURATION](event.seconds, event.name, event.behind.replace(" ", "_"), outcome)

    def on_settled(self, event: Settled) -> None:
        """Count a change of money, or of what is known about it."""
        instrument, outcome = _SETTLED.get(event.what, (None, ()))
        if instrument is not None:
            which = (event.operation,) if "voucher.operation" in instrument.labels else ()
            self._record[instrument](1, *which, *outcome)
        if event.what is Happened.IN_DOUBT and event.pending and event.pending.id not in self._open:
            self._open[event.pending.id] = event.operation
            self._record[DOUBTS_OPEN](1, event.operation)

    def on_doubt_ended(self, event: DoubtEnded) -> None:
        """Count a doubt that ended."""
        proof = None if event.proof is None else text_of(event.proof)
        self._record[DOUBTS_ENDED](1, event.operation, text_of(event.outcome), proof)
        self._close(event.call_id)

    def on_closed(self, event: Closed) -> None:
        """Count the calls that are in doubt as a client is closed: nobody here looks for them any more."""
        for pending in event.pending:
            self._close(pending.id)
            self._record[DOUBTS_LEFT](1, pending.operation)

    def _close(self, call_id: str) -> None:
        operation = self._open.pop(call_id, None)
        if operation is not None:
            self._record[DOUBTS_OPEN](-1, operation)

    async def observe(self, client: VoucherClient) -> None:
        """Read the client's journal once, and set the metrics `voucher.journal...` by it.

        The journal knows the calls of all processes that share it, dead ones, too. One process that calls
        this every minute is enough. It reads the records of calls that have not ended, and of those that
        were carried out without anybody being told.

        Args:
            client: the client whose journal is read.

        Raises:
            JournalFailed: the journal cannot be read; the metrics stay as they are.
        """
        calls = Counter[CallState]()
        now = oldest = dt.datetime.now(dt.UTC)
        async for record in client.history(ended=False):
            calls[record.state] += 1
            if record.state is not CallState.BEGUN:
                oldest = min(oldest, record.sent_at or record.begun_at)
        untold = 0
        async for _ in client.history(told=False):
            untold += 1
        for state in (CallState.BEGUN, CallState.SENT, CallState.OPEN):
            self._record[JOURNAL_CALLS](calls[state], text_of(state))
        self._record[JOURNAL_OLDEST]((now - oldest).total_seconds())
        self._record[JOURNAL_UNTOLD](untold)
        self._record[JOURNAL_READ](now.timestamp())


def error_of(event: AttemptEnded) -> str | None:
    """The `error.type` of the HTTP conventions: the status of an error answer, or the class of the error."""
    is_answer = event.status is not None and event.status >= HTTPStatus.BAD_REQUEST
    return str(event.status) if is_answer else event.error_type


def text_of(member: enum.Enum) -> str:
    """The value of a label or an attribute that stands for a member of an enum."""
    return member.name.lower()
