"""Findings as values: their places in the specification, their JSON, and no secret in them."""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import Any, Final

import pytest
import trustme
import yaml

from tests.docs.blocks import ROOT
from tests.probing.runs import probed, run
from voucher_async import ManualClock, Settings
from voucher_async.cli.probing import QUESTIONS, Verdict
from voucher_async.cli.probing.broken import charge_and_leave
from voucher_async.cli.probing.line import Unfit
from voucher_async.testing import VoucherEmulator, habits
from voucher_async.testing._state import Mint

SPECIFICATION: Final = yaml.safe_load((ROOT / "openapi" / "voucher.yaml").read_text(encoding="utf-8"))


def assumed(node: Any, place: str = "") -> set[str]:
    """The JSON pointers of everything that is marked `x-assumed`."""
    if isinstance(node, dict):
        steps = {str(name).replace("~", "~0").replace("/", "~1"): child for name, child in node.items()}
    elif isinstance(node, list):
        steps = {str(index): child for index, child in enumerate(node)}
    else:
        return set()
    below = {found for name, child in steps.items() for found in assumed(child, f"{place}/{name}")}
    return below | {place} if isinstance(node, dict) and node.get("x-assumed") else below


def test_every_assumption_of_the_specification_has_a_question() -> None:
    places = {place for question in QUESTIONS for place in question.places}
    assert places == assumed(SPECIFICATION)


def test_questions_are_questions() -> None:
    assert all(question.text.endswith("?") for question in QUESTIONS)
    assert len({question.text for question in QUESTIONS}) == len(QUESTIONS)


async def test_the_lines_for_the_specification_can_be_pasted() -> None:
    report = await probed("create-status", "page-cap", "page-links", habits=dict(habits.KINDS["no totals"]))
    lines = report.specification().splitlines()
    headings, values = lines[::2], lines[1::2]
    assert "# /paths/~1vouchers/post/responses/201: replaces x-assumed and x-assumed-reason" in headings
    for heading, value in zip(headings, values, strict=True):
        assert heading.startswith("# /")
        (name, words), *rest = yaml.safe_load(value).items()
        assert (name, rest) == ("x-observed", [])
        assert words.startswith("2026-01-01 at 127.0.0.1: ")


async def test_a_place_of_which_a_part_is_refuted_has_to_be_corrected() -> None:
    report = await probed("second-charge", "scope-chargeReservation", allow_double_charge=True)
    (heading,) = (line for line in report.specification().splitlines() if "~1charge/post" in line[:60])
    assert heading.endswith("correct it, then replace x-assumed and x-assumed-reason")


async def test_a_report_is_written_as_json() -> None:
    report = await probed("create-status", "disconnect")
    content = json.loads(report.to_json())
    by_id = {finding["id"]: finding for finding in content["findings"]}
    assert by_id["create-status"]["verdict"] == "confirmed"
    assert by_id["create-status"]["places"] == ["/paths/~1vouchers/post/responses/201"]
    assert by_id["disconnect"]["verdict"] == Verdict.UNKNOWN
    assert content["remains"][0]["state"] == "deleted"
    assert content["began"] == "2026-01-01T12:00:00+00:00"
    with pytest.raises(KeyError):
        report.finding("no-such-question")


async def test_no_secret_is_in_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets: list[str] = ["4711", "1147"]
    for name in ("code", "pin", "secret"):
        made = getattr(Mint, name)

        def remembered(self: Mint, made: Any = made) -> str:
            secrets.append(made(self))
            return secrets[-1]

        monkeypatch.setattr(Mint, name, remembered)
    async with VoucherEmulator(clock=ManualClock(skip_sleeps=True)) as emulator:
        secrets.append(emulator.client_secret)
        text = (await run(emulator)).to_json()
    assert len(secrets) > 40
    assert [each for each in secrets if each in text] == []


async def test_a_request_whose_connection_is_left_was_written_whole_by_tls() -> None:
    """The server has read all of it, though nobody has waited for its answer."""
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.set_result(await reader.read())
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        settings = Settings.make(
            client_id="shop", client_secret="s3cret", base_url=f"https://127.0.0.1:{port}/v1", ssl=client
        )
        await charge_and_leave(settings, "token", "r/1", "A-1")
        request = await received
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/reservations/r%2F1/charge HTTP/1.1\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body) == {"order_number": "A-1"}


async def test_a_connection_through_a_proxy_cannot_be_left() -> None:
    settings = Settings.make(
        client_id="shop", client_secret="s3cret", environment="sandbox", proxy="http://proxy.example:3128"
    )
    with pytest.raises(Unfit, match="proxy"):
        await charge_and_leave(settings, "token", "r-1", "A-1")
