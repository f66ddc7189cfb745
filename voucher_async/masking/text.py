"""Texts with the secrets in them replaced."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from voucher_async.masking.secret import MASK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["mask"]

_SHORT = 4
_NAMES = "access_token|refresh_token|client_secret|authorization|secret|password|code|pin"
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
_ERROR_CODE = re.compile(r"[A-Z][A-Z_]*(?:\.[A-Z_]+)+(?::[\w,]+)?\Z")


def mask(text: str, secrets: Iterable[str] = (), *, keep_error_codes: bool = False, cut: bool = False) -> str:
    """Replace secrets in a text by `***`.

    Args:
        text: what is about to be shown.
        secrets: values known to be secret; replaced wherever they stand, in whichever case and in the
            spellings of JSON, HTML and forms, short ones as whole words only.
        keep_error_codes: leave a `"code"` that reads like `VOUCHER.NOT_FOUND`.
        cut: the text may have been cut off: the beginning of a secret at its end is replaced, too.
    """
    text = _hide(text, secrets, cut=cut)
    text = _QUOTED.sub(_mask_unless_error_code if keep_error_codes else rf"\1{MASK}", text)
    text = _ESCAPED.sub(rf"\1{MASK}", text)
    text = _NESTED.sub(rf"\1{MASK}", text)
    text = _FORM.sub(rf"\1={MASK}", text)
    return _HEADER.sub(rf"\1{MASK}", text)


def _mask_unless_error_code(match: re.Match[str]) -> str:
    return match[0] if _ERROR_CODE.match(match[3] or "") else f"{match[1]}{MASK}"


def _hide(text: str, secrets: Iterable[str], *, cut: bool) -> str:
    forms = {form for secret in secrets if secret for form in _forms(secret)}
    shown: list[str] = []
    done = 0
    # secrets may overlap, so their places are joined before anything is replaced
    for start, end in sorted(span for form in forms for span in _spans(text, form, cut=cut)):
        if start > done or not shown:
            shown += text[done:start], MASK
        done = max(done, end)
    return "".join((*shown, text[done:]))


def _forms(secret: str) -> Iterator[str]:
    yield secret
    for ascii_only in (True, False):
        escaped = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        yield escaped
        yield escaped.replace("/", r"\/")
    yield quote(secret, safe="", errors="replace")
    yield quote(secret, errors="replace")
    yield quote_plus(secret, errors="replace")
    yield html.escape(secret)


def _spans(text: str, form: str, *, cut: bool) -> Iterator[tuple[int, int]]:
    pattern = re.escape(form) if len(form) >= _SHORT else rf"(?<!\w){re.escape(form)}(?!\w)"
    for match in re.finditer(rf"(?=({pattern}))", text, re.IGNORECASE):
        yield match.span(1)
    if cut:
        for length in range(len(form) - 1, _SHORT - 1, -1):
            if text.endswith(form[:length]):
                yield len(text) - length, len(text)
                return
