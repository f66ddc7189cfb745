"""Charges that were returned to more than one caller."""

from __future__ import annotations

import copy
import weakref
from typing import Final, TypeVar

__all__ = ["as_joined", "is_joined"]

T = TypeVar("T")

# by identity: equal charges compare equal, but only one of the objects was returned to a caller that joined
_joined: Final[weakref.WeakValueDictionary[int, object]] = weakref.WeakValueDictionary()


def as_joined(answer: T) -> T:
    """The same charge or voucher, for a caller who joined another caller's call."""
    own = copy.copy(answer)
    _joined[id(own)] = own
    return own


def is_joined(answer: object) -> bool:
    """True when a charge is the result of a call that joined an equal one, or repeated one with its key.

    Args:
        answer: the result of `redeem` or another money call.
    """
    return _joined.get(id(answer)) is answer
