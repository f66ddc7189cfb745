"""The emulator's memory, and the one function that changes it."""

from __future__ import annotations

import datetime as dt
import json
import secrets
import uuid
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import attrs

from voucher_async.testing._codes import spelled_loosely
from voucher_async.testing._records import (
    ChargeRecord,
    ClientRecord,
    ConnectPin,
    GroupRecord,
    Movement,
    ReservationRecord,
    TokenRecord,
    VoucherRecord,
)
from voucher_async.testing.habits import Habits

if TYPE_CHECKING:
    from voucher_async.testing._stored import Kind

__all__ = ["Change", "Command", "Mint", "Options", "Outcome", "Removed", "Revoked", "State", "commit"]

_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
NOTHING: Mapping[str, str] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class Options:
    """Choices that the contract leaves open.

    Attributes:
        token_lifetime: seconds; None leaves `expires_in` out of the answer (the token lives for an hour).
        conflict_status: the status of a refusal by a business rule, 409 or 422.
        reservations_lower_balance: whether an open reservation lowers the `remaining_amount` that is shown.
        allow_double_charge: whether a reservation can be charged again while it lasts.
        list_lag: seconds that the list of charges lags behind.
        newest_first: the order of lists; oldest first by default.
        max_per_page: more entries than that do not fit on a page; a greater `per_page` is lowered to it.
        validity_value: how long a voucher is valid when its creator does not say, in `validity_interval`.
        validity_interval: `days`, `weeks`, `months` or `years`.
    """

    token_lifetime: int | None = 3600
    conflict_status: int = 409
    reservations_lower_balance: bool = False
    allow_double_charge: bool = False
    list_lag: float = 0.0
    newest_first: bool = False
    max_per_page: int = 100
    validity_value: int = 3
    validity_interval: str = "years"


class Mint:
    """Makes identifiers and secrets; tests put a predictable one in its place."""

    def id(self) -> str:
        """A new identifier."""
        return str(uuid.uuid4())

    def code(self) -> str:
        """A new voucher code."""
        return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))

    def pin(self) -> str:
        """A new PIN, of a voucher or of a client's connect button."""
        return f"{secrets.randbelow(10**8):08}"

    def secret(self) -> str:
        """A new client secret or access token."""
        return secrets.token_urlsafe(32)


@attrs.frozen
class Removed:
    """A voucher that is gone."""

    voucher_id: str


@attrs.frozen
class Revoked:
    """The tokens of one client, or of all, that are no longer good."""

    client_id: str | None = None


Change = (
    GroupRecord
    | ClientRecord
    | ConnectPin
    | TokenRecord
    | VoucherRecord
    | ReservationRecord
    | ChargeRecord
    | Movement
    | Removed
    | Revoked
)


@attrs.define
class State:
    """Everything the emulator knows. Only `commit` writes to it."""

    groups: dict[str, GroupRecord] = attrs.field(factory=dict[str, GroupRecord])
    clients: dict[str, ClientRecord] = attrs.field(factory=dict[str, ClientRecord])
    pins: dict[str, ConnectPin] = attrs.field(factory=dict[str, ConnectPin], repr=False)
    tokens: dict[str, TokenRecord] = attrs.field(factory=dict[str, TokenRecord], repr=False)
    vouchers: dict[str, VoucherRecord] = attrs.field(factory=dict[str, VoucherRecord])
    codes: dict[str, str] = attrs.field(factory=dict[str, str], repr=False)
    spellings: dict[str, str] = attrs.field(factory=dict[str, str], repr=False)
    reservations: dict[str, ReservationRecord] = attrs.field(factory=dict[str, ReservationRecord])
    newest: dict[str, str] = attrs.field(factory=dict[str, str])
    charges: dict[str, ChargeRecord] = attrs.field(factory=dict[str, ChargeRecord])
    voucher_charges: dict[str, list[str]] = attrs.field(factory=dict[str, list[str]])
    movements: list[Movement] = attrs.field(factory=list[Movement])

    def charges_of(self, voucher_id: str) -> list[ChargeRecord]:
        """The charges, refunds and recharges of a voucher, oldest first."""
        return [self.charges[id] for id in self.voucher_charges.get(voucher_id, ())]

    def charges_with(self, wanted: Mapping[str, object]) -> tuple[ChargeRecord, ...]:
        """The charges, refunds and recharges with these values, oldest first; a value of None is any."""
        given = {name: value for name, value in wanted.items() if value is not None}
        return tuple(
            charge
            for charge in self.charges.values()
            if all(getattr(charge, name) == value for name, value in given.items())
        )

    def open_reservation(self, voucher_id: str, now: dt.datetime) -> ReservationRecord | None:
        """The reservation that holds an amount on the voucher at that moment, if any."""
        reservation = self.reservations.get(self.newest.get(voucher_id, ""))
        if reservation is None or reservation.charged or now >= reservation.ends_at:
            return None
        return reservation


@attrs.frozen(kw_only=True)
class Command:
    """One request that may be carried out: who asks, when, for what.

    Attributes:
        now: the emulator's time, exact.
        habits: what the server always does.
        client: the client that the token belongs to; None where none is asked for.
        ids: the identifiers out of the path.
        query: the query parameters.
        body: the properties of the JSON body or of the form.
    """

    state: State
    options: Options
    mint: Mint
    now: dt.datetime
    habits: Habits = attrs.field(factory=Habits)
    client: ClientRecord | None = None
    ids: Mapping[str, str] = NOTHING
    query: Mapping[str, str] = NOTHING
    body: Mapping[str, object] = NOTHING

    @property
    def stamp(self) -> dt.datetime:
        """The true time in whole seconds."""
        return self.now.replace(microsecond=0)

    def stamp_of(self, kind: Kind) -> dt.datetime:
        """The time as it is written on a record of a kind."""
        return self.habits.stamp(kind, self.now)

    def voucher_of(self, code: str) -> VoucherRecord | None:
        """The voucher that a code names, if there is one."""
        id = self.state.codes.get(code)
        if id is None and self.habits.tolerant_codes:
            id = self.state.spellings.get(spelled_loosely(code))
        return None if id is None else self.state.vouchers.get(id)

    @property
    def client_id(self) -> str:
        """The caller's id."""
        return self.client.id if self.client else ""


@attrs.frozen(kw_only=True)
class Outcome:
    """Answer to a request, and what `commit` has to write down for it.

    Attributes:
        body: what the JSON of the answer holds; None for an answer without a body, or with `text`.
        text: the body of an answer that is no JSON.
        media_type: what the answer says that its body is.
        at: the emulator's time when the answer was made, if that was earlier than now.
    """

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = NOTHING
    changes: tuple[Change, ...] = ()
    text: str | None = None
    media_type: str = "application/json"
    at: dt.datetime | None = None

    @property
    def content(self) -> bytes | None:
        """The body as it is sent; None for none."""
        if self.text is not None:
            return self.text.encode()
        return None if self.body is None else json.dumps(self.body).encode()


def commit(state: State, changes: tuple[Change, ...]) -> None:
    """Write an outcome's changes down, all of them."""
    for change in changes:
        match change:
            case VoucherRecord():
                _keep_voucher(state, change)
            case ReservationRecord():
                _keep_reservation(state, change)
            case ChargeRecord():
                _keep_charge(state, change)
            case Movement():
                state.movements.append(change)
            case Removed():
                _remove(state, change.voucher_id)
            case Revoked():
                _revoke(state, change.client_id)
            case _:
                _keep_access(state, change)


def _keep_access(state: State, change: GroupRecord | ClientRecord | ConnectPin | TokenRecord) -> None:
    match change:
        case GroupRecord():
            state.groups[change.id] = change
        case ClientRecord():
            state.clients[change.id] = change
        case ConnectPin():
            state.pins[change.pin] = change
        case _:
            state.tokens[change.token] = change


def _keep_voucher(state: State, voucher: VoucherRecord) -> None:
    state.vouchers[voucher.id] = voucher
    if voucher.code not in state.codes:
        state.codes[voucher.code] = voucher.id
        state.spellings.setdefault(spelled_loosely(voucher.code), voucher.id)


def _keep_reservation(state: State, reservation: ReservationRecord) -> None:
    if reservation.id not in state.reservations:
        state.newest[reservation.voucher_id] = reservation.id
    state.reservations[reservation.id] = reservation


def _keep_charge(state: State, charge: ChargeRecord) -> None:
    if charge.id not in state.charges:
        state.voucher_charges.setdefault(charge.voucher_id, []).append(charge.id)
    state.charges[charge.id] = charge


def _remove(state: State, voucher_id: str) -> None:
    voucher = state.vouchers.pop(voucher_id)
    del state.codes[voucher.code]
    if state.spellings.get(spelled_loosely(voucher.code)) == voucher_id:
        del state.spellings[spelled_loosely(voucher.code)]
    state.newest.pop(voucher_id, None)


def _revoke(state: State, client_id: str | None) -> None:
    kept = {text: token for text, token in state.tokens.items() if client_id not in (None, token.client_id)}
    state.tokens.clear()
    state.tokens.update(kept)
