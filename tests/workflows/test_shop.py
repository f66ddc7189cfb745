"""The shop of examples/workflow_checkout.py behind HTTP: a checkout is begun, and a webhook ends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.examples.workers import until
from tests.serving import served
from tests.workflows.places import Place
from voucher_async.testing import VoucherEmulator


async def test_a_customer_pays_by_voucher_and_card(
    tmp_path: Path, emulator: VoucherEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflows, journal = tmp_path / "workflows.db", tmp_path / "vouchers.db"
    place = Place(tmp_path, emulator, f"sqlite:///{workflows}", f"sqlite:///{journal}")
    for name, value in place.environ("shop-1").items():
        monkeypatch.setenv(name, value)
    from examples.workflow_checkout import app

    async with served(app) as shop:
        for _ in range(2):  # a double click
            begun = await shop.post(f"/orders/{place.order}/checkout")
            assert begun.json() == {"order": place.order, "next": "pay by card"}
        await until(emulator.reservations, "the reservation")
        assert place.state == "pending"
        told = {"order": place.order, "state": "paid", "event": "event-1"}
        for _ in range(2):  # webhooks come at least once
            assert (await shop.post("/webhooks/card", json=told)).status_code == 200
        await place.has_ended()
        assert len(emulator.reservations()) == 2  # the held one, and that of the payment
        monkeypatch.setattr("examples.workflow_checkout.HOLD", 0.05)
        code = emulator.add_voucher(amount="25.00").code
        place.ask("INSERT INTO orders VALUES ('A-2', '10.00', ?, 'pending', NULL)", code)
        await shop.post("/orders/A-2/checkout")
        is_over = "SELECT number FROM orders WHERE number = 'A-2' AND state = 'cancelled'"
        await until(lambda: place.ask(is_over), "the end of the wait for the card")
        assert (await shop.get("/cards/to-give-back")).json() == []
        await shop.post("/webhooks/card", json={"order": "A-2", "state": "paid", "event": "event-2"})
        assert (await shop.get("/cards/to-give-back")).json() == ["A-2"]
    assert emulator.charges("A-2") == ()
    place.check()
