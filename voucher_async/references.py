"""References in order numbers: a short random mark that tells the entry of one money call from all others.

The order number is the only field of a charge that the client chooses. With the format `"{order}~{ref}"`,
order A-1 is sent as `A-1~7KQ2MXW9T4`: the entry in a list of charges names its call, without any record of
the call. The last two characters of a reference are computed from the others, so that an order number of the
shop's own, or a reference that was cut or changed on the way, is not taken for another call's.
"""

from __future__ import annotations

import functools
import os
import re
import secrets
import zlib
from typing import Final

__all__ = ["REFERENCE_LENGTH", "OrderNumberFormat", "format_of", "is_reference", "make_reference", "new_id"]

_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # without characters that look alike
_RANDOM: Final = 8
_CHECKED: Final = 2
REFERENCE_LENGTH: Final = _RANDOM + _CHECKED
_REFERENCE: Final = re.compile(f"[{_ALPHABET}]{{{REFERENCE_LENGTH}}}")
_ORDER, _REF = "{order}", "{ref}"


def new_id() -> str:
    """A fresh id of a money call and of its record."""
    return os.urandom(16).hex()


def make_reference() -> str:
    """A new reference: 10 capital letters and digits without look-alikes."""
    # from the system's source: neither a seed of the application's nor a fork repeats it
    drawn = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return drawn + _checked(drawn)


def _checked(drawn: str) -> str:
    high, low = divmod(zlib.crc32(drawn.encode()) % len(_ALPHABET) ** _CHECKED, len(_ALPHABET))
    return _ALPHABET[high] + _ALPHABET[low]


def is_reference(text: str) -> bool:
    """True when a text may have been made by `make_reference`."""
    return _REFERENCE.fullmatch(text) is not None and _checked(text[:_RANDOM]) == text[_RANDOM:]


class OrderNumberFormat:
    """A format of order numbers that holds the shop's own number and a reference.

    Args:
        text: printable ASCII with `{order}` once, then something that is neither letter nor digit, then
            `{ref}` once: a column that is too short cuts the reference, not the order number.

    Attributes:
        text: the format.

    Raises:
        ValueError: it is not that; the message says which rule it breaks.
    """

    __slots__ = ("_before", "_between", "_end", "text")

    def __init__(self, text: str) -> None:
        _check(text)
        self.text: str = text
        self._before, rest = text.split(_ORDER)
        self._between, self._end = rest.split(_REF)

    def fill(self, order_number: str, reference: str) -> str:
        """The order number as it is sent.

        Args:
            order_number: the shop's own.
            reference: of the call.
        """
        return f"{self._before}{order_number}{self._between}{reference}{self._end}"

    def split(self, sent: str | None) -> tuple[str, str] | None:
        """The shop's own order number and the reference in an order number; None when it holds none.

        A reference whose case was changed on the way is still one.

        Args:
            sent: the order number of an entry.
        """
        if sent is None or not _same(sent[: len(self._before)], self._before):
            return None
        ends = len(sent) - len(self._end)
        begins = ends - REFERENCE_LENGTH
        own = begins - len(self._between)
        reference = sent[max(begins, 0) : max(ends, 0)]
        if own < len(self._before) or not reference.isascii() or not is_reference(reference.upper()):
            return None
        if not _same(sent[own:begins], self._between) or not _same(sent[ends:], self._end):
            return None
        return sent[len(self._before) : own], reference.upper()

    def strip(self, sent: str | None) -> str | None:
        """The shop's own order number; one without a reference is that already.

        Args:
            sent: the order number of an entry.
        """
        parts = self.split(sent)
        return sent if parts is None else parts[0]

    def beginning(self, order_number: str) -> str:
        """The part of an order number, as it is sent, that stands before the reference.

        Args:
            order_number: the shop's own.
        """
        return f"{self._before}{order_number}{self._between}"


@functools.lru_cache(maxsize=16)
def format_of(text: str) -> OrderNumberFormat:
    """The format that a text describes; see `OrderNumberFormat`."""
    return OrderNumberFormat(text)


def _same(shown: str, written: str) -> bool:
    return shown == written or (shown.isascii() and shown.lower() == written.lower())


def _check(text: object) -> None:
    if not isinstance(text, str):
        raise ValueError(f"must be a text, not {type(text).__name__}")  # noqa: TRY004 - one error for all rules
    if not text.isascii() or not text.isprintable():
        raise ValueError(f"must be printable ASCII, got {text!a}")
    if text.count(_ORDER) != 1 or text.count(_REF) != 1:
        raise ValueError(f"must hold {_ORDER} and {_REF} once each, got {text!r}")
    before, rest = text.split(_ORDER)
    if _REF not in rest:
        raise ValueError(f"must hold {_ORDER} before {_REF}, which a column may cut off, got {text!r}")
    between, end = rest.split(_REF)
    if between.replace(" ", "").isalnum() or not between.strip():
        raise ValueError(
            f"must have a separator between {_ORDER} and {_REF}, neither letters nor digits, got {text!r}"
        )
    if "{" in before + between + end or "}" in before + between + end:
        raise ValueError(f"must hold no other braces, got {text!r}")
    if text != text.strip():
        raise ValueError(f"must not begin or end with white space, got {text!r}")
