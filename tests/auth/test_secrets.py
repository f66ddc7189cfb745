"""No secret in any log record, repr or error, at debug level too."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

import pytest

from voucher_async.api_errors import AuthenticationError
from voucher_async.auth import MemoryTokenStore, TokenGrant, TokenProvider, store_key
from voucher_async.errors import VoucherError
from voucher_async.events import TokenRefresh

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.auth.conftest import Endpoint
    from voucher_async.clock import ManualClock

SECRETS = ("tok-5ecre7-one", "tok-5ecre7-two")


async def test_no_secret_is_seen_anywhere(
    endpoint: Endpoint,
    clock: ManualClock,
    settle: Callable[[], Awaitable[None]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    seen: list[object] = []
    events: list[TokenRefresh] = []
    store = MemoryTokenStore(clock)
    key = store_key("https://vouchers.example/oauth/token", "client")
    provider = TokenProvider(endpoint, clock=clock, store=store, key=key, on_refresh=events.append)
    endpoint.answers.extend(TokenGrant(access_token=secret, expires_in=3600) for secret in SECRETS)
    endpoint.answers.append(AuthenticationError("refused", status=401))
    endpoint.answers.append(RuntimeError("a bug"))
    token = await provider.acquire()
    clock.advance(3400)
    provider.current()
    await settle()
    second = await provider.acquire()
    seen += [token, second, provider, vars(provider), store, vars(store), await store.load(key)]
    provider.invalidate(second)
    seen.append(vars(provider))
    for _ in range(2):
        with pytest.raises(VoucherError) as caught:
            await provider.acquire()
        seen += [caught.value, "".join(traceback.format_exception(caught.value))]
        clock.advance(6)
    await provider.aclose()
    assert {token.value, second.value} == set(SECRETS)
    text = "\n".join([*map(repr, seen), *map(str, seen), *map(repr, events), caplog.text])
    assert "a token that lives 3600 s was obtained" in text
    assert not any(secret in text for secret in SECRETS)
