"""OpenTelemetry traces: a span for each call, with its requests and its settlement below it.

    from voucher_async import VoucherClient
    from voucher_async.integrations.opentelemetry import OpenTelemetryHook

    async with VoucherClient.from_env(hooks=[OpenTelemetryHook()]) as client:
        await client.redeem(code=code, amount="10.00", currency="EUR", order_number="A-1")

    voucher.redeem                              INTERNAL, below the span that is current in the shop
    ├── POST /reservations                      CLIENT, one for each attempt
    ├── POST /reservations/{id}/charge          its answer was lost
    └── voucher.settlement                      INTERNAL, from the doubt until it is known what happened
        └── GET /vouchers/{id}/charges

What goes on after a call has ended, such as a settlement behind a caller that was cancelled, is a trace of
its own with a link to the call's span. Another process, which settles or recovers the call later, has nothing
to link to: there the attribute `voucher.record_id` is the `voucher.call_id` of the call's span.

The attributes of requests are those of the stable HTTP conventions, but for `url.full`, which has ids and
order numbers. No span has a code, a pin, a token, a secret or an idempotency key. The instrumentation of
aiohttp is suppressed for these requests alone, so that none has two spans; and since a third party needs no
trace ids of the shop, no `traceparent` is sent to the API.

`OpenTelemetryMetrics`, another hook, records metrics: see `docs/observability.md`.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any, Final

import attrs

try:
    from opentelemetry import context as otel_context
    from opentelemetry import trace
    from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, TracerProvider
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        'voucher_async.integrations.opentelemetry needs OpenTelemetry: pip install "voucher-async[otel]"',
        name="opentelemetry",
    ) from None

from voucher_async._version import __version__
from voucher_async.bounded import BoundedMap
from voucher_async.events import (
    AttemptEnded,
    AttemptStarted,
    CallEnd,
    CallEnded,
    CallStarted,
    Closed,
    DoubtEnded,
    Happened,
    Settled,
    TurnWaited,
)
from voucher_async.hooks import Hook
from voucher_async.integrations.measures import error_of, text_of
from voucher_async.integrations.opentelemetry_metrics import OpenTelemetryMetrics
from voucher_async.operations import OPERATIONS, REQUEST_TOKEN, Retry

__all__ = ["OpenTelemetryHook", "OpenTelemetryMetrics"]

_REMEMBERED: Final = 4_096
_SCHEMA: Final = "https://opentelemetry.io/schemas/1.26.0"
_FAILURES: Final = frozenset({CallEnd.FAILED, CallEnd.OPEN})
_OPEN: Final = "open"
# these last beyond the frames of one task: making them its current span would leak into the shop's
_BLOCKS: Final = frozenset({"checkout", "vouchers.issue_many"})
_MONEY: Final = frozenset(each.id for each in OPERATIONS if each.retry is Retry.SETTLE)


def _nothing_to_suppress() -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext()


_suppressed: Callable[[], contextlib.AbstractContextManager[None]]
try:
    # it comes with every instrumentation, and without one there is nothing to suppress
    from opentelemetry.instrumentation.utils import suppress_http_instrumentation as _suppressed
except ImportError:
    _suppressed = _nothing_to_suppress


@attrs.define(eq=False)
class _OpenCall:
    """The span of a call under way."""

    span: Span
    attached: Token[otel_context.Context] | None
    record_id: str | None
    sent: dict[str, int] = attrs.Factory(dict[str, int])  # by path: how often money was asked for


@attrs.define(eq=False)
class _OpenAttempt:
    """The span of a request under way, and the block in which it is the current one."""

    span: Span
    block: contextlib.ExitStack


class OpenTelemetryHook(Hook):
    """Makes spans of what a client does, for `VoucherClient(hooks=[OpenTelemetryHook()])`.

    One may serve any number of clients, on any number of event loops.

    Args:
        tracer_provider: makes the tracer; None: the one that `opentelemetry.trace.set_tracer_provider` sets.
    """

    def __init__(self, tracer_provider: TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer("voucher_async", __version__, tracer_provider, _SCHEMA)
        self._calls: dict[str, _OpenCall] = {}
        self._ended: BoundedMap[str, SpanContext] = BoundedMap(_REMEMBERED)
        self._doubts: dict[str, Span | None] = {}  # None as long as nobody looks
        self._attempt: ContextVar[_OpenAttempt | None] = ContextVar("voucher_async.attempt", default=None)

    def on_call_started(self, event: CallStarted) -> None:
        """Begin the span of a call."""
        known = {
            "voucher.call_id": event.call_id,
            "voucher.record_id": event.record_id,
            "voucher.order_number": event.order_number,
            "voucher.key_digest": event.key_digest,
            "voucher.amount": None if event.amount is None else str(event.amount),
            "voucher.currency": event.currency,
        }
        span = self._begin(f"voucher.{event.name}", event.parent_id, known)
        attached = None
        if event.name not in _BLOCKS:
            attached = otel_context.attach(trace.set_span_in_context(span))
        self._calls[event.call_id] = _OpenCall(span, attached, event.record_id)

    def on_call_ended(self, event: CallEnded) -> None:
        """End the span of a call, and that of its settlement; what goes on is linked to it from now on."""
        call = self._calls.pop(event.call_id, None)
        if call is None:
            return
        doubt = self._doubts.get(event.call_id)
        if doubt is not None:
            doubt.set_attribute("voucher.outcome", _OPEN)
            doubt.end()
            self._doubts[event.call_id] = None
        said = {
            "voucher.outcome": _text(event.how),
            "voucher.record_id": event.record_id,
            "voucher.fate": _text(event.fate),
            "voucher.proof": _text(event.proof),
            "error.type": event.error_type,
        }
        call.span.set_attributes(_given(said))
        if event.how in _FAILURES:
            call.span.set_status(Status(StatusCode.ERROR, _text(event.how)))
        self._ended[event.call_id] = call.span.get_span_context()
        call.span.end()
        # else the call is discarded in another context, with an event loop that was closed
        if call.attached is not None and trace.get_current_span() is call.span:
            otel_context.detach(call.attached)

    def on_attempt_started(self, event: AttemptStarted) -> None:
        """Begin the span of a request, and make it the current one."""
        known = {
            "http.request.method": event.method,
            "server.address": event.server_address,
            "server.port": event.server_port,
            "url.template": event.template,
            "http.request.resend_count": self._count(event) or None,
            "voucher.operation": event.operation,
            "voucher.call_id": event.call_id,
        }
        name = f"{event.method} {event.template}"
        span = self._begin(name, self._settlement_of(event), known, kind=SpanKind.CLIENT)
        with contextlib.ExitStack() as block:
            block.enter_context(trace.use_span(span, end_on_exit=False, record_exception=False))
            block.enter_context(_suppressed())
            self._attempt.set(_OpenAttempt(span, block.pop_all()))

    def on_attempt_ended(self, event: AttemptEnded) -> None:
        """End the span of a request."""
        attempt = self._attempt.get()
        if attempt is None:
            return
        self._attempt.set(None)
        attempt.block.close()
        if event.status is not None:
            attempt.span.set_attribute("http.response.status_code", event.status)
        kind = error_of(event)
        if kind is not None:
            attempt.span.set_attributes(_given({"error.type": kind, "voucher.fate": _text(event.fate)}))
            attempt.span.set_status(Status(StatusCode.ERROR))
        attempt.span.end()

    def on_settled(self, event: Settled) -> None:
        """Begin the span of a settlement, or end it where the outcome is left open."""
        pending = event.pending
        if pending is None:
            return
        if event.what is Happened.IN_DOUBT:
            is_waited_for = pending.id in self._calls
            self._doubts[pending.id] = self._begin_settlement(pending.id) if is_waited_for else None
        elif event.what is Happened.LEFT_OPEN:
            self._end_settlement(pending.id, _OPEN)

    def on_doubt_ended(self, event: DoubtEnded) -> None:
        """End the span of a settlement; how another process's call ended is told by that which settled it."""
        outcome, proof = _text(event.outcome), _text(event.proof)
        self._end_settlement(event.call_id, outcome, proof)
        if event.recovered:
            said = _given({"voucher.settled": outcome, "voucher.proof": proof})
            for call in list(self._calls.values()):
                if call.record_id == event.call_id:
                    call.span.set_attributes(said)

    def on_turn_waited(self, event: TurnWaited) -> None:
        """Note in a call's span that it waited for a turn."""
        call = self._calls.get(event.call_id)
        if call is not None:
            said: dict[str, str | float | bool] = {
                "voucher.behind": event.behind,
                "voucher.seconds": event.seconds,
                "voucher.taken": event.taken,
            }
            call.span.add_event("voucher.turn_waited", said)

    def on_closed(self, event: Closed) -> None:
        """End the spans of settlements that the client has given up."""
        for pending in event.pending:
            self._end_settlement(pending.id, _OPEN)

    def _begin(
        self, name: str, parent: str | Span | None, known: dict[str, Any], kind: SpanKind = SpanKind.INTERNAL
    ) -> Span:
        """Begin a span below a call's, or another; linked to the call's where that has ended."""
        links: list[Link] = []
        context = None
        if isinstance(parent, Span):
            context = trace.set_span_in_context(parent)
        elif parent is not None and parent in self._calls:
            context = trace.set_span_in_context(self._calls[parent].span)
        elif parent is not None:
            context = otel_context.Context()
            links = [Link(ended) for ended in (self._ended.get(parent),) if ended is not None]
        return self._tracer.start_span(name, context, kind, _given(known), links)

    def _begin_settlement(self, call_id: str) -> Span:
        return self._begin("voucher.settlement", call_id, {"voucher.call_id": call_id})

    def _end_settlement(self, call_id: str, outcome: str | None, proof: str | None = None) -> None:
        span = self._doubts.pop(call_id, None)
        if span is not None:
            span.set_attributes(_given({"voucher.outcome": outcome, "voucher.proof": proof}))
            span.end()

    def _settlement_of(self, event: AttemptStarted) -> str | Span | None:
        """The parent of a request: the settlement of its call, or the call."""
        call_id = event.call_id
        if call_id is None or call_id not in self._doubts or event.operation == REQUEST_TOKEN.id:
            return call_id
        span = self._doubts[call_id]
        if span is None:
            span = self._doubts[call_id] = self._begin_settlement(call_id)
        return span

    def _count(self, event: AttemptStarted) -> int:
        """Number of times the request was sent before, by whatever part of the call."""
        call = None if event.call_id is None else self._calls.get(event.call_id)
        if call is None or event.operation not in _MONEY:
            return event.attempt - 1
        sent = call.sent[event.path] = call.sent.get(event.path, 0) + 1
        return sent - 1


def _text(member: enum.Enum | None) -> str | None:
    return None if member is None else text_of(member)


def _given(known: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in known.items() if value is not None}
