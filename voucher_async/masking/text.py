"""Texts with the secrets in them replaced."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

from voucher_async.masking.finding import Finder
from voucher_async.masking.secret import MASK, given

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Masker", "mask", "visible"]

# names of members; between their words may be anything that a word may be joined with
_NAMES = (
    r"access[_-]?token|refresh[_-]?token|id[_-]?token|client[_-]?secret|authorization|secret|password|"
    r"voucher[_-]?code|code|voucher[_-]?pin|pin"
)
_QUOTED = re.compile(
    rf"""((["'])(?:{_NAMES})\2\s*:\s*)(?:"((?:[^"\\]|\\.)*)"?|'(?:[^'\\]|\\.)*'?|-?\d[\w.+-]*)""",
    re.IGNORECASE | re.DOTALL,
)
# JSON inside a JSON string or an HTML page: the value ends where its quotation mark closes a member
_ESCAPED = re.compile(
    rf"""(((?<!\\)\\+"|&quot;|&\#0?3[49];)(?:{_NAMES})\2\s*:\s*)(?:\2.*?(?:\2(?=\s*[,}}\]])|\Z)|-?\d[\w.+-]*)""",
    re.IGNORECASE | re.DOTALL,
)
# a list or an object at a secret name: everything up to the last bracket of its kind, which may be too much
_NESTED = re.compile(
    rf"""(((?<!\\)\\*["']|&quot;|&\#0?3[49];)(?:{_NAMES})\2\s*:\s*)(?:\[.*(?:\]|\Z)|\{{.*(?:\}}|\Z))""",
    re.IGNORECASE | re.DOTALL,
)
_FORM = re.compile(rf"\b({_NAMES})=([^&\s\"'<>]+)", re.IGNORECASE)
_HEADER = re.compile(r"(Bearer\s+|\bAuthorization\s*:\s*(?!Bearer\s)(?:\w+\s+)?)[^\s\"'<>,]+", re.IGNORECASE)
# what PHP prints of an array: [code] => x, and ["code"]=> string(1) "x"
_PRINTED = re.compile(
    rf"""(\[\\*(["']?)(?:{_NAMES})\\*\2(?::\w+)*\]\s{{0,9}}=(?:>|&gt;)\s{{0,9}}(?:string\(\d+\)\s{{0,9}})?)([^\r\n]*)""",
    re.IGNORECASE,
)
# not <code>: in a page that is any piece of text
_ELEMENT = re.compile(rf"(<(?!code\b)({_NAMES})(?:\s[^<>]{{0,200}})?>)[^<]*", re.IGNORECASE)
_ERROR_CODE = re.compile(r"[A-Z][A-Z_]*(?:\.[A-Z_]+)+(?::[\w,]+)?\Z")
_INVISIBLE: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
_VARIATIONS: Final = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))


def visible(text: str) -> str:
    r"""The text with whatever does not show, or steers a terminal, written as an escape such as `\x1b`.

    It can be encoded as UTF-8, stays on one line and reads in the order in which it is written.

    Args:
        text: what somebody else said.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible, text))


def _visible(char: str) -> str:
    if char in _INVISIBLE or any(ord(char) in variations for variations in _VARIATIONS):
        shows = False
    else:
        shows = char.isprintable() or unicodedata.category(char) == "Zs"
    return char if shows else char.encode("unicode_escape").decode()


class Masker:
    """Makes texts fit to be shown; one for all that an answer says.

    Args:
        secrets: values that are secret besides those that the call under way was given.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._finder = Finder((*given(), *secrets))

    def mask(self, text: str, *, keep_error_codes: bool = False, cut: bool = False) -> str:
        """As `voucher_async.masking.mask`."""
        text = self._hide(text, cut=cut)
        for pattern in (_QUOTED, _PRINTED):
            text = pattern.sub(_mask_unless_error_code if keep_error_codes else rf"\1{MASK}", text)
        for pattern in (_ESCAPED, _NESTED, _ELEMENT, _HEADER):
            text = pattern.sub(rf"\1{MASK}", text)
        return _FORM.sub(rf"\1={MASK}", text)

    def _hide(self, text: str, *, cut: bool) -> str:
        shown: list[str] = []
        done = 0
        # secrets may overlap, so their places are joined before anything is replaced
        for start, end in self._finder.places(text, cut=cut):
            if start > done or not shown:
                shown += text[done:start], MASK
            done = max(done, end)
        return "".join((*shown, text[done:]))

    def shown(self, text: str, limit: int, *, most: int = 8192, keep_error_codes: bool = False) -> str:
        """A foreign text, fit to be shown: cut, masked, visible and short.

        Args:
            text: what somebody else said.
            limit: the characters that are kept.
            most: the characters that are looked at.
            keep_error_codes: as for `mask`.
        """
        cut = len(text) > most
        masked = visible(self.mask(text[:most], keep_error_codes=keep_error_codes, cut=cut))
        return masked if len(masked) <= limit and not cut else f"{masked[:limit]}..."


def mask(text: str, secrets: Iterable[str] = (), *, keep_error_codes: bool = False, cut: bool = False) -> str:
    """Replace secrets in a text by `***`.

    Args:
        text: what is about to be shown.
        secrets: values known to be secret, besides those that the call under way was given; replaced in
            whichever form they stand there, short ones as whole words only.
        keep_error_codes: leave a `"code"` that reads like `VOUCHER.NOT_FOUND`.
        cut: the text may have been cut off: the beginning of a secret at its end is replaced, too.
    """
    return Masker(secrets).mask(text, keep_error_codes=keep_error_codes, cut=cut)


def _mask_unless_error_code(match: re.Match[str]) -> str:
    return match[0] if _ERROR_CODE.match((match[3] or "").strip("'\" ")) else f"{match[1]}{MASK}"
