"""What all commands share: profiles, output, exit statuses, questions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.journals.records import begun as record
from tests.processes import plain_environment
from voucher_async import ClientOptions, MemoryJournal, VoucherClient
from voucher_async.cli.common import Session, known_of
from voucher_async.cli.exits import Exit
from voucher_async.cli.terminal import HIDDEN, Terminal
from voucher_async.testing import VoucherEmulator

WITHOUT_EXTRA = """
import sys
for name in ("cyclopts", "rich", "platformdirs", "sqlalchemy"):
    sys.modules[name] = None
from voucher_async.cli import main
sys.exit(main(sys.argv[1:]))
"""


def make_profile(home: Path, name: str, environ: dict[str, str], mode: int = 0o600) -> Path:
    path = home / "config" / "voucher-async" / f"{name}.env"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "\ufeff# a comment\n\n" + "".join(f"export {key}='{value}'\n" for key, value in environ.items()),
        encoding="utf-8",
    )
    path.chmod(mode)
    return path


def test_secrets_are_hidden_unless_asked_for(connected: VoucherEmulator, run: Run) -> None:
    voucher = connected.add_voucher(amount="25.00", currency="EUR", code="GIFT-7", pin="PIN-4711")
    for arguments in (["show", voucher.id], ["show", voucher.id, "--json"]):
        told = run("voucher", *arguments)
        assert told.status == Exit.DONE, told.err
        assert "GIFT-7" not in told.out
        assert "PIN-4711" not in told.out
    shown = json.loads(run("voucher", "show", voucher.id, "--json", "--show-secrets").out)
    assert (shown["code"], shown["pin"], shown["remaining_amount"]) == ("GIFT-7", "PIN-4711", "25.00")
    assert HIDDEN not in shown.values()


def test_what_a_server_says_cannot_steer_a_terminal(connected: VoucherEmulator, run: Run) -> None:
    voucher = connected.add_voucher(amount="1.00", currency="EUR", batch="\x1b[31m[bold]red[/bold]")
    told = run("voucher", "show", voucher.id)
    assert r"\x1b[31m[bold]red[/bold]" in told.out
    assert "\x1b" not in told.out


def test_nothing_is_cut_off_in_a_pipe(connected: VoucherEmulator, run: Run) -> None:
    sku = "A" * 255
    voucher = connected.add_voucher(amount="1.00", currency="EUR", sku=sku)
    assert sku in run("voucher", "show", voucher.id).out


def test_no_credentials_tell_the_next_step(run: Run) -> None:
    told = run("voucher", "show", "x")
    assert told.status == Exit.USAGE
    assert "voucher-async connect" in told.err
    assert "Traceback" not in told.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("VOUCHER_CLIENT_ID", "line 1"),
        ("VOUCHER_CLIENT_ID=a b", "line 1"),
        ("VOUCHER_CLIENT_SECRET='s3cr3t", "line 1"),
        ("VOUCHER_CLIENT_ID=a\nVOUCHER_CLIENT_SECRET=s3cr3t\n", "VOUCHER_ENVIRONMENT"),
    ],
)
def test_a_profile_that_cannot_work_is_named_without_its_secret(
    run: Run, home: Path, text: str, words: str
) -> None:
    make_profile(home, "default", {}).write_text(text)
    told = run("voucher", "show", "x")
    assert told.status == Exit.USAGE
    assert words in told.err
    assert "s3cr3t" not in told.err


def test_a_profile_that_others_may_read_is_refused(emulator: VoucherEmulator, run: Run, home: Path) -> None:
    make_profile(home, "default", emulator.environ(), mode=0o644)
    told = run("voucher", "show", "x")
    assert (told.status, "chmod 600" in told.err) == (Exit.USAGE, True)


def test_a_profile_is_chosen_by_name_and_is_never_mixed_with_the_environment(
    emulator: VoucherEmulator, run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_profile(home, "shop", emulator.environ())
    monkeypatch.setenv("VOUCHER_CLIENT_ID", "somebody-else")
    monkeypatch.setenv("VOUCHER_CLIENT_SECRET", "another secret")
    monkeypatch.setenv("VOUCHER_ENVIRONMENT", "production")
    voucher = emulator.add_voucher(amount="25.00", currency="EUR")
    assert run("voucher", "show", voucher.id, "--profile", "shop").status == Exit.DONE
    monkeypatch.setenv("VOUCHER_PROFILE", "shop")
    assert run("voucher", "show", voucher.id).status == Exit.DONE
    told = run("voucher", "show", voucher.id, "--profile", "shup")
    assert (told.status, "there are: shop" in told.err) == (Exit.USAGE, True)
    assert run("voucher", "show", voucher.id, "--profile", "../shop").status == Exit.USAGE


def test_unknown_vouchers_and_servers_have_statuses_of_their_own(
    connected: VoucherEmulator, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("voucher", "show", "nothing-like-it").status == Exit.REFUSED
    monkeypatch.setenv("VOUCHER_CLIENT_SECRET", "wrong")
    told = run("voucher", "show", "x")
    assert (told.status, "voucher-async check" in told.err) == (Exit.REFUSED, True)
    monkeypatch.setenv("VOUCHER_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.delenv("VOUCHER_TOKEN_URL", raising=False)
    told = run("voucher", "show", "x", "--timeout", "0.5")
    assert (told.status, "run it again" in told.err) == (Exit.LATER, True)


def test_wrong_usage_is_status_2(run: Run) -> None:
    for arguments in (["voucher", "shaw"], ["voucher", "show"], ["--nonsense"], ["nonsense"]):
        told = run(*arguments)
        assert (told.status, told.out) == (Exit.USAGE, "")
        assert "Traceback" not in told.err


def test_each_command_has_help(run: Run) -> None:
    told = run("--help")
    assert (told.status, told.err) == (Exit.DONE, "")
    assert "Exit status: 0 done, 1 refused" in told.out
    assert "--profile" in run("voucher", "show", "--help").out


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--version"], 0, "voucher-async "),
        (["emulator", "--habits", "list"], 0, "pages of 2"),
        (["pending"], 2, 'pip install "voucher-async[cli]"'),
        ([], 2, 'pip install "voucher-async[cli]"'),
    ],
)
def test_without_the_extra_the_emulator_works_and_the_rest_names_it(
    arguments: list[str], status: int, words: str
) -> None:
    told = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRA, *arguments], capture_output=True, text=True, check=False
    )
    assert told.returncode == status, told.stderr
    assert words in told.stdout + told.stderr
    assert "Traceback" not in told.stderr


def test_a_reader_that_leaves_is_no_error(connected: VoucherEmulator) -> None:
    voucher = connected.add_voucher(amount="25.00", currency="EUR")
    line = f"set -o pipefail; {sys.executable} -m voucher_async voucher show {voucher.id} --json | head -c 0"
    told = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, check=False, env=plain_environment()
    )
    assert (told.returncode, told.stderr) == (0, "")


def test_a_profile_that_is_a_pipe_is_refused(run: Run, home: Path) -> None:
    path = make_profile(home, "default", {})
    path.unlink()
    os.mkfifo(path)
    told = run("voucher", "show", "x")
    assert (told.status, "is no file" in told.err) == (Exit.USAGE, True)


async def test_a_call_that_another_process_has_begun_is_not_told_as_over() -> None:
    journal = MemoryJournal()
    options: ClientOptions = {"journal": journal, "journal_scope": "scope", "environment": "sandbox"}
    options |= {"client_id": "shop", "client_secret": "s3cret"}
    async with VoucherClient(**options) as client:
        session = Session(client=client, terminal=Terminal(), key="A-1")
    assert await known_of(session) == "Nothing was sent."
    await journal.claim(record("A-1", scope="scope", owner="another process"))
    assert "another process is at it" in await known_of(session)
