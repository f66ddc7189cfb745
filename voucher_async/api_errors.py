"""Errors for answers of the server that are refusals, or cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from voucher_async.errors import VoucherError
from voucher_async.facts import Answer, CallFacts, FieldError
from voucher_async.outcomes import PendingOutcome

__all__ = [
    "ApiError",
    "AuthenticationError",
    "BadAnswer",
    "Conflict",
    "MissingScope",
    "NotFound",
    "RateLimited",
    "ServerError",
    "ValidationFailed",
]

# of the complaints about fields so many, and so many characters of them, stand in the text of an error
_SHOWN: Final = 5
_LONGEST: Final = 500


class ApiError(VoucherError):
    """The server answered with an error, or with something that cannot be read.

    Attributes:
        status: the HTTP status.
        code: the raw code of the API's error envelope or of OAuth; None when the answer had none.
        message: the server's own words, masked; None when the answer had none.
        field_errors: the complaints about single fields.
        retry_after: seconds the server asked to wait; None when it did not.
        excerpt: the beginning of the body, masked.
        has_envelope: whether the body was the API's own error: an object with a `code`, or with a `message`
            and the `status` of the answer. A proxy's error page has none, and says nothing about the request.
        looked: for a money call: True when its voucher's charges were read twice after the refusal and do
            not show it, False when they could not be read; None for other calls, and for a 401 to the only
            request, which needs no look.
        pending: the outcome to `settle` when `looked` is False; None otherwise.
        answer: its date, and whether it may be a cache's copy; for this package, None when not measured.
    """

    has_envelope: bool = False
    looked: bool | None = None
    answer: Answer[None] | None = None
    pending: PendingOutcome | None = None

    def __init__(
        self,
        summary: str,
        *,
        status: int,
        code: str | None = None,
        message: str | None = None,
        field_errors: Sequence[FieldError] = (),
        retry_after: float | None = None,
        excerpt: str = "",
        facts: CallFacts | None = None,
    ) -> None:
        super().__init__(_told(summary, field_errors), facts=facts)
        self.status = status
        self.code = code
        self.message = message
        self.field_errors: tuple[FieldError, ...] = tuple(field_errors)
        self.retry_after = retry_after
        self.excerpt = excerpt

    def has(self, property: str, rule: str | None = None) -> bool:
        """True when the server complains about a field: `error.has("custom_id", "unique")`.

        Args:
            property: the field's name, as the server or its code has it (a voucher's `id` is `custom_id`).
            rule: the rule that has to be broken, with or without its parameter (`max`, `max:255`); None: any.
        """
        return any(each.is_about(property, rule) for each in self.field_errors)

    def field(self, property: str) -> FieldError | None:
        """The first complaint about a field; None when there is none.

        Args:
            property: the field's name, as for `has`.
        """
        return next((each for each in self.field_errors if each.is_about(property)), None)


def _told(summary: str, field_errors: Sequence[FieldError]) -> str:
    """The summary with the first complaints about fields."""
    if not field_errors:
        return summary
    complaints = "; ".join(map(str, field_errors[:_SHOWN]))
    if len(complaints) > _LONGEST:
        complaints = f"{complaints[:_LONGEST]}..."
    left_out = len(field_errors) - _SHOWN
    return f"{summary} ({complaints}{f'; and {left_out} more' if left_out > 0 else ''})"


class AuthenticationError(ApiError):
    """The credentials or the token were refused (401, or OAuth's `invalid_client` and its kin)."""


class MissingScope(ApiError):
    """The client may not do this (403).

    Attributes:
        scope: the scope the operation needs; None when the contract names none.
    """

    scope: str | None = None


class NotFound(ApiError):
    """The voucher, charge or reservation does not exist (404)."""


class Conflict(ApiError):
    """The state of the voucher or reservation forbids the operation (409)."""


class ValidationFailed(ApiError):
    """The server refused the request (400, 422, or a 4xx status that has no class of its own)."""


class RateLimited(ApiError):
    """Too many requests (429); `retry_after` says how long to wait when the server said so."""


class ServerError(ApiError):
    """The server failed (5xx); whether it acted on the request is unknown."""


class BadAnswer(ApiError):
    """The answer is not what the API promises: HTML, cut off, wrong types, a missing field, too large.

    Attributes:
        problem: what is wrong, with the path into the JSON where there is one.
    """

    problem: str = ""
