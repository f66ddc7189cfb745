"""Lines in SQLite: places in the order of their numbers, which the write lock gives out one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, delete, func, or_, select
from sqlalchemy.dialects import sqlite

from voucher_async.journals.sqlite_statements import bind, runs, text
from voucher_async.journals.tables import owners, turns

if TYPE_CHECKING:
    import sqlite3

__all__ = ["LEAVE", "PRUNE", "ahead", "take"]

_mine = turns.alias("mine")
_others = turns.alias("others")
_counts = and_(
    _others.c.turn == _mine.c.turn, _others.c.number < _mine.c.number, _others.c.lapses_at > bind("now")
)
_before = (
    select(func.count())
    .select_from(_others.join(owners, owners.c.owner == _others.c.owner))
    .where(_counts, runs)
    .scalar_subquery()
)
_AHEAD: Final = text(
    select(_before).where(
        _mine.c.ticket == bind("ticket"), _mine.c.owner == bind("owner"), _mine.c.lapses_at > bind("due")
    )
)
_new = sqlite.insert(turns).values(
    turn=bind("turn"), ticket=bind("ticket"), owner=bind("owner"), lapses_at=bind("lapses_at")
)
_changes = {"owner": _new.excluded.owner, "lapses_at": _new.excluded.lapses_at}
_TAKE: Final = text(_new.on_conflict_do_update(index_elements=[turns.c.ticket], set_=_changes))
_is_former = and_(
    turns.c.turn == bind("turn"), turns.c.owner == bind("owner"), turns.c.ticket != bind("ticket")
)
_is_lapsed = and_(turns.c.ticket == bind("ticket"), turns.c.lapses_at <= bind("now"))
_FORMER: Final = text(delete(turns).where(or_(_is_former, _is_lapsed)))
LEAVE: Final = text(
    delete(turns).where(
        turns.c.turn == bind("turn"), or_(turns.c.ticket == bind("ticket"), turns.c.lapses_at <= bind("now"))
    )
)
PRUNE: Final = text(delete(turns).where(turns.c.lapses_at <= bind("now")))


def ahead(db: sqlite3.Connection, given: dict[str, Any]) -> int | None:
    """The number of places ahead; None for a place that is not there, or has to be taken anew."""
    row = db.execute(_AHEAD, given).fetchone()
    return None if row is None else int(row[0])


def take(db: sqlite3.Connection, given: dict[str, Any]) -> int:
    """Take a place, or renew one that has not lapsed; the number of places ahead."""
    db.execute(_FORMER, given)
    db.execute(_TAKE, given)
    return ahead(db, given) or 0
