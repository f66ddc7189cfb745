"""The emulator and clients on one clock that is moved by hand."""

from __future__ import annotations

import pytest

from tests.emulated import client, emulator, proxied, proxy, recorder
from voucher_async import ManualClock
from voucher_async.payments.settle import PAUSE_REFUSED

__all__ = ["client", "emulator", "proxied", "proxy", "recorder"]


class ImpatientClock(ManualClock):
    """Lets the pause between two looks after a refusal pass by itself; all else waits for `advance`."""

    async def sleep(self, seconds: float) -> None:
        if seconds == PAUSE_REFUSED:
            self.advance(seconds)
        else:
            await super().sleep(seconds)


@pytest.fixture
def clock() -> ManualClock:
    return ImpatientClock()
