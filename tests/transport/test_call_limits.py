"""Limits of one call: the total alone, or all of them, whatever the client's are."""

from __future__ import annotations

import asyncio
import time
import typing
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.contract.calls import RESOURCES, offered
from tests.rawserver import VOUCHER, RawServer, hang, reply
from tests.transport.test_silence import dribble
from voucher_async import (
    CallTimeout,
    Checkout,
    ConfigurationError,
    ConnectFailed,
    Fate,
    OutcomeUnknown,
    Timeout,
    VoucherClient,
)
from voucher_async.testing import VoucherEmulator, faults

SHORT, LONG = 0.3, 5.0
READ_SHORT = Timeout(total=LONG, connect=LONG, read=SHORT)
PATIENT = Timeout(total=LONG, connect=LONG, read=LONG)


def annotated() -> dict[str, Any]:
    """The annotations of every `timeout=` of a call."""
    methods: dict[str, Any] = {
        name: getattr(RESOURCES[name.split(".")[0]], name.split(".")[1]) for name in offered()
    }
    for name in ("redeem", "settle", "recover", "resolve"):
        methods[name] = getattr(VoucherClient, name)
    methods.update({"checkout.reserve": Checkout.reserve, "checkout.charge": Checkout.charge})
    return {name: typing.get_type_hints(method)["timeout"] for name, method in methods.items()}


@pytest.mark.parametrize(("name", "hint"), annotated().items())
def test_every_call_takes_a_number_or_all_limits(name: str, hint: object) -> None:
    assert hint == float | Timeout | None, name


@pytest.mark.parametrize("given", [False, True])
async def test_a_call_is_less_patient_than_its_client(raw_server: RawServer, *, given: bool) -> None:
    raw_server.scripts = [hang]
    settings = raw_server.settings(timeout=PATIENT, max_attempts=1)
    async with (
        aiohttp.ClientSession() as session,
        VoucherClient(settings=settings, session=session if given else None) as client,
    ):
        for call in (
            client.vouchers.get("v-1", timeout=READ_SHORT),
            client.reservations.create(code="C", amount=1, currency="EUR", timeout=READ_SHORT),
        ):
            begun = time.perf_counter()
            with pytest.raises(CallTimeout, match="no answer in time"):
                await call
            assert SHORT <= time.perf_counter() - begun < SHORT + 1.5


async def test_a_call_is_more_patient_than_its_client(raw_server: RawServer) -> None:
    raw_server.scripts = [dribble(VOUCHER, 0.1)]
    settings = raw_server.settings(timeout=Timeout(total=LONG, read=0.05), max_attempts=1)
    async with VoucherClient(settings=settings) as client:
        assert (await client.vouchers.get("v-1", timeout=PATIENT)).id == "v-1"
        with pytest.raises(CallTimeout, match="no answer in time"):
            await client.vouchers.get("v-1", timeout=LONG)


async def test_the_total_counts_whichever_way_it_is_given(raw_server: RawServer) -> None:
    raw_server.scripts = [hang]
    async with raw_server.client(timeout=PATIENT) as client:
        for timeout in (SHORT, Timeout(total=SHORT)):
            with pytest.raises(CallTimeout, match=f"gave up after {SHORT} s"):
                await client.vouchers.get("v-1", timeout=timeout)


@pytest_asyncio.fixture
async def mute() -> AsyncIterator[str]:
    """The address of a server that accepts connections and never says a word of TLS."""
    opened: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: opened.append(writer), "127.0.0.1", 0)
    yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    server.close()
    for writer in opened:
        writer.close()
    await server.wait_closed()


async def test_connecting_has_a_limit_of_its_own_and_sends_nothing(raw_server: RawServer, mute: str) -> None:
    settings = raw_server.settings(base_url=mute, timeout=PATIENT, max_attempts=1)
    async with VoucherClient(settings=settings) as client:
        begun = time.perf_counter()
        with pytest.raises(ConnectFailed) as caught:
            await client.reservations.charge(
                "r-1", order_number="o-1", timeout=Timeout(total=LONG, connect=SHORT)
            )
        assert SHORT <= time.perf_counter() - begun < SHORT + 1.5
    assert caught.value.fate is Fate.NOT_SENT


@pytest.mark.parametrize("timeout", [0, "5", True, float("nan"), 1e9])
async def test_a_total_that_cannot_be_is_refused_unsent(raw_server: RawServer, timeout: Any) -> None:
    async with raw_server.client() as client:
        with pytest.raises(ConfigurationError, match=r"^timeout must be"):
            await client.redeem(code="C", amount=1, currency="EUR", order_number="o-1", timeout=timeout)
    with pytest.raises(ConfigurationError, match=r"^timeout\.total must be"):
        Timeout(total=timeout)
    assert raw_server.requests == []


async def test_an_impatient_charge_is_found_and_never_called_not_charged() -> None:
    """The server charges and does not answer: the client looks, with the same patience, and finds it."""
    async with VoucherEmulator() as emulator, VoucherClient(**emulator.settings()) as client:
        code = emulator.add_voucher(amount="25.00").code
        emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=60))
        limits = Timeout(total=20.0, connect=LONG, read=SHORT)
        charge = await client.redeem(code=code, amount=10, currency="EUR", order_number="A-1", timeout=limits)
        assert [each.id for each in emulator.charges("A-1")] == [charge.id]


async def test_a_charge_without_the_time_to_look_stays_unknown() -> None:
    async with VoucherEmulator() as emulator, VoucherClient(**emulator.settings(), close_wait=0.1) as client:
        code = emulator.add_voucher(amount="25.00").code
        slow = faults.SlowHeaders(seconds=60)
        emulator.faults.script("chargeReservation", slow, slow)
        for operation in ("listCharges", "getVoucher"):
            emulator.faults.script(operation, *[slow] * 9)
        limits = Timeout(total=1.0, connect=LONG, read=SHORT)
        with pytest.raises(OutcomeUnknown) as caught:
            await client.redeem(code=code, amount=10, currency="EUR", order_number="A-1", timeout=limits)
        assert caught.value.fate is Fate.UNKNOWN
        assert caught.value.proof is None
        assert len(emulator.charges("A-1")) == 1


async def test_a_connection_that_is_reused_keeps_no_limit_of_an_earlier_call(raw_server: RawServer) -> None:
    raw_server.scripts = [reply(VOUCHER), dribble(VOUCHER, SHORT * 0.7)]
    async with raw_server.client(timeout=PATIENT) as client:
        await client.vouchers.get("v-1", timeout=Timeout(total=LONG, read=SHORT / 2))
        assert (await client.vouchers.get("v-1")).id == "v-1"
    assert raw_server.connections == 1
