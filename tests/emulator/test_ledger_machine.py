"""Whatever is asked in whatever order, the money adds up."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from voucher_async.testing import ManualClock, VoucherEmulator
from voucher_async.testing._engine import Call

if TYPE_CHECKING:
    from collections.abc import Mapping

# Few vouchers, small steps and some round figures: that is where amounts collide.
AMOUNTS = st.sampled_from(["0.01", "1.00", "2.50", "5.00"]) | st.integers(0, 3000).map("{:04d}".format).map(
    lambda cents: f"{cents[:-2]}.{cents[-2:]}"
)
OPTIONS = st.fixed_dictionaries(
    {
        "reservations_lower_balance": st.booleans(),
        "allow_double_charge": st.booleans(),
        "token_lifetime": st.sampled_from([None, 60, 3600]),
    }
)


class Shop(RuleBasedStateMachine):
    """Keeps its own books, in cents and by charge, next to the emulator's."""

    vouchers = Bundle("vouchers")
    reservations = Bundle("reservations")
    charges = Bundle("charges")

    @initialize(options=OPTIONS)
    def open(self, options: dict[str, Any]) -> None:
        self.clock = ManualClock()
        self.emulator = VoucherEmulator(clock=self.clock, **options)
        self.balances: dict[str, Decimal] = {}
        self.refundable: dict[str, Decimal] = {}

    def call(self, method: str, path: str, body: Mapping[str, object]) -> tuple[int, Any]:
        client = self.emulator._client
        engine = self.emulator._engine
        form = f"grant_type=client_credentials&client_id={client.id}&client_secret={client.secret}"
        token: Any = engine.answer(
            Call(
                method="POST",
                raw_path="/oauth/token",
                content_type="application/x-www-form-urlencoded",
                body=form.encode(),
            )
        ).body
        call = Call(
            method=method,
            raw_path=f"/v1{path}",
            authorization=f"Bearer {token['access_token']}",
            content_type="application/json",
            body=json.dumps(body).encode(),
        )
        outcome = engine.answer(call)
        assert outcome.status in {200, 201, 204, 404, 409, 422}
        return outcome.status, outcome.body

    @precondition(lambda self: len(self.balances) < 3)
    @rule(target=vouchers, amount=st.sampled_from(["0.00", "5.00", "25.00", "60.00"]))
    def create(self, amount: str) -> tuple[str, str]:
        status, voucher = self.call("POST", "/vouchers", {"amount": amount, "currency": "EUR"})
        assert status == 201
        self.balances[voucher["id"]] = Decimal(amount)
        self.call("PATCH", f"/vouchers/{voucher['id']}/status", {"status": "active"})
        return voucher["id"], voucher["code"]

    @rule(voucher=vouchers, active=st.booleans())
    def switch(self, voucher: tuple[str, str], *, active: bool) -> None:
        self.call("PATCH", f"/vouchers/{voucher[0]}/status", {"status": "active" if active else "inactive"})

    @rule(target=reservations, voucher=vouchers, amount=AMOUNTS)
    def reserve(self, voucher: tuple[str, str], amount: str) -> Any:
        body = {"code": voucher[1], "amount": amount, "currency": "EUR"}
        status, reservation = self.call("POST", "/reservations", body)
        if status != 200:
            return multiple()
        assert Decimal(amount) <= self.balances[voucher[0]]
        return reservation["id"], voucher[0], Decimal(amount)

    @rule(target=charges, reservation=reservations)
    def charge(self, reservation: tuple[str, str, Decimal]) -> Any:
        id, voucher, amount = reservation
        status, charge = self.call("POST", f"/reservations/{id}/charge", {"order_number": "A"})
        if status != 200:
            return multiple()
        assert Decimal(charge["amount"]) == amount
        self.balances[voucher] -= amount
        self.refundable[charge["id"]] = amount
        return charge["id"], voucher

    @rule(charge=charges, amount=AMOUNTS)
    def refund(self, charge: tuple[str, str], amount: str) -> None:
        id, voucher = charge
        status, _ = self.call("POST", f"/charges/{id}/refund", {"amount": amount, "currency": "EUR"})
        allowed = Decimal() < Decimal(amount) <= self.refundable.get(id, Decimal())
        assert (status == 200) is allowed
        if allowed:
            self.refundable[id] -= Decimal(amount)
            self.balances[voucher] += Decimal(amount)

    @rule(voucher=vouchers, amount=AMOUNTS, by_code=st.booleans())
    def recharge(self, voucher: tuple[str, str], amount: str, *, by_code: bool) -> None:
        key = {"code": voucher[1]} if by_code else {"id": voucher[0]}
        body = {"amount": amount, "currency": "EUR", "order_number": "R", **key}
        if self.call("POST", "/vouchers/recharge", body)[0] == 200:
            self.balances[voucher[0]] += Decimal(amount)

    @rule(voucher=consumes(vouchers))
    def delete(self, voucher: tuple[str, str]) -> None:
        if self.call("DELETE", f"/vouchers/{voucher[0]}", {"comment": "x"})[0] == 204:
            del self.balances[voucher[0]]

    @rule(seconds=st.sampled_from([1, 60, 1700, 1800, 2 * 366 * 86_400]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @invariant()
    def adds_up(self) -> None:
        self.emulator.ledger.check()
        held = {voucher.id: voucher.balance for voucher in self.emulator.vouchers()}
        assert held == self.balances
        assert min(held.values(), default=Decimal()) >= 0


Shop.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestLedgerMachine = Shop.TestCase
