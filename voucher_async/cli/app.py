"""The commands together, and how each of them ends."""

from __future__ import annotations

import asyncio
import os
import traceback
from typing import TYPE_CHECKING, Any, Final

from cyclopts import App, CycloptsError, Parameter

from voucher_async._version import __version__
from voucher_async.cli.commands import (
    bulk,
    checks,
    connecting,
    money,
    probes,
    reconciling,
    records,
    vouchers,
    worker,
)
from voucher_async.cli.exits import Exit, advice_for, exit_of
from voucher_async.cli.signals import cancelled_by_signals
from voucher_async.cli.streams import Output, streams
from voucher_async.cli.terminal import Refused, Terminal
from voucher_async.cli.usage import words_of
from voucher_async.errors import VoucherError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

__all__ = ["app", "run"]

_HELP: Final = """Gift vouchers of the JTL-Voucher Cloud API, from a terminal.

`voucher-async connect` makes a profile from a connection PIN, `voucher-async check` tells what does not work.
Money commands run twice charge once: run again what was cut off.
"""
_EPILOGUE: Final = (
    "Exit status: 0 done, 1 refused and nothing done, 2 wrong usage, 3 it may have been done (run it again), "
    "4 partly done, 5 nothing done for now (run it again), 130 interrupted."
)

app: Final = App(
    name="voucher-async",
    help=_HELP,
    help_epilogue=_EPILOGUE,
    help_format="markdown",
    version=__version__,
    default_parameter=Parameter(negative="", show_default=lambda value: value or None),
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
app.register_install_completion_command(  # pyright: ignore[reportUnknownMemberType] - its **kwargs
    help="Install the completion of commands for this shell."
)


@app.command(name="emulator", help_flags=[])
def _emulator(*arguments: str) -> int:
    """Serve an emulator of the API until interrupted; `emulator --help` has its options."""
    from voucher_async.cli import emulator  # noqa: PLC0415 - no other command needs a server

    return emulator.main(["emulator", *arguments])


for _module in (connecting, checks, probes, vouchers, money, records, reconciling, bulk, worker):
    _module.register(app)


class _StandardInput(str):
    """The argument `-`, which would be taken for an option without a name."""

    __slots__ = ()

    def startswith(self, *_: Any) -> bool:
        """Tell that it does not begin like an option."""
        return False


def _word(argument: str) -> str:
    return _StandardInput(argument) if argument == "-" else argument


def run(argv: Sequence[str]) -> int:
    """Run a command.

    Args:
        argv: the arguments after the program's name.

    Returns:
        The exit status.
    """
    if os.environ.get("COLUMNS") == "0":  # as some programs say of a screen that is none
        del os.environ["COLUMNS"]
    with streams() as (out, _):
        terminal = Terminal()
        status = _run(terminal, argv)
        out.flush()
        return _unless_lost(terminal, out, status)


def _run(terminal: Terminal, argv: Sequence[str]) -> int:
    try:
        command, bound, _ = app.parse_args(list(map(_word, argv)), exit_on_error=False, print_error=False)
        result = command(*bound.args, **bound.kwargs)
        if asyncio.iscoroutine(result):
            # asyncio.run, but it leaves the loop of whoever calls this in its place
            with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
                result = runner.run(_until_told_to_stop(result))
        return int(result or Exit.DONE)
    except (Exception, KeyboardInterrupt, asyncio.CancelledError) as error:  # noqa: BLE001 - see `_ended_by`
        return _ended_by(terminal, error)


def _ended_by(terminal: Terminal, error: BaseException) -> Exit:
    """The status for an error, in whose place python would have that of "nothing was done"."""
    match error:
        case CycloptsError():
            terminal.say(f"error: {words_of(error)}")
            return Exit.USAGE
        case Refused():
            terminal.say(str(error))
            return Exit.USAGE
        case VoucherError():
            return _failed(terminal, error)
        case KeyboardInterrupt() | asyncio.CancelledError():
            terminal.say("Interrupted.")
            return Exit.INTERRUPTED
        case BrokenPipeError():  # a list that nobody reads any more
            return Exit.DONE
        case OSError():
            terminal.say(f"error: {error}")
        case _:
            terminal.say("".join(traceback.format_exception(error)))
            terminal.say(f"error: an unforeseen {type(error).__name__}. It may have been done: run it again.")
    return Exit.OPEN


def _unless_lost(terminal: Terminal, out: Output, status: int) -> int:
    """The status, which tells where a result was made and could not be written."""
    if out.error is None or isinstance(out.error, BrokenPipeError):
        return status  # whoever reads has enough, as `head` does
    terminal.say(f"error: the output could not be written ({out.error.strerror}); what was done stands.")
    return status or Exit.PARTLY


def _failed(terminal: Terminal, error: VoucherError) -> Exit:
    terminal.say(f"error: {error}")
    advice = advice_for(error)
    if advice is not None:
        terminal.say(advice)
    return exit_of(error)


async def _until_told_to_stop(command: Coroutine[Any, Any, Any]) -> Any:
    with cancelled_by_signals():
        return await command
