"""Order numbers, kinds and amounts that come back written otherwise: unclear, and never absent."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

import pytest

from tests.settlement.conftest import Shop, pay
from tests.settlement.truth import is_true, outcome_of
from voucher_async import OutcomeUnknown, Proof
from voucher_async.testing import _charges, _lists, _reservations, faults

CHARGE, REFUND, RECHARGE = "chargeReservation", "refundCharge", "rechargeVoucher"
Json = dict[str, Any]

ORDERS: list[tuple[str, str, Callable[[str], str | None]]] = [
    ("zero width", "A-1\u200b", lambda text: text.rstrip("\u200b")),
    ("bom", "\ufeffA-1", lambda text: text.lstrip("\ufeff")),
    ("marks", "A\u200e-\u200f1", lambda text: text.replace("\u200e", "").replace("\u200f", "")),
    ("lower", "Order-2026/17", str.lower),
    ("upper", "straße-17", str.upper),
    ("turkish", "SİPARİŞ-17", str.casefold),
    ("NFC", unicodedata.normalize("NFD", "Größe-17"), lambda text: unicodedata.normalize("NFC", text)),
    ("NFD", "Größe-17", lambda text: unicodedata.normalize("NFD", text)),
    ("NFKC", "Ａ－１７ﬁ", lambda text: unicodedata.normalize("NFKC", text)),  # noqa: RUF001 - the point of it
    ("cut", "2026-08-0000000017", lambda text: text[:10]),
    ("cut left", "2026-08-0000000017", lambda text: text[-10:]),
    ("null", "A-1", lambda _: None),
    ("empty", "A-1", lambda _: ""),
    ("leading zeros", "000017", lambda text: text.lstrip("0")),
    ("html", "A&B-17", lambda text: text.replace("&", "&amp;")),
    ("percent", "A/B 17", lambda _: "A%2FB%2017"),
    ("plus", "A B 17", lambda _: "A+B+17"),
    ("question marks", "заказ-17", lambda text: text.encode("ascii", "replace").decode()),
    ("dropped", "заказ-17", lambda text: text.encode("ascii", "ignore").decode()),
    ("four bytes", "A-1🎁", lambda text: text.encode("utf-16", "ignore").decode("utf-16")[:3]),
    ("as latin-1", "Größe-17", lambda text: text.encode().decode("cp1252")),
    ("transliterated", "Größe-17", lambda _: "Groesse-17"),
    ("spaces", "A  1  7", lambda text: " ".join(text.split())),
    ("slashes", "A\\17", lambda _: "A\\\\17"),
    ("prefixed", "2026-0017", lambda text: f"WEB-{text}"),
]
warm_or_not = pytest.mark.parametrize("warm", [False, True], ids=["first", "later"])
rewritten = pytest.mark.parametrize(
    ("order", "change"), [pytest.param(order, change, id=name) for name, order, change in ORDERS]
)


def show(monkeypatch: pytest.MonkeyPatch, change: Callable[[Json], Json], *, answers: bool = True) -> None:
    """Let the server show its charges otherwise, in lists and in answers or in lists alone."""
    view: Callable[[Any], Json] = vars(_lists)["charge_view"]
    shown = lambda charge: change(view(charge))  # noqa: E731 - as the modules' own
    monkeypatch.setattr(_lists, "charge_view", shown)
    if answers:
        monkeypatch.setattr(_charges, "charge_view", shown)
        monkeypatch.setattr(_reservations, "charge_view", shown)


def with_order(order: str, change: Callable[[str], str | None]) -> Callable[[Json], Json]:
    def shown(said: Json) -> Json:
        return {**said, "order_number": change(order)} if said["order_number"] == order else said

    return shown


@warm_or_not
@pytest.mark.parametrize("answers", [False, True], ids=["lists", "everywhere"])
@rewritten
async def test_a_charge_whose_answer_was_lost_is_told_done(
    *,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    order: str,
    change: Callable[[str], str | None],
    answers: bool,
    warm: bool,
) -> None:
    show(monkeypatch, with_order(order, change), answers=answers)
    if warm:
        await shop.during(pay(shop.client, shop.voucher(), order_number="X-1"))
    shop.script(CHARGE, faults.BreakAfter())
    told = await shop.during(outcome_of(pay(shop.client, shop.voucher(), order_number=order)))
    assert is_true(shop, told, 1)
    # a transliteration is not recognised: the call stays open
    assert told.word == "done" or change(order) == "Groesse-17", told


@warm_or_not
@rewritten
async def test_a_charge_that_cannot_be_repeated_is_never_told_not_done(
    *,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    order: str,
    change: Callable[[str], str | None],
    warm: bool,
) -> None:
    show(monkeypatch, with_order(order, change))
    if warm:
        await shop.during(pay(shop.client, shop.voucher(), order_number="X-1"))
    voucher = shop.voucher()
    reserving = shop.client.reservations.create(code=voucher.code, amount="4", currency="EUR")
    reservation = await shop.during(reserving)
    shop.clock.advance(1789.9)
    shop.script(CHARGE, faults.BreakAfter())
    charging = shop.client.reservations.charge(reservation, order_number=order)
    told = await shop.during(outcome_of(charging))
    assert is_true(shop, told, len(shop.charged(order)))
    if told.word == "open":
        assert isinstance(told.error, OutcomeUnknown)
        await shop.passes(120)
        assert "not done" not in shop.told.words


@warm_or_not
@rewritten
@pytest.mark.parametrize("fault", [faults.BreakAfter(), faults.BreakBefore()], ids=repr)
async def test_a_recharge_is_made_once_and_never_told_otherwise(
    *,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    order: str,
    change: Callable[[str], str | None],
    fault: faults.Fault,
    warm: bool,
) -> None:
    show(monkeypatch, with_order(order, change))
    voucher = shop.voucher()
    given: dict[str, Any] = {"id": voucher.id, "amount": "5.00", "currency": "EUR"}
    if warm:
        await shop.during(shop.client.vouchers.recharge(**given, order_number="X-1"))
    shop.script(RECHARGE, fault)
    told = await shop.during(
        outcome_of(shop.client.vouchers.recharge(**given, order_number=order, timeout=60))
    )
    made = len(shop.emulator.charges(order, type="recharge"))
    assert made <= 1
    assert is_true(shop, told, made)


KINDS: list[tuple[str, Callable[[Json], Json]]] = [
    ("kind", lambda said: {**said, "type": "credit" if said["type"] == "recharge" else "redemption"}),
    ("upper kind", lambda said: {**said, "type": said["type"].upper()}),
    ("negative", lambda said: {**said, "amount": f"-{said['amount']}"}),
    ("another amount", lambda said: {**said, "amount": "9.99"}),
    ("no decimals", lambda said: {**said, "amount": said["amount"].removesuffix(".00")}),
    ("three decimals", lambda said: {**said, "amount": said["amount"] + "0"}),
    ("cents", lambda said: {**said, "amount": said["amount"].replace(".", "") + ".00"}),
    ("upper voucher id", lambda said: {**said, "voucher_id": said["voucher_id"].upper()}),
    ("another voucher id", lambda said: {**said, "voucher_id": "internal-17"}),
    ("other client", lambda said: {**said, "client_id": "queue-worker"}),
]


@pytest.mark.parametrize("answers", [False, True], ids=["lists", "everywhere"])
@pytest.mark.parametrize("live", [False, True], ids=["ended", "live"])
@pytest.mark.parametrize("scopes", ["all", "no read"])
@pytest.mark.parametrize("change", [each[1] for each in KINDS], ids=[each[0] for each in KINDS])
async def test_a_lost_charge_that_is_shown_otherwise_is_never_told_not_done(
    *,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Json], Json],
    live: bool,
    answers: bool,
    scopes: str,
) -> None:
    client = shop.client
    if scopes == "no read":
        poor = shop.emulator.add_client(scopes=["use", "read-lists"])
        client = shop.another([shop.told], client_id=poor.id, client_secret=poor.secret)
    show(monkeypatch, change, answers=answers)
    voucher = shop.voucher()
    reservation = await shop.during(client.reservations.create(code=voucher.code, amount="4", currency="EUR"))
    if not live:
        shop.clock.advance(1789.9)
    shop.script(CHARGE, faults.BreakAfter())
    told = await shop.during(outcome_of(client.reservations.charge(reservation, order_number="A-1")))
    assert is_true(shop, told, len(shop.charged()))
    await shop.during(client.aclose(wait=120))
    assert is_true(shop, told, len(shop.charged()))


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("change", [each[1] for each in KINDS], ids=[each[0] for each in KINDS])
async def test_refunds_and_recharges_that_are_shown_otherwise_are_made_once(
    *, shop: Shop, monkeypatch: pytest.MonkeyPatch, change: Callable[[Json], Json], lost: bool
) -> None:
    voucher = shop.voucher()
    charge = await shop.during(pay(shop.client, voucher))
    show(monkeypatch, change)
    if lost:
        shop.script(REFUND, faults.BreakAfter())
        shop.script(RECHARGE, faults.BreakAfter())
    refunding = shop.client.charges.refund(charge, "1.00", currency="EUR", timeout=60)
    refund = await shop.during(outcome_of(refunding))
    # when the list cannot be read beforehand, the refund is not sent
    not_sent = refund.error is not None and refund.error.proof is Proof.NOT_SENT
    assert len(shop.refunded()) == (not not_sent)
    assert refund.word != "not done" or not_sent, refund
    recharging = shop.client.vouchers.recharge(
        id=voucher.id, amount="5.00", currency="EUR", order_number="R-1", timeout=60
    )
    recharge = await shop.during(outcome_of(recharging))
    assert len(shop.emulator.charges("R-1")) == (not not_sent)
    assert recharge.word != "not done" or not_sent, recharge
    await shop.during(shop.client.aclose(wait=130))
    assert "not done" not in shop.told.words
