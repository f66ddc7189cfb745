"""The contract's table of HTTP statuses: what each proves about the delivery that it answers.

The proof about the call also depends on earlier deliveries, and on who answered. See `payments.replies` for
money calls, `transport.retry` for all calls.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

__all__ = ["CLIENT_ERRORS", "DECLINED", "GONE", "REFUSALS", "SUCCESS", "is_failure", "is_healthy"]

SUCCESS: Final = range(200, 300)
"""Something was done, whatever the answer says."""

CLIENT_ERRORS: Final = range(400, 500)

REFUSALS: Final[frozenset[int]] = frozenset(CLIENT_ERRORS) - {HTTPStatus.REQUEST_TIMEOUT}
"""This delivery did nothing. A server or a proxy that gave up waiting (408) may have acted all the same."""

GONE: Final[frozenset[int]] = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
"""Refusals that say that the voucher, charge or reservation does not exist."""

DECLINED: Final[frozenset[int]] = frozenset(
    {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS}
)
"""Refusals by a rate limit or for lack of rights, which say nothing about the voucher or reservation."""


def is_failure(status: int) -> bool:
    """True when a status proves nothing: the server, or a proxy before it, failed or gave up waiting."""
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT


def is_healthy(status: int) -> bool:
    """True when a status is that of a server that is well: it answered, if only with a refusal."""
    return status < HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.TOO_MANY_REQUESTS
