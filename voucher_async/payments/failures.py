"""The reason why a call was not carried out, as its record keeps it."""

from __future__ import annotations

from typing import Final

from voucher_async.api_errors import ApiError
from voucher_async.errors import Fate, VoucherError
from voucher_async.outcomes import OutcomeUnknown
from voucher_async.payments.call import Failure

__all__ = ["failure_of", "words_of"]

_OWN_ENDS: Final = frozenset({Fate.NOT_SENT, None})


def failure_of(error: BaseException) -> Failure | None:
    """Reason why a call was not carried out, for others who waited; None for what ended its owner alone."""
    if not isinstance(error, VoucherError) or (error.fate in _OWN_ENDS and not isinstance(error, ApiError)):
        return None
    if isinstance(error, ApiError):
        return Failure(
            kind=type(error).__name__,
            message=str(error.args[0]),
            status=error.status,
            code=error.code,
            retry_after=error.retry_after,
        )
    return Failure(kind=type(error).__name__, message=str(error.args[0]))


def words_of(error: BaseException) -> str:
    """The reason for the end of a call in words, for its record."""
    if isinstance(error, OutcomeUnknown):
        return "its answer was lost"
    return str(error.args[0]) if isinstance(error, VoucherError) else type(error).__name__
