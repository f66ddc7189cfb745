"""Pytest fixtures that join the emulator and the SDK; pytest finds them by itself once the SDK is installed.

They need pytest-asyncio (`pip install voucher-async[pytest]`); without it this plugin offers nothing and
disturbs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from voucher_async.testing.emulator import VoucherEmulator

try:
    import pytest_asyncio
except ImportError:  # every pytest run of the environment imports this file, and must not fail here
    __all__: list[str] = []
else:
    __all__ = ["voucher_client", "voucher_emulator"]

    if TYPE_CHECKING:
        from collections.abc import AsyncIterator

        from voucher_async.client import VoucherClient

    @pytest_asyncio.fixture
    async def voucher_emulator() -> AsyncIterator[VoucherEmulator]:
        """A running `VoucherEmulator`, fresh for this test."""
        async with VoucherEmulator() as emulator:
            yield emulator

    @pytest_asyncio.fixture
    async def voucher_client(voucher_emulator: VoucherEmulator) -> AsyncIterator[VoucherClient]:
        """A `VoucherClient` of `voucher_emulator`, closed after this test."""
        # Pytest imports this file at its start, whether a test wants a client or not.
        from voucher_async.client import VoucherClient  # noqa: PLC0415

        async with VoucherClient(**voucher_emulator.settings()) as client:
            yield client
