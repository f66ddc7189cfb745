"""What users write themselves fits."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncGenerator
from typing import assert_type

from voucher_async import (
    ApiError,
    AttemptEnded,
    CheckoutUnknown,
    Clock,
    Fate,
    FieldError,
    Happened,
    Hook,
    ManualClock,
    MemoryTokenStore,
    OutcomeUnknown,
    PendingOutcome,
    Proof,
    Settled,
    StoredToken,
    SystemClock,
    TokenStore,
    TransportError,
    VoucherClient,
    VoucherError,
    VoucherLock,
)


class Metrics(Hook):
    """Derives from Hook and overrides a part of it."""

    def on_attempt_ended(self, event: AttemptEnded) -> None:
        assert_type(event.fate, Fate)
        assert_type(event.status, int | None)

    def on_settled(self, event: Settled) -> None:
        assert_type(event.pending, PendingOutcome | None)
        assert_type(event.what, Happened)
        assert_type(event.operation, str)
        assert_type(event.proof, Proof | None)
        text: str = event.what  # comparing the enum with texts keeps working
        assert_type(text == "done", bool)


class Store:
    """A token store with nothing in it."""

    async def load(self, key: str) -> StoredToken | None:
        return None

    async def save(self, key: str, token: StoredToken) -> None:
        assert_type(token.expires_at, dt.datetime)

    async def discard(self, key: str, access_token: str) -> None:
        pass

    async def lease(self, key: str, seconds: float) -> str | None:
        return key

    async def release(self, key: str, lease: str) -> None:
        pass


class Lock:
    """A lock of one's own."""

    @contextlib.asynccontextmanager
    async def hold(self, key: str) -> AsyncGenerator[None]:
        yield


store: TokenStore = Store()
memory: TokenStore = MemoryTokenStore()
lock: VoucherLock = Lock()
clocks: list[Clock] = [SystemClock(), ManualClock()]
client = VoucherClient(
    "id", "secret", environment="sandbox", hooks=[Metrics()], token_store=store, voucher_lock=lock
)


def errors(error: VoucherError) -> None:
    assert_type(error.fate, Fate | None)
    if isinstance(error, ApiError):
        assert_type(error.status, int)
        assert_type(error.code, str | None)
        assert_type(error.field_errors, tuple[FieldError, ...])
        assert_type(error.retry_after, float | None)
    if isinstance(error, OutcomeUnknown):
        assert_type(error.pending, PendingOutcome)


def an_open_checkout_is_an_open_outcome(error: CheckoutUnknown) -> OutcomeUnknown:
    return error


def the_fate_of_a_request(error: TransportError) -> bool:
    return error.fate is Fate.NOT_SENT
