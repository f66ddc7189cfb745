"""The words a caller was told, held against the emulator's books."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import attrs

from tests.settlement.conftest import Shop
from voucher_async import ApiError, Fate, OutcomeUnknown, VoucherError

__all__ = ["Told", "is_true", "outcome_of"]


@attrs.frozen
class Told:
    """The word that a money call ended with: "done", "not done", "refused" after a look, or "open"."""

    word: str
    error: VoucherError | None = None
    value: Any = None


async def outcome_of(work: Awaitable[Any]) -> Told:
    """Wait for a money call, and read from its end all that a shop may conclude."""
    try:
        return Told("done", value=await work)
    except OutcomeUnknown as error:
        assert error.proof is None  # noqa: PT017 - asserted for this class of error alone
        return Told("open", error)
    except VoucherError as error:
        return Told(_word(error), error)


def _word(error: VoucherError) -> str:
    if isinstance(error, OutcomeUnknown):
        assert error.proof is None
        return "open"
    if isinstance(error, ApiError) and error.pending is not None:
        assert (error.looked, error.proof) == (False, None)
        return "open"
    assert error.fate is not Fate.UNKNOWN, error
    assert error.proof is not None
    return "not done"


def is_true(shop: Shop, told: Told, done: int) -> bool:
    """Whether what was told fits what was carried out."""
    hooks = {word for word in shop.told.words if word in {"done", "not done"}}
    if told.word == "not done" or "not done" in hooks:
        return done == 0
    return done >= 1 if told.word == "done" or "done" in hooks else True
