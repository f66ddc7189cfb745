"""The exit statuses of the command line, and the words for an error."""

from __future__ import annotations

import enum
from typing import Final

from voucher_async.api_errors import (
    ApiError,
    AuthenticationError,
    BadAnswer,
    MissingScope,
    RateLimited,
    ServerError,
)
from voucher_async.errors import (
    ConfigurationError,
    IdempotencyMismatch,
    InvalidInput,
    JournalFailed,
    LockFailed,
    TooManyInDoubt,
    TransportError,
    VoucherError,
)
from voucher_async.fates import Fate
from voucher_async.operations import DELETE_VOUCHER, SET_VOUCHER_STATUS, UPDATE_VOUCHER
from voucher_async.order_refunds import OrderRefundFailed, RefundState
from voucher_async.payments.replies import is_in_doubt

__all__ = ["Exit", "advice_for", "exit_of", "is_open"]


class Exit(enum.IntEnum):
    """The exit status of a command."""

    DONE = 0
    """It was done."""

    REFUSED = 1
    """It was refused, or failed, and nothing was done."""

    USAGE = 2
    """The command or its configuration cannot work; nothing was sent."""

    OPEN = 3
    """It may have been done: run the same command again, or `voucher-async settle`."""

    PARTLY = 4
    """A part of it was done: some vouchers of a batch, or some charges of an order."""

    LATER = 5
    """Nothing was done, for now: unreachable, too busy, or out of time. Run it again."""

    INTERRUPTED = 130
    """It was interrupted; the last words say what is known."""


_LATER: Final = (
    BadAnswer,
    JournalFailed,
    LockFailed,
    RateLimited,
    ServerError,
    TooManyInDoubt,
    TransportError,
)


_GONE_ON_WITH: Final = "Run the same command again: it goes on with this call, and never makes a second one."
_MADE_TWICE: Final = (
    "It may have been done. Run the same command again: made twice, it is the same as made once."
)
_SETTING: Final = frozenset({DELETE_VOUCHER.id, SET_VOUCHER_STATUS.id, UPDATE_VOUCHER.id})


def is_open(error: VoucherError) -> bool:
    """True for a call that failed and may have been carried out."""
    return is_in_doubt(error) or _may_be_set(error)


def _may_be_set(error: VoucherError) -> bool:
    """True where a voucher may have been changed or deleted: a change that may be made twice."""
    return error.fate is Fate.UNKNOWN and error.facts is not None and error.facts.operation in _SETTING


def exit_of(error: VoucherError) -> Exit:
    """The exit status for an error that ended a command."""
    if is_open(error):
        return Exit.OPEN
    if isinstance(error, OrderRefundFailed):
        is_begun = any(each.state is RefundState.REFUNDED for each in error.outcomes)
        return Exit.PARTLY if is_begun else Exit.REFUSED
    if isinstance(error, (ConfigurationError, InvalidInput)):
        return Exit.USAGE
    return Exit.LATER if isinstance(error, _LATER) else Exit.REFUSED


def advice_for(error: VoucherError) -> str | None:
    """The next step after an error, in a sentence; None where its own words say it."""
    if is_open(error):
        return _MADE_TWICE if _may_be_set(error) else _GONE_ON_WITH
    if isinstance(error, AuthenticationError):
        return "`voucher-async check` looks at the credentials; `voucher-async connect` makes new ones."
    if isinstance(error, MissingScope):
        return "The client's group in the Admin UI gives it its scopes; `voucher-async check` lists them."
    if isinstance(error, IdempotencyMismatch):
        return "Give another --key where this is a call of its own."
    if isinstance(error, ApiError) and not isinstance(error, _LATER):
        return None
    return "Nothing was done; run it again." if exit_of(error) is Exit.LATER else None
