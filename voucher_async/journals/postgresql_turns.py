"""Lines in PostgreSQL, batch by batch: those who take places in one line get them one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.journals.postgresql_statements import MODE, NOW
from voucher_async.journals.tables import owners, turns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voucher_async.journals.connections import Connection, Connections

__all__ = ["FORGET_PLACES", "Place", "Places"]

_T: Final = turns.name
_O: Final = owners.name
_SECOND: Final = 1_000_000  # microseconds

_AHEAD: Final = f"""
SELECT CASE WHEN mine.number IS NOT NULL THEN (
    SELECT count(*) FROM {_T} AS o JOIN {_O} AS w ON w.owner = o.owner
    WHERE o.turn = mine.turn AND o.number < mine.number AND o.lapses_at > {NOW}
        AND NOT w.buried AND w.lease_ends > {NOW}) END
FROM unnest($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY AS i (ticket, owner, lease, place)
LEFT JOIN {_T} AS mine ON mine.ticket = i.ticket AND mine.owner = i.owner
    AND mine.lapses_at > {NOW} + i.lease / 2
ORDER BY i.place"""
# held to the end of the transaction, so that the numbers in a line are in the order of commits
_LOCK: Final = f"""
WITH {MODE}, lines AS (
    SELECT DISTINCT hashtextextended(turn, 0) AS line FROM unnest($2::text[]) AS turn ORDER BY 1)
SELECT pg_advisory_xact_lock(line) FROM lines, mode"""
_FORMER: Final = f"""
DELETE FROM {_T} AS t USING unnest($1::text[], $2::text[], $3::text[]) AS i (turn, ticket, owner)
WHERE t.turn = i.turn AND (t.owner = i.owner AND t.ticket <> i.ticket
    OR t.ticket = i.ticket AND t.lapses_at <= {NOW})"""
_TAKE: Final = f"""
INSERT INTO {_T} (turn, ticket, owner, lapses_at)
SELECT DISTINCT ON (turn, ticket) turn, ticket, owner, {NOW} + lease
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS i (turn, ticket, owner, lease)
ORDER BY turn, ticket
ON CONFLICT (ticket) DO UPDATE SET owner = excluded.owner, lapses_at = excluded.lapses_at"""
_LEAVE: Final = f"""
WITH {MODE}, gone AS MATERIALIZED (
    SELECT t.number FROM {_T} AS t JOIN unnest($2::text[], $3::text[]) AS i (turn, ticket) ON t.turn = i.turn
    CROSS JOIN mode WHERE t.ticket = i.ticket OR t.lapses_at <= {NOW}
    ORDER BY t.number FOR UPDATE OF t SKIP LOCKED)
DELETE FROM {_T} AS t USING gone WHERE t.number = gone.number"""
FORGET_PLACES: Final = f"DELETE FROM {_T} WHERE lapses_at <= {NOW}"


@attrs.frozen(kw_only=True, eq=False)
class Place:
    """A place in a line.

    Attributes:
        turn: the line.
        ticket: tells places apart.
        owner: its owner.
        lease: seconds after which it lapses.
    """

    turn: str
    ticket: str
    owner: str = ""
    lease: float = 0.0


class Places:
    """The lines, as one event loop asks for them.

    Args:
        connections: its connections.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def line_up(self, places: Sequence[Place]) -> list[int]:
        """The number of those ahead of each place, which is taken where it is missing, or about to lapse."""
        found = await self._ahead(places)
        missing = [place for place, count in zip(places, found, strict=True) if count is None]
        if missing:
            await self._take(missing)
            taken = dict(zip(missing, await self._ahead(missing), strict=True))
            found = [taken.get(place, count) for place, count in zip(places, found, strict=True)]
        return [count or 0 for count in found]

    async def _ahead(self, places: Sequence[Place]) -> list[int | None]:
        tickets, names = [each.ticket for each in places], [each.owner for each in places]
        rows = await self._connections.fetch(_AHEAD, tickets, names, _leases(places))
        return [row[0] for row in rows]

    async def _take(self, places: Sequence[Place]) -> None:
        lines = [each.turn for each in places]

        async def take(connection: Connection) -> None:
            await connection.fetch(_LOCK, False, lines)  # noqa: FBT003 - a value of the statement
            tickets, names = [each.ticket for each in places], [each.owner for each in places]
            await connection.fetch(_FORMER, lines, tickets, names)
            await connection.fetch(_TAKE, lines, tickets, names, _leases(places))

        await self._connections.transact(take)

    async def leave(self, places: Sequence[Place]) -> list[None]:
        """Give places back, and drop those of their lines that have lapsed."""
        lines, tickets = [each.turn for each in places], [each.ticket for each in places]
        await self._connections.fetch(_LEAVE, False, lines, tickets)  # noqa: FBT003 - as above
        return [None] * len(places)


def _leases(places: Sequence[Place]) -> list[int]:
    return [round(each.lease * _SECOND) for each in places]
