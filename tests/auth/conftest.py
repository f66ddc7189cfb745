"""A token endpoint under the test's control."""

from __future__ import annotations

import asyncio
import collections
from typing import TYPE_CHECKING

import pytest

from voucher_async.auth import TokenGrant, TokenProvider
from voucher_async.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Endpoint:
    """Counts requests, and answers them when and as the test says."""

    def __init__(self) -> None:
        self.calls = 0
        self.running = 0
        self.most_at_once = 0
        self.cancelled = 0
        self.expires_in: float | None = 3600
        self.answers: collections.deque[TokenGrant | BaseException] = collections.deque()
        self._open = True
        self._held: list[asyncio.Future[None]] = []

    async def __call__(self) -> TokenGrant:
        self.calls += 1
        number = self.calls
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        try:
            await self._turn()
            answer = self.answers.popleft() if self.answers else None
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        if isinstance(answer, BaseException):
            raise answer
        return answer or TokenGrant(access_token=f"token-{number}", expires_in=self.expires_in)

    async def _turn(self) -> None:
        if self._open:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        self._held.append(future)
        await future

    def hold(self) -> None:
        """Answer nobody until `release`."""
        self._open = False

    def reopen(self) -> None:
        """Answer who asks from now on; those who were held stay without an answer."""
        self._open = True

    def release(self) -> None:
        """Answer everybody."""
        self._open = True
        held, self._held = self._held, []
        for future in held:
            if not future.done():
                future.set_result(None)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


@pytest.fixture
def new_endpoint() -> Callable[[], Endpoint]:
    """For tests that need several, or one for every Hypothesis example."""
    return Endpoint


@pytest.fixture
async def provider(endpoint: Endpoint, clock: ManualClock) -> AsyncIterator[TokenProvider]:
    provider = TokenProvider(endpoint, clock=clock)
    yield provider
    await provider.aclose()


async def settle() -> None:
    """Let everything that can happen without time passing happen."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture(name="settle")
def _settle() -> Callable[[], object]:
    return settle
