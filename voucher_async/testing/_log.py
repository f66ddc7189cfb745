"""The request log: what was asked and answered, without anything secret."""

from __future__ import annotations

import collections
import datetime as dt
import itertools
from collections.abc import Iterator, Mapping

import attrs

from voucher_async.testing._guard import Guard
from voucher_async.testing._routes import Route
from voucher_async.testing._state import State

__all__ = ["RequestEntry", "RequestLog", "safe_path"]

_MASK = "***"


@attrs.frozen(kw_only=True)
class RequestEntry:
    """One request.

    Attributes:
        operation_id: the operation, or None when the path or the method is unknown.
        path: the path with the identifiers of existing records in it; any other identifier shows as `***`,
            and so does the whole path when it is unknown.
        status: the status that was decided; 0 when a fault kept the request from being looked at.
        at: the emulator's time.
        client_id: the client that the token belonged to.
        fault: the fault that the request met, if any; see `voucher_async.testing.faults`.
        request_id: the header `X-Request-Id`, the id of the money call that the request belongs to.
    """

    operation_id: str | None
    method: str
    path: str
    status: int
    at: dt.datetime
    client_id: str | None
    fault: str | None = None
    request_id: str | None = None


class RequestLog:
    """Every request since the emulator started or `clear` was called, oldest first.

    Args:
        most: how many of the latest are kept; None: all.
    """

    def __init__(self, most: int | None = None) -> None:
        self._entries: collections.deque[RequestEntry] = collections.deque(maxlen=most)
        self._count = 0
        self._guard = Guard()

    def __iter__(self) -> Iterator[RequestEntry]:
        with self._guard:
            return iter(tuple(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> RequestEntry:
        return self._entries[index]

    def __repr__(self) -> str:
        return f"<RequestLog: {len(self)} requests>"

    def add(self, entry: RequestEntry) -> None:
        """Note a request."""
        with self._guard:
            self._entries.append(entry)
            self._count += 1

    def of(self, operation_id: str) -> tuple[RequestEntry, ...]:
        """The requests of one operation."""
        return tuple(entry for entry in self if entry.operation_id == operation_id)

    def count(self, operation_id: str | None = None) -> int:
        """Number of requests, of one operation or of all."""
        return len(self) if operation_id is None else len(self.of(operation_id))

    def after(self, number: int) -> tuple[tuple[int, RequestEntry], ...]:
        """Requests behind the one with a number, with their own, without those that are forgotten.

        They are numbered from 1, and `clear` does not begin anew.
        """
        with self._guard:
            latest = itertools.islice(reversed(self._entries), max(self._count - number, 0))
            numbered = tuple(zip(itertools.count(self._count, -1), latest, strict=False))
        return numbered[::-1]

    def clear(self) -> None:
        """Forget what was asked so far."""
        with self._guard:
            self._entries.clear()


def safe_path(route: Route | None, ids: Mapping[str, str], state: State) -> str:
    """The path of a request with everything in it masked that is not known to be an identifier."""
    if route is None:
        return _MASK
    shown = {name: value if _is_id(value, state) else _MASK for name, value in ids.items()}
    return route.path.format(**shown)


def _is_id(value: str, state: State) -> bool:
    voucher = state.vouchers.get(value)
    if voucher is not None:
        return value not in state.codes and value != voucher.pin
    return value in state.reservations or value in state.charges
