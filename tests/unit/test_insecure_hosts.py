"""Plain http beyond the machine: only to hosts that are named, and never silently."""

from __future__ import annotations

import logging
from typing import Any

import attrs
import pytest

from voucher_async import ConfigurationError, Settings, TransportError, VoucherClient, connect

SECRET = "s3cr3t-0f-the-shop"
CREDENTIALS: dict[str, Any] = {"client_id": "shop", "client_secret": SECRET}
EMULATOR = "http://emulator:8400/v1"


def make(**changes: Any) -> Settings:
    return Settings.make(**{**CREDENTIALS, "base_url": EMULATOR, **changes})


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize("hosts", [("emulator",), ["Emulator"], "emulator", "till, emulator", {"emulator"}])
def test_plain_http_goes_to_a_host_that_is_named(hosts: Any) -> None:
    settings = make(insecure_hosts=hosts)
    assert (settings.base_url, settings.token_url) == (EMULATOR, "http://emulator:8400/oauth/token")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://192.168.0.7:8400/v1", "192.168.0.7"),
        ("http://[2001:db8::1]/v1", "2001:db8::1"),
        ("http://EMULATOR:8400/v1", "emulator"),
        ("http://emulator.shop_default/v1", "emulator.shop_default"),
    ],
)
def test_an_address_is_named_like_a_host(url: str, host: str) -> None:
    assert make(base_url=url, insecure_hosts=(host,)).base_url == url


@pytest.mark.parametrize("name", ["base_url", "token_url"])
@pytest.mark.parametrize(
    "url",
    [
        "http://emulator.evil.example/v1",
        "http://evil-emulator/v1",
        "http://emulator@evil.example/v1",
        "http://evil.example/emulator",
        "http://vouchers.api.jtl-software.com/v1",
    ],
)
def test_no_other_host_profits(name: str, url: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} must") as caught:
        make(**{name: url}, insecure_hosts=("emulator",))
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "host",
    [
        "*",
        "*.example",
        "emulator:8400",
        "http://emulator",
        "10.0.0.0/8",
        "[::1]",
        "vouchers.api.jtl-software.com",
        "vouchers-sbx.api.jtl-software.com.",
        "jtl-software.com",
        "Emulatör",
        None,
        7,
    ],
)
def test_what_is_no_single_host_or_the_api_itself_is_refused(host: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^insecure_hosts must"):
        make(insecure_hosts=(host,))


@pytest.mark.parametrize("hosts", ["emulator", ["emulator"], None])
def test_settings_made_by_hand_take_a_tuple(hosts: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^insecure_hosts must be a tuple"):
        attrs.evolve(make(insecure_hosts="emulator"), insecure_hosts=hosts)


def test_a_variable_names_hosts_and_an_argument_goes_before_it() -> None:
    environ = {
        "VOUCHER_CLIENT_ID": "shop",
        "VOUCHER_CLIENT_SECRET": SECRET,
        "VOUCHER_BASE_URL": EMULATOR,
        "VOUCHER_INSECURE_HOSTS": "emulator",
    }
    assert VoucherClient.from_env(environ).settings.base_url == EMULATOR
    with pytest.raises(ConfigurationError, match="must use https"):
        VoucherClient.from_env(environ, insecure_hosts=())
    with pytest.raises(ConfigurationError, match="must use https"):
        VoucherClient.from_env({**environ, "VOUCHER_INSECURE_HOSTS": " "})


def test_a_client_warns_once_and_names_the_host(caplog: pytest.LogCaptureFixture) -> None:
    VoucherClient(**CREDENTIALS, base_url=EMULATOR, insecure_hosts=("emulator",))
    (warning,) = warnings(caplog)
    assert warning.startswith("emulator is reached in plain http, which insecure_hosts allows")


def test_a_token_endpoint_elsewhere_is_warned_of_too(caplog: pytest.LogCaptureFixture) -> None:
    urls = {"base_url": EMULATOR, "token_url": "http://login/token"}
    VoucherClient(**{**CREDENTIALS, **urls}, insecure_hosts=("emulator", "login"))
    assert [warning.split()[0] for warning in warnings(caplog)] == ["emulator", "login"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:8400/v1", "https://emulator/v1"])
def test_nothing_is_said_of_a_host_that_is_reached_safely(url: str, caplog: pytest.LogCaptureFixture) -> None:
    VoucherClient(**CREDENTIALS, base_url=url, insecure_hosts=("emulator",))
    assert warnings(caplog) == []


async def test_connecting_takes_them_too(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ConfigurationError, match="must use https"):
        await connect("1234", base_url="http://0.0.0.0:9/v1")
    with pytest.raises(TransportError):  # nobody listens there
        await connect("1234", base_url="http://0.0.0.0:9/v1", insecure_hosts=("0.0.0.0",), timeout=0.2)
    assert warnings(caplog)[0].startswith("0.0.0.0 is reached")
