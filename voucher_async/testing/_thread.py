"""The emulator's server on an event loop of its own, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

from voucher_async.forks import keep, renew_in_children

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from voucher_async.testing._server import Server

__all__ = ["ServerThread", "uncancelled"]


class ServerThread:
    """Runs a server for callers on any loop, or on none.

    Args:
        server: what is served; it does not run yet.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._failure: BaseException | None = None
        renew_in_children(self)

    def after_fork(self) -> None:
        """Leave thread and loop to the parent; a child serves nothing."""
        keep(self._thread, self._loop, self._stopping)
        self._thread = self._loop = self._stopping = None

    def start(self) -> None:
        """Serve; returns once the server listens.

        Raises:
            OSError: the port is taken.
        """
        started: Future[None] = Future()
        # neither the loop nor the policy of the application: this one is nobody else's
        self._loop, self._stopping, self._failure = asyncio.SelectorEventLoop(), asyncio.Event(), None
        # a daemon: a test that is killed must not wait for the server
        self._thread = threading.Thread(
            target=self._run, args=(self._loop, started), name="voucher-emulator", daemon=True
        )
        try:
            self._thread.start()
        except BaseException:
            self._loop.close()
            self._thread = None
            raise
        try:
            started.result()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop serving, and wait for the thread; does nothing when there is none.

        Raises:
            BaseException: whatever ended the thread earlier than that.
        """
        thread, loop, stopping = self._thread, self._loop, self._stopping
        if thread is None:
            return
        with contextlib.suppress(RuntimeError):  # the thread has ended by itself, and closed its loop
            if loop is not None and stopping is not None:
                loop.call_soon_threadsafe(stopping.set)
        thread.join()
        self._thread = self._loop = self._stopping = None
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _run(self, loop: asyncio.AbstractEventLoop, started: Future[None]) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(self._serve(started))
        except BaseException as error:  # noqa: BLE001 - raised in the thread that starts or stops this one
            if started.done():
                self._failure = error
            else:
                started.set_exception(error)

    async def _serve(self, started: Future[None]) -> None:
        stopping = self._stopping or asyncio.Event()
        await self._server.start()
        started.set_result(None)
        try:
            await stopping.wait()
        finally:
            await self._server.stop()


async def uncancelled(work: Coroutine[None, None, None]) -> None:
    """Do something to its end; a cancellation meanwhile is raised afterwards."""
    doing = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not doing.done():
        try:
            await asyncio.wait({doing})
        except asyncio.CancelledError as error:
            cancelled = error
    doing.result()
    if cancelled is not None:
        raise cancelled
