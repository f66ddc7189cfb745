"""Shared tokens in PostgreSQL: one row for each set of credentials; the server's clock ends them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from voucher_async.journals.postgresql_statements import NOW
from voucher_async.journals.tables import tokens
from voucher_async.masking import conceal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from voucher_async.journals.connections import Rows

__all__ = ["FORGET_TOKENS", "PostgresqlTokens"]

_K: Final = tokens.name
_DAY: Final = 86_400_000_000  # microseconds

_LOAD: Final = f"""
SELECT access_token, lifetime, expires_at - {NOW} FROM {_K}
WHERE key = $1 AND access_token IS NOT NULL AND expires_at > {NOW}"""
_SAVE: Final = f"""
INSERT INTO {_K} AS t (key, access_token, lifetime, expires_at) VALUES ($1, $2, $3, {NOW} + $4)
ON CONFLICT (key) DO UPDATE SET access_token = excluded.access_token, lifetime = excluded.lifetime,
    expires_at = excluded.expires_at"""
_DISCARD: Final = f"""
UPDATE {_K} SET access_token = NULL, lifetime = NULL, expires_at = NULL
WHERE key = $1 AND access_token = $2"""
_LEASE: Final = f"""
INSERT INTO {_K} AS t (key, lease, lease_ends) VALUES ($1, $2, {NOW} + $3)
ON CONFLICT (key) DO UPDATE SET lease = excluded.lease, lease_ends = excluded.lease_ends
WHERE t.lease IS NULL OR t.lease_ends <= {NOW}
RETURNING true"""
_RELEASE: Final = f"UPDATE {_K} SET lease = NULL, lease_ends = NULL WHERE key = $1 AND lease = $2"
FORGET_TOKENS: Final = f"""
DELETE FROM {_K}
WHERE coalesce(expires_at, 0) < {NOW} - {_DAY} AND coalesce(lease_ends, 0) < {NOW} - {_DAY}"""
"""Delete rows whose token and lease ended a day ago."""


class PostgresqlTokens:
    """Tokens in PostgreSQL; see `TokenRows`.

    Args:
        fetch: runs one statement.
    """

    def __init__(self, fetch: Callable[..., Awaitable[Rows]]) -> None:
        self._fetch = fetch

    async def load(self, key: str) -> tuple[str, int, int] | None:
        """The token, its life, and how much of it is left."""
        rows = await self._fetch(_LOAD, key)
        return (conceal(str(rows[0][0])), rows[0][1], rows[0][2]) if rows else None

    async def save(self, key: str, access_token: str, lifetime: int, left: int) -> None:
        """Keep a token."""
        await self._fetch(_SAVE, key, access_token, lifetime, left)

    async def discard(self, key: str, access_token: str) -> None:
        """Forget a token."""
        await self._fetch(_DISCARD, key, access_token)

    async def lease(self, key: str, lease: str, length: int) -> bool:
        """Claim the lease; False while another one runs."""
        return bool(await self._fetch(_LEASE, key, lease, length))

    async def release(self, key: str, lease: str) -> None:
        """Give the lease back."""
        await self._fetch(_RELEASE, key, lease)
