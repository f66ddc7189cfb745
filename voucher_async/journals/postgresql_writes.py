"""Claims, saves and leases in PostgreSQL, batch by batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeGuard, TypeVar

import attrs

from voucher_async.errors import JournalFailed
from voucher_async.journals import postgresql_statements as sql
from voucher_async.journals.refusals import LOCKED, Refused
from voucher_async.journals.rows import Row
from voucher_async.journals.store import Claimed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from voucher_async.journals.connections import Connection, Connections

__all__ = ["Writes", "Writing"]

R = TypeVar("R")

_TRIES: Final = 20
_OF_A_ROW: Final = frozenset({"22", "23", "54"})  # classes of one row's errors: value, constraint, size
_DELAYED: Final = False  # in place of a lease that is lost in a crash stands one that ends earlier
_SECOND: Final = 1_000_000  # microseconds
_TAKEN: Final = "23505"
_IN_A_ROW: Final = 16  # locked rows after which it is the whole table that is locked
_NOT_DONE: Final = "not done"


@attrs.frozen(kw_only=True, eq=False)
class Writing:
    """A row that is to be written.

    Attributes:
        row: the row.
        durable: wait until it is on disk.
        is_erased: its key changes.
        is_locked: it was locked when it was tried before.
    """

    row: Row
    durable: bool
    is_erased: bool = False
    is_locked: bool = False


class _Undone(JournalFailed):
    """A transaction that others were faster than."""


class Writes:
    """The writes of one event loop.

    Args:
        connections: its connections.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def claim(self, asked: Sequence[Writing]) -> Sequence[Claimed | Exception]:
        """Insert rows; see `Store.claim`."""
        return await _isolated(asked, self._claim)

    async def save(self, asked: Sequence[Writing]) -> Sequence[bool | Exception]:
        """Update rows; see `Store.save`."""
        return await _isolated(asked, self._save)

    async def beat(self, asked: Sequence[tuple[str, float]]) -> Sequence[bool]:
        """Renew leases, of each owner the longest; see `Store.beat`."""
        leases: dict[str, float] = {}
        for owner, lease in asked:
            leases[owner] = max(lease, leases.get(owner, lease))
        ends = [round(lease * _SECOND) for lease in leases.values()]
        alive = {row[0] for row in await self._connections.fetch(sql.BEAT, _DELAYED, list(leases), ends)}
        return [owner in alive for owner, _ in asked]

    async def _claim(self, asked: Sequence[Writing]) -> Sequence[Claimed]:
        results: dict[Writing, Claimed] = {}
        for _ in range(_TRIES):
            waiting = [each for each in asked if each not in results]
            if not waiting:
                return [results[each] for each in asked]
            inserted = {row[0] for row in await self._connections.fetch(sql.CLAIM, *_values(waiting))}
            for each in waiting:
                if each.row["id"] in inserted:
                    inserted.discard(each.row["id"])
                    results[each] = Claimed(won=True)
            results |= await self._held([each for each in waiting if each not in results])
        raise JournalFailed("the journal failed: others are faster with a key, again and again")

    async def _held(self, asked: Sequence[Writing]) -> dict[Writing, Claimed]:
        """The results of claims that were not taken; none for those that are worth another try."""
        if not asked:
            return {}
        results: dict[Writing, Claimed] = {}
        free: list[tuple[Writing, str]] = []
        names = ("id", "scope", "key", "key_digest", "charge_id")
        rows = await self._connections.fetch(
            sql.HELD, *([each.row[name] for each in asked] for name in names)
        )
        for each, (same, holder, state, held, rival, earlier) in zip(asked, rows, strict=True):
            if same is not None:
                won = same == each.row["record"]
                results[each] = Claimed(
                    won=won, holder=None if won else same, earlier=earlier if won else None
                )
            elif held is not None and state != _NOT_DONE:
                results[each] = Claimed(won=False, holder=held)
            elif rival is not None:
                results[each] = Claimed(won=False, holder=rival)
            elif held is not None:
                free.append((each, holder))
        return results | await self._freed(free)

    async def _freed(self, asked: Sequence[tuple[Writing, str]]) -> dict[Writing, Claimed]:
        """Claims that get the key of a call that was not carried out."""
        holders = dict(asked)
        first = _apart(holders, lambda each: [("holder", holders[each]), *_marks(each)])
        if not first:
            return {}

        async def free(connection: Connection) -> Sequence[Sequence[Any]]:
            values = *_values(first), [holders[each] for each in first]
            rows = await connection.fetch(sql.FREE, *values)
            if not all(stored for _, _, stored in rows):
                raise _Undone("others were faster")
            return rows

        try:
            earlier = {row[0]: row[1] for row in await self._connections.transact(free)}
        except _Undone:
            return {}
        taken = [each for each in first if each.row["id"] in earlier]
        return {each: Claimed(won=True, earlier=earlier[each.row["id"]]) for each in taken}

    async def _save(self, asked: Sequence[Writing]) -> Sequence[bool]:
        results: dict[Writing, bool] = {}
        while len(results) < len(asked):
            # two of one record, or with one charge, are for two statements
            batch = _apart((each for each in asked if each not in results), _marks)
            stored = await self._stored(batch)
            results |= {each: each.row["id"] in stored for each in batch}
        return [results[each] for each in asked]

    async def _stored(self, batch: Sequence[Writing]) -> set[str]:
        erased = [each.is_erased for each in batch]
        for number in range(1, _TRIES + 1):
            try:
                rows = await self._connections.fetch(sql.SAVE, *_values(batch), erased)
            except Refused as error:
                # a charge went to another record meanwhile, which the next try sees
                if error.code != _TAKEN or number == _TRIES:
                    raise
            else:
                return {row[0] for row in rows}
        raise AssertionError


async def _isolated(
    asked: Sequence[Writing], work: Callable[[Sequence[Writing]], Awaitable[Sequence[R]]]
) -> Sequence[R | Exception]:
    """Do a batch; where one row has an error of its own, each row alone, so that the others have none.

    Raises:
        JournalFailed: nothing is known of any of them.
    """
    locked = [each for each in asked if each.is_locked]
    if locked and len(asked) > 1:
        others = [each for each in asked if not each.is_locked]
        outcomes = dict(zip(others, await _isolated(others, work), strict=True))
        outcomes |= zip(locked, await _each_alone(locked, work), strict=True)
        return [outcomes[each] for each in asked]
    try:
        return await work(asked)
    except Refused as error:
        if error.code[:2] not in _OF_A_ROW and error.code != LOCKED:
            raise
        if len(asked) == 1:
            return [error]
    return await _each_alone(asked, work)


async def _each_alone(
    asked: Sequence[Writing], work: Callable[[Sequence[Writing]], Awaitable[Sequence[R]]]
) -> Sequence[R | Exception]:
    outcomes: list[R | Exception] = []
    for each in asked:
        latest = [outcome for outcome in outcomes[-_IN_A_ROW:] if _is_locked(outcome)]
        outcomes += [_same(latest[-1])] if len(latest) == _IN_A_ROW else await _isolated([each], work)
    return outcomes


def _is_locked(outcome: object) -> TypeGuard[Refused]:
    return isinstance(outcome, Refused) and outcome.code == LOCKED


def _same(error: Refused) -> Refused:
    """An error of one caller's own: a raised one collects the frames it passes."""
    mine = Refused(str(error))
    mine.code = error.code
    return mine


def _values(asked: Sequence[Writing]) -> list[object]:
    """The values of a batch: whether it is durable, and an array for each column."""
    columns = [[each.row[name] for each in asked] for name in sql.COLUMNS]
    return [any(each.durable for each in asked), *columns]


def _marks(each: Writing) -> list[tuple[object, ...]]:
    """Values that no two rows of one statement may share."""
    row = each.row
    charge = [] if row["charge_id"] is None else [("charge", row["scope"], row["charge_id"])]
    return [("id", row["id"]), *charge]


def _apart(
    asked: Iterable[Writing], marks: Callable[[Writing], Iterable[tuple[object, ...]]]
) -> list[Writing]:
    """Those of which no two share a mark, the first of each."""
    seen: set[tuple[object, ...]] = set()
    found: list[Writing] = []
    for each in asked:
        own = set(marks(each))
        if not own & seen:
            found.append(each)
        seen |= own
    return found
