"""Likeness of order numbers: equal, recognisably the same, or clearly another.

Frameworks trim invisible characters, databases fold case and normal forms, cut at a length or drop what they
cannot store, templates escape HTML. An order number that went through any of that is still recognised.
"""

from __future__ import annotations

import enum
import html
import unicodedata
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

__all__ = ["Likeness", "compare", "confusable", "fold"]

_CUT: Final = 8  # characters that are left of an order number, at least, when a column is too short for it


class Likeness(enum.Enum):
    """The relation of a shown order number to the one that was sent."""

    EQUAL = "equal"
    RECOGNISABLE = "recognisably the same"
    OTHER = "clearly another"


def compare(sent: str | None, shown: str | None) -> Likeness:
    """The likeness of the order number that an entry shows to the one that was sent.

    Args:
        sent: the order number of the call; None when it is not known.
        shown: the entry's; None when it has none.
    """
    if (sent or "").strip() == (shown or "").strip():
        return Likeness.EQUAL
    if sent is None or not (shown or "").strip():
        return Likeness.RECOGNISABLE
    return Likeness.RECOGNISABLE if _is_recognised(sent, shown or "") else Likeness.OTHER


def _is_recognised(sent: str, shown: str) -> bool:
    if len(shown.strip()) >= _CUT and fold(sent).startswith(fold(shown)):
        return True
    readings = (shown, html.unescape(shown), unquote(shown), _as_utf8(shown))
    return any(_is_same(fold(sent), fold(reading)) for reading in readings) or _is_same_ascii(sent, shown)


def _as_utf8(shown: str) -> str:
    """A text whose bytes some connection to a database took for those of another character set."""
    try:
        return shown.encode("cp1252").decode()
    except UnicodeError:
        return shown


def _is_same(sent: str, shown: str) -> bool:
    if sent == shown or (sent.isdigit() and shown.isdigit() and sent.lstrip("0") == shown.lstrip("0")):
        return True
    shorter, longer = sorted((sent, shown), key=len)
    return len(shorter) >= _CUT and shorter in longer


def _is_same_ascii(sent: str, shown: str) -> bool:
    """Whether two texts are the same but for letters that a character set could not hold."""
    if sent.isascii():
        return False
    left, right = _ascii(sent), _ascii(shown)
    return left == right and (bool(left) or not shown.strip("?\ufffd "))


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Letters and digits alone, without case, in one normal form."""
    return "".join(filter(str.isalnum, _normal(_normal(text).casefold())))


@lru_cache(maxsize=256)
def _ascii(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in plain if letter.isascii() and letter.isalnum())


def _normal(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def confusable(one: str | None, other: str | None) -> bool:
    """Whether an entry could be recognised as belonging to either of two order numbers."""
    if one is None or other is None:
        return True
    left, right = fold(one), fold(other)
    return left == right or left[:_CUT] == right[:_CUT] or _is_same(left, right) or _is_same_ascii(one, other)
