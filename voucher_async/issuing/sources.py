"""Reading the descriptions of a batch, one at a time and no sooner than they are needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, Final

import attrs

from voucher_async.errors import InvalidInputType

__all__ = ["NOTHING", "Source", "check_specs"]

NOTHING: Final = object()
"""Stands for no description: none is there yet, or there are no more."""

_END: Final = object()
_SINGLE: Final = (str, bytes, Mapping)


def check_specs(specs: object) -> None:
    """Refuse what is no iterable of descriptions.

    Raises:
        InvalidInputType: a single description, or something else.
    """
    kind = type(specs)
    if issubclass(kind, _SINGLE) or not issubclass(kind, (Iterable, AsyncIterable)):
        name = kind.__name__
        raise InvalidInputType("specs", f"must be an iterable or async iterable, not {name}", name)


@attrs.define(eq=False)
class Source:
    """The descriptions of one run.

    Attributes:
        reading: the task that reads the next one of an async iterable; None while none does.
        is_over: whether there are no more.
        error: the error that the iterable raised.
    """

    _specs: Iterable[object] | AsyncIterable[object]
    _plain: Iterator[object] | None = attrs.field(init=False, default=None)
    _later: AsyncIterator[object] | None = attrs.field(init=False, default=None)
    reading: asyncio.Task[object] | None = attrs.field(init=False, default=None)
    is_over: bool = attrs.field(init=False, default=False)
    error: Exception | None = attrs.field(init=False, default=None)

    def take(self) -> object:
        """The next description; `NOTHING` when there is none, or while it is being read."""
        if self.is_over:
            return NOTHING
        try:
            found = self._take_later() if isinstance(self._specs, AsyncIterable) else self._take()
        except Exception as error:  # noqa: BLE001 - raised once those under way have ended
            self.error, found = error, _END
        self.is_over = found is _END
        return NOTHING if self.is_over else found

    def _take(self) -> object:
        if self._plain is None:
            specs: Any = self._specs
            self._plain = iter(specs)
        return next(self._plain, _END)

    def _take_later(self) -> object:
        reading, self.reading = self.reading, None
        if reading is None:
            reading = asyncio.create_task(self._read())
        if not reading.done():
            self.reading = reading
            return NOTHING
        if reading.cancelled():
            return _END
        return reading.result()

    async def _read(self) -> object:
        if self._later is None:
            specs: Any = self._specs
            self._later = aiter(specs)
        return await anext(self._later, _END)

    def stop(self) -> None:
        """Read no more."""
        self.is_over = True
