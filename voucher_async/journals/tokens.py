"""One token for all workers, in the journal's database.

journal = SqlJournal("postgresql://shop@db.internal/shop")
client = VoucherClient.from_env(journal=journal, token_store=SqlTokenStore(journal))
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import secrets
from typing import TYPE_CHECKING, Final, TypeVar

from voucher_async.auth.claims import Claims
from voucher_async.auth.store import StoredToken
from voucher_async.clock import Clock, SystemClock
from voucher_async.errors import ConfigurationError, JournalFailed, TokenStoreFailed
from voucher_async.journals.sql import SqlJournal
from voucher_async.masking import conceal, known

if TYPE_CHECKING:
    from collections.abc import Awaitable

__all__ = ["SqlTokenStore"]

T = TypeVar("T")

_SECOND: Final = 1_000_000  # microseconds
_PARTING: Final = 0.5  # seconds
_LONGEST: Final = 3_660 * 86_400.0  # seconds


class SqlTokenStore:
    """Shares a token between all workers whose clients have the same credentials; see `TokenStore`.

    The table `voucher_tokens` of the journal's database holds the token in plain text.

    Args:
        journal: the journal whose connections it uses, which stays the caller's own; or the URL of a
            database, as `SqlJournal` takes it, for connections of its own.
        create: of a URL: make the tables of the journal where there are none; see `SqlJournal`.
        clock: the time, of which the store takes differences alone; default: the system's.

    Raises:
        ConfigurationError: it is neither, or the extra is not installed.
    """

    def __init__(self, journal: SqlJournal | str, *, create: bool = True, clock: Clock | None = None) -> None:
        given: object = journal
        self._own: SqlJournal | None = None
        if isinstance(journal, str):
            journal = self._own = SqlJournal(conceal(journal), create=create, clock=clock)
        elif not isinstance(given, SqlJournal):
            raise ConfigurationError(
                f"SqlTokenStore needs a SqlJournal or the URL of a database, not a {type(given).__name__}"
            )
        self._journal = journal
        self._rows = journal.store.tokens
        self._clock = clock or SystemClock()
        self._claims = Claims()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._journal!r})"

    async def load(self, key: str) -> StoredToken | None:
        """The token under that key; None when there is none, or it has expired.

        Raises:
            TokenStoreFailed: the database failed, or the row is none of this SDK.
        """
        asked = self._clock.now()
        row = await _asked(self._rows.load(key))
        if row is None:
            return None
        token = _read(row, asked)
        if token is None:
            raise TokenStoreFailed("the table voucher_tokens holds something else than a token of this SDK")
        return token

    async def save(self, key: str, token: StoredToken) -> None:
        """Keep a token under that key, in place of any other.

        Raises:
            TokenStoreFailed: the database failed.
        """
        lifetime = min(token.lifetime, _LONGEST)
        left = min((token.expires_at - self._clock.now()).total_seconds(), lifetime)
        access_token = conceal(token.access_token)
        with known(access_token):
            await _asked(self._rows.save(key, access_token, _micro(lifetime), _micro(left)))

    async def discard(self, key: str, access_token: str) -> None:
        """Forget the token under that key if it still is this one.

        Raises:
            TokenStoreFailed: the database failed.
        """
        access_token = conceal(access_token)
        with known(access_token):
            await _asked(self._rows.discard(key, access_token))

    async def lease(self, key: str, seconds: float) -> str | None:
        """Claim the right to request a new token; None while another client has it.

        A claim whose caller is cancelled is given back behind it.

        Raises:
            TokenStoreFailed: the database failed.
        """
        lease = secrets.token_hex(16)
        given = await self._claims.make(
            lambda: _asked(self._rows.lease(key, lease, _micro(seconds))), lambda: self.release(key, lease)
        )
        return lease if given else None

    async def release(self, key: str, lease: str) -> None:
        """Give a claim back, if it is still held.

        Raises:
            TokenStoreFailed: the database failed.
        """
        await _asked(self._rows.release(key, lease))

    async def aclose(self) -> None:
        """End claims under way, and close connections that the store has made; a second call does nothing.

        It takes 2 seconds or little more, also while the database is locked or does not answer.
        """
        await self._claims.end()
        if self._own is not None:
            # the thread of a file that is locked goes on, and closes it afterwards
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PARTING):
                    await self._own.aclose()


async def _asked(question: Awaitable[T]) -> T:
    try:
        return await question
    except asyncio.CancelledError as error:
        raise error.with_traceback(None)  # noqa: B904 - it is the same one, without the journal's frames
    except JournalFailed as error:
        words = str(error)
    # not from the journal's error: frames behind it show the token
    raise TokenStoreFailed(words)


def _read(row: tuple[str, int, int], asked: dt.datetime) -> StoredToken | None:
    """The token of a row; None when it holds something else."""
    # no error may leave this frame, which has the row
    access_token, lifetime, left = row
    try:
        ends = asked + dt.timedelta(microseconds=left)
        return StoredToken(access_token=access_token, expires_at=ends, lifetime=lifetime / _SECOND)
    except (ValueError, TypeError, OverflowError):
        return None


def _micro(seconds: float) -> int:
    return round(seconds * _SECOND)
