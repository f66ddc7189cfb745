"""Results for people and for programs, and questions to whoever runs a command."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, Final, TextIO, cast

from rich.console import Console
from rich.table import Table
from rich.text import Text

from voucher_async.cli.streams import is_lost
from voucher_async.errors import InvalidInput
from voucher_async.masking import conceal, visible
from voucher_async.values import Written

__all__ = ["HIDDEN", "Refused", "Terminal", "cell", "interruptible"]

HIDDEN: Final = "(hidden)"
"""The text in the place of a secret."""

_SECRETS: Final = frozenset({"code", "pin", "secret", "client_secret"})
_STATE: Final = 9  # columns of the longest state
_WIDE: Final = 100_000  # columns: what goes into a pipe or a file is never cut
_NARROW: Final = 7  # characters of a line in which folded text can still be read
_GAP: Final = 2  # between two columns

Row = Mapping[str, Any]


class Refused(Exception):
    """The command was not carried out, since nobody agreed; nothing was sent."""


class Terminal:
    """The streams of a command.

    Args:
        as_json: one JSON object a line on the standard output, in place of tables.
        show_secrets: codes and pins are shown.
        agreed: questions before money moves are answered with yes.
        out: gets results; default: the standard output.
        err: gets words; default: the standard error.
    """

    def __init__(
        self,
        *,
        as_json: bool = False,
        show_secrets: bool = False,
        agreed: bool = False,
        out: TextIO | None = None,
        err: TextIO | None = None,
    ) -> None:
        self.as_json = as_json
        self.show_secrets = show_secrets
        self._agreed = agreed
        self._out = sys.stdout if out is None else out
        self._err = sys.stderr if err is None else err
        self.out: Console = _console(self._out)
        self.err: Console = _console(self._err)

    @property
    def is_interactive(self) -> bool:
        """True where a person can be asked."""
        return _input() is not None and sys.stdin.isatty() and self._err.isatty()

    def say(self, words: str) -> None:
        """Words for people, on the standard error."""
        self.err.print(Text(_lines(words)), soft_wrap=True)

    def show(
        self, values: Iterable[Written | Row], columns: Sequence[str], *, empty: str = "Nothing."
    ) -> None:
        """Rows of a table with these columns, or as JSON lines with all they have.

        Args:
            values: the rows.
            columns: the names of the fields that a table shows, in their order.
            empty: the words in place of a table without rows.
        """
        rows = map(self.row, values)
        if self.as_json:
            for row in rows:
                self.line(row)
            return
        listed = list(rows)
        if not listed:
            self.say(empty)
        elif _fits(listed, columns, self.out.width):
            self.out.print(_table(listed, columns))
        else:  # amounts and ids are never broken in two
            for row in listed:
                self.out.print(_block(row, columns))
                self.out.print()

    def show_one(self, value: Written | Row, names: Sequence[str] | None = None) -> None:
        """The fields of one value, one below the other, or as a JSON line with all it has.

        Args:
            value: a voucher, a charge, or another value.
            names: the fields to show to people, in their order; None: all that it has.
        """
        row = self.row(value)
        if self.as_json:
            self.line(row)
            return
        self.out.print(_block(row, tuple(row) if names is None else names))

    def found(self, state: str, style: str, words: str, advice: str | None) -> None:
        """A finding: its state, what was seen, and on a line below what to do about it.

        Args:
            state: a word.
            style: its colour on a screen.
            words: what was seen.
            advice: what to do; None or empty: nothing.
        """
        line = Text(f"{state:{_STATE}} ", style=style)
        line.append(visible(words), style="default")
        self.out.print(line, soft_wrap=True)
        if advice:
            self.out.print(Text(f"{'':{_STATE}} -> {visible(advice)}"), soft_wrap=True)

    def line(self, row: Row) -> None:
        """One JSON object on a line of its own; see `write`."""
        self.write(json.dumps(row))

    def write(self, line: str) -> None:
        """A line for programs, on the standard output.

        Raises:
            BrokenPipeError: nobody reads any more, as a line before could not be written.
        """
        if is_lost(self._out):
            raise BrokenPipeError
        self._out.write(f"{line}\n")
        self._out.flush()

    def row(self, value: Written | Row) -> dict[str, Any]:
        """The fields of a value, secrets hidden unless they are to be shown."""
        row = value.to_dict() if isinstance(value, Written) else dict(value)
        return row if self.show_secrets else _without_secrets(row)

    def confirm(self, question: str) -> None:
        """Ask before something is done that cannot be undone.

        Args:
            question: a sentence that ends with a question mark, with the environment in it.

        Raises:
            Refused: the answer was no, or there is nobody to ask and `--yes` was not given.
        """
        if self._agreed:
            return
        if not self.is_interactive:
            raise Refused(f"{question} There is nobody to ask here: --yes says yes.")
        answer = self._ask(f"{visible(question)} [y/N] ", input)
        if answer.strip().lower() not in {"y", "yes"}:
            raise Refused("Not done.")

    def secret(self, name: str, given: str | None, *, is_optional: bool = False) -> str | None:
        """A secret that was given, is on the standard input, or is asked for without an echo.

        Args:
            name: `code` or `pin`, for the question.
            given: what stood in the command; `-` for the first line of the standard input.
            is_optional: without one given nobody is asked.

        Raises:
            InvalidInput: there is none.
        """
        given = conceal(given)
        if given == "-":
            stream = _input()
            given = conceal("" if stream is None else stream.readline().rstrip("\r\n"))
        elif given is None and not is_optional and self.is_interactive:
            from getpass import getpass  # noqa: PLC0415 - most commands ask for no secret

            given = conceal(self._ask(f"{name}: ", getpass))
        if not given and not is_optional:
            raise InvalidInput(
                name, "must be given, or come by `-` from the standard input", given, secret=True
            )
        return given

    def _ask(self, question: str, read: Callable[[str], str]) -> str:
        with interruptible():
            if read is input:
                self._err.write(question)
                self._err.flush()
                question = ""
            try:
                return conceal(read(question))
            except EOFError:
                raise Refused("Not done: there was no answer.") from None


def cell(value: object) -> str:
    """A value as a table shows it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(cell, cast("Iterable[object]", value))) or "-"
    return visible(str(value))


def _table(rows: Sequence[Row], columns: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        justify: Any = "right" if _is_amount(name) else "left"
        whole = _is_whole(name)
        table.add_column(name.replace("_", " "), overflow="fold", justify=justify, no_wrap=whole)
    for row in rows:
        table.add_row(*(Text(cell(row.get(name))) for name in columns))
    return table


def _block(row: Row, names: Sequence[str]) -> Table:
    """The fields of one value, one below the other."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name in names:
        table.add_row(name.replace("_", " "), Text(cell(row.get(name))))
    return table


def _fits(rows: Sequence[Row], columns: Sequence[str], width: int) -> bool:
    """True where a table fits without folding ids and amounts, which are copied."""
    whole = [name for name in columns if _is_whole(name)]
    taken = sum(max(len(name), *(len(cell(row.get(name))) for row in rows)) for name in whole)
    return taken + _NARROW * (len(columns) - len(whole)) + _GAP * (len(columns) - 1) <= width


def _is_whole(name: str) -> bool:
    return name == "id" or name.endswith("_id") or _is_amount(name)


def _is_amount(name: str) -> bool:
    return name == "left" or name.endswith("amount")


def _lines(words: str) -> str:
    return "\n".join(map(visible, words.splitlines()))


def _without_secrets(row: Row) -> dict[str, Any]:
    return {name: _hidden(name, value) for name, value in row.items()}


def _hidden(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return _without_secrets(cast("Row", value))
    if isinstance(value, list):
        return [_hidden(name, each) for each in cast("Iterable[object]", value)]
    return HIDDEN if name in _SECRETS and value is not None else value


def _input() -> TextIO | None:
    return sys.stdin  # None where it was closed, whatever its type says


def _console(stream: TextIO) -> Console:
    # a width is for a screen; what goes elsewhere is read by programs
    width = None if stream.isatty() else _WIDE
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


@contextlib.contextmanager
def interruptible() -> Generator[None]:
    """Ctrl-C ends the reading of an answer: under asyncio it would only be noted until somebody answers."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
