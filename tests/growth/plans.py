"""The plans of the journal's statements in PostgreSQL, explained where they run, by the connection itself.

A connection prepares each statement once. From its sixth use on PostgreSQL may take a generic plan, which was
made for the table as it was then. So a statement is explained as the connection has prepared it, with the
values that it is about to be run with, in a transaction that is undone.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Generator, Iterator, Sequence
from typing import Any, Final, cast
from unittest import mock

import asyncpg  # type: ignore[import-untyped]
import attrs

from voucher_async.journals.connections import Connection, Prepared, Rows, Server

__all__ = ["Plan", "Recorder", "recorded"]

_BIG: Final = frozenset({"voucher_records"})
_WRITES: Final = re.compile(r"\b(INSERT INTO|UPDATE|DELETE FROM) voucher_records")
_NAMES: Final = "SELECT statement, name, generic_plans > 0 AS is_generic FROM pg_prepared_statements"
_EXPLAIN: Final = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE {name}{values}"


@attrs.frozen
class Plan:
    """One execution of a statement.

    Attributes:
        asked: the method of the journal that it belongs to.
        statement: its text.
        generic: the connection has taken a generic plan for it before.
        nodes: the types of its nodes with the indexes or tables that they read.
        scans: the big tables that it reads from end to end.
        filtered: rows that were read and left out.
        buffers: pages that it touched.
        rows: rows that it gave, or wrote.
        lines: the values of its longest array; 1 without any.
    """

    asked: str
    statement: str
    generic: bool
    nodes: tuple[str, ...]
    scans: tuple[str, ...]
    filtered: int
    buffers: int
    rows: int
    lines: int

    @property
    def each(self) -> float:
        """Pages by row asked for or given, whichever are more."""
        return self.buffers / max(self.rows, self.lines, 1)


@attrs.define
class Recorder:
    """Counts the statements of a journal, and explains them when it is told to.

    Attributes:
        asked: the method that is being called.
        explains: explain what is run.
        statements: how many statements were run, those that begin and end transactions included.
        writes: how many of them have written records.
        most: the most records that one of them has written.
        plans: the plans.
    """

    asked: str = ""
    explains: bool = False
    statements: int = 0
    writes: int = 0
    most: int = 0
    plans: list[Plan] = attrs.field(factory=list[Plan])


class _Explaining:
    """A connection whose statements are counted and explained."""

    def __init__(self, connection: Any, recorder: Recorder) -> None:
        self._connection = connection
        self.recorder = recorder

    async def fetch(self, query: str, *values: object) -> Rows:
        """Run a statement; before that, explain it."""
        self.recorder.statements += 1
        if self.recorder.explains:
            await self._explain(query, values)
        rows: Rows = await self._connection.fetch(query, *values)
        if _WRITES.search(query):
            self.recorder.writes += 1
            self.recorder.most = max(self.recorder.most, len(rows))
        return rows

    async def prepare(self, query: str) -> Prepared:
        """Prepare a statement, and have it explained when it is run."""
        self.recorder.statements += 1
        return _Planned(self, query, await self._connection.prepare(query))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def execute(self, query: str) -> str:
        """Run statements without values."""
        self.recorder.statements += 1
        said: str = await self._connection.execute(query)
        return said

    async def _explain(self, query: str, values: Sequence[object]) -> None:
        prepared = {row[0]: (row[1], row[2]) for row in await self._connection.fetch(_NAMES)}
        if query in prepared:
            name, is_generic = prepared[query]
            # asyncpg drops a statement after five minutes; it is explained the next time
            with contextlib.suppress(asyncpg.InvalidSQLStatementNameError):
                await self.explain(name, query, values, is_generic=is_generic)

    async def explain(self, name: str, query: str, values: Sequence[object], *, is_generic: bool) -> None:
        """Explain a prepared statement, and keep its plan."""
        is_inside = self._connection.is_in_transaction()
        begin, undo = ("SAVEPOINT plan", "ROLLBACK TO plan") if is_inside else ("BEGIN", "ROLLBACK")
        given = f"({', '.join(map(_literal, values))})" if values else ""
        await self._connection.execute(begin)
        try:
            ((text,),) = await self._connection.fetch(_EXPLAIN.format(name=f'"{name}"', values=given))
        finally:
            await self._connection.execute(undo)
        plan = _plan(self.recorder.asked, query, values, json.loads(text)[0]["Plan"], is_generic=is_generic)
        self.recorder.plans.append(plan)


class _Planned:
    """A statement that is prepared for one use."""

    def __init__(self, connection: _Explaining, query: str, prepared: Any) -> None:
        self._connection = connection
        self._query = query
        self._prepared = prepared

    async def fetch(self, *values: object) -> Rows:
        """Run it; before that, explain it."""
        if self._connection.recorder.explains:
            await self._connection.explain(self._prepared.get_name(), self._query, values, is_generic=False)
        rows: Rows = await self._prepared.fetch(*values)
        return rows


@contextlib.contextmanager
def recorded(recorder: Recorder) -> Generator[Recorder]:
    """Have the connections made meanwhile recorded."""
    connect = Server.connect

    async def recording(server: Server) -> Connection:
        made: Any = _Explaining(await connect(server), recorder)
        return cast("Connection", made)

    with mock.patch.object(Server, "connect", recording):
        yield recorder


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool | int):
        return str(value)
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'"
    text = value if isinstance(value, str) else f"{{{','.join(map(_item, _list(value)))}}}"
    return "'" + text.replace("'", "''") + "'"


def _list(value: object) -> Sequence[object]:
    assert isinstance(value, Sequence), value
    return value


def _item(value: object) -> str:
    if value is None:
        return "NULL"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _plan(
    asked: str, query: str, values: Sequence[object], root: dict[str, Any], *, is_generic: bool
) -> Plan:
    nodes = list(_nodes(root))
    written = [node for node in nodes if node["Node Type"] == "ModifyTable"]
    arrays = [len(value) for value in values if isinstance(value, list)]
    return Plan(
        asked=asked,
        statement=query,
        generic=is_generic,
        nodes=tuple(map(_shown, nodes)),
        scans=tuple(
            node["Relation Name"]
            for node in nodes
            if node["Node Type"] == "Seq Scan" and node["Relation Name"] in _BIG
        ),
        filtered=sum(_filtered(node) for node in nodes),
        buffers=root["Shared Hit Blocks"] + root["Shared Read Blocks"],
        rows=round(max(node["Actual Rows"] * node["Actual Loops"] for node in (root, *written))),
        lines=max(arrays, default=1),
    )


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for each in node.get("Plans", ()):
        yield from _nodes(each)


def _shown(node: dict[str, Any]) -> str:
    place = node.get("Index Name") or node.get("Relation Name")
    return f"{node['Node Type']} {place}" if place else str(node["Node Type"])


def _filtered(node: dict[str, Any]) -> int:
    names = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    return int(sum(node.get(name, 0) for name in names) * node.get("Actual Loops", 1))
