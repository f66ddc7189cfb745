"""The command line: `voucher-async`, or `python -m voucher_async`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from typing import TYPE_CHECKING

from voucher_async._version import __version__
from voucher_async.testing import VoucherEmulator

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the arguments after the program's name; those of the process by default.

    Returns:
        The exit status: 0 when all went well, 1 when the emulator cannot listen.
    """
    arguments = _parser().parse_args(argv)
    emulator = VoucherEmulator(
        host=arguments.host, port=arguments.port, token_lifetime=arguments.token_lifetime
    )
    try:
        asyncio.run(_serve(emulator))
    except OSError as error:
        print(f"cannot listen on {arguments.host}:{arguments.port}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # where the event loop has no signal handlers
        return 0
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="voucher-async", description="Tools around the JTL-Voucher Cloud API."
    )
    parser.add_argument("--version", action="version", version=f"voucher-async {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    emulator = commands.add_parser("emulator", help="serve an emulator of the API until interrupted")
    emulator.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    emulator.add_argument(
        "--port",
        type=_port,
        default=8400,
        help="port to listen on, 0 for any free one (default: %(default)s)",
    )
    emulator.add_argument(
        "--token-lifetime",
        type=_lifetime,
        default=3600,
        metavar="SECONDS",
        help="how long an access token lives; 'none' leaves it unsaid (default: %(default)s)",
    )
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**16:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def _lifetime(text: str) -> int | None:
    if text.lower() == "none":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a lifetime is a number of seconds, or 'none'")
    return int(text)


async def _serve(emulator: VoucherEmulator) -> None:
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt instead
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, interrupted.set)
    async with emulator:
        print(_settings(emulator), flush=True)
        await interrupted.wait()


def _settings(emulator: VoucherEmulator) -> str:
    settings = emulator.settings()
    return "\n".join(
        [
            f"# The emulator listens on {emulator.url} - stop it with Ctrl-C.",
            f"export VOUCHER_CLIENT_ID={settings['client_id']}",
            f"export VOUCHER_CLIENT_SECRET={settings['client_secret']}",
            f"export VOUCHER_BASE_URL={settings['base_url']}",
            f"export VOUCHER_TOKEN_URL={settings['token_url']}",
            f"# A connect PIN, good for 30 minutes and one use: {emulator.new_connect_pin()}",
        ]
    )
