"""Likeness of order numbers: equal, recognisably the same, longer, or clearly another.

Frameworks trim invisible characters, databases fold case and normal forms, cut at a length or drop what they
cannot store, templates escape HTML. An order number that went through any of that is still recognised.
"""

from __future__ import annotations

import enum
import html
import re
import unicodedata
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

__all__ = ["Likeness", "compare", "confusable", "fold"]

_CUT: Final = 8  # characters of an order number that a column too short for it keeps, at least
_MOST_READINGS: Final = 64
_CUT_ENTITY: Final = re.compile(r"&#?\w*\Z")  # the rest of `&amp;` where a column ends within it
_ENDS: Final = re.compile(r"\A[\s\u00ad\u200b-\u200f\u2060\ufeff]+|[\s\u00ad\u200b-\u200f\u2060\ufeff]+\Z")
_LOST: Final = frozenset("?\ufffd")  # what an encoding writes for characters that it lacks


class Likeness(enum.Enum):
    """The relation of a shown order number to the one that was sent."""

    EQUAL = "equal"
    RECOGNISABLE = "recognisably the same"
    LONGER = "the same with something added, or another of its family"
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
    readings = _readings(shown or "")
    if _is_recognised(sent, shown or "", readings):
        return Likeness.RECOGNISABLE
    return Likeness.LONGER if _is_within(sent, readings) else Likeness.OTHER


def _is_recognised(sent: str, shown: str, readings: list[str]) -> bool:
    may_be_cut = _may_be_cut(sent, shown)
    # a text escaped too often to be unescaped is not known to be different
    return len(readings) >= _MOST_READINGS or any(
        _is_same(fold(sent), fold(reading))
        or (may_be_cut and fold(sent).startswith(fold(reading)))
        or _is_same_but_for_letters(sent, reading, may_be_cut=may_be_cut)
        for reading in readings
    )


def _readings(shown: str) -> list[str]:
    """A text as it stands, and without what templates and URLs have escaped in it."""
    readings = [shown]
    for reading in readings:  # the list grows while it is read: an escaped text may have been escaped before
        if len(readings) >= _MOST_READINGS:
            break
        shorter = (html.unescape(reading), _CUT_ENTITY.sub("", reading), unquote(reading), _as_utf8(reading))
        readings.extend(each for each in dict.fromkeys(shorter) if each not in readings)
    return readings


def _may_be_cut(sent: str, shown: str) -> bool:
    """True when a text is long enough to be what a column has left of another, trimmed before or after."""
    whole = html.escape(sent) if "&" in shown else sent
    least = min(len(_trim(text[:_CUT])) for text in (whole, _trim(whole)))
    return len(_trim(unicodedata.normalize("NFKD", shown))) >= least


def _trim(text: str) -> str:
    return _ENDS.sub("", text)


def _as_utf8(shown: str) -> str:
    """A text whose bytes some connection to a database took for those of another character set."""
    try:
        return shown.encode("cp1252").decode()
    except UnicodeError:
        return shown


def _is_same(sent: str, shown: str) -> bool:
    if sent == shown or (sent.isdigit() and shown.isdigit() and sent.lstrip("0") == shown.lstrip("0")):
        return True
    return (len(shown) >= _CUT and shown in sent) or _is_prefixed(sent, shown)


def _is_prefixed(sent: str, shown: str) -> bool:
    """True when a server has put something before a number, other than a digit before its first digit."""
    if len(sent) < _CUT or len(shown) <= len(sent) or not shown.endswith(sent):
        return False
    return not (sent[0].isdigit() and shown[-len(sent) - 1].isdigit())


def _is_within(sent: str, readings: list[str]) -> bool:
    """True when a number goes on where the one that was sent has ended: shops number parts of an order so."""
    folded = fold(sent)
    return len(folded) >= _CUT and any(folded in fold(reading) for reading in readings)


def _is_same_but_for_letters(sent: str, shown: str, *, may_be_cut: bool) -> bool:
    """True when two texts are the same but for accents, or letters that a character set could not hold."""
    if sent.isascii():
        return False
    pairs = [(_bare(sent), _bare(shown))]
    if shown.isascii() or not _LOST.isdisjoint(shown):
        pairs += zip(_ascii(sent), _ascii(shown), strict=True)
    return any(left == right or (may_be_cut and left.startswith(right)) for left, right in pairs)


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Letters and digits alone, without case, in one normal form."""
    # upper case first: several small letters share one capital, which a server may show
    return "".join(filter(str.isalnum, _normal(_normal(text).upper().casefold())))


@lru_cache(maxsize=256)
def _bare(text: str) -> str:
    """The same without accents."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", fold(text))))


@lru_cache(maxsize=256)
def _ascii(text: str) -> tuple[str, ...]:
    """The ASCII letters and digits of a text, in each normal form and case; all others are dropped."""
    texts = (unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD"))
    cases = (case for text in texts for case in (text.lower(), text.casefold(), text.upper().lower()))
    return tuple(
        "".join(letter for letter in case if letter.isascii() and letter.isalnum()) for case in cases
    )


def _normal(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _cut(text: str) -> str:
    return fold(text[:_CUT])


def _cut_trimmed(text: str) -> str:
    return fold(_trim(text)[:_CUT])


def _cut_folded(text: str) -> str:
    return fold(text)[:_CUT]


def confusable(one: str | None, other: str | None) -> bool:
    """True when an entry could be recognised as belonging to either of two order numbers."""
    if one is None or other is None:
        return True
    texts = (one, other)
    cuts = (tuple(map(cut, texts)) for cut in (_cut, _cut_trimmed, _cut_folded))
    if any(left == right for left, right in cuts):
        return True
    if any(compare(*pair) is not Likeness.OTHER for pair in (texts, texts[::-1])):
        return True
    both_lose = not (one.isascii() and other.isascii())
    return both_lose and not set(_ascii(one)).isdisjoint(_ascii(other))
