"""Shared tokens in SQLite: one row for each set of credentials, changed under the write lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, null, or_, select, update
from sqlalchemy.dialects import sqlite

from voucher_async.journals.sqlite_file import Work
from voucher_async.journals.sqlite_statements import bind, text
from voucher_async.journals.tables import tokens
from voucher_async.masking import conceal

if TYPE_CHECKING:
    from collections.abc import Callable

    from voucher_async.journals.batches import Batches

__all__ = ["FORGET_TOKENS", "SqliteTokens"]

_c = tokens.c
_of_key = _c.key == bind("of_key")

_LOAD: Final = text(
    select(_c.access_token, _c.lifetime, _c.expires_at).where(
        _of_key, _c.access_token.is_not(None), _c.expires_at > bind("now")
    )
)
_new = sqlite.insert(tokens).values(
    key=bind("of_key"),
    access_token=bind("access_token"),
    lifetime=bind("lifetime"),
    expires_at=bind("expires_at"),
)
_SAVE: Final = text(
    _new.on_conflict_do_update(
        index_elements=[_c.key],
        set_={name: _new.excluded[name] for name in ("access_token", "lifetime", "expires_at")},
    )
)
_DISCARD: Final = text(
    update(tokens)
    .where(_of_key, _c.access_token == bind("of_token"))
    .values(access_token=null(), lifetime=null(), expires_at=null())
)
_claim = sqlite.insert(tokens).values(key=bind("of_key"), lease=bind("lease"), lease_ends=bind("lease_ends"))
_LEASE: Final = text(
    _claim.on_conflict_do_update(
        index_elements=[_c.key],
        set_={name: _claim.excluded[name] for name in ("lease", "lease_ends")},
        where=or_(_c.lease.is_(None), _c.lease_ends <= bind("now")),
    )
)
_RELEASE: Final = text(
    update(tokens).where(_of_key, _c.lease == bind("of_lease")).values(lease=null(), lease_ends=null())
)
FORGET_TOKENS: Final = text(
    delete(tokens).where(
        or_(_c.expires_at.is_(None), _c.expires_at <= bind("before")),
        or_(_c.lease_ends.is_(None), _c.lease_ends <= bind("before")),
    )
)
"""Delete rows whose token and lease ended before a moment."""


class SqliteTokens:
    """Tokens in a file; see `TokenRows`.

    A token is bound to its statement as it came, masked: a plain copy would be in the frames that wait.

    Args:
        batches: does what is asked for, in the journal's thread.
        now: microseconds since 1970.
    """

    def __init__(self, batches: Batches[Work, Any], now: Callable[[], int]) -> None:
        self._batches = batches
        self._now = now

    async def load(self, key: str) -> tuple[str, int, int] | None:
        """The token, its life, and how much of it is left."""
        now = self._now()
        row: Any = await self._batches.ask(
            Work(lambda db: db.execute(_LOAD, {"of_key": key, "now": now}).fetchone())
        )
        return None if row is None else (conceal(str(row[0])), row[1], row[2] - now)

    async def save(self, key: str, access_token: str, lifetime: int, left: int) -> None:
        """Keep a token."""
        given = {"access_token": access_token, "lifetime": lifetime, "expires_at": self._now() + left}
        await self._changed(_SAVE, of_key=key, **given)

    async def discard(self, key: str, access_token: str) -> None:
        """Forget a token."""
        await self._changed(_DISCARD, of_key=key, of_token=access_token)

    async def lease(self, key: str, lease: str, length: int) -> bool:
        """Claim the lease; False while another one runs."""
        now = self._now()
        return await self._changed(_LEASE, of_key=key, lease=lease, lease_ends=now + length, now=now) == 1

    async def release(self, key: str, lease: str) -> None:
        """Give the lease back."""
        await self._changed(_RELEASE, of_key=key, of_lease=lease)

    async def _changed(self, statement: str, **given: Any) -> int:
        count: int = await self._batches.ask(
            Work(lambda db: db.execute(statement, given).rowcount, writes=True)
        )
        return count
