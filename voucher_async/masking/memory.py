"""The secrets that belong to an id: a later answer about a voucher may name the code of an earlier call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from voucher_async.bounded import BoundedMap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["recall", "record"]

_KEPT: Final = 4096
_KEPT_EACH: Final = 8

# shared by all tasks of the process: that can mask too much, never too little
_secrets: Final[BoundedMap[str, tuple[str, ...]]] = BoundedMap(_KEPT)


def record(keys: Iterable[object], secrets: Sequence[str]) -> None:
    """Keep what must not be shown when something is said about an id; the latest 4,096 ids are kept.

    Args:
        keys: the ids of a voucher, a reservation or a client; anything but a text is ignored.
        secrets: its code, its pin, its secret.
    """
    for key in keys:
        if isinstance(key, str):
            kept = _secrets.get(key, ())
            for secret in secrets:
                if secret not in kept:
                    kept = (*kept, secret)
            _secrets[key] = kept[-_KEPT_EACH:]


def recall(path: str) -> Iterator[str]:
    """The secrets of all ids in a path.

    Args:
        path: of a request, encoded.
    """
    for segment in path.split("/"):
        yield from _secrets.get(unquote(segment), ())
