"""Clients: their set-up in the Admin UI, connect and disconnect."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import attrs

from voucher_async.testing._records import ClientRecord, ConnectPin, GroupRecord
from voucher_async.testing._rules import Form
from voucher_async.testing._state import Outcome, Revoked
from voucher_async.testing._views import client_view

if TYPE_CHECKING:
    from voucher_async.testing._state import Command

__all__ = ["connect_client", "disconnect_client", "new_client", "new_pin"]

_PIN_LASTS = dt.timedelta(minutes=30)


def new_client(
    command: Command, *, name: str, scopes: tuple[str, ...], type: str, id: str | None = None
) -> tuple[GroupRecord, ClientRecord]:
    """A client group with these scopes and one client in it that is not connected yet."""
    group = GroupRecord(id=command.mint.id(), name=f"{name} group", scopes=scopes)
    client = ClientRecord(
        id=id or command.mint.id(),
        group_id=group.id,
        name=name,
        scopes=scopes,
        type=type,
        created_at=command.stamp,
        updated_at=command.stamp,
    )
    return group, client


def connected(command: Command, client: ClientRecord, secret: str | None = None) -> ClientRecord:
    """The client with a new secret, made up if None."""
    secret = secret or command.mint.secret()
    return attrs.evolve(client, secret=secret, connected_at=command.stamp, updated_at=command.stamp)


def new_pin(command: Command, client: ClientRecord) -> ConnectPin:
    """The PIN that the client's connect button shows now."""
    return ConnectPin(pin=command.mint.pin(), client_id=client.id, valid_until=command.stamp + _PIN_LASTS)


def connect_client(command: Command) -> Outcome:
    """Operation 14: the PIN is used up, the client gets new credentials."""
    form = Form("CLIENT.CONNECT", command.body)
    text = form.required_text("pin", longest=255)
    form.check()
    pin = command.state.pins.get(text)
    if pin is None:
        form.refuse("pin", "exists")
    elif pin.used:
        form.refuse("pin", "used")
    elif command.now >= pin.valid_until:
        form.refuse("pin", "expired")
    form.check()
    return _connect(command, command.state.pins[text])


def _connect(command: Command, pin: ConnectPin) -> Outcome:
    client = connected(command, command.state.clients[pin.client_id])
    return Outcome(body=client_view(client), changes=(client, attrs.evolve(pin, used=True)))


def disconnect_client(command: Command) -> Outcome:
    """Operation 15: the client's secret and its tokens stop working."""
    client = command.state.clients[command.client_id]
    client = attrs.evolve(client, secret=None, connected_at=None, updated_at=command.stamp)
    return Outcome(status=204, changes=(client, Revoked(client.id)))
