"""Turns: a second reservation of a voucher would end the first, so its users wait for one another."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import hashlib
import logging
import secrets
import threading
from typing import TYPE_CHECKING, Any, Final, Protocol

from voucher_async.calls import WaitedFor
from voucher_async.cancelling import WAITS, quietly
from voucher_async.errors import CallTimeout, Fate, LockFailed, Proof, VoucherError
from voucher_async.forks import keep, renew_in_children
from voucher_async.masking import SecretBytes
from voucher_async.payments.codes import spelled
from voucher_async.payments.replies import as_not_done

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from voucher_async.clock import Deadline

__all__ = [
    "PROCESS_LOCK",
    "PROCESS_SECRET",
    "LocalTurn",
    "LocalVoucherLock",
    "VoucherLock",
    "in_turn",
    "voucher_key",
]

_PATIENCE: Final = 2.0  # seconds for giving a turn back

_logger: Final = logging.getLogger("voucher_async")


class VoucherLock(Protocol):
    """Lets one holder at a time use a voucher; implement it on a store that your machines share.

    Give a turn a lease that outlasts a call: a machine that dies must not keep it for ever. The call is over
    when the block is left, so an error there is logged and dropped, and the client waits for at most two
    seconds, and not at all once it was closed. An error on entering is raised as `LockFailed`, with nothing
    sent.
    """

    def hold(self, key: str) -> contextlib.AbstractAsyncContextManager[None]:
        """Wait for the turn, keep it inside the block.

        Args:
            key: a keyed digest of the voucher code. Clients with the same secret and base URL make the same
                one.
        """
        ...


def lock_key(secret: str) -> bytes:
    """The digest key of voucher codes for a lock."""
    return SecretBytes(hashlib.blake2b(secret.encode(errors="surrogatepass")).digest())


def voucher_key(code: str, base_url: str, key: bytes) -> str:
    """The digest of a voucher code in a lock; without the key nothing can be read from it."""
    # all spellings of a code share one turn; no part of the code may stay in this frame
    return hashlib.blake2b(
        base_url.encode() + b" " + spelled(code),
        key=key,
        digest_size=16,
    ).hexdigest()


class LocalVoucherLock:
    """Turns within one process, whichever threads and event loops its users run on: first come, first served.

    Clients share one of these unless they are given another lock.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._turns: dict[str, _Turn] = {}
        renew_in_children(self)

    def after_fork(self) -> None:
        """Forget the turns of the parent's tasks; another of its threads may have held the guard."""
        keep(self._turns)
        self._guard, self._turns = threading.Lock(), {}

    def hold(self, key: str) -> LocalTurn:
        """Wait for the turn, keep it inside the block."""
        return LocalTurn(self, key)

    def join(self, key: str) -> tuple[_Turn, asyncio.Future[None] | None]:
        """Take the turn, or a place in the line for it."""
        loop = asyncio.get_running_loop()
        with self._guard:
            turn = self._turns.get(key)
            if turn is None:
                return self._begin(key, loop), None
            place: asyncio.Future[None] = loop.create_future()
            turn.line.append(place)
            if turn.holder.is_closed():
                self._pass_on(key, turn)  # its holder's event loop is closed, and the holder with it
        return turn, place

    def take_if_free(self, key: str) -> _Turn | None:
        """Take the turn when nobody has it."""
        with self._guard:
            return None if key in self._turns else self._begin(key, asyncio.get_running_loop())

    def _begin(self, key: str, loop: asyncio.AbstractEventLoop) -> _Turn:
        self._turns[key] = turn = _Turn(loop)
        return turn

    def leave_line(self, key: str, turn: _Turn, place: asyncio.Future[None]) -> None:
        """Leave the line; a turn that was already given is passed on."""
        with self._guard:
            try:
                turn.line.remove(place)
            except ValueError:
                self._pass_on(key, turn)

    def is_taken(self, key: str) -> bool:
        """True when somebody has the turn."""
        return key in self._turns

    def give_back(self, key: str, turn: _Turn) -> None:
        """End the turn."""
        with self._guard:
            self._pass_on(key, turn)

    def _pass_on(self, key: str, turn: _Turn) -> None:
        while turn.line:
            place = turn.line.popleft()
            loop = place.get_loop()
            with contextlib.suppress(RuntimeError):  # its loop was closed
                loop.call_soon_threadsafe(_wake, place)
                turn.holder = loop
                return
        if self._turns.get(key) is turn:  # False for a turn taken before a fork
            del self._turns[key]


class _Turn:
    """The holder of a voucher, and the line of those who wait for it."""

    __slots__ = ("holder", "line")

    def __init__(self, holder: asyncio.AbstractEventLoop) -> None:
        self.holder: asyncio.AbstractEventLoop = holder
        self.line: collections.deque[asyncio.Future[None]] = collections.deque()


def _wake(place: asyncio.Future[None]) -> None:
    if not place.done():
        place.set_result(None)


class LocalTurn:
    """One wait for a turn, and the turn."""

    __slots__ = ("_key", "_lock", "_ours")

    def __init__(self, lock: LocalVoucherLock, key: str) -> None:
        self._lock = lock
        self._key = key
        self._ours: _Turn | None = None

    @property
    def is_awaited(self) -> bool:
        """True when it is ours, and somebody waits for it."""
        return self._ours is not None and bool(self._ours.line)

    def take_if_free(self) -> bool:
        """Take the turn when nobody has it; else leave it."""
        self._ours = self._lock.take_if_free(self._key)
        return self._ours is not None

    def give_back(self) -> None:
        """End the turn, when it was ours."""
        turn, self._ours = self._ours, None
        if turn is not None:
            self._lock.give_back(self._key, turn)

    async def __aenter__(self) -> None:
        turn, place = self._lock.join(self._key)
        if place is not None:
            try:
                await place
            except BaseException:
                self._lock.leave_line(self._key, turn, place)
                raise
        self._ours = turn

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give_back()


PROCESS_LOCK: Final = LocalVoucherLock()
"""The lock of every client that is given no other."""

PROCESS_SECRET: Final = secrets.token_hex()
"""The digest key of its keys: clients of one process share turns, whatever their credentials."""


class in_turn:  # noqa: N801 - used like a function; a generator-based context manager is slower
    """Hold the turns of some vouchers, taken in one order by all callers, which prevents deadlocks.

    Args:
        lock: gives the turns.
        keys: of the vouchers.
        deadline: when to give up waiting.
        last: the block is the last thing that its task does: return its result even when cancelled while
            releasing.

    Raises:
        CallTimeout: the deadline passed in the line; nothing was sent.
        LockFailed: the lock raised an error of its own; nothing was sent.
    """

    __slots__ = ("_deadline", "_held", "_keys", "_last", "_lock")

    def __init__(
        self, lock: VoucherLock, keys: Iterable[str], deadline: Deadline, *, last: bool = False
    ) -> None:
        self._lock = lock
        self._keys = sorted(set(keys))
        self._deadline = deadline
        self._last = last
        self._held: list[contextlib.AbstractAsyncContextManager[Any]] = []

    async def __aenter__(self) -> None:
        try:
            self._take_free()
            if self._keys:
                await self._wait()
        except BaseException as error:
            await self.__aexit__(type(error), error, None)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cancelled = await _leave(self._held)
        if cancelled is not None and not self._last:
            raise cancelled

    def _take_free(self) -> None:
        """Take the free turns of this process, which needs neither a wait nor a time limit."""
        while self._keys and type(self._lock) is LocalVoucherLock:  # a subclass may hold turns in another way
            turn = self._lock.hold(self._keys[0])
            if not turn.take_if_free():
                return
            self._held.append(turn)
            del self._keys[0]

    async def _wait(self) -> None:
        try:
            with WaitedFor("voucher"), WAITS.limit(self._deadline.left()):
                for key in self._keys:
                    turn = await _take(self._lock, key)
                    self._held.append(turn)
        except TimeoutError:
            late = CallTimeout(
                f"gave up after {self._deadline.total:g} s: another call is using the voucher; "
                "nothing was sent",
                fate=Fate.NOT_SENT,
            )
            raise as_not_done(late, Proof.NOT_SENT) from None


async def _take(lock: VoucherLock, key: str) -> contextlib.AbstractAsyncContextManager[Any]:
    try:
        turn = lock.hold(key)
        await turn.__aenter__()
    except VoucherError:
        raise
    except Exception as error:
        failure = LockFailed(f"the voucher lock failed with a {type(error).__name__}; nothing was sent")
        failure.fate = Fate.NOT_SENT
        raise as_not_done(failure, Proof.NOT_SENT) from error
    return turn


async def _leave(
    held: list[contextlib.AbstractAsyncContextManager[Any]],
) -> asyncio.CancelledError | None:
    """Give every turn back, even when one of them fails; once cancelled, wait for none of them."""
    cancelled: asyncio.CancelledError | None = None
    while held:
        turn = held.pop()
        if isinstance(turn, LocalTurn):
            turn.give_back()
            continue
        try:
            async with asyncio.timeout(_PATIENCE if cancelled is None else 0):
                await turn.__aexit__(None, None, None)
        except asyncio.CancelledError as error:
            cancelled = error
        except Exception as error:  # noqa: BLE001 - the call's outcome stands: log it and go on
            # the class alone: the text of a foreign error may hold a server's address and password
            quietly(_logger.warning, "a voucher's turn could not be given back (%s)", type(error).__name__)
    return cancelled
