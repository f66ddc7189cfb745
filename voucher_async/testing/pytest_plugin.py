"""Pytest fixtures that join the emulator and the SDK; pytest finds them by itself once the SDK is installed.

`voucher_emulator` serves from a thread of its own, for tests with or without an event loop, whichever it
is. `voucher_client` lives on the loop of the test: pytest-asyncio's, of whatever scope, or that of anyio's
plugin. In a test without a loop it may be used on any, one after the other. Neither plugin is needed, and
where one is missing this one disturbs nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import pytest

from voucher_async.clock import ManualClock
from voucher_async.testing.emulator import VoucherEmulator

try:
    import pytest_asyncio
except ImportError:  # every pytest run of the environment imports this file, and must not fail here
    _asyncio: Any = None
else:
    _asyncio = pytest_asyncio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from voucher_async.client import VoucherClient

__all__ = ["voucher_client", "voucher_clock", "voucher_emulator"]

_SCOPES: Final = ("function", "class", "module", "package", "session")
_SKIPPED: Final = 120.0  # seconds: a pause of settlement, and not the half-hour until a renewal
_ON_ANYIO: Final = "_voucher_client_on_anyio"


@pytest.fixture
def voucher_clock() -> ManualClock:
    """The clock that emulator and client share in tests that ask for it: it stands still, and skips pauses.

    A pause of up to two minutes is over at once, and has moved the clock. Longer ones wait for `advance`.
    """
    return ManualClock(skip_sleeps=_SKIPPED)


def _clock_of(request: pytest.FixtureRequest) -> ManualClock | None:
    is_asked_for = "voucher_clock" in request.fixturenames
    return request.getfixturevalue("voucher_clock") if is_asked_for else None


@pytest.fixture
def voucher_emulator(request: pytest.FixtureRequest) -> Iterator[VoucherEmulator]:
    """A running `VoucherEmulator`, fresh for this test; on `voucher_clock` if the test asks for that, too."""
    with VoucherEmulator(clock=_clock_of(request)) as emulator:
        yield emulator


@pytest.fixture
def voucher_client(request: pytest.FixtureRequest) -> Iterator[VoucherClient]:
    """A `VoucherClient` of `voucher_emulator`, on the loop of this test, closed after it."""
    is_of_anyio = "anyio_backend" in request.fixturenames
    scope = _loop_scope(request)
    if scope is None and is_of_anyio:
        _check_backend(request.getfixturevalue("anyio_backend"))
        yield request.getfixturevalue(_ON_ANYIO)
    elif scope is None:
        # not `asyncio.run`, which takes the main thread's loop away
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as own:
            yield from _closed_by(own.run, _client(request))
    elif is_of_anyio:
        # in its automatic mode pytest-asyncio runs the test, and anyio every asynchronous fixture
        yield from _closed_by(_run_of(request, scope), _client(request))
    else:
        yield request.getfixturevalue(f"_voucher_client_on_{scope}")


def _closed_by(run: Callable[..., object], client: VoucherClient) -> Iterator[VoucherClient]:
    yield client
    run(client.aclose())


def _run_of(request: pytest.FixtureRequest, scope: str) -> Callable[..., object]:
    """The function that runs something on a loop of pytest-asyncio, which has no public name for it."""
    try:
        runner: asyncio.Runner = request.getfixturevalue(f"_{scope}_scoped_runner")
    except pytest.FixtureLookupError:  # a version below 1.1
        loop: asyncio.AbstractEventLoop = request.getfixturevalue(f"_{scope}_event_loop")
        return loop.run_until_complete
    return runner.run


def _loop_scope(request: pytest.FixtureRequest) -> str | None:
    """The scope of the loop that pytest-asyncio runs the test on; None for tests that it does not run."""
    if _asyncio is None or not _asyncio.is_async_test(request.node):
        return None
    marker = request.node.get_closest_marker("asyncio")
    given: Mapping[str, Any] = {} if marker is None else marker.kwargs
    default = request.config.getini("asyncio_default_test_loop_scope")
    return str(given.get("loop_scope") or given.get("scope") or default or "function")


def _check_backend(backend: Any) -> None:
    name = backend if isinstance(backend, str) else backend[0]
    if name != "asyncio":
        pytest.skip(f"voucher_async runs on asyncio, not on {name}")


def _client(request: pytest.FixtureRequest) -> VoucherClient:
    # Pytest imports this file at its start, whether a test wants a client or not.
    from voucher_async.client import VoucherClient  # noqa: PLC0415

    emulator: VoucherEmulator = request.getfixturevalue("voucher_emulator")
    return VoucherClient(**emulator.settings(), clock=_clock_of(request))


def _opening() -> Callable[..., AsyncIterator[VoucherClient]]:
    """A function for one fixture: pytest-asyncio writes the loop's scope on the function itself."""

    async def open_client(
        request: pytest.FixtureRequest, voucher_emulator: VoucherEmulator
    ) -> AsyncIterator[VoucherClient]:
        del voucher_emulator  # asked for, so that it ends after the client
        async with _client(request) as client:
            yield client

    return open_client


_on_anyio = pytest.fixture(name=_ON_ANYIO)(_opening())

if _asyncio is not None:
    for _scope in _SCOPES:
        _name = f"_voucher_client_on_{_scope}"
        globals()[_name] = _asyncio.fixture(loop_scope=_scope, name=_name)(_opening())
