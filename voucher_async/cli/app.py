"""The commands together, and how each of them ends."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING, Any, Final

from cyclopts import App, CycloptsError, Parameter

from voucher_async._version import __version__
from voucher_async.cli import emulator
from voucher_async.cli.commands import bulk, checks, connecting, money, probes, records, vouchers
from voucher_async.cli.exits import Exit, advice_for, exit_of
from voucher_async.cli.terminal import Refused, Terminal
from voucher_async.errors import VoucherError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from types import FrameType

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
    return emulator.main(["emulator", *arguments])


for _module in (connecting, checks, probes, vouchers, money, records, bulk):
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
    terminal = Terminal()
    try:
        command, bound, _ = app.parse_args(list(map(_word, argv)), exit_on_error=False, print_error=True)
        result = command(*bound.args, **bound.kwargs)
        if asyncio.iscoroutine(result):
            # asyncio.run, but it leaves the loop of whoever calls this in its place
            with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
                result = runner.run(_until_told_to_stop(result))
        return int(result or Exit.DONE)
    except CycloptsError:
        return Exit.USAGE
    except Refused as refused:
        terminal.say(str(refused))
        return Exit.USAGE
    except VoucherError as error:
        return _failed(terminal, error)
    except (KeyboardInterrupt, asyncio.CancelledError):
        terminal.say("Interrupted.")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # whoever reads the output has left, as `head` does; nothing is written when the process ends
        sys.stdout = None
        return Exit.DONE


def _failed(terminal: Terminal, error: VoucherError) -> Exit:
    terminal.say(f"error: {error}")
    advice = advice_for(error)
    if advice is not None:
        terminal.say(advice)
    return exit_of(error)


async def _until_told_to_stop(command: Coroutine[Any, Any, Any]) -> Any:
    """Run a command; SIGTERM cancels it as Ctrl-C does, so that its client is closed."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - this is a coroutine of asyncio.run

    def stop(_: int, __: FrameType | None) -> None:
        task.get_loop().call_soon_threadsafe(task.cancel)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        return await command
    finally:
        signal.signal(signal.SIGTERM, before)
