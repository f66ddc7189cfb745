"""Texts with the secrets in them replaced."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from voucher_async.masking import MASK, given, visible
from voucher_async.masking.finding import Finder

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Masker"]

# names of JSON members, whatever their words are joined with
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
# PHP's print_r and var_dump of an array: [code] => x, and ["code"]=> string(1) "x"
_PRINTED = re.compile(
    rf"""(\[\\*(["']?)(?:{_NAMES})\\*\2(?::\w+)*\]\s{{0,9}}=(?:>|&gt;)\s{{0,9}}(?:string\(\d+\)\s{{0,9}})?)([^\r\n]*)""",
    re.IGNORECASE,
)
# not <code>: HTML marks any text with it
_ELEMENT = re.compile(rf"(<(?!code\b)({_NAMES})(?:\s[^<>]{{0,200}})?>)[^<]*", re.IGNORECASE)
_ERROR_CODE = re.compile(r"[A-Z][A-Z_]*(?:\.[A-Z_]+)+(?::[\w,]+)?\Z")


class Masker:
    """Makes texts fit to be shown; one for all that an answer says.

    Args:
        secrets: values that are secret besides those that the call under way was given.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._finder = Finder((*given(), *secrets))

    def mask(self, text: str, *, keep_error_codes: bool = False, cut: bool = False) -> str:
        """Mask as `voucher_async.masking.mask` does."""
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


def _mask_unless_error_code(match: re.Match[str]) -> str:
    return match[0] if _ERROR_CODE.match((match[3] or "").strip("'\" ")) else f"{match[1]}{MASK}"
