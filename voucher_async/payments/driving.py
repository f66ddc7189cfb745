"""Driving a money call: from before its first request is sent until its end is known, or it is left open."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from voucher_async.errors import VoucherError

if TYPE_CHECKING:
    from types import TracebackType

    from voucher_async.outcomes import OutcomeUnknown
    from voucher_async.payments.money_call import CallContext, MoneyCall
    from voucher_async.payments.registry import Registry

__all__ = ["Driving"]


class _Settler(Protocol):
    """The methods of a settler that are needed here."""

    @property
    def registry(self) -> Registry: ...
    def cut_short(self, money_call: MoneyCall) -> None: ...
    def broken_off(self, money_call: MoneyCall, error: Exception) -> OutcomeUnknown: ...


class Driving:
    """Inside `with` a money call is under way; whatever ends it unforeseen leaves it open.

    Args:
        settler: settles it.
        context: the call that it is part of.
        money_call: the money call.
    """

    __slots__ = ("_context", "_money_call", "_over", "_settler")

    def __init__(self, settler: _Settler, context: CallContext, money_call: MoneyCall) -> None:
        self._settler = settler
        self._context = context
        self._money_call = money_call
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __enter__(self) -> None:
        money_call, registry = self._money_call, self._settler.registry
        self._context.begun = True
        self._context.money_call = money_call
        money_call.over = self._over
        registry.begin(money_call)
        if money_call.pending.charge_id is not None:
            registry.delivered(money_call.pending.charge_id)  # the caller who refunds a charge knows of it

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if isinstance(error, Exception) and not isinstance(error, VoucherError):
                raise self._settler.broken_off(self._money_call, error) from error
            if error is not None and not isinstance(error, Exception):
                self._settler.cut_short(self._money_call)
        finally:
            self._end()

    def _end(self) -> None:
        registry = self._settler.registry
        if registry.under_way(self._money_call.pending.id) is self._money_call:
            registry.end(self._money_call)
        if not self._over.done() and not self._over.get_loop().is_closed():
            self._over.set_result(None)
