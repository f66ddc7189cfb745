"""Facts about a call, as errors carry them and blocks record them, and an answer with its times."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Generator  # noqa: TC003 - type hints of public functions can be resolved
from contextvars import ContextVar
from typing import Final, Generic, TypeVar

import attrs

__all__ = ["Answer", "CallFacts", "FieldError", "is_recording", "note_facts", "record_facts"]

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class CallFacts:
    """A call of one operation, every attempt counted: that of an error, or one of a `record_facts` block.

    Attributes:
        operation: the operation id in `openapi/voucher.yaml`, such as `chargeReservation`.
        method: the HTTP method.
        path: the path below the API base; ids, but never a code or a pin.
        attempts: how many requests were made for this call.
        in_doubt: how many of the earlier ones may have been carried out although no answer said so.
        elapsed: seconds since the method was called, its earlier operations included.
        duration: seconds that this operation took, attempts and pauses included.
        status: the HTTP status of the last attempt; None when no answer came to it.
        date: the server's `Date` of that answer; aware.
        sent_at: when the last request went out, by the server's clock as far as it is known; aware. None when
            nothing was sent.
        request_id: the header `X-Request-Id` that each request of a money call carries; None for other calls.
        server_request_id: the header `X-Request-Id` of the answer, masked and cut at 200 characters; None
            when it has none. The API documents no such header.
    """

    operation: str
    method: str
    path: str
    attempts: int = 1
    in_doubt: int = 0
    elapsed: float = 0.0
    sent_at: dt.datetime | None = None
    request_id: str | None = None
    duration: float = 0.0
    status: int | None = None
    date: dt.datetime | None = None
    server_request_id: str | None = None

    def __str__(self) -> str:
        attempts = "1 attempt" if self.attempts == 1 else f"{self.attempts} attempts"
        return f"{self.operation} ({self.method} {self.path}), {attempts} in {self.elapsed:.3f} s"


@attrs.frozen(kw_only=True)
class FieldError:
    """One complaint of the server about one field of a request.

    Attributes:
        code: the raw code, such as `VOUCHER.CREATE.SKU.MAX:255`.
        property: the field's name, such as `sku`.
        rule: the rule that was broken, such as `max:255`.
        message: the server's own words, masked.
    """

    code: str | None = None
    property: str | None = None
    rule: str | None = None
    message: str | None = None

    def __str__(self) -> str:
        names = self.property or self.code
        words = self.message or self.rule
        return f"{names}: {words}" if names and words else str(names or words or "no words")

    def is_about(self, property: str, rule: str | None = None) -> bool:
        """True when it complains about a property, by the name that the server or its code has for it.

        Args:
            property: the field's name in small or capital letters, such as `custom_id`.
            rule: the rule that has to be broken, such as `unique`, `max` or `max:255`; None for any.
        """
        place, _, parameter = (self.code or "").partition(":")
        *_, named, broken = ("", *place.split("."))
        whole = f"{broken}:{parameter}"
        return _is_one_of(property, self.property, named) and (
            rule is None or _is_one_of(rule, self.rule, _name_of(self.rule), broken, whole)
        )


def _name_of(rule: str | None) -> str | None:
    return rule.partition(":")[0] if rule else None


def _is_one_of(wanted: str, *names: str | None) -> bool:
    return wanted.casefold() in [name.casefold() for name in names if name]


@attrs.define(eq=False)
class Answer(Generic[T]):
    """An answer that was understood.

    Attributes:
        value: the model.
        date: the server's date of the answer; None when it had none.
        sent: the client's monotonic clock just before the request went out, in seconds.
        received: the same when its answer had come; 0 where that was not measured.
        is_copy: the answer may be a cached copy of an older one, from a proxy or from the session itself.
    """

    value: T
    date: dt.datetime | None = None
    sent: float = 0.0
    received: float = 0.0
    is_copy: bool = False


@attrs.define(eq=False)
class _Record:
    """One block that records."""

    outer: _Record | None
    facts: list[CallFacts] = attrs.Factory(list[CallFacts])
    is_over: bool = False


_recording: Final[ContextVar[_Record | None]] = ContextVar("voucher_async.recording", default=None)


@contextlib.contextmanager
def record_facts() -> Generator[list[CallFacts]]:
    """Record the facts of every call that is made in a `with` block, of whatever client.

    A call of one method may be several, one for each operation: `redeem` reserves and charges, and looks
    where an answer was lost; a listing fetches pages. They are listed in the order in which they ended,
    failed ones included. Tasks that the block starts are recorded as long as the block lasts. Requests for
    tokens are not, nor are those of an equal call that was joined: they belong to others, too.

    Returns:
        The context manager, for `with`; it gives the list, which grows.
    """
    record = _Record(_lasting(_recording.get()))
    token = _recording.set(record)
    try:
        yield record.facts
    finally:
        record.is_over, record.facts = True, []  # a task that goes on keeps the record, not what it had
        with contextlib.suppress(ValueError):  # left in another context, as by a fixture
            _recording.reset(token)


def is_recording() -> bool:
    """True inside of a block of `record_facts`."""
    return _lasting(_recording.get()) is not None


def note_facts(facts: CallFacts) -> None:
    """Give the facts of a call that ended to the blocks it was made in."""
    record = _lasting(_recording.get())
    while record is not None:
        record.facts.append(facts)
        record = record.outer


def _lasting(record: _Record | None) -> _Record | None:
    """The innermost block that lasts, of one and those around it; what is over is let go of between them."""
    while record is not None and record.is_over:
        record = record.outer
    if record is not None:
        record.outer = _lasting(record.outer)
    return record
