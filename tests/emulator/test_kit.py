"""Conveniences for tests of shops."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from tests.emulator.conftest import Engine
from voucher_async import ManualClock, Settings
from voucher_async.testing import VoucherEmulator, faults


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        ("5", "5.00"),
        ("5.5", "5.50"),
        ("5.50", "5.50"),
        ("0", "0.00"),
        (5, "5.00"),
        (Decimal("5.5"), "5.50"),
    ],
)
def test_an_amount_is_written_as_the_api_has_it(amount: Any, written: str) -> None:
    emulator = VoucherEmulator()
    voucher = emulator.add_voucher(amount=amount)
    assert (str(voucher.amount), str(emulator.balance(voucher.id))) == (written, written)


@pytest.mark.parametrize(
    "amount", ["", "5.", ".5", "5.555", "-5", "5,00", "five", "\N{ARABIC-INDIC DIGIT FIVE}"]
)
def test_a_text_that_is_no_amount_is_refused_as_ever(amount: str) -> None:
    with pytest.raises(ValueError, match="AMOUNT"):
        VoucherEmulator().add_voucher(amount=amount)


def test_a_clock_that_both_share_is_advanced_for_both() -> None:
    clock = ManualClock()
    emulator = VoucherEmulator(clock=clock)
    before = emulator.now()
    emulator.advance(1800)
    assert clock.monotonic() == 1800
    assert emulator.now() - before == dt.timedelta(seconds=1800)
    emulator.shift(-60)
    assert clock.monotonic() == 1800
    assert emulator.now() - before == dt.timedelta(seconds=1740)


def test_a_clock_that_cannot_be_moved_is_left_behind() -> None:
    emulator = VoucherEmulator()
    emulator.advance(1800)
    ahead = emulator.now() - emulator.clock.now()
    assert abs(ahead.total_seconds() - 1800) < 60


def test_the_environment_has_what_a_client_needs() -> None:
    with VoucherEmulator(hosts=["emulator", "till"]) as emulator:
        client = emulator.add_client(scopes=["use"], id="shop", secret="s3cret")
        settings = Settings.from_env(emulator.environ(client))
        assert (settings.client_id, settings.client_secret) == ("shop", "s3cret")
        assert (settings.base_url, settings.token_url) == (emulator.base_url, emulator.token_url)
        assert settings.insecure_hosts == ("emulator", "till")
        assert emulator.environ()["VOUCHER_CLIENT_ID"] == emulator.client_id
    with VoucherEmulator() as emulator:
        assert "VOUCHER_INSECURE_HOSTS" not in emulator.environ()


def test_credentials_can_be_chosen() -> None:
    emulator = VoucherEmulator(client_id="shop", client_secret="s3cret")
    assert (emulator.client_id, emulator.client_secret) == ("shop", "s3cret")
    assert Engine(emulator).token


def test_the_latest_requests_and_faults_are_kept() -> None:
    emulator = VoucherEmulator(keep_requests=3)
    engine = Engine(emulator)
    for number in range(5):
        engine("GET", f"/vouchers/{number}")
        emulator.faults.script("getVoucher", faults.BadGateway())
        emulator.faults.next("getVoucher")
    assert (len(emulator.requests), len(emulator.faults.injected)) == (3, 3)
    assert emulator.requests.count("requestToken") == 0
    assert emulator.requests[-1].operation_id == "getVoucher"
