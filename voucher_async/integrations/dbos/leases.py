"""Leases of executors: which processes run workflows, and which of them are gone.

Each life of a process has an executor id of its own, made of its slot and a random text, such as
`shop-1#5e0c91d2`. DBOS hands a workflow of a dead executor to whoever asks first, as long as nobody uses that
id again; an id that came back to life could have its running workflows taken away. A slot has one live
executor.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Generator
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from voucher_async.errors import ConfigurationError, InvalidInput, InvalidInputType, VoucherError
from voucher_async.journals.urls import shown
from voucher_async.masking import conceal

__all__ = ["DEFAULT_SLOT", "ExecutorTaken", "Leases", "WorkflowsUnavailable", "check_slot", "executors"]

DEFAULT_SLOT: Final = "local"
"""The slot of a process that has the only database, in SQLite, for itself."""

_MARK: Final = "#"
_LONGEST: Final = 64
_REMEMBERED: Final = 24 * 3600.0  # seconds for which a process that stood still may wake up

metadata: Final = sa.MetaData()
executors: Final = sa.Table(
    "voucher_executors",
    metadata,
    sa.Column("executor_id", sa.Text, primary_key=True),
    sa.Column("slot", sa.Text, nullable=False),
    sa.Column("lease_until", sa.Double, nullable=False),  # seconds since 1970, by the database's clock
    sa.Column("ended", sa.Boolean, nullable=False),
)
sa.Index(
    "voucher_executors_live",
    executors.c.slot,
    unique=True,
    postgresql_where=~executors.c.ended,
    sqlite_where=~executors.c.ended,
)


class ExecutorTaken(ConfigurationError):
    """Another live process has this executor id."""


class WorkflowsUnavailable(VoucherError):
    """The database of the workflows cannot be reached, or refuses."""


class Leases:
    """The executors of one database.

    Args:
        url: the database of the workflows, `sqlite:///...` or `postgresql://...`.
        seconds: the time after which an executor that was not heard of is dead.
    """

    def __init__(self, url: str, seconds: float) -> None:
        self._url = conceal(url)
        self.seconds = seconds
        self._engine = sa.create_engine(_made_for_sqlalchemy(url), pool_size=2, max_overflow=0)
        self._is_postgresql = self._engine.dialect.name == "postgresql"
        if not self._is_postgresql:
            event.listen(self._engine, "connect", _wait_for_others)

    def open(self) -> None:
        """Make the table, where there is none.

        Raises:
            WorkflowsUnavailable: the database does not answer.
        """
        with self._asked() as db:
            if self._is_postgresql:  # two that make one table at once fail each other
                db.execute(sa.select(sa.func.pg_advisory_xact_lock(0x766F7563)))
            db.execute(sa.schema.CreateTable(executors, if_not_exists=True))
            for index in executors.indexes:
                db.execute(sa.schema.CreateIndex(index, if_not_exists=True))

    def take(self, slot: str) -> str:
        """Begin a life of a slot; its executor id.

        Raises:
            ExecutorTaken: the slot's executor is alive.
            WorkflowsUnavailable: the database does not answer.
        """
        executor_id = f"{slot}{_MARK}{secrets.token_hex(4)}"
        row = {"executor_id": executor_id, "slot": slot, "ended": False}
        insert = postgresql.insert if self._is_postgresql else sqlite.insert
        with self._asked() as db:
            db.execute(self._ending().where(executors.c.slot == slot, executors.c.lease_until <= self._now()))
            begun = insert(executors).values(row | {"lease_until": self._now() + self.seconds})
            told = begun.on_conflict_do_nothing().returning(executors.c.executor_id)
            if db.scalar(told) is None:
                raise ExecutorTaken(
                    f"the executor id {slot!r} belongs to another live process: give each its own"
                )
        return executor_id

    def renew(self, executor_id: str) -> bool:
        """Tell that an executor lives; False when others have taken it for dead, which stands."""
        is_mine = (executors.c.executor_id == executor_id) & ~executors.c.ended
        with self._asked() as db:
            renewed = sa.update(executors).where(is_mine).values(lease_until=self._now() + self.seconds)
            return db.execute(renewed).rowcount > 0

    def end(self, executor_id: str) -> None:
        """End the life of an executor, whose workflows others may take from then on."""
        with self._asked() as db:
            db.execute(self._ending().where(executors.c.executor_id == executor_id))

    def dead(self) -> list[str]:
        """The executors that are gone, those included whose lease was just found to be over."""
        with self._asked() as db:
            db.execute(self._ending().where(executors.c.lease_until <= self._now()))
            return list(db.scalars(sa.select(executors.c.executor_id).where(executors.c.ended)))

    def forget(self, left_nothing: Collection[str]) -> None:
        """Forget those of these executors that have been dead for a day; they have no workflows any more."""
        with self._asked() as db:
            is_forgotten = executors.c.ended & (executors.c.lease_until < self._now() - _REMEMBERED)
            db.execute(sa.delete(executors).where(is_forgotten, executors.c.executor_id.in_(left_nothing)))

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    @contextmanager
    def _asked(self) -> Generator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise WorkflowsUnavailable(
                f"the database of the workflows, {shown(self._url)}, failed: {type(cause).__name__}"
            ) from error

    def _ending(self) -> sa.Update:
        return sa.update(executors).where(~executors.c.ended).values(ended=True)

    def _now(self) -> Any:
        if self._is_postgresql:
            return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Double)
        return sa.literal(time.time(), sa.Double)


def check_slot(slot: object, url: str) -> str:
    """The executor id that was given; in SQLite the default where there is none.

    Raises:
        ConfigurationError: none, or DBOS's default, for a database that processes of many machines share.
        InvalidInput: it cannot be one.
    """
    if slot in {None, DEFAULT_SLOT} and not url.startswith("sqlite"):
        raise ConfigurationError(
            'give each worker slot an executor_id of its own, the same after a restart, such as "shop-1": '
            f"two processes named {DEFAULT_SLOT!r} could not be told apart"
        )
    if slot is None:
        return DEFAULT_SLOT
    if not isinstance(slot, str):
        raise InvalidInputType("executor_id", f"must be a str, not {type(slot).__name__}", slot)
    if not 0 < len(slot) <= _LONGEST or not slot.isprintable() or slot.isspace() or _MARK in slot:
        raise InvalidInput(
            "executor_id", f"must have 1 to {_LONGEST} printable characters, without {_MARK}", slot
        )
    return slot


def _made_for_sqlalchemy(url: str) -> sa.URL:
    try:
        made = sa.make_url(url)
    except ArgumentError:
        raise ConfigurationError(f"{shown(conceal(url))!r} is no URL of a database") from None
    if made.drivername.startswith("postgres"):
        return made.set(drivername="postgresql+psycopg")
    if made.drivername != "sqlite" or made.database in {None, "", ":memory:"}:
        raise ConfigurationError("workflows need a database: sqlite:///workflows.db or postgresql://...")
    return made


def _wait_for_others(connection: Any, _: object) -> None:
    connection.isolation_level = "IMMEDIATE"
    connection.execute("PRAGMA busy_timeout=30000")
