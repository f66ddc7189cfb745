"""The words that the log and the hooks hear about one request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voucher_async.calls import call_here
from voucher_async.errors import VoucherError
from voucher_async.operations import REQUEST_TOKEN

if TYPE_CHECKING:
    from voucher_async.sansio import Request
    from voucher_async.transport.kit import TransportKit

__all__ = ["in_words", "which"]


def which(kit: TransportKit, request: Request[Any]) -> dict[str, Any]:
    """The request, as its events name it."""
    operation = request.operation
    host, port = kit.token_place if operation is REQUEST_TOKEN else kit.place
    named: dict[str, Any] = {
        "operation": operation.id,
        "method": operation.method,
        "path": request.path,
        "template": operation.path,
        "server_address": host,
        "server_port": port,
    }
    call = call_here(kit.hooks)
    if call is not None:
        facts = call.facts
        named.update(call_id=call.id, order_number=facts["order_number"], key_digest=facts["key_digest"])
    return named


def in_words(error: BaseException | None) -> str | None:
    """The reason why no good answer came."""
    if error is None:
        return None
    return str(error.args[0]) if isinstance(error, VoucherError) else "the call was cancelled or timed out"
