"""The server's other side: start it, tell it what to do, ask it what it saw."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from tests.bench.places import answer_of, start, stop


@dataclass(frozen=True)
class Counts:
    """What the server saw since the last reset.

    Attributes:
        requests: how many, by operation.
        opened: connections opened.
        open: connections open now.
        peak: connections open at once, at most.
        held: requests that wait for an answer that is held back.
        charged: reservations charged.
        double_charges: charges of a reservation that was charged or never made.
    """

    requests: dict[str, int]
    opened: int
    open: int
    peak: int
    held: int
    charged: int
    double_charges: int


@dataclass(frozen=True)
class Answered:
    """A request that the server answered.

    Attributes:
        operation: the operation.
        token: the number of the token that came with it; each client has its own.
        came: when the server had it, by its clock, in seconds.
        left: when its answer was written.
    """

    operation: str
    token: int
    came: float
    left: float


class Control:
    """Talks to the server; blocks, so not while something is measured.

    Args:
        port: the server's port on the loopback interface.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.origin = f"http://127.0.0.1:{port}"
        self.base_url = f"{self.origin}/v1"

    def set(self, **behaviour: Any) -> None:
        """Change how the server behaves; `reset=True` forgets the counts."""
        self._ask("control", json.dumps(behaviour).encode())

    def counts(self) -> Counts:
        """What the server saw since the last reset."""
        return Counts(**self._ask("counts"))

    def log(self) -> list[Answered]:
        """The requests that were answered since the last reset, in that order, where it knows vouchers."""
        return [Answered(*each) for each in self._ask("log")]

    def _ask(self, path: str, body: bytes | None = None) -> Any:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.origin}/{path}", body, timeout=10) as answer:
            return json.loads(answer.read())


@contextlib.contextmanager
def server() -> Generator[Control]:
    """A server in a process of its own."""
    process = start("aiohttp", "tests.bench.server")
    try:
        yield Control(int(answer_of(process)))
    finally:
        stop(process)
