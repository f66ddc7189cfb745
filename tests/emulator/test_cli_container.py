"""`python -m voucher_async emulator` for other machines: addresses, names, contents, and its memory."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from voucher_async import VoucherClient
from voucher_async.cli import emulator as cli
from voucher_async.testing import VoucherEmulator, habits

PAY: dict[str, Any] = {"amount": "1.00", "currency": "EUR", "order_number": "A-1"}


@asynccontextmanager
async def served(*arguments: str) -> AsyncIterator[tuple[dict[str, str], str]]:
    """Variables that a process prints, and all that it prints."""
    command = [sys.executable, "-m", "voucher_async", "emulator", "--port", "0", *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    said = ""
    try:
        async with asyncio.timeout(60):
            while "connect PIN" not in said:
                line = (await process.stdout.readline()).decode()
                assert line, said
                said += line
        yield dict(re.findall(r"^export (\w+)=(.*)$", said, re.MULTILINE)), said
    finally:
        process.terminate()
        await process.communicate()


@pytest.mark.parametrize(
    ("host", "shown"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("127.0.0.2", "127.0.0.2")]
)
async def test_the_addresses_printed_are_those_that_a_client_can_use(host: str, shown: str) -> None:
    async with served("--host", host, "--voucher", "25.00:GIFT-25") as (variables, _):
        assert variables["VOUCHER_BASE_URL"].startswith(f"http://{shown}:")
        async with VoucherClient.from_env(variables) as client:
            await client.redeem(code="GIFT-25", **PAY)


async def test_every_address_includes_those_of_four_numbers() -> None:
    async with served("--host", "::") as (variables, _):
        url = variables["VOUCHER_BASE_URL"].replace("[::1]", "127.0.0.1")
        async with VoucherClient.from_env(
            {**variables, "VOUCHER_BASE_URL": url, "VOUCHER_TOKEN_URL": ""}
        ) as shop:
            assert [voucher async for voucher in shop.vouchers.list()] == []


async def test_a_container_can_be_told_everything_beforehand() -> None:
    arguments = ["--name", "Vouchers", "--client-id", "shop", "--client-secret", "s3cret", "--habits"]
    arguments += [
        "pages-of-2",
        "Filters split",
        "--faults",
        "0.3",
        "--seed",
        "7",
        "--voucher",
        "5",
        "--voucher",
    ]
    async with served(*arguments, "25.5:A:B") as (variables, said):
        port = variables["VOUCHER_BASE_URL"].rpartition(":")[2]
        assert variables["VOUCHER_CLIENT_ID"] == "shop"
        assert variables["VOUCHER_CLIENT_SECRET"] == "s3cret"
        assert variables["VOUCHER_INSECURE_HOSTS"] == "vouchers"
        assert f"VOUCHER_BASE_URL=http://vouchers:{port}, without" in said
        assert re.search(r"^# A voucher of 5\.00 EUR: \S+$", said, re.MULTILINE)
        assert "# A voucher of 25.50 EUR: A:B\n" in said
        assert "Pages(size=2)" in said
        assert "seed 7" in said


async def test_the_console_is_served_unless_it_is_not_wanted() -> None:
    async with served() as (variables, said), aiohttp.ClientSession() as session:
        (url,) = re.findall(r"^# The console, a page for people: (\S+)$", said, re.MULTILINE)
        assert url == variables["VOUCHER_BASE_URL"].removesuffix("/v1") + "/console"
        async with session.get(url) as answer:
            assert (answer.status, answer.content_type) == (200, "text/html")
    async with served("--no-console") as (variables, said), aiohttp.ClientSession() as session:
        assert "console" not in said
        async with session.get(variables["VOUCHER_BASE_URL"].removesuffix("/v1") + "/console") as answer:
            assert answer.status == 404


async def test_the_exports_are_the_first_lines_and_the_pin_is_the_last() -> None:
    async with served("--voucher", "5") as (variables, said):
        lines = said.splitlines()
        assert [line.partition("=")[0] for line in lines[1:6]] == [f"export {name}" for name in variables]
        assert "connect PIN" in lines[-1]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("emulator", 401),
        ("EMULATOR:8400", 401),
        ("emulator.", 401),
        ("localhost:1", 401),
        ("10.1.2.3:8400", 401),
        ("[fd00::1]:8400", 401),
        ("evil.example", 421),
        ("emulator.evil.example:8400", 421),
        ("127.0.0.1.evil.example", 421),
        ("10.1.2.3.evil.example", 421),
        ("[emulator]x", 421),
        ("", 421),
    ],
)
async def test_a_page_whose_own_name_leads_here_is_refused(host: str, status: int) -> None:
    async with VoucherEmulator(hosts=["Emulator"]) as emulator, aiohttp.ClientSession() as session:
        async with session.get(f"{emulator.base_url}/vouchers", headers={"Host": host}) as answer:
            assert answer.status == status
            assert "evil" not in await answer.text()
        assert len(emulator.requests) == (status == 401)


async def test_an_emulator_without_names_asks_for_none() -> None:
    headers = {"Host": "shop.example"}
    async with VoucherEmulator() as emulator, aiohttp.ClientSession(headers=headers) as session:
        assert (await session.get(f"{emulator.base_url}/vouchers")).status == 401


def served_in_process(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> VoucherEmulator:
    """The emulator that a command serves, without serving it."""
    made = list[VoucherEmulator]()

    async def keep(emulator: VoucherEmulator, more: object) -> None:
        made.append(emulator)

    monkeypatch.setattr(cli, "_serve", keep)
    assert cli.main(["emulator", *arguments]) == 0
    return made[0]


def test_a_process_that_runs_for_weeks_remembers_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    emulator = served_in_process(monkeypatch)
    assert emulator.requests._entries.maxlen == emulator.faults._injected.maxlen == 10_000
    assert served_in_process(monkeypatch).client_secret != emulator.client_secret


def test_credentials_of_the_environment_are_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOUCHER_CLIENT_SECRET", "the-real-one")
    assert served_in_process(monkeypatch).client_secret != "the-real-one"


def test_every_habit_has_a_name_for_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["emulator", "--habits", "list"]) == 0
    assert capsys.readouterr().out.splitlines() == list(habits.KINDS)
    for name, kind in habits.KINDS.items():
        assert served_in_process(monkeypatch, "--habits", cli._plain(name)).habits.on == kind


def test_vouchers_have_a_currency(monkeypatch: pytest.MonkeyPatch) -> None:
    emulator = served_in_process(monkeypatch, "--voucher", "25", "--currency", "CHF")
    assert [(each.amount, each.currency) for each in emulator.vouchers()] == [(Decimal("25.00"), "CHF")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--voucher", "much"], "a voucher is an amount"),
        (["--voucher", "5:A", "--voucher", "6:A"], "UNIQUE"),
        (["--voucher", "5", "--currency", "Euro"], "CURRENCY"),
        (["--habits", "none-such"], "there is no habit 'none-such'"),
        (["--habits", "pages-of-2", "newest-first"], "excludes another"),
        (["--faults", "2"], "a number from 0 to 1"),
        (["--faults", "nan"], "a number from 0 to 1"),
        (["--faults", "x"], "a number from 0 to 1"),
        (["--name", "http://emulator"], "without scheme and port"),
        (["--client-secret", "a b"], "without white space"),
    ],
)
def test_what_cannot_be_served_is_told(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["emulator", *arguments])
    assert caught.value.code == 2
    assert said in capsys.readouterr().err
