"""The words for a command that was typed wrongly: without what was typed, which may be a code or a PIN."""

from __future__ import annotations

from typing import Final

from cyclopts import (
    CoercionError,
    CycloptsError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from voucher_async.masking import visible

__all__ = ["words_of"]

_AFTER: Final = "Options stand behind the command, as in `voucher-async pending --json`."


def words_of(error: CycloptsError) -> str:
    """The words for an error, with names of options and commands alone."""
    if isinstance(error, UnusedCliTokensError):
        count = len(error.unused_tokens or ())
        return f"{count} {'argument is' if count == 1 else 'arguments are'} more than this command takes."
    if isinstance(error, CoercionError) and error.token is not None and error.token.value:
        return visible(" ".join(str(error).replace(error.token.value, "***").split()))
    words = visible(" ".join(str(error).split()))
    if isinstance(error, UnknownOptionError):
        return _without_value(words, error.token.keyword or error.token.value)
    if isinstance(error, UnknownCommandError) and '"-' in words:
        return f"{words.partition(' Available')[0]} {_AFTER}"
    return words


def _without_value(words: str, typed: str) -> str:
    """The words with the option's name alone: `--code` of `--code=GIFT`, `-p` of `-pGIFT`."""
    name = typed.partition("=")[0] if typed.startswith("--") else typed[:2]
    return words.replace(visible(typed), visible(name))
