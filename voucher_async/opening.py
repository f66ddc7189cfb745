"""Journals and token stores by their URLs: a client opens them, and closes them.

A password may be in a URL. Each module is loaded where it is wanted: it needs an extra.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol

from voucher_async.auth import TokenStore
from voucher_async.errors import ConfigurationError
from voucher_async.masking import MASK, conceal

if TYPE_CHECKING:
    from voucher_async.clock import Clock
    from voucher_async.payments.journal import Journal

__all__ = ["OwnTokenStore", "open_journal", "open_token_store"]

_JOURNAL: Final = "journal"
_REDIS: Final = frozenset({"redis", "rediss", "unix"})
_SQL: Final = frozenset({"sqlite", "postgresql", "postgres"})


class OwnTokenStore(TokenStore, Protocol):
    """A token store that is its client's own."""

    async def aclose(self) -> None:
        """Close its connections."""
        ...


def open_journal(url: str, clock: Clock) -> Journal:
    """A journal in a database.

    Raises:
        ConfigurationError: the URL names none, or the extra is not installed.
    """
    from voucher_async.journals.sql import SqlJournal  # noqa: PLC0415 - see the top

    return SqlJournal(conceal(url), clock=clock)


def open_token_store(
    url: str, journal: Journal | None, clock: Clock, *, create: bool = True
) -> OwnTokenStore:
    """A token store in Redis or Valkey, in a database, or in that of the journal.

    Args:
        url: its URL; or the word `journal`.
        journal: the client's; None in memory.
        clock: the client's.
        create: make tables where there are none.

    Raises:
        ConfigurationError: the URL names none, or the extra is not installed.
    """
    url = conceal(url)
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    if scheme in _REDIS:
        try:
            # an integration, which is above: found by its name, as a plug-in is
            module = import_module("voucher_async.integrations.redis")
        except ModuleNotFoundError as error:
            reason = str(error)
        else:
            store: OwnTokenStore = module.RedisTokenStore.from_url(url, clock=clock)
            return store
        raise ConfigurationError(reason)
    from voucher_async.journals.sql import SqlJournal  # noqa: PLC0415 - see the top
    from voucher_async.journals.tokens import SqlTokenStore  # noqa: PLC0415 - see the top

    if scheme in _SQL:
        return SqlTokenStore(url, create=create, clock=clock)
    if url != _JOURNAL:
        # a text without a scheme may be a password
        raise ConfigurationError(
            f'token_store: {MASK} is neither "redis://host:6379/0" or another URL of Redis, nor that of a '
            'database as the journal takes it, nor "journal" for the database of the journal'
        )
    if not isinstance(journal, SqlJournal):
        raise ConfigurationError(
            'token_store="journal" needs a journal in a database: set journal= or VOUCHER_JOURNAL'
        )
    return SqlTokenStore(journal, clock=clock)
