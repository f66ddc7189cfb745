"""The steps `dns`, `tcp` and `proxy`: hosts that are not there, ports that are closed, proxies."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.checking.checked import SECRET, Checked, checked
from tests.forwarding import ForwardProxy, cut, refusing
from tests.rawserver import RawServer, reply
from voucher_async import Settings
from voucher_async.cli.checking import State
from voucher_async.cli.checking.places import place_of
from voucher_async.cli.checking.reaching import connect_to, look_up
from voucher_async.config import Timeout
from voucher_async.testing import VoucherEmulator

LOGIN = "till:p4ss-of-the-proxy"
HEADER = "Basic " + base64.b64encode(LOGIN.encode()).decode()
NOT_FOUND = reply({"status": 404, "code": "VOUCHER.NOT_FOUND", "message": "no"}, 404)


async def of(base_url: str, **options: Any) -> Checked:
    limits = Timeout(total=2.0, connect=2.0, read=1.0)
    given = {"client_id": "c-1", "client_secret": SECRET, "timeout": limits, **options}
    return await checked(settings=Settings.make(base_url=base_url, **given))


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, and nobody else takes."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


async def test_a_host_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    # the network of the machine may hold a real question up
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    found = await of("https://vouchers.invalid/v1")
    finding = found.one("dns")
    assert finding.facts["problem"] == "unknown-host"
    assert finding.seen == "vouchers.invalid has no address: Name or service not known"
    assert found.bad == [("dns", "vouchers.invalid"), ("journal", "")]
    assert "see dns" in found.one("tls").seen
    assert "see dns" in found.one("token").seen


async def test_a_name_is_looked_up() -> None:
    reached = await look_up(place_of("http://localhost:1/v1"))
    assert reached.finding.state is State.OK
    assert set(reached.addresses) <= {"127.0.0.1", "::1"}


async def test_a_closed_port_is_named(closed_port: int) -> None:
    found = await of(f"http://127.0.0.1:{closed_port}/v1")
    assert found.one("tcp").state is State.FAILED
    assert found.one("tcp").seen == "no connection (127.0.0.1: Connection refused)"
    assert {str(each.state) for each in found.all("scope")} == {"skipped"}


async def test_an_address_that_swallows_what_is_sent_costs_its_time_limit() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]  # more than the queue takes
        for each in waiting:
            each.settimeout(0)
            each.connect_ex(("127.0.0.1", port))
        reached = await connect_to(place_of(f"http://127.0.0.1:{port}/v1"), ("127.0.0.1",), 0.2)
        for each in waiting:
            each.close()
    assert reached.finding.seen == "no connection (127.0.0.1: no answer in 0.2 s)"


async def test_a_host_of_which_one_address_is_not_reached_is_a_warning(raw_server: RawServer) -> None:
    place = place_of(raw_server.url)
    reached = await connect_to(place, ("127.0.0.1", "127.0.0.2"), 1.0)
    assert reached.finding.state is State.WARNING
    assert "127.0.0.2: Connection refused" in reached.finding.seen
    assert reached.addresses == ("127.0.0.1",)


async def test_the_host_of_tokens_is_checked_beside_the_api_s(
    emulator: VoucherEmulator, closed_port: int
) -> None:
    found = await checked(
        {**emulator.environ(), "VOUCHER_TOKEN_URL": f"http://127.0.0.1:{closed_port}/oauth/token"}
    )
    assert [str(each.state) for each in found.all("tcp")] == ["ok", "failed"]
    assert f"127.0.0.1:{closed_port} is not reached" in found.one("token").seen


async def test_an_api_that_is_not_reached_does_not_keep_the_token_from_being_tried(
    emulator: VoucherEmulator, closed_port: int
) -> None:
    found = await checked({**emulator.environ(), "VOUCHER_BASE_URL": f"http://127.0.0.1:{closed_port}/v1"})
    assert found.one("token").state is State.OK
    assert "is not reached: see tcp" in found.one("scope", "use").seen
    assert found.one("clock").state is State.SKIPPED


async def test_plain_http_goes_to_a_proxy_without_a_tunnel(raw_server: RawServer) -> None:
    raw_server.scripts = [NOT_FOUND]
    async with ForwardProxy(wanted=HEADER) as proxy:
        url = proxy.url.replace("://", f"://{LOGIN}@")
        found = await checked(settings=raw_server.settings(proxy=url))
    assert found.one("proxy").state is State.OK
    assert "the proxy looks the name up" in found.one("dns").seen
    assert found.one("token").state is State.OK
    assert found.one("scope", "use").facts["works"] is True
    assert str(found.one("configuration").facts["proxy"]).endswith(f"***@127.0.0.1:{proxy.port}")


async def test_a_proxy_that_wants_another_login_is_named() -> None:
    async with ForwardProxy(wanted="another") as proxy:
        url = proxy.url.replace("://", f"://{LOGIN}@")
        found = await of("https://vouchers.invalid/v1", proxy=url)
    assert found.one("proxy").seen == "the proxy refused the login (HTTP 407)"
    assert proxy.logins == [HEADER]
    assert "see proxy" in found.one("tls").seen
    assert found.one("token").state is State.SKIPPED


@pytest.mark.parametrize(
    ("failure", "seen"), [(refusing("403 Forbidden"), "HTTP 403"), (cut, "like no proxy")]
)
async def test_a_proxy_that_makes_no_tunnel_is_named(failure: Any, seen: str) -> None:
    async with ForwardProxy() as proxy:
        proxy.fail("CONNECT", failure)
        found = await of("https://vouchers.invalid/v1", proxy=proxy.url)
    assert found.one("proxy").state is State.FAILED
    assert seen in found.one("proxy").seen


async def test_a_proxy_that_is_not_there_is_named(closed_port: int) -> None:
    found = await of("https://vouchers.invalid/v1", proxy=f"http://127.0.0.1:{closed_port}")
    assert found.one("proxy").seen == "no connection to the proxy: Connection refused"


async def test_the_proxy_of_the_environment_counts_where_it_is_trusted(
    closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    found = await of("https://vouchers.invalid/v1", trust_env=True)
    assert found.one("proxy").state is State.FAILED
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    found = await of(f"https://127.0.0.1:{closed_port}/v1", trust_env=True)
    assert found.all("proxy") == []
