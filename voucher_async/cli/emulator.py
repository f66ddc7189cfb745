"""The command line: `voucher-async`, or `python -m voucher_async`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import signal
import sys
from typing import TYPE_CHECKING, Any, Final

from voucher_async._version import __version__
from voucher_async.testing import VoucherEmulator, habits

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_NAME: Final = "emulator"
_KEPT: Final = 10_000  # requests and faults that are remembered by a process that may run for weeks
_VOUCHER: Final = re.compile(r"(?P<amount>[0-9]+(\.[0-9]{1,2})?)(:(?P<code>.+))?")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the arguments after the program's name; those of the process by default.

    Returns:
        The exit status: 0 when all went well, 1 when the emulator cannot listen.
    """
    parser, command = _parsers()
    arguments = parser.parse_args(argv)
    if arguments.habits == ["list"]:
        print("\n".join(habits.KINDS))
        return 0
    try:
        emulator = _emulator(arguments)
        vouchers = [_add(emulator, given, arguments.currency) for given in arguments.voucher]
    except ValueError as error:
        command.error(str(error))
    try:
        asyncio.run(_serve(emulator, [*vouchers, *_spoilt(emulator)]))
    except OSError as error:
        print(f"cannot listen on {arguments.host}:{arguments.port}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # where the event loop has no signal handlers
        return 0
    return 0


def _parsers() -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    parser = argparse.ArgumentParser(
        prog="voucher-async", description="Tools around the JTL-Voucher Cloud API."
    )
    parser.add_argument("--version", action="version", version=f"voucher-async {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    text = "serve an emulator of the API until interrupted"
    emulator = commands.add_parser("emulator", help=text, description=text)
    _add_addresses(emulator)
    emulator.add_argument(
        "--token-lifetime",
        type=_lifetime,
        default=3600,
        metavar="SECONDS",
        help="how long an access token lives; 'none' leaves it unsaid (default: %(default)s)",
    )
    # not from variables: those may be the real ones, and what is served is printed
    emulator.add_argument("--client-id", type=_word, help="the client's id (default: made up)")
    emulator.add_argument(
        "--client-secret", type=_word, help="its secret, for tests alone (default: made up)"
    )
    emulator.add_argument(
        "--console",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="serve a page beside the API, for people, without a log-in (default: %(default)s)",
    )
    _add_contents(emulator)
    return parser, emulator


def _add_addresses(emulator: argparse.ArgumentParser) -> None:
    emulator.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0 in a container (default: %(default)s)",
    )
    emulator.add_argument(
        "--port",
        type=_port,
        default=8400,
        help="port to listen on, 0 for any free one (default: %(default)s)",
    )
    emulator.add_argument(
        "--name",
        action="append",
        type=_host_name,
        metavar="HOST",
        help="what clients call this machine, such as the service's name; requests for any other name are "
        f"refused; may be repeated (default: {_NAME})",
    )


def _add_contents(emulator: argparse.ArgumentParser) -> None:
    emulator.add_argument(
        "--voucher",
        action="append",
        default=[],
        type=_voucher,
        metavar="AMOUNT[:CODE]",
        help="add an active voucher, with a code of its own or that one; may be repeated",
    )
    emulator.add_argument(
        "--currency", default="EUR", help="the currency of these vouchers (default: %(default)s)"
    )
    emulator.add_argument(
        "--habits",
        nargs="+",
        action="extend",
        default=[],
        metavar="HABIT",
        help="lasting behaviour of proxies and servers, such as 'pages-of-2'; 'list' names all",
    )
    emulator.add_argument(
        "--faults", type=_share, default=0.0, metavar="SHARE", help="share of requests that go wrong, 0 to 1"
    )
    emulator.add_argument(
        "--seed", type=int, default=1, help="of the random choice of faults (default: %(default)s)"
    )


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


def _word(text: str) -> str:
    if not text or not text.isprintable() or " " in text:
        raise argparse.ArgumentTypeError("a credential is a text without white space")
    return text


def _host_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", text):
        raise argparse.ArgumentTypeError("a name is a host without scheme and port")
    return text.lower()


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError("a share is a number from 0 to 1")
    return share


def _voucher(text: str) -> dict[str, str]:
    found = _VOUCHER.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(
            "a voucher is an amount, or an amount and a code, such as 25.00:GIFT"
        )
    return {name: value for name, value in found.groupdict().items() if value is not None}


def _emulator(arguments: argparse.Namespace) -> VoucherEmulator:
    emulator = VoucherEmulator(
        host=arguments.host,
        port=arguments.port,
        token_lifetime=arguments.token_lifetime,
        client_id=arguments.client_id,
        client_secret=arguments.client_secret,
        hosts=arguments.name or [_NAME],
        keep_requests=_KEPT,
        console=arguments.console,
    )
    emulator.habits.set(**_habits(arguments.habits))
    if arguments.faults:
        emulator.faults.chance(arguments.faults, seed=arguments.seed)
    return emulator


def _habits(names: Sequence[str]) -> dict[str, Any]:
    """The habits with these names, in which everything but letters and digits may be a hyphen.

    Raises:
        ValueError: there is none, or one excludes another.
    """
    known = {_plain(name): kind for name, kind in habits.KINDS.items()}
    chosen: dict[str, Any] = {}
    for name in names:
        if _plain(name) not in known:
            raise ValueError(f"there is no habit {name!r}; --habits list names all")
        kind = known[_plain(name)]
        if chosen.keys() & kind.keys():
            raise ValueError(f"the habit {name!r} excludes another one that was given")
        chosen.update(kind)
    return chosen


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _add(emulator: VoucherEmulator, given: dict[str, str], currency: str) -> str:
    voucher = emulator.add_voucher(amount=given["amount"], currency=currency, code=given.get("code"))
    return f"# A voucher of {voucher.amount} {voucher.currency}: {voucher.code}"


def _spoilt(emulator: VoucherEmulator) -> list[str]:
    lines = [f"# {emulator.habits!r}"] if emulator.habits.on else []
    if emulator.faults.active:
        lines.append(f"# Faults, by the random numbers of seed {emulator.faults.seed}.")
    return lines


async def _serve(emulator: VoucherEmulator, more: Sequence[str]) -> None:
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt instead
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, interrupted.set)
    async with emulator:
        pin = f"# A connect PIN, good for 30 minutes and one use: {emulator.new_connect_pin()}"
        print("\n".join([*_settings(emulator), *_console(emulator), *more, pin]), flush=True)
        await interrupted.wait()


def _console(emulator: VoucherEmulator) -> list[str]:
    with contextlib.suppress(RuntimeError):  # it has none
        return [f"# The console, a page for people: {emulator.console_url}"]
    return []


def _settings(emulator: VoucherEmulator) -> list[str]:
    variables = emulator.environ()
    port = emulator.url.rpartition(":")[2]
    names = variables["VOUCHER_INSECURE_HOSTS"].split(",")
    urls = " or ".join(f"http://{name}:{port}/v1" for name in names)
    return [
        f"# The emulator listens on {emulator.url} - stop it with Ctrl-C.",
        *(f"export {name}={value}" for name, value in variables.items()),
        f"# From another container: VOUCHER_BASE_URL={urls}, without VOUCHER_TOKEN_URL.",
    ]
