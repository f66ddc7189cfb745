"""What a crash reporter would write down: the local variables of every frame of an error and of its causes.

The shop's own frames are left out: here, those of the tests.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

TESTS = str(Path(__file__).resolve().parents[1])
RUNNERS = ("/_pytest/", "/pluggy/", "/pytest_asyncio/", "/pytest_timeout")
# without aiohttp, whose half-constructed objects change when a repr is made
SDK = ("/voucher_async/", "<attrs generated", "<cattrs generated", "/urllib/", "/json/")

_DEEP = 4


def shown_of(error: BaseException) -> Iterator[tuple[str, str]]:
    """Each local variable of each frame as a crash reporter shows it, with the place of the frame."""
    for each in _related(error, {}):
        trace = each.__traceback__
        while trace is not None:
            yield from shown_of_frame(trace.tb_frame)
            trace = trace.tb_next


def shown_of_stack() -> Iterator[tuple[str, str]]:
    """The same for the frames that are running, which is what a reporter of log records shows."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        yield from shown_of_frame(frame)
        frame = frame.f_back


class Tracer:
    """Watches what a crash reporter could see, whoever swallows the error: each frame one passes.

    Args:
        every: look at frames that return, too, so that no error has to be provoked in them.
    """

    def __init__(self, *, every: bool = False) -> None:
        self.variables: dict[tuple[str, str], None] = {}
        self.failure: BaseException | None = None
        self._every = every
        self._former: Any = None

    def __enter__(self) -> Self:
        self._former = sys.gettrace()
        sys.settrace(self._entered)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._former)
        assert self.failure is None, repr(self.failure)

    def _entered(self, frame: types.FrameType, _event: str, _argument: object) -> Any:
        if not _is_watched(frame.f_code.co_filename):
            return None
        frame.f_trace_lines = False
        return self._happened

    def _happened(self, frame: types.FrameType, event: str, _argument: object) -> Any:
        # newer Pythons report the end of a generator, too, which is no error
        is_end = event == "exception" and isinstance(_argument, tuple) and _argument[0] is StopIteration
        if (event == "exception" and not is_end) or (event == "return" and self._every):
            try:
                self.variables.update(dict.fromkeys(shown_of_frame(frame)))
            except BaseException as error:
                # Python ends the tracing silently when its function raises
                self.failure = error
                raise
        return self._happened


@functools.cache
def _is_watched(name: str) -> bool:
    return not name.startswith(TESTS) and any(part in name for part in SDK)


def shown_of_frame(frame: types.FrameType) -> Iterator[tuple[str, str]]:
    code = frame.f_code
    if code.co_filename.startswith((TESTS, "<string>")) or any(part in code.co_filename for part in RUNNERS):
        return
    for name, value in frame.f_locals.items():
        for text in _serialized(value, _DEEP):
            yield f"{code.co_filename}:{frame.f_lineno} {code.co_name}: {name}", text


def _serialized(value: object, deep: int) -> Iterator[str]:
    # as sentry does: containers are searched through, whatever their own repr shows
    if deep and isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _serialized(item, deep - 1)
    elif deep and isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _serialized(item, deep - 1)
    try:
        yield repr(value)
    except Exception:  # noqa: BLE001 - an object under construction may fail in its repr
        return


def _related(error: BaseException, seen: dict[int, BaseException]) -> Iterator[BaseException]:
    if id(error) in seen:
        return
    seen[id(error)] = error
    yield error
    for other in (error.__cause__, error.__context__, *vars(error).values()):
        for each in other if isinstance(other, tuple) else (other,):
            below = getattr(each, "error", each)
            if isinstance(below, BaseException):
                yield from _related(below, seen)
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _related(part, seen)
