"""A hook that keeps what it is told of calls, their requests and doubts."""

from __future__ import annotations

from collections import Counter

from tests.recorder import Keeping
from voucher_async import AttemptStarted, CallEnded, CallStarted

__all__ = ["Calls"]


class Calls(Keeping):
    """Keeps the events of calls, their requests and doubts."""

    on_call_started = on_call_ended = on_attempt_started = on_doubt_ended = on_turn_waited = Keeping.keep

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
