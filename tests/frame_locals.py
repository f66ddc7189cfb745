"""The local variables of the SDK's frames, as a crash reporter writes them down."""

from __future__ import annotations

import traceback
from collections.abc import Iterator

__all__ = ["shown_locals"]


def shown_locals(error: BaseException) -> Iterator[str]:
    """The `repr` of each local variable of the SDK's frames in the traceback of an error."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "/voucher_async/" in frame.f_code.co_filename:
            for value in frame.f_locals.values():
                try:
                    yield repr(value)
                except Exception:  # noqa: BLE001 - an object that is half made has no repr
                    continue
