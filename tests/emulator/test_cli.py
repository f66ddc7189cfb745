"""`python -m voucher_async emulator`."""

from __future__ import annotations

import asyncio
import io
import runpy
import signal
import socket
import subprocess
import sys
from contextlib import closing, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest

import voucher_async
from tests.processes import plain_environment
from voucher_async import cli
from voucher_async._version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = [sys.executable, "-m", "voucher_async", "emulator", "--port", "0"]


@pytest.fixture
def served() -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The process and what its settings and its PIN line say."""
    process = subprocess.Popen(
        COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=plain_environment()
    )
    assert process.stdout is not None
    said: dict[str, str] = {}
    while "PIN" not in said:
        line = process.stdout.readline().strip()
        assert line, process.communicate()
        name, _, value = line.removeprefix("export ").partition("=")
        said[name] = value
        if "connect PIN" in line:
            said["PIN"] = line.rpartition(" ")[2]
    try:
        yield process, said
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_command_serves_what_it_prints_until_it_is_told_to_stop(
    served: tuple[subprocess.Popen[str], dict[str, str]], number: signal.Signals
) -> None:
    process, said = served
    form = {
        "grant_type": "client_credentials",
        "client_id": said["VOUCHER_CLIENT_ID"],
        "client_secret": said["VOUCHER_CLIENT_SECRET"],
    }
    async with aiohttp.ClientSession() as session:
        async with session.post(said["VOUCHER_TOKEN_URL"], data=form) as response:
            token = (await response.json())["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        async with session.get(f"{said['VOUCHER_BASE_URL']}/vouchers", headers=headers) as response:
            assert response.status == 200
        url = f"{said['VOUCHER_BASE_URL']}/clients/connect"
        async with session.post(url, json={"pin": said["PIN"]}) as response:
            assert response.status == 200
        process.send_signal(number)
        out, err = await asyncio.to_thread(process.communicate, timeout=10)
    assert (process.returncode, out, err) == (0, "", "")


class Interrupting(io.StringIO):
    """Presses Ctrl-C as soon as the PIN is shown."""

    def write(self, text: str) -> int:
        if "connect PIN" in text:
            signal.raise_signal(signal.SIGINT)
        return super().write(text)


@pytest.mark.parametrize("lifetime", ["none", "60"])
def test_main_returns_zero_after_ctrl_c(lifetime: str) -> None:
    with redirect_stdout(Interrupting()) as out:
        assert cli.main(["emulator", "--port", "0", "--token-lifetime", lifetime]) == 0
    assert "export VOUCHER_CLIENT_SECRET=" in out.getvalue()


def test_ctrl_c_ends_it_cleanly_where_a_loop_has_no_signal_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(asyncio.SelectorEventLoop, "add_signal_handler", refuse)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a background job
    try:
        with redirect_stdout(Interrupting()):
            assert cli.main(["emulator", "--port", "0"]) == 0
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_taken_port_is_one_line_and_exit_status_one(capsys: pytest.CaptureFixture[str]) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        assert cli.main(["emulator", "--port", str(port)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"cannot listen on 127.0.0.1:{port}: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["emulator", "--port", "65536"],
        ["emulator", "--port", "x"],
        ["emulator", "--token-lifetime", "0"],
        ["emulator", "--token-lifetime", "soon"],
    ],
)
def test_wrong_arguments_end_with_status_two(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "usage: voucher-async" in capsys.readouterr().err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"voucher-async {__version__}\n"


def test_the_package_can_be_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["voucher_async", "--version"])
    path = str(Path(voucher_async.__file__).with_name("__main__.py"))
    runpy.run_path(path, run_name="imported")
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(path, run_name="__main__")
    assert caught.value.code == 0
    assert __version__ in capsys.readouterr().out
