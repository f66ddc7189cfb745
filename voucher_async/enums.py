"""Enums that the server may extend, and the marker of what was not given."""

from __future__ import annotations

import enum
from typing import Final, Self

__all__ = ["UNSET", "OpenEnum", "Unset"]


class Unset(enum.Enum):
    """The type of `UNSET`, which stands for an argument that was not given where None has a meaning."""

    UNSET = "UNSET"

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
"""Not given: the field is left out of the request. None, in its place, would be sent as null."""


class OpenEnum(enum.StrEnum):
    """An enum that the server may extend: a value it does not know becomes a member of its own.

    It compares, hashes and is written as its text, whether it is known or not, so compare with `==`: two
    unknown members of one value are equal, but not the same object.
    """

    @classmethod
    def _missing_(cls, value: object) -> OpenEnum | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = member._value_ = str(value)
        return member

    __hash__ = str.__hash__

    def __reduce_ex__(self, _protocol: object) -> tuple[type[Self], tuple[str]]:
        # Python before 3.11.4 pickles a member by its name, which an unknown value lacks
        return type(self), (self._value_,)
