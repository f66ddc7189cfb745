"""A hook that keeps what it is told."""

from __future__ import annotations

from typing import TypeVar

from voucher_async import AttemptEnded, AttemptStarted, Happened, Hook, PendingOutcome, Repeating, Settled

__all__ = ["Recorder"]

T = TypeVar("T")


class Recorder(Hook):
    """Keeps every event, in the order in which it was told."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def on_settled(self, event: object) -> None:
        self.heard.append(event)

    on_attempt_started = on_attempt_ended = on_repeating = on_token_refreshed = on_intent = on_settled

    def _heard(self, kind: type[T]) -> list[T]:
        return [event for event in self.heard if isinstance(event, kind)]

    @property
    def started(self) -> list[AttemptStarted]:
        return self._heard(AttemptStarted)

    @property
    def ended(self) -> list[AttemptEnded]:
        return self._heard(AttemptEnded)

    @property
    def repeating(self) -> list[Repeating]:
        return self._heard(Repeating)

    @property
    def intents(self) -> list[PendingOutcome]:
        return self._heard(PendingOutcome)

    @property
    def doubts(self) -> list[Settled]:
        return [event for event in self._heard(Settled) if event.what is Happened.IN_DOUBT]

    @property
    def settled(self) -> list[Settled]:
        """All but doubts."""
        return [event for event in self._heard(Settled) if event.what is not Happened.IN_DOUBT]

    @property
    def words(self) -> list[str]:
        return [event.what for event in self.settled]
