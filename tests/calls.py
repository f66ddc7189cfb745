"""A hook that keeps what it is told of calls, their requests and doubts."""

from __future__ import annotations

from collections import Counter
from typing import TypeVar

from voucher_async import AttemptStarted, CallEnded, CallStarted, DoubtEnded, Hook, TurnWaited

__all__ = ["Calls"]

T = TypeVar("T")


class Calls(Hook):
    """Keeps the events, in the order in which they were told."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def on_call_started(self, event: CallStarted) -> None:
        self.heard.append(event)

    def on_call_ended(self, event: CallEnded) -> None:
        self.heard.append(event)

    def on_attempt_started(self, event: AttemptStarted) -> None:
        self.heard.append(event)

    def on_doubt_ended(self, event: DoubtEnded) -> None:
        self.heard.append(event)

    def on_turn_waited(self, event: TurnWaited) -> None:
        self.heard.append(event)

    def of(self, kind: type[T]) -> list[T]:
        """Events of one kind."""
        return [event for event in self.heard if isinstance(event, kind)]

    @property
    def started(self) -> list[CallStarted]:
        return self.of(CallStarted)

    @property
    def ended(self) -> list[CallEnded]:
        return self.of(CallEnded)

    @property
    def ends(self) -> list[tuple[str, str]]:
        """Each call's name, and the way it ended."""
        return [(event.name, event.how.value) for event in self.ended]

    def parent_of(self, event: CallStarted | CallEnded) -> str | None:
        """The name of the call that it is part of."""
        return next((each.name for each in self.started if each.call_id == event.parent_id), None)

    def call_of(self, attempt: AttemptStarted) -> str | None:
        """The name of the call that a request is made for."""
        return next((each.name for each in self.started if each.call_id == attempt.call_id), None)

    def check(self) -> None:
        """Check that each call has one start, and then one end, that say the same of it."""
        started = Counter(each.call_id for each in self.started)
        assert Counter(each.call_id for each in self.ended) == started
        assert set(started.values()) <= {1}
        for end in self.ended:
            start = next(each for each in self.started if each.call_id == end.call_id)
            assert self.heard.index(start) < self.heard.index(end)
            for name in ("name", "parent_id", "order_number", "key_digest", "amount", "currency"):
                assert getattr(start, name) == getattr(end, name)
            assert end.elapsed >= 0
