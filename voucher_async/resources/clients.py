"""Clients: turning a PIN into credentials, and giving them up (contract: operations 14 and 15)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voucher_async.calls import calling
from voucher_async.config import Timeout
from voucher_async.errors import Fate, VoucherError
from voucher_async.hooks import Hooks
from voucher_async.masking import conceal
from voucher_async.models import ConnectedClient, ConnectRequest
from voucher_async.operations import CONNECT_CLIENT, DISCONNECT_CLIENT
from voucher_async.outcomes import PendingOutcome
from voucher_async.payments.sender import Sender, open_outcome
from voucher_async.resources.absent import absent
from voucher_async.sansio import build

__all__ = ["Clients"]

_NEW_PIN = "the secret may be lost: get a new connection PIN in the Admin UI and connect again"


class Clients:
    """`client.clients`.

    Args:
        sender: sends the requests.
        hooks: the observers.
    """

    def __init__(self, sender: Sender, hooks: Hooks) -> None:
        self._sender = sender
        self._hooks = hooks

    async def connect(self, pin: str, *, timeout: float | Timeout | None = None) -> ConnectedClient:
        """Turn a connection PIN into credentials (`connectClient`, no authentication).

        The PIN is shown by the Admin UI, is valid for 30 minutes and works once. Store the answer's `id` and
        `secret`: they are the `client_id` and `client_secret` of a `VoucherClient`, and are shown only here.

        Args:
            pin: the connection PIN, at most 255 characters.
            timeout: seconds for the whole call, or a `Timeout`.

        Raises:
            InvalidInput: refused before anything was sent.
            OutcomeUnknown: the PIN may be used up and the secret lost; a new PIN is needed.
            ApiError: refused by the server.
            TransportError: nothing was sent.
        """
        pin = conceal(pin)
        with calling(self._hooks, "clients.connect"):
            request = build(CONNECT_CLIENT, ConnectRequest(pin=pin), secrets=(pin,))
            try:
                return (await self._sender.send(request, self._sender.deadline(timeout))).value
            except VoucherError as error:
                if error.fate is not Fate.UNKNOWN:
                    raise
                raise open_outcome(error, PendingOutcome(operation=CONNECT_CLIENT.id), _NEW_PIN) from error

    async def disconnect(self, *, timeout: float | Timeout | None = None) -> None:
        """Give up this client's credentials (`disconnectClient`); every later call will be refused.

        Args:
            timeout: seconds for the whole call, or a `Timeout`.

        Raises:
            ApiError: refused by the server.
            TransportError: no answer, also after repeating it.
        """
        with calling(self._hooks, "clients.disconnect"):
            await self._sender.send(build(DISCONNECT_CLIENT), self._sender.deadline(timeout))

    if not TYPE_CHECKING:
        __getattr__ = absent
