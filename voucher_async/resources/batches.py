"""Vouchers in bulk, for `client.vouchers`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn

from voucher_async.calls import OpenCall, calling, ending, opened
from voucher_async.config import Timeout
from voucher_async.errors import InvalidInput, InvalidInputType
from voucher_async.facts import record_facts
from voucher_async.issuing import IssuedVoucher, VoucherSpec
from voucher_async.issuing.cards import Cards
from voucher_async.issuing.pace import Pace
from voucher_async.issuing.run import Run
from voucher_async.issuing.sources import Source, check_specs
from voucher_async.masking import known
from voucher_async.models import SetStatusRequest, VoucherStatus
from voucher_async.operations import CREATE_VOUCHER, SET_VOUCHER_STATUS
from voucher_async.payments.joining import Joining
from voucher_async.payments.ownership import ask_journal
from voucher_async.payments.sender import Sender
from voucher_async.payments.settle import Settler
from voucher_async.resources.creation import create_voucher, create_with_key
from voucher_async.resources.lazy import Lazy, to_count
from voucher_async.sansio import build
from voucher_async.statuses import SUCCESS

if TYPE_CHECKING:
    from voucher_async.clock import Deadline
    from voucher_async.hooks import Hook
    from voucher_async.models import CompleteVoucher, CreateVoucherRequest, Voucher

__all__ = ["VoucherBatch", "VoucherBatches"]

_LONGEST: Final = 30
_ADVICE: Final = (
    'a VoucherBatch {}; write "async for card in client.vouchers.issue_many(...)", '
    'or "cards = await client.vouchers.issue_many(...).to_list()"'
)


class VoucherBatch(Lazy[IssuedVoucher]):
    """A batch that is issued while it is iterated over; making one sends nothing.

    `async for card in batch` begins a run, and gives each voucher as it finishes. `await batch.to_list()`
    makes a list of them. When the loop is left early, no further voucher is begun, and those under way are
    cut off; the next run of the batch finds what was made. Every loop is a run of its own.

    Args:
        begin: begins a run.
    """

    def __init__(self, begin: Callable[[], Run]) -> None:
        self._begin = begin

    def __aiter__(self) -> AsyncIterator[IssuedVoucher]:
        return self._begin().results()

    if not TYPE_CHECKING:  # type checkers refuse both, as long as neither method is there

        def __await__(self) -> NoReturn:
            raise TypeError(_ADVICE.format("cannot be awaited"))

        def __iter__(self) -> NoReturn:
            raise TypeError(_ADVICE.format('needs "async for": it cannot be iterated'))


class VoucherBatches:
    """Batches, for `client.vouchers`."""

    _sender: Sender
    _settler: Settler
    _joining: Joining

    def issue_many(
        self,
        specs: Iterable[VoucherSpec | Mapping[str, Any]] | AsyncIterable[VoucherSpec | Mapping[str, Any]],
        *,
        batch: str,
        concurrency: int = 20,
        activate: bool = False,
        timeout: float | Timeout | None = None,
    ) -> VoucherBatch:
        """Issue a batch of vouchers, each once, however often it is run (`createVoucher`).

        The id of a voucher is derived from the name of the batch and its position. So a run that was cut off
        is run again with the same descriptions in the same order, on any machine: vouchers that are there are
        found, the others are made. Needs the scopes `manage` and `read-secrets`, and `use` to activate.

        Args:
            specs: the descriptions of the vouchers, read one by one as they are needed. One with an `id` of
                its own keeps it, and is known by it instead of by its position.
            batch: the name of the batch, 1 to 30 printable characters; the vouchers' `batch`, too, where
                their descriptions have none.
            concurrency: how many are under way at once, at most; never more than the client's
                `max_connections`, and fewer while the server is busy.
            activate: whether they are activated, which sets their `valid_until`; a description may say
                otherwise.
            timeout: seconds for creating, and for activating, each of them, or a `Timeout`.

        Returns:
            The batch, for `async for` or `to_list`; nothing is sent before. An error of one voucher is in its
            `IssuedVoucher.error`, and the others go on. An error that all would meet is raised once those
            under way have ended: credentials or a scope are refused, the journal fails, the client was
            closed, the server cannot be reached. So is an error of `specs`.

        Raises:
            InvalidInput: refused before anything was sent.
            ConfigurationError: `timeout` is not a positive number.
        """
        check_specs(specs)
        name = _check_batch(batch)
        if not isinstance(activate, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidInputType("activate", f"must be a bool, not {type(activate).__name__}", activate)
        most = min(to_count("concurrency", concurrency), self._settler.settings.max_connections)
        self._sender.deadline(timeout)  # refuses one that cannot work

        def begin() -> Run:
            issuer = _ClientIssuer(self._sender, self._settler, self._joining, timeout)
            return Run(Cards(name, issuer, activate=activate), Source(specs), issuer, Pace(most))

        return VoucherBatch(begin)


def _check_batch(batch: object) -> str:
    if not isinstance(batch, str):
        raise InvalidInputType("batch", f"must be a str, not {type(batch).__name__}", batch)
    if not 0 < len(batch) <= _LONGEST:
        raise InvalidInput("batch", f"must have 1 to {_LONGEST} characters", batch)
    if not batch.isprintable() or batch.isspace():
        raise InvalidInput("batch", "must hold printable characters only, and not spaces alone", batch)
    return batch


class _ClientIssuer:
    """Creates and activates vouchers with a client.

    Args:
        sender: sends the requests.
        settler: settles what is open.
        joining: idempotency keys.
        timeout: of each call.
    """

    def __init__(
        self, sender: Sender, settler: Settler, joining: Joining, timeout: float | Timeout | None
    ) -> None:
        self._sender = sender
        self._settler = settler
        self._joining = joining
        self._timeout = timeout
        self._call: OpenCall | None = None

    async def create(self, body: CreateVoucherRequest, key: str) -> tuple[CompleteVoucher, bool]:
        deadline = self._sender.deadline(self._timeout)
        call = calling(
            self._settler.hooks,
            "vouchers.create",
            parent=self._call,
            order_number=body.order_number,
            key=key,
            amount=body.amount,
            currency=body.currency,
        )
        with call, known(body.code, body.pin), record_facts() as facts:
            if await self._is_unsettled(key, deadline):
                voucher = await create_voucher(self._settler, body, deadline, fresh_id=True)
            else:
                voucher = await create_with_key(self._settler, self._joining, body, key, deadline)
            answers = [each.status for each in facts if each.operation == CREATE_VOUCHER.id]
        return voucher, any(status in SUCCESS for status in answers if status is not None)

    async def _is_unsettled(self, key: str, deadline: Deadline) -> bool:
        """True when an earlier call with the key may be under way, or is open.

        Nobody has to wait for its end: the server makes an id once. Its record is settled by its owner, or
        by whoever recovers that one's calls.
        """
        ownership = self._joining.ownership
        record = await ask_journal(ownership.journal.find(ownership.scope, key), deadline)
        return record is not None and not record.ended

    async def activate(self, id: str) -> Voucher:
        body = SetStatusRequest(status=VoucherStatus.ACTIVE)
        request = build(SET_VOUCHER_STATUS, body, ids={"id": id})
        with calling(self._settler.hooks, "vouchers.set_status", parent=self._call):
            return (await self._sender.send(request, self._sender.deadline(self._timeout))).value

    def now(self) -> float:
        return self._settler.clock.monotonic()

    async def pause(self, seconds: float) -> None:
        await self._settler.pauses.wait(seconds)

    @property
    def is_closed(self) -> bool:
        return self._settler.pauses.are_over

    @contextlib.contextmanager
    def watched_by(self, hook: Hook) -> Generator[None]:
        hooks = self._settler.hooks
        self._call = call = opened(hooks, "vouchers.issue_many")
        with ending(call), hooks.joined_by(hook):
            yield
