"""Answers and exceptions out of thin air, in place of aiohttp's own."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
import pytest_asyncio
from aioresponses import aioresponses

from voucher_async import ManualClock, Settings, VoucherClient

BASE = "http://127.0.0.1:1/v1"
TOKEN_URL = "http://127.0.0.1:1/oauth/token"

_NEEDS_WRITER = "stream_writer" in inspect.signature(aiohttp.ClientResponse.__init__).parameters


class Response(aiohttp.ClientResponse):
    """What aiohttp 3.14 asks for and aioresponses 0.7.9 does not give.

    See https://github.com/pnuckowski/aioresponses/issues/289 and /292.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        if _NEEDS_WRITER:
            options.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **options)


class Mocked:
    """Every answer is a `Response`; requests other than those for tokens are counted."""

    def __init__(self, mock: aioresponses) -> None:
        self._mock = mock

    def once(self, method: str, path: str, **options: Any) -> None:
        self._mock.add(f"{BASE}{path}", method=method, response_class=Response, **options)

    def always(self, method: str, path: str, **options: Any) -> None:
        self.once(method, path, repeat=True, **options)

    @property
    def sent(self) -> int:
        return sum(len(calls) for (_, url), calls in self._mock.requests.items() if str(url) != TOKEN_URL)


@pytest.fixture
def mocked() -> Iterator[Mocked]:
    with aioresponses() as mock:
        token = {"access_token": "t-1", "token_type": "Bearer", "expires_in": 3600}
        mock.add(TOKEN_URL, method="POST", payload=token, repeat=True, response_class=Response)
        yield Mocked(mock)


@pytest.fixture
def make_client() -> Callable[..., VoucherClient]:
    def make(**settings: Any) -> VoucherClient:
        base: dict[str, Any] = {"client_id": "c-1", "client_secret": "hush-hush", "base_url": BASE}
        return VoucherClient(
            settings=Settings(**base, token_url=TOKEN_URL, **settings), clock=ManualClock(skip_sleeps=True)
        )

    return make


@pytest_asyncio.fixture
async def client(make_client: Callable[..., VoucherClient], mocked: Mocked) -> AsyncIterator[VoucherClient]:
    async with make_client() as client:
        yield client
