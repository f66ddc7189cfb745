"""A hook that keeps what it is told."""

from __future__ import annotations

from typing import TypeVar

from voucher_async import Happened, Hook, PendingOutcome, Settled

__all__ = ["Keeping", "Recorder"]

T = TypeVar("T")


class Keeping(Hook):
    """Keeps the events that it is made to hear, in the order in which they were told."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def keep(self, event: object) -> None:
        self.heard.append(event)

    def of(self, kind: type[T]) -> list[T]:
        """Events of one kind."""
        return [event for event in self.heard if isinstance(event, kind)]


class Recorder(Keeping):
    """Keeps every event but those of calls."""

    on_attempt_started = on_attempt_ended = on_repeating = on_token_refreshed = Keeping.keep
    on_intent = on_settled = Keeping.keep

    @property
    def intents(self) -> list[PendingOutcome]:
        return self.of(PendingOutcome)

    @property
    def doubts(self) -> list[Settled]:
        return [event for event in self.of(Settled) if event.what is Happened.IN_DOUBT]

    @property
    def settled(self) -> list[Settled]:
        """All but doubts."""
        return [event for event in self.of(Settled) if event.what is not Happened.IN_DOUBT]

    @property
    def words(self) -> list[str]:
        return [event.what for event in self.settled]
