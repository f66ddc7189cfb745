"""Answers that no habit of the emulator gives: each is put in the place of a true one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import pytest

from tests.probing.runs import evidence_of, run
from voucher_async import ManualClock, Settings, Timeout
from voucher_async.cli.probing import Verdict
from voucher_async.cli.probing.broken import charge_and_leave
from voucher_async.cli.probing.line import Line, Reply, Unfit
from voucher_async.masking import Members
from voucher_async.operations import Operation
from voucher_async.testing import VoucherEmulator

Change = Callable[[Reply], Reply]


def said(status: int, *, enveloped: bool = True, **content: object) -> Change:
    """Another answer in the place of a refusal."""

    def change(reply: Reply) -> Reply:
        if reply.ok:
            return reply
        code = "ODD.CODE" if enveloped and status >= 400 else None
        return attrs.evolve(
            reply, status=status, code=code, fields=(), enveloped=enveloped, content=Members(content)
        )

    return change


def showing(**content: object) -> Change:
    """The same success, with other contents."""

    def change(reply: Reply) -> Reply:
        names = ("id", "amount", "currency", "status", "voucher_id", "client_id", "created_at")
        kept = {name: reply.content.get(name) for name in names}
        return attrs.evolve(reply, content=Members({**kept, **content})) if reply.ok else reply

    return change


def without_headers(reply: Reply) -> Reply:
    return attrs.evolve(reply, headers={})


def refused(reply: Reply) -> Reply:
    return attrs.evolve(reply, status=422, code="ODD.CODE", enveloped=True)


def failed(reply: Reply) -> Reply:
    raise RuntimeError("something that nobody foresaw")


CASES: Mapping[str, tuple[str, str, Change, Verdict, str]] = {
    "an old reservation that is charged": (
        "reservation-replaced",
        "chargeReservation",
        said(200, id="c-1"),
        Verdict.REFUTED,
        "answered 200",
    ),
    "an old reservation that a proxy refuses": (
        "reservation-replaced",
        "chargeReservation",
        said(404, enveloped=False),
        Verdict.UNKNOWN,
        "without the API's envelope",
    ),
    "refunds that are refused": (
        "partial-refunds",
        "refundCharge",
        refused,
        Verdict.UNKNOWN,  # the list has them all the same
        "the list has 4 refunds",
    ),
    "a rule that does not exist": (
        "refused-balance",
        "createReservation",
        said(200),
        Verdict.REFUTED,
        "answered 200",
    ),
    "another status for a rule": (
        "refused-balance",
        "createReservation",
        said(400),
        Verdict.REFUTED,
        "400 ODD.CODE",
    ),
    "a server that fails at a rule": (
        "refused-balance",
        "createReservation",
        said(500),
        Verdict.UNKNOWN,
        "which says nothing",
    ),
    "a scope that is missing at a rule": (
        "refused-balance",
        "createReservation",
        said(403),
        Verdict.UNKNOWN,
        "not about the rule",
    ),
    "a proxy that answers at a rule": (
        "refused-balance",
        "createReservation",
        said(405, enveloped=False),
        Verdict.UNKNOWN,
        "not the API's",
    ),
    "an empty text that is taken": (
        "empty-create",
        "createVoucher",
        said(201, id="odd"),
        Verdict.REFUTED,
        "an empty id was answered 201",
    ),
    "a charge without an id": (
        "ids",
        "chargeReservation",
        showing(id=None),
        Verdict.UNKNOWN,
        "without an id",
    ),
    "a reservation without a moment": (
        "clocks-records",
        "createReservation",
        showing(created_at=None),
        Verdict.UNKNOWN,
        "no moment",
    ),
    "answers without a date": (
        "clocks-local",
        "createReservation",
        without_headers,
        Verdict.UNKNOWN,
        "ended without an answer",
    ),
    "a balance that stands still": (
        "balance-original",
        "getVoucher",
        showing(remaining_amount="1.00"),
        Verdict.REFUTED,
        "did not change within 90 s",
    ),
    "a balance that is no amount": (
        "second-charge",
        "getVoucher",
        showing(remaining_amount="much"),
        Verdict.UNKNOWN,
        "unforeseen InvalidOperation",
    ),
    "a list without a list": (
        "second-charge",
        "listCharges",
        showing(data="nothing"),
        Verdict.UNKNOWN,
        "answered 200 without a list",
    ),
    "a code that is not told": (
        "second-charge",
        "createVoucher",
        showing(code=None),
        Verdict.UNKNOWN,
        "its code was not told",
    ),
    "a probe that breaks": ("create-status", "createVoucher", failed, Verdict.UNKNOWN, "RuntimeError"),
    "a 401 at each request": (
        "refused-voucher",
        "getVoucher",
        said(401),
        Verdict.UNKNOWN,
        "401 ODD.CODE",
    ),
    "a second deletion that is done again": (
        "delete-again",
        "deleteVoucher",
        said(204),
        Verdict.REFUTED,
        "the second one was answered 204",
    ),
    "a printed voucher that is refused": (
        "type-print",
        "createVoucher",
        refused,
        Verdict.CONFIRMED,  # it was made all the same
        "with the type 'print'",
    ),
    "a page of others": (
        "page-order",
        "listCharges",
        showing(data=[{"id": "nobody's"}]),
        Verdict.UNKNOWN,
        "0 of 14 charges were in the list",
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_strange_answer(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    question, operation, change, verdict, words = CASES[case]
    ask = Line.ask

    async def changed(self: Line, asked: Operation[Any], *args: Any, **options: Any) -> Reply:
        reply = await ask(self, asked, *args, **options)
        return change(reply) if asked.id == operation else reply

    monkeypatch.setattr(Line, "ask", changed)
    async with VoucherEmulator(clock=ManualClock(skip_sleeps=True)) as emulator:
        report = await run(emulator, question)
        assert {voucher.status for voucher in emulator.vouchers()} <= {"inactive"}
    finding = report.finding(question)
    assert finding.verdict == verdict, evidence_of(report)
    assert words in finding.evidence


async def test_a_server_that_gives_no_token_leaves_everything_unknown() -> None:
    async with VoucherEmulator(clock=ManualClock(skip_sleeps=True)) as emulator:
        settings = attrs.evolve(Settings.make(**emulator.settings()), client_secret="another")
        report = await run(emulator, "second-charge", "token-life", "token-url", settings=settings)
    assert "no token was given: 401" in report.finding("second-charge").evidence
    assert report.finding("token-life").verdict == Verdict.UNKNOWN
    assert report.finding("token-url").verdict == Verdict.UNKNOWN


async def test_an_address_that_gives_no_tokens_is_seen() -> None:
    async with VoucherEmulator(clock=ManualClock(skip_sleeps=True)) as emulator:
        token_url = f"{emulator.url}/token"
        settings = attrs.evolve(Settings.make(**emulator.settings()), token_url=token_url)
        report = await run(emulator, "token-url", settings=settings)
    assert report.finding("token-url").verdict == Verdict.REFUTED
    assert report.finding("token-url").follows == "set `token_url`"


async def test_a_server_that_is_not_there_leaves_everything_unknown() -> None:
    async with VoucherEmulator(clock=ManualClock(skip_sleeps=True)) as emulator:
        settings = Settings.make(**emulator.settings())
    report = await run(emulator, "second-charge", settings=settings)
    assert report.finding("second-charge").verdict == Verdict.UNKNOWN
    assert "no connection" in report.finding("second-charge").evidence
    with pytest.raises(Unfit, match="no connection"):
        await charge_and_leave(settings, "token", "r-1", "A-1")


async def test_an_answer_that_does_not_come_is_given_up() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server, VoucherEmulator(clock=ManualClock(skip_sleeps=True)) as emulator:
        base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        settings = attrs.evolve(
            Settings.make(**emulator.settings()), base_url=base_url, timeout=Timeout(total=0.3)
        )
        report = await run(emulator, "refused-code", settings=settings)
    assert report.finding("refused-code").verdict == Verdict.UNKNOWN
    assert "was not answered in time" in report.finding("refused-code").evidence
