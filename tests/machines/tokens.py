"""Why workers that share a token fetched another one. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import attrs

from tests.chaos.records import Fetched
from voucher_async.auth.sharing import LEASE_SECONDS, LEFT_ALONE_SECONDS

__all__ = ["NONE", "Troubles", "reasons_of"]

FIRST: Final = "the first"
OLD: Final = "as its life was nearly over"
REVOKED: Final = "as it was revoked"
EMPTIED: Final = "as Valkey had lost it"
AWAY: Final = "as Valkey was not reached"
STOPPED: Final = "as the worker had stood still while it asked Valkey"
OVERDUE: Final = "as the answer came after the lease"
NONE: Final = "without a reason"
_NEARLY: Final = 0.5


@attrs.define
class Troubles:
    """What happened to the token store, or to who asked it, by the monotonic time.

    Attributes:
        emptied: when it had lost all that was in it.
        away: from when until when a worker could not reach it.
        stopped: from when until when a worker stood still, and then found that it had waited for too long.
    """

    emptied: list[float] = attrs.Factory(list[float])
    away: list[tuple[float, float]] = attrs.Factory(list[tuple[float, float]])
    stopped: list[tuple[float, float]] = attrs.Factory(list[tuple[float, float]])


def reasons_of(
    fetched: Iterable[Fetched], revoked: Sequence[float], troubles: Troubles, *, life: float
) -> Iterator[tuple[Fetched, str]]:
    """Why each token was fetched.

    A token whose answer was lost is not among them, so whoever fetched the next one needs no other reason
    than who had asked for the lost one.

    Args:
        fetched: the tokens that workers received.
        revoked: when all tokens were revoked.
        troubles: of the token store.
        life: seconds that a token lives.
    """
    before: Fetched | None = None
    for token in sorted(fetched, key=lambda each: each.at):
        yield token, FIRST if before is None else _reason(before, token, revoked, troubles, life)
        before = token


def _reason(
    before: Fetched, token: Fetched, revoked: Sequence[float], troubles: Troubles, life: float
) -> str:
    if token.at - before.at >= life * _NEARLY:
        return OLD
    # the one before may have been revoked while it was on its way
    since = before.at - before.elapsed
    if any(since < each < token.at for each in revoked):
        return REVOKED
    if any(since < each < token.at for each in troubles.emptied):
        return EMPTIED
    if _is_left_alone(token, troubles.away):
        return AWAY
    if _is_left_alone(token, troubles.stopped):
        return STOPPED
    return OVERDUE if max(before.elapsed, token.elapsed) > LEASE_SECONDS else NONE


def _is_left_alone(token: Fetched, spans: Iterable[tuple[float, float]]) -> bool:
    return any(began <= token.at < ended + LEFT_ALONE_SECONDS for began, ended in spans)
