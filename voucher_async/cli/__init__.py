"""The command line: `voucher-async`, or `python -m voucher_async`.

The emulator needs no further package; the other commands need those of the extra `cli`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_PACKAGES: Final = frozenset({"cyclopts", "platformdirs", "rich", "sqlalchemy"})
_WITHOUT: Final = frozenset(
    {"emulator", "--version"}
)  # understood by the emulator's parser, without the extra
_MISSING: Final = 'needs the extra "cli": pip install "voucher-async[cli]" (the command `emulator` does not)'


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the arguments after the program's name; those of the process by default.

    Returns:
        The exit status, see `voucher_async.cli.exits.Exit`.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if _WITHOUT.intersection(arguments[:1]):
        from voucher_async.cli import emulator  # noqa: PLC0415 - no other command needs a server

        return emulator.main(arguments)
    try:
        from voucher_async.cli.app import run  # noqa: PLC0415 - the emulator works without the extra
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _PACKAGES:
            raise
        sys.stderr.write(f"voucher-async {_MISSING}\n")
        return 2
    return run(arguments)
