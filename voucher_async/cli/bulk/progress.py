"""The progress of a batch, on the standard error: a bar on a terminal, plain words elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol, Self

from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.table import Column
from rich.text import Text

if TYPE_CHECKING:
    from rich.progress import Task

    from voucher_async.cli.bulk.tally import Tally
    from voucher_async.cli.terminal import Terminal

__all__ = ["Progress", "progress_of"]

_EVERY: Final = 5.0  # seconds between two lines of words
_NARROW: Final = 60  # columns, without which there is no room for a bar


class Progress(Protocol):
    """Shows how far a batch is, inside of `with`."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self) -> None:
        """Show the counts as they are now."""
        ...


def progress_of(terminal: Terminal, tally: Tally) -> Progress:
    """The progress of a batch, in the form for these streams."""
    if terminal.err.is_terminal and not terminal.err.is_dumb_terminal:
        return _Bar(terminal, tally)
    return _Words(terminal, tally)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f}/s")


class _Bar:
    def __init__(self, terminal: Terminal, tally: Tally) -> None:
        self._tally = tally
        self._bar = RichProgress(
            *_columns(terminal.err.width),
            console=terminal.err,
            expand=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task("", total=tally.total, words=_words(tally))

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.show()
        self._bar.stop()

    def show(self) -> None:
        self._bar.update(self._task, completed=self._tally.done, words=_words(self._tally))


def _columns(width: int) -> list[ProgressColumn]:
    def whole() -> Column:
        return Column(no_wrap=True)

    bar = BarColumn(bar_width=None, table_column=Column(ratio=1))
    count = MofNCompleteColumn(table_column=whole())
    left = TimeRemainingColumn(table_column=whole())
    words = TextColumn("{task.fields[words]}", markup=False, table_column=whole())
    if width < _NARROW:
        return [count, left, words]
    return [bar, count, _Rate(table_column=whole()), left, words]


def _words(tally: Tally) -> str:
    return f"found {tally.found}, failed {tally.failed}"


class _Words:
    def __init__(self, terminal: Terminal, tally: Tally) -> None:
        self._terminal = terminal
        self._tally = tally
        self._began = self._told = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def show(self) -> None:
        now = time.monotonic()
        if now - self._told < _EVERY:
            return
        self._told = now
        tally, rate = self._tally, self._tally.done / (now - self._began)
        left = round((tally.total - tally.done) / rate)
        words = f"{tally.done} of {tally.total}, {_words(tally)}; {rate:.1f}/s, {left} seconds to go"
        self._terminal.say(words)
