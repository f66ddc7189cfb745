"""The emulator and clients whose pauses take no time."""

from __future__ import annotations

import pytest

from tests.emulated import client, emulator, recorder
from voucher_async import ManualClock

__all__ = ["client", "emulator", "recorder"]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(skip_sleeps=True)
