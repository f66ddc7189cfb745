"""Codes and pins of descriptions are in no repr, no error, no log and no frame."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.issuing.batch import issue
from tests.secrets.frames import shown_of
from voucher_async import InvalidInput, VoucherClient, VoucherSpec
from voucher_async.testing import VoucherEmulator, faults

CODE, PIN = "SECRET-CODE-77", "SECRET-PIN-77"
SECRET: dict[str, Any] = {"code": CODE, "pin": PIN, "currency": "EUR"}


def leaks(text: str) -> bool:
    return CODE in text or PIN in text


@pytest.mark.parametrize("bad", [{"amount": "x"}, {"amount": "1.00", "id": ""}])
def test_a_description_that_is_refused_shows_neither_in_its_frames(bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        VoucherSpec(code=CODE, pin=PIN, currency="EUR", **bad)
    frames = [text for place, text in shown_of(caught.value) if "test_secrets" not in place]
    assert frames
    assert not any(map(leaks, frames))


async def test_a_run_shows_neither(
    client: VoucherClient, emulator: VoucherEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    emulator.add_voucher(code="TAKEN", amount="1.00")
    emulator.faults.script("createVoucher", None, faults.BreakAfter(), faults.ServerError())
    given = [{**SECRET, "amount": "1.00"}, {**SECRET, "amount": "1.00"}, {**SECRET, "amount": "x"}, {5: CODE}]
    cards = await issue(client, given, concurrency=1)
    assert [card.error is None for card in cards] == [True, False, False, False]
    for card in cards:
        assert not leaks(repr(card))
        shown = [str(card.error), *(text for _, text in shown_of(card.error))] if card.error else []
        assert not any(map(leaks, shown))
    assert not leaks(caplog.text)
