"""`voucher-async connect`."""

from __future__ import annotations

import asyncio
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run, Window
from voucher_async import VoucherClient
from voucher_async.cli.exits import Exit
from voucher_async.cli.profiles import ProfileFile
from voucher_async.testing import VoucherEmulator, faults


def profile(home: Path, name: str = "default") -> Path:
    return home / "config" / "voucher-async" / f"{name}.env"


def files(home: Path) -> list[str]:
    return [path.name for path in profile(home).parent.iterdir()]


def works_with(text: str, emulator: VoucherEmulator) -> bool:
    """Whether these variables are those of a client that the emulator knows."""
    environ = dict(line.split("=", 1) for line in text.splitlines())
    voucher = emulator.add_voucher(amount="1.00", currency="EUR")

    async def read() -> str:
        async with VoucherClient.from_env(environ) as client:
            return (await client.vouchers.get(voucher.id)).id

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(read()) == voucher.id


def test_a_pin_becomes_a_profile_that_its_owner_alone_can_read(
    emulator: VoucherEmulator, run: Run, home: Path
) -> None:
    pin = emulator.new_connect_pin()
    told = run("connect", pin, "--base-url", emulator.base_url)
    assert told.status == Exit.DONE, told.err
    assert stat.S_IMODE(profile(home).stat().st_mode) == 0o600
    assert files(home) == ["default.env"]
    voucher = emulator.add_voucher(amount="25.00", currency="EUR")
    shown = run("voucher", "show", voucher.id, "--json")
    assert shown.status == Exit.DONE, shown.err
    assert '"remaining_amount": "25.00"' in shown.out
    assert works_with(profile(home).read_text(), emulator)
    secret = profile(home).read_text().partition("VOUCHER_CLIENT_SECRET=")[2].splitlines()[0]
    assert len(secret) > 20
    assert secret not in told.out + told.err + shown.out + shown.err


def test_a_file_that_cannot_be_written_spends_no_pin(emulator: VoucherEmulator, run: Run, home: Path) -> None:
    (home / "config").write_text("a file where a folder has to be")
    pin = emulator.new_connect_pin()
    told = run("connect", pin, "--base-url", emulator.base_url)
    assert told.status == Exit.USAGE
    assert "the PIN was not used" in told.err
    assert len(emulator.requests) == 0


def test_credentials_are_printed_when_the_disk_fails_after_all(
    emulator: VoucherEmulator, run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(Path, "hardlink_to", replace)
    told = run("connect", emulator.new_connect_pin(), "--base-url", emulator.base_url)
    assert told.status == Exit.PARTLY
    monkeypatch.undo()
    assert works_with(told.out, emulator)
    assert "No space left on device" in told.err
    assert files(home) == []


def test_credentials_can_be_printed_for_an_env_file(emulator: VoucherEmulator, run: Run, home: Path) -> None:
    told = run("connect", emulator.new_connect_pin(), "--base-url", emulator.base_url, "--print")
    assert told.status == Exit.DONE
    assert works_with(told.out, emulator)
    assert not profile(home).exists()


def test_a_profile_that_is_there_is_not_replaced_unasked(
    emulator: VoucherEmulator, run: Run, home: Path
) -> None:
    profile(home).parent.mkdir(parents=True)
    profile(home).write_text("VOUCHER_CLIENT_ID=another\n")
    pin = emulator.new_connect_pin()
    told = run("connect", pin, "--base-url", emulator.base_url)
    assert told.status == Exit.USAGE
    assert "--replace" in told.err
    assert run("connect", pin, "--base-url", emulator.base_url, "--profile", "other").status == Exit.DONE
    assert (
        run("connect", emulator.new_connect_pin(), "--base-url", emulator.base_url, "--replace").status == 0
    )
    assert works_with(profile(home).read_text(), emulator)


def test_a_lost_answer_says_that_the_pin_may_be_used_up(
    emulator: VoucherEmulator, run: Run, home: Path
) -> None:
    emulator.faults.script("connectClient", faults.BreakAfter())
    told = run("connect", emulator.new_connect_pin(), "--base-url", emulator.base_url)
    assert told.status == Exit.OPEN
    assert "Make a new PIN in the Admin UI" in told.err
    assert files(home) == []


def test_a_profile_that_is_made_meanwhile_is_left(home: Path) -> None:
    connecting = ProfileFile(profile(home), replace=False)
    with connecting:
        profile(home).write_text("VOUCHER_CLIENT_ID=another\n")
        with pytest.raises(FileExistsError):
            connecting.keep({"VOUCHER_CLIENT_ID": "ours"})
    assert profile(home).read_text() == "VOUCHER_CLIENT_ID=another\n"
    assert files(home) == ["default.env"]


def test_ctrl_c_once_the_pin_was_sent_says_that_it_may_be_used_up(
    emulator: VoucherEmulator, window: Callable[..., Window], home: Path
) -> None:
    emulator.faults.script("connectClient", faults.SlowHeaders(60.0))
    shown = window("connect", emulator.new_connect_pin(), "--base-url", emulator.base_url)
    deadline = time.monotonic() + 60
    while not emulator.requests and time.monotonic() < deadline:
        time.sleep(0.05)
    shown.interrupt()
    assert shown.end() == Exit.INTERRUPTED
    assert "this one may be used up" in shown.text
    assert files(home) == []


@pytest.mark.parametrize("given", [[], ["--environment", "sandbox", "--base-url", "http://127.0.0.1:1/v1"]])
def test_one_environment_has_to_be_named(run: Run, given: list[str]) -> None:
    told = run("connect", "1234", *given)
    assert told.status == Exit.USAGE
    assert "--environment sandbox" in told.err


def test_a_pin_is_asked_for_without_an_echo(
    emulator: VoucherEmulator, window: Callable[..., Window], home: Path
) -> None:
    pin = emulator.new_connect_pin()
    shown = window("connect", "--base-url", emulator.base_url, "--profile", "shop")
    shown.wait_for("pin: ")
    shown.answer(pin)
    assert shown.end() == Exit.DONE
    assert pin not in shown.text
    assert "Connected as" in shown.text
    assert profile(home, "shop").exists()


def test_ctrl_c_at_a_question_ends_the_command(
    emulator: VoucherEmulator, window: Callable[..., Window], home: Path
) -> None:
    shown = window("connect", "--base-url", emulator.base_url)
    shown.wait_for("pin: ")
    shown.interrupt()
    assert shown.end() == Exit.INTERRUPTED
    assert "Traceback" not in shown.text
    assert files(home) == []
