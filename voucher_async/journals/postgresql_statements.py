"""The statements of the journal in PostgreSQL; each decides in its own WHERE.

Rows come as one array per column. A statement that changes rows first locks them in the order of their ids,
or inserts them in that of their keys, so that batches of several processes wait for each other in one order.

`synchronous_commit` is set by the statement itself, for its own transaction: `$1` tells whether its caller
waits until it is on disk. There the strictest setting of the server is kept.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from voucher_async.journals.rows import UNKNOWN
from voucher_async.journals.tables import MAJOR, MINOR, about, metadata, owners, records

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from sqlalchemy.engine import Dialect

__all__ = [
    "ABOUT",
    "BEAT",
    "BURY",
    "CHILDREN",
    "CLAIM",
    "COLUMNS",
    "DESCRIBE",
    "DROP",
    "DROPPED",
    "ENDED_OF",
    "FIND",
    "FORGET",
    "FOUND",
    "FREE",
    "GET",
    "HELD",
    "IS_ALIVE",
    "LEFT",
    "LOCK",
    "MISSING",
    "MODE",
    "NOW",
    "OWNER_OF",
    "RAISE",
    "SAVE",
    "UNSHRUNK",
    "WANTED",
    "alike",
    "ddl",
    "page",
]

_PAGE: Final = 100
DROPPED: Final = 200
"""The most rows that are deleted in one short transaction."""
_DAY: Final = 86_400_000_000  # microseconds

_make: Final[Callable[[], Dialect]] = postgresql.dialect
_DIALECT: Final = _make()
_R: Final = records.name
_O: Final = owners.name

COLUMNS: Final = tuple(column.name for column in records.c if column.name != "number")
"""The columns of a row that is written."""

_NAMES: Final = ", ".join(COLUMNS)
_FIXED: Final = frozenset({"id", "scope", "parent", "key", "key_digest", "holds_key"})


def _arrays(first: int, names: Iterable[str] = COLUMNS) -> str:
    types = {column.name: column.type.compile(_DIALECT) for column in records.c}
    return ", ".join(f"${number}::{types[name]}[]" for number, name in enumerate(names, first))


_COMMIT: Final = """
    SELECT set_config('synchronous_commit', CASE
        WHEN NOT $1::boolean THEN 'off'
        WHEN current_setting('synchronous_commit') = 'remote_apply' THEN 'remote_apply'
        ELSE 'on' END, true)"""
MODE: Final = f"mode AS MATERIALIZED ({_COMMIT})"
# a batch must not wait for the one row of it that is locked: see `PostgresqlStore`
_HASTY: Final = (
    f"mode AS MATERIALIZED ({_COMMIT} AS commits, set_config('lock_timeout', '100ms', true) AS waits)"
)
NOW: Final = "floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

CLAIM: Final = f"""
WITH {_HASTY}
INSERT INTO {_R} ({_NAMES})
SELECT {_NAMES} FROM unnest({_arrays(2)}) AS i ({_NAMES}), mode
ORDER BY scope, key_digest, id
ON CONFLICT DO NOTHING
RETURNING id"""
"""Insert the rows whose ids, keys and charges nobody has: `durable`, then an array for each of `COLUMNS`."""


def _holders(columns: str, scope: str, key: str, digest: str) -> str:
    """The rows that hold a key: each half has a unique index, an OR of both would be left to the planner."""
    held = f"SELECT {columns} FROM {_R} WHERE scope = {scope} AND holds_key"
    return f"{held} AND key = {key} UNION ALL {held} AND key_digest = {digest}"


HELD: Final = f"""
SELECT same.record, holder.id, holder.state, holder.record, rival.record, earlier.record
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
    WITH ORDINALITY AS i (id, scope, key, key_digest, charge_id, place)
LEFT JOIN {_R} AS same ON same.id = i.id
LEFT JOIN LATERAL (
    {_holders("number, id, state, record", "i.scope", "i.key", "i.key_digest")}
    ORDER BY number LIMIT 1) AS holder ON true
LEFT JOIN {_R} AS rival ON rival.scope = i.scope AND rival.charge_id = i.charge_id
LEFT JOIN LATERAL (
    SELECT r.record FROM {_R} AS r
    WHERE same.id IS NOT NULL AND r.scope = i.scope AND r.id <> i.id AND NOT r.holds_key
        AND (r.key = i.key OR r.key = i.key_digest) AND r.state = 'not done'
    ORDER BY r.number DESC LIMIT 1) AS earlier ON true
ORDER BY i.place"""
"""Tell why claims were not taken: arrays of id, scope, key, its digest, charge."""

FREE: Final = f"""
WITH {_HASTY}, i AS (
    SELECT * FROM unnest({_arrays(2)}, ${len(COLUMNS) + 2}::text[]) AS i ({_NAMES}, holder)
), locked AS MATERIALIZED (
    SELECT r.id FROM mode, {_R} AS r JOIN i ON r.id = i.holder
    WHERE r.holds_key AND r.state = 'not done' ORDER BY r.id FOR UPDATE OF r
), freed AS (
    UPDATE {_R} AS r SET holds_key = false FROM locked
    WHERE r.id = locked.id AND r.holds_key AND r.state = 'not done' RETURNING r.id, r.record
), taken AS (
    INSERT INTO {_R} ({_NAMES})
    SELECT {", ".join(f"i.{name}" for name in COLUMNS)} FROM i JOIN freed ON freed.id = i.holder, mode
    WHERE (SELECT count(*) FROM freed) > 0
    ORDER BY i.scope, i.key_digest, i.id
    ON CONFLICT DO NOTHING
    RETURNING id
)
SELECT i.id, freed.record, taken.id IS NOT NULL
FROM i JOIN freed ON freed.id = i.holder LEFT JOIN taken ON taken.id = i.id"""
"""Give the keys of calls that were not carried out to new rows: as `CLAIM`, then the ids of their holders.

The rows whose holders gave up their keys come back, and whether they were stored. Where one was not, the
transaction has to be undone.
"""

SAVE: Final = f"""
WITH {_HASTY}, i AS MATERIALIZED (
    SELECT i.* FROM mode, unnest({_arrays(2)}, ${len(COLUMNS) + 2}::boolean[]) AS i ({_NAMES}, erased)
    JOIN {_R} AS r ON r.id = i.id
    WHERE r.scope = i.scope AND r.version = i.version - 1 ORDER BY r.id FOR UPDATE OF r
)
UPDATE {_R} AS r SET key = CASE WHEN i.erased THEN i.key ELSE r.key END,
    {", ".join(f"{name} = i.{name}" for name in COLUMNS if name not in _FIXED)}
FROM i
WHERE r.id = i.id AND r.scope = i.scope AND r.version = i.version - 1
    AND (i.charge_id IS NULL OR NOT EXISTS (
        SELECT FROM {_R} AS o WHERE o.scope = i.scope AND o.charge_id = i.charge_id AND o.id <> i.id))
RETURNING r.id"""
"""Store successors: as `CLAIM`, then whether each is erased. No two may be of one record, or have one charge.

Two processes that give one charge to two records at once violate the index; the later one finds out when it
asks again.
"""

GET: Final = f"SELECT record FROM {_R} WHERE scope = $1 AND id = $2"
FIND: Final = f"""
SELECT record FROM ({_holders("number, record", "$1", "$2", "$3")}) AS holders
ORDER BY number LIMIT 1"""
CHILDREN: Final = f"SELECT record FROM {_R} WHERE scope = $1 AND parent = $2 ORDER BY number"
OWNER_OF: Final = f"SELECT id FROM {_R} WHERE scope = $1 AND charge_id = $2"
LEFT: Final = f"""
SELECT number, record FROM {_R} AS r WHERE scope = $1 AND NOT ended AND NOT EXISTS (
    SELECT FROM {_O} AS o WHERE o.owner = r.owner AND NOT o.buried AND o.lease_ends > {NOW})
ORDER BY number LIMIT $2"""
ENDED_OF: Final = f"""
SELECT number, record FROM {_R} WHERE order_number = $1 AND ended AND number > $2
ORDER BY number LIMIT {_PAGE}"""
UNSHRUNK: Final = f"""
SELECT changed_at, number, record FROM {_R}
WHERE ended AND NOT shrunk AND changed_at < $1 AND (changed_at, number) > ($2, $3)
ORDER BY changed_at, number LIMIT {_PAGE}"""
"""A page in the order of the index, from the place of the last row of the page before."""

BEAT: Final = f"""
WITH {MODE}
INSERT INTO {_O} AS o (owner, lease_ends, buried)
SELECT owner, {NOW} + lease, false FROM unnest($2::text[], $3::bigint[]) AS i (owner, lease), mode
ORDER BY owner
ON CONFLICT (owner) DO UPDATE SET lease_ends = excluded.lease_ends WHERE NOT o.buried
RETURNING owner"""
"""Renew leases: `durable`, arrays of owners, each of them once, and microseconds."""

IS_ALIVE: Final = f"SELECT true FROM {_O} WHERE owner = $1 AND NOT buried AND lease_ends > {NOW}"
BURY: Final = f"""
WITH {MODE}
INSERT INTO {_O} AS o (owner, lease_ends, buried) SELECT $2, {NOW}, true FROM mode
ON CONFLICT (owner) DO UPDATE SET buried = true,
    lease_ends = CASE WHEN o.buried THEN o.lease_ends ELSE {NOW} END
WHERE o.buried OR o.lease_ends <= {NOW}
RETURNING true"""

DROP: Final = f"""
WITH old AS MATERIALIZED (
    SELECT id FROM {_R} AS old WHERE ended AND shrunk = $2 AND changed_at < $1
        AND (changed_at, number) > ($3, $4)
        AND coalesce((SELECT whole.ended FROM {_R} AS whole WHERE whole.id = old.parent), true)
    ORDER BY changed_at, number LIMIT {DROPPED} FOR UPDATE SKIP LOCKED
)
DELETE FROM {_R} AS r USING old WHERE r.id = old.id AND r.ended AND r.changed_at < $1
RETURNING r.changed_at, r.number"""
"""Delete some of the ended rows that were changed before a moment; parts of a call that has not ended stay.

Rows that others are changing are left. From the place of the last row on: what was deleted is in the index
until it is vacuumed, and would be read again each time.
"""

FORGET: Final = f"""
DELETE FROM {_O} AS o WHERE lease_ends < {NOW} - {_DAY} AND NOT EXISTS (
    SELECT FROM {_R} AS r WHERE r.owner = o.owner AND NOT r.ended)"""

LOCK: Final = "SELECT pg_advisory_xact_lock(7865407541293)"  # a number of the journal's own
FOUND: Final = f"SELECT to_regclass('{about.name}') IS NOT NULL"
MISSING: Final = "SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NULL ORDER BY name"
WANTED: Final = (
    *metadata.tables,
    *(str(index.name) for table in metadata.tables.values() for index in table.indexes),
)
"""The names of all tables and indexes."""
ABOUT: Final = f"SELECT digest_key, major, minor FROM {about.name}"
DESCRIBE: Final = f"""
INSERT INTO {about.name} (one, digest_key, major, minor) VALUES (1, $1, {MAJOR}, {MINOR})
ON CONFLICT DO NOTHING"""
RAISE: Final = f"UPDATE {about.name} SET minor = {MINOR} WHERE major = {MAJOR} AND minor < {MINOR}"
"""Write down that tables are of this minor version, once they have all of it."""


@cache
def alike(*, amount: bool, voucher: bool) -> str:
    """A search for records with a signature: scope, operation, then the parts of it that are known.

    Args:
        amount: the amount is known.
        voucher: the voucher is known.
    """
    known = [name for name, is_known in (("like_amount", amount), ("like_voucher", voucher)) if is_known]
    parts = (f" AND {name} IN (${number}, '{UNKNOWN}')" for number, name in enumerate(known, 3))
    return f"SELECT record FROM {_R} WHERE scope = $1 AND like_operation = $2{''.join(parts)}"


@cache
def page(*, orders: bool, keys: bool, told: bool | None, ended: bool | None = None) -> str:
    """A page of a history: scope, the number before, then an array for each limit.

    A statement of its own for each kind, as one for all would have a plan for none.

    Args:
        orders: limits it to orders.
        keys: limits it to keys.
        told: limits it to calls that are done, of which a caller was told, or was not.
        ended: limits it to calls that have ended, or to those that have not.
    """
    parts: list[str] = []
    if orders:
        parts.append(" AND order_number = ANY ($3::text[])")
    if keys:  # each half has an index
        given = f"scope = $1 AND key = ANY (${3 + orders}::text[])"
        held = f"SELECT number FROM {_R} WHERE {given} AND holds_key"
        lost = f"SELECT number FROM {_R} WHERE {given} AND NOT holds_key AND key IS NOT NULL"
        parts.append(f" AND number IN ({held} UNION ALL {lost})")
    if told is not None:
        parts.append(f" AND state = 'done' AND {'' if told else 'NOT '}told")
    if ended is not None:
        parts.append(f" AND {'' if ended else 'NOT '}ended")
    where = f"scope = $1 AND number > $2{''.join(parts)}"
    return f"SELECT number, record FROM {_R} WHERE {where} ORDER BY number LIMIT {_PAGE}"


def ddl(missing: Collection[str] = WANTED) -> Iterator[str]:
    """The statements that make what is missing of the tables.

    One for an index that is there would lock its table, and need its owner.

    Args:
        missing: the names of tables and indexes to make.
    """
    for table in metadata.sorted_tables:
        if table.name in missing:
            yield str(CreateTable(table, if_not_exists=True).compile(dialect=_DIALECT))
        for index in sorted(table.indexes, key=lambda each: str(each.name)):
            if index.name in missing:
                yield str(CreateIndex(index, if_not_exists=True).compile(dialect=_DIALECT))
