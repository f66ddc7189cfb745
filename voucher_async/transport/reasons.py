"""Reasons why an exchange failed, in words that can be shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from voucher_async.masking.text import Masker

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["describe"]

_LONGEST: Final = 200


def describe(error: BaseException, secrets: Iterable[str], *, quote: bool) -> str:
    """The class of an error, and the reason it gives.

    Args:
        error: what was raised.
        secrets: what was sent with the request; masked, for the reason may quote what the server said.
        quote: whether the error's own words may be shown; else only the operating system's.
    """
    name = type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    else:
        reason = _words_of(error) if quote else ""
    reason = Masker(secrets).shown(" ".join(reason.split()), _LONGEST)
    return f"{name} ({reason})" if reason else name


def _words_of(error: BaseException) -> str:
    message = getattr(error, "message", None)  # without the status and URL that its text has around it
    if isinstance(message, str) and message:
        return message
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an error whose text cannot be made still has a class
        return ""
