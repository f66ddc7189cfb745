"""Each example of a web framework behind a real server: paid once, refused clearly, closed with it."""

from __future__ import annotations

import asyncio
import re
from decimal import Decimal
from pathlib import Path

import pytest

from tests.docs.blocks import blocks_of
from tests.examples.web_servers import SERVERS, started
from voucher_async import VoucherClient
from voucher_async.testing import VoucherEmulator, faults

PAGE = Path(__file__).resolve().parents[2] / "docs" / "frameworks.md"
EXAMPLES = [
    *("aiohttp_web_shop", "django_shop", "litestar_shop", "quart_shop", "starlette_shop", "wsgi_shop"),
]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_short(root: Path, name: str) -> None:
    text = (root / "examples" / f"{name}.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 25
    assert f"examples/{name}.py" in PAGE.read_text(encoding="utf-8")


def test_the_page_names_every_example_of_a_shop_and_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", PAGE.read_text(encoding="utf-8"))
    assert all((PAGE.parent / link).is_file() for link in links)
    assert {Path(link).stem for link in links} >= {*EXAMPLES, "fastapi_shop"}


def test_the_block_for_threads_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = blocks_of(PAGE)
    with VoucherEmulator() as emulator:
        for variable, value in emulator.environ().items():
            monkeypatch.setenv(variable, value)
        voucher = emulator.add_voucher(amount="25.00")
        block.namespace["code"] = voucher.code
        block.evaluate()
        assert emulator.balance(voucher.id) == Decimal("20.00")


@pytest.mark.parametrize("name", SERVERS)
async def test_a_shop_pays_once_refuses_clearly_and_closes_its_client(
    root: Path, tmp_path: Path, name: str
) -> None:
    with VoucherEmulator() as emulator:
        voucher = emulator.add_voucher(amount="50.00")
        body = {"code": voucher.code, "amount": "1.00"}
        environ = {**emulator.environ(), "VOUCHER_JOURNAL": f"sqlite:///{tmp_path / 'vouchers.db'}"}
        with started(SERVERS[name], root, tmp_path, environ) as shop:
            async with shop.client() as http:
                clicks = await asyncio.gather(
                    *(http.post("/orders/A-1/voucher", json=body) for _ in range(2))
                )
                again = await http.post("/orders/A-1/voucher", json=body)
                assert [each.status_code for each in (*clicks, again)] == [200] * 3, shop.said
                (charge,) = emulator.charges("A-1")
                for each in (*clicks, again):
                    assert each.json() == {"order": "A-1", "charged": "1.00", "charge": charge.id}

                refused = await http.post("/orders/A-2/voucher", json={**body, "code": "NO-SUCH-CODE"})
                assert refused.status_code == 422
                assert refused.headers["content-type"].partition(";")[0] == "application/problem+json"
                assert refused.headers["cache-control"] == "no-store"
                assert refused.json()["type"] == "urn:voucher-async:voucher-refused"
                assert refused.json()["charged"] is False

                orders = [f"B-{number}" for number in range(12)]
                paid = await asyncio.gather(
                    *(http.post(f"/orders/{order}/voucher", json=body) for order in orders)
                )
                assert [each.status_code for each in paid] == [200] * 12, shop.said
                assert emulator.balance(voucher.id) == Decimal("37.00")

                emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=1.0))
                asked = asyncio.create_task(http.post("/orders/C-1/voucher", json=body))
                while not emulator.charges("C-1"):
                    assert not asked.done(), shop.said
                    await asyncio.sleep(0.01)
                await asyncio.to_thread(shop.stop)
                await asyncio.gather(asked, return_exceptions=True)
        assert len(emulator.charges("C-1")) == 1
        async with VoucherClient(**emulator.settings(), journal=environ["VOUCHER_JOURNAL"]) as client:
            (record,) = [each async for each in client.history(order_number="C-1")]
        # the client waited for the charge as it was closed: else the record would be open
        assert record.charge is not None
        assert record.charge.id == emulator.charges("C-1")[0].id
