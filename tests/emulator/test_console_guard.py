"""Pages of other sites get nothing from the console, and change nothing."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from tests.emulator.consoles import Page, page_of
from voucher_async.testing import VoucherEmulator
from voucher_async.testing.console.guard import Refused, check_host


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with page_of(VoucherEmulator(console=True, hosts=["emulator", "evil.example"])) as page:
        yield page


@pytest.mark.parametrize("path", ["", "/", "/forms", "/events", "/nothing"])
@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "emulator", "10.1.2.3:8400", "0.0.0.0", "[::2]", ""]
)
async def test_a_host_that_is_not_this_machine_is_refused(page: Page, host: str, path: str) -> None:
    status, text = await page.get(path, Host=host)
    assert status == 421
    assert "evil" not in text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9", "127.0.0.1", "127.1.2.3:8400", "[::1]:8400"])
async def test_this_machine_is_let_in_by_its_own_names(page: Page, host: str) -> None:
    assert (await page.get(Host=host))[0] == 200


class Reached(asyncio.Transport):
    """A connection that was made to an address of this machine in a network."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"sockname": ("::ffff:192.168.7.8", 8400, 0, 0)}.get(name, default)


@pytest.mark.parametrize("host", ["192.168.7.8:8400", "192.168.7.8", "till.example", "127.0.0.1"])
def test_an_address_that_is_served_is_let_in(host: str) -> None:
    request = make_mocked_request("GET", "/console", headers={"Host": host}, transport=Reached())
    check_host(request, "Till.example")
    with pytest.raises(Refused):
        check_host(
            make_mocked_request("GET", "/", headers={"Host": "192.168.7.9"}, transport=Reached()), "0.0.0.0"
        )


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://localhost"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 421),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Content-Type": "application/json; charset=utf-8"}, 200),
    ],
)
async def test_only_its_own_page_changes_something(page: Page, headers: dict[str, str], status: int) -> None:
    answered, _ = await page.post("vouchers", {"amount": "5.00"}, **headers)
    assert answered == status
    assert len(page.emulator.vouchers()) == (status == 200)


async def test_nothing_is_changed_by_get(page: Page) -> None:
    assert (await page.get("/clock"))[0] == 405
    assert (await page.post(""))[0] == 405
    assert (await page.post("events"))[0] == 405


@pytest.mark.parametrize("path", ["/forms", "/events"])
async def test_another_site_s_page_reads_nothing(page: Page, path: str) -> None:
    assert (await page.get(path, **{"Sec-Fetch-Site": "cross-site"}))[0] == 403


async def test_a_body_that_is_too_large_is_refused(page: Page) -> None:
    url, headers = f"{page.emulator.console_url}/vouchers", {"Origin": page.emulator.url}
    body = io.BytesIO(b" " * 2**21)
    headers["Content-Type"] = "application/json"
    async with page.session.post(url, data=body, headers=headers) as answer:
        assert answer.status == 413


async def test_the_page_runs_its_own_script_alone_and_is_framed_by_nobody(page: Page) -> None:
    async with page.session.get(page.emulator.console_url) as answer:
        text, headers = await answer.text(), answer.headers
    policy = dict(each.strip().split(" ", 1) for each in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store"
    for name in ("script", "style"):
        (block,) = re.findall(rf"<{name}\b[^>]*>(.*?)</{name}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()
        assert policy[f"{name}-src"] == f"'sha256-{digest}'"
    assert not re.search(r"\son\w+=|\sstyle=|javascript:|innerHTML|https?://(?!\$)", text)
    assert set(re.findall(r'(?:src|href)="([^"]*)"', text)) == {"data:,"}
