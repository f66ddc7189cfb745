"""The statements of the journal in SQLite, compiled once."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import (
    ClauseElement,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    false,
    literal_column,
    select,
    true,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from voucher_async.journals.tables import about, metadata, owners, records

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

__all__ = [
    "ABOUT",
    "ALIVE",
    "BEAT",
    "BURIED",
    "BURY",
    "CHILDREN",
    "CLAIM",
    "DESCRIBE",
    "DROP",
    "EARLIER",
    "ENDED_OF",
    "FIND",
    "FORGET",
    "FREE",
    "GET",
    "HOLDER",
    "LEFT",
    "OWN",
    "OWNER_OF",
    "PAGE",
    "RAISE",
    "RIVAL",
    "SAVE",
    "SAVE_ERASED",
    "SCHEMA",
    "UNSHRUNK",
    "alike",
    "bind",
    "history",
    "runs",
    "text",
]

PAGE: Final = 256
"""The most records that one statement reads of a history, or drops."""

_DIALECT: Final = sqlite.dialect(paramstyle="named")
_c = records.c
_KEPT: Final = ("id", "scope", "key", "key_digest", "holds_key", "parent")  # by saving a record
COLUMNS: Final = tuple(column.name for column in records.columns if column.name != "number")


def text(statement: ClauseElement, by: str | None = None) -> str:
    """The statement for the driver, its constants (a limit, an offset) in their places.

    Args:
        statement: the statement.
        by: the index of `records` to search, where SQLite would take one that gives the order before one
            that finds; an empty text for their numbers.
    """
    compiled = statement.compile(dialect=_DIALECT)
    text = str(compiled).strip()
    for name, value in (compiled.params or {}).items():
        if value is not None:
            text = re.sub(rf":{name}\b", str(int(value)), text)
    if by is None:
        return text
    choice = f"INDEXED BY {records.name}_{by}" if by else "NOT INDEXED"
    return text.replace(f"FROM {records.name}", f"FROM {records.name} {choice}", 1)


def bind(name: str) -> Any:
    """A value that is given when the statement is run."""
    return cast("Any", bindparam(name))


def _one_of(column: ColumnElement[str], *names: str) -> ColumnElement[bool]:
    return column.in_([bindparam(name) for name in names])


def _read(*conditions: ColumnElement[bool]) -> Select[Any]:
    return select(_c.record).where(*conditions)


_with_key = and_(_c.scope == bind("scope"), _one_of(_c.key, "key", "digest"))
_lost = and_(_with_key, ~_c.holds_key, _c.key.is_not(None))
runs: Final[ColumnElement[bool]] = and_(owners.c.lease_ends > bind("now"), ~owners.c.buried)
_of_charge = and_(_c.scope == bind("scope"), _c.charge_id == bind("of_charge"))

# a claim: one statement, unless there is something in its way
CLAIM: Final = text(
    sqlite.insert(records).values({name: bind(name) for name in COLUMNS}).on_conflict_do_nothing().inline()
)
OWN: Final = text(_read(_c.id == bind("id")))
HOLDER: Final = text(select(_c.id, _c.state, _c.record).where(_with_key, _c.holds_key))
RIVAL: Final = text(_read(_of_charge))
EARLIER: Final = text(
    _read(_lost, _c.state == literal_column("'not done'"), _c.id != bind("id"))
    .order_by(_c.number.desc())
    .limit(1),
    by="lost_key",
)
FREE: Final = text(update(records).where(_c.id == bind("of_id")).values(holds_key=false()))

# binds that are named like a column that is set would be its new value
_has_rival = exists().where(_of_charge, _c.id != bind("id")).correlate(None)


def _save(*kept: str) -> str:
    """An update of all columns but some, unless the row has another version or its charge is another's."""
    is_before = and_(_c.id == bind("id"), _c.scope == bind("scope"), _c.version == bind("of_version"))
    changes = {name: bind(name) for name in COLUMNS if name not in kept}
    return text(update(records).where(is_before, ~_has_rival).values(changes))


SAVE: Final = _save(*_KEPT)
SAVE_ERASED: Final = _save(*(name for name in _KEPT if name != "key"))

GET: Final = text(_read(_c.id == bind("id"), _c.scope == bind("scope")))
FIND: Final = text(_read(_with_key, _c.holds_key))
CHILDREN: Final = text(_read(_c.scope == bind("scope"), _c.parent == bind("parent")).order_by(_c.number))
OWNER_OF: Final = text(select(_c.id).where(_of_charge))


@cache
def alike(*known: str) -> str:
    """The statement of a look for records with this operation, and these parts or none.

    Args:
        known: those of `like_amount` and `like_voucher` that are known.
    """
    parts = [_c[name].in_([bind(name), literal_column("''")]) for name in known]
    return text(_read(_c.scope == bind("scope"), _c.like_operation == bind("like_operation"), *parts))


ALIVE: Final = text(select(owners.c.owner).where(owners.c.owner == bind("owner"), runs))
BURIED: Final = text(select(owners.c.owner).where(owners.c.owner == bind("owner"), owners.c.buried))


def _upsert(buried: ColumnElement[bool], *unless: ColumnElement[bool]) -> str:
    new = sqlite.insert(owners).values(owner=bind("owner"), lease_ends=bind("ends"), buried=buried)
    changes = {"lease_ends": new.excluded.lease_ends, "buried": new.excluded.buried}
    return text(
        new.on_conflict_do_update(
            index_elements=[owners.c.owner], set_=changes, where=and_(~owners.c.buried, *unless)
        )
    )


BEAT: Final = _upsert(false())
BURY: Final = _upsert(true(), owners.c.lease_ends <= bind("ends"))
FORGET: Final = text(
    delete(owners).where(
        owners.c.lease_ends < bind("before"), owners.c.owner.not_in(select(_c.owner).where(~_c.ended))
    )
)
LEFT: Final = text(
    select(_c.number, _c.record)
    .where(_c.scope == bind("scope"), ~_c.ended, _c.owner.not_in(select(owners.c.owner).where(runs)))
    .order_by(_c.number)
    .limit(bind("limit")),
    by="live",
)


def _page(*conditions: ColumnElement[bool], by: str) -> str:
    """The next records, by number."""
    page = select(_c.number, _c.record).where(*conditions, _c.number > bind("after"))
    return text(page.order_by(_c.number).limit(literal_column(str(PAGE))), by)


@cache
def history(*, has_order: bool, has_key: bool, told: bool | None, ended: bool | None = None) -> str:
    """The statement of a page of a history.

    Args:
        has_order: it is limited to an order.
        has_key: it is limited to a key.
        told: see `Journal.history`.
        ended: see `HistoryByEnd.history`.
    """
    conditions = [_c.scope == bind("scope")]
    if has_order:
        conditions.append(_one_of(_c.order_number, "order", "order_digest"))
    if has_key:
        # each half has an index
        held = select(_c.number).where(_with_key, _c.holds_key)
        conditions.append(_c.number.in_(union_all(held, select(_c.number).where(_lost))))
    if told is not None:
        conditions += [_c.state == literal_column("'done'"), _c.told if told else ~_c.told]
    if ended is not None:
        conditions.append(_c.ended if ended else ~_c.ended)
    by = "untold" if told is False else "live" if ended is False else "history"
    if has_order or has_key:
        by = "order" if has_order else ""
    return _page(*conditions, by=by)


_shrunk_or_not = _c.shrunk.in_([false(), true()])  # what the index begins with
ENDED_OF: Final = _page(_c.order_number == bind("order"), _c.ended, by="order")
UNSHRUNK: Final = text(
    select(_c.changed_at, _c.number, _c.record)
    .where(
        _c.ended,
        ~_c.shrunk,
        _c.changed_at < bind("before"),
        tuple_(_c.changed_at, _c.number) > tuple_(bind("moment"), bind("after")),
    )
    .order_by(_c.changed_at, _c.number)  # that of the index, so that a page reads no more than a page
    .limit(literal_column(str(PAGE))),
    by="old",
)
_whole: Final = records.alias("whole")
_is_part_of_live: Final = exists().where(_whole.c.id == _c.parent, ~_whole.c.ended).correlate(records)
DROP: Final = text(
    delete(records).where(
        _c.number.in_(
            select(_c.number)
            .where(_c.ended, _shrunk_or_not, _c.changed_at < bind("before"), ~_is_part_of_live)
            .limit(literal_column(str(PAGE)))
        )
    )
)

_tables: Final = metadata.sorted_tables
_indexes: Final = sorted(
    (index for table in _tables for index in table.indexes), key=lambda each: str(each.name)
)
SCHEMA: Final = (
    *(text(CreateTable(table, if_not_exists=True)) for table in _tables),
    *(text(CreateIndex(index, if_not_exists=True)) for index in _indexes),
)
DESCRIBE: Final = text(
    sqlite.insert(about)
    .values(one=literal_column("1"), digest_key=bind("key"), major=bind("of_major"), minor=bind("of_minor"))
    .on_conflict_do_nothing()
    .inline()
)
_is_older = and_(about.c.major == bind("of_major"), about.c.minor < bind("of_minor"))
RAISE: Final = text(update(about).where(_is_older).values(minor=bind("of_minor")))
"""Write down that tables are of this minor version, once they have all of it."""
ABOUT: Final = text(select(about.c.digest_key, about.c.major, about.c.minor))
