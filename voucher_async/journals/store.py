"""The store: the part of `SqlJournal` that differs between databases.

A store decides what is stored, and knows nothing of records but their rows. Records are made to JSON before
and read from it after it was asked, so that no lock is held meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voucher_async.journals.rows import Row

__all__ = ["FIRST", "Claimed", "Cursor", "Due", "Page", "Store", "TokenRows", "Wanted"]

Page: TypeAlias = "Sequence[tuple[int, str]]"
"""Records as JSON with their numbers, by which they are sorted."""

Cursor: TypeAlias = tuple[int, int]
"""The place of a record among the old ones: the moment of its last change, and its number."""

FIRST: Final[Cursor] = (-(2**63), 0)
"""The place before all others."""

Due: TypeAlias = "Sequence[tuple[Cursor, str]]"
"""Records as JSON with their places, by which they are sorted."""


@attrs.frozen(kw_only=True)
class Claimed:
    """The result of claiming a key, in JSON.

    Attributes:
        won: True when the record of the claim has the key.
        holder: the record that has it otherwise.
        earlier: the record that left its key; None where there is none, or `won` is False.
    """

    won: bool
    holder: str | None = None
    earlier: str | None = None


@attrs.frozen(kw_only=True)
class Wanted:
    """The records of a history; an empty tuple limits nothing.

    Attributes:
        scope: the scope.
        orders: the order number, in plain and as a digest.
        keys: the key, in plain and as a digest.
        told: see `Journal.history`.
        ended: see `HistoryByEnd.history`.
    """

    scope: str
    orders: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    told: bool | None = None
    ended: bool | None = None


class TokenRows(Protocol):
    """Keeps shared tokens; see `TokenStore`. Every method may raise `JournalFailed`; nothing else.

    All times are lengths in microseconds: when they are over is for the database's clock to say.
    """

    async def load(self, key: str) -> tuple[str, int, int] | None:
        """The token under a key, its life, and how much of it is left; None when there is none that lives."""
        ...

    async def save(self, key: str, access_token: str, lifetime: int, left: int) -> None:
        """Keep a token under a key."""
        ...

    async def discard(self, key: str, access_token: str) -> None:
        """Forget the token under a key if it still is this one."""
        ...

    async def lease(self, key: str, lease: str, length: int) -> bool:
        """Claim the lease of a key; False while another one runs."""
        ...

    async def release(self, key: str, lease: str) -> None:
        """Give the lease of a key back, if it is this one."""
        ...


class Store(Protocol):
    """Keeps rows. Every method but `aclose` may raise `JournalFailed`; nothing else.

    All texts that are given can be encoded in UTF-8.
    """

    @property
    def tokens(self) -> TokenRows:
        """The shared tokens."""
        ...

    async def digest_key(self) -> bytes:
        """The digest key; opens the database where that has not happened yet."""
        ...

    async def claim(self, row: Row, digest: str | None, *, durable: bool) -> Claimed:
        """Insert a row; see `Journal.claim`.

        A row with this id is there already: won if its `record` is the same text. Of a record that has lost
        its key the latest one that is not done is `earlier` then.

        Args:
            row: the row.
            digest: the key as a digest, under which an erased record holds it.
            durable: wait until it is on disk.
        """
        ...

    async def save(self, row: Row, *, durable: bool, is_erased: bool = False) -> bool:
        """Update the row whose id, scope and version (less one) are these; see `Journal.save`.

        Args:
            row: the row; `holds_key` and `parent` are left as they are stored, and so is `key`.
            durable: wait until it is on disk.
            is_erased: `key` is changed, too.
        """
        ...

    async def get(self, scope: str, record_id: str) -> str | None:
        """A record by its id."""
        ...

    async def find(self, scope: str, keys: Sequence[str]) -> str | None:
        """The record that holds one of two keys."""
        ...

    async def children(self, scope: str, parent: str) -> Sequence[str]:
        """The records with this parent, by number."""
        ...

    async def alike(self, scope: str, like: tuple[str, str, str]) -> Sequence[str]:
        """The records with this `like_operation`, whose amount and voucher are these or `UNKNOWN`.

        Args:
            scope: the scope.
            like: operation, amount, voucher, as `like_of` gives them; one that is `UNKNOWN` limits nothing.
        """
        ...

    async def owner_of(self, scope: str, charge_id: str) -> str | None:
        """The id of the record that has a charge."""
        ...

    async def beat(self, owner: str, lease: float) -> bool:
        """Begin or renew a lease; False when the owner is buried."""
        ...

    async def is_alive(self, owner: str) -> bool:
        """True while a lease runs, and its owner is not buried."""
        ...

    async def bury(self, owner: str) -> bool:
        """Bury an owner, known or not; False while its lease runs."""
        ...

    async def line_up(self, turn: str, ticket: str, owner: str, lease: float) -> int:
        """Take or keep a place in the line for a turn; how many are ahead. See `Line.line_up`."""
        ...

    async def leave_line(self, turn: str, ticket: str) -> None:
        """Give a place back, and drop those of the line that have lapsed."""
        ...

    async def left(self, scope: str, limit: int) -> Page:
        """The records that are not ended and whose owners' leases do not run, by number."""
        ...

    async def page(self, wanted: Wanted, after: int) -> Page:
        """The next records of a history, read in a short transaction of their own; none when it is over."""
        ...

    async def ended_of(self, order_number: str, after: int) -> Page:
        """The next ended records of an order, in every scope."""
        ...

    async def unshrunk(self, before: int, after: Cursor) -> Due:
        """The next ended records that are not shrunk and were changed before a moment, in every scope."""
        ...

    async def drop(self, before: int) -> int:
        """Delete ended records that were changed before a moment, in every scope; how many."""
        ...

    async def forget(self) -> None:
        """Delete owners that are dead for a day and own nothing that is not ended, and what has lapsed."""
        ...

    async def aclose(self) -> None:
        """Close files and connections once what was asked for is done; a second call does nothing."""
        ...
