"""What a storm writes down: plain records, one JSON object a line, readable after a process was killed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

import attrs

DONE: Final = "done"
NOT_DONE: Final = "not done"
RECOVERED: Final = "recovered"  # done, as another process found out
UNKNOWN: Final = "unknown"
CANCELLED: Final = "cancelled"
CRASHED: Final = "crashed"


def _texts(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@attrs.frozen(kw_only=True)
class Began:
    """A call begins.

    Attributes:
        call: its id.
        unit: the number of the piece of work it belongs to, for going on after a kill.
        payment: the id of the first call for the same payment; a call that asks again has another id.
        kind: redeem, charge, refund, recharge or checkout.
        order: the order number.
        things: voucher ids; of a refund the id of the charge.
        amounts: one for each of them.
        at: the monotonic time, which all processes of a machine share.
        patient: the caller stays, and gives it the client's own time.
        key: the idempotency key; empty for none.
        turn: which of those who ask for the payment, from 0.
    """

    call: str
    unit: int
    payment: str
    kind: str
    order: str
    things: tuple[str, ...] = attrs.field(converter=_texts)
    amounts: tuple[str, ...] = attrs.field(converter=_texts)
    at: float = 0.0
    patient: bool = False
    key: str = ""
    turn: int = 0


@attrs.frozen(kw_only=True)
class Outcome:
    """What a checkout that failed said about one of its vouchers."""

    voucher: str
    state: str
    charge: str = ""
    pending: str = ""
    proof: str = ""


def _outcomes(values: Iterable[Outcome | Mapping[str, str]]) -> tuple[Outcome, ...]:
    return tuple(value if isinstance(value, Outcome) else Outcome(**value) for value in values)


@attrs.frozen(kw_only=True)
class Told:
    """What the caller was told: `done`, `not done`, `unknown`, `cancelled`; or it `crashed`.

    A refusal that could not be looked into (`ApiError.looked` is False) is `unknown`, one that was is
    `not done`; `proof` names the proof of that.
    """

    call: str
    what: str
    charges: tuple[str, ...] = attrs.field(default=(), converter=_texts)
    error: str = ""
    pendings: tuple[str, ...] = attrs.field(default=(), converter=_texts)
    outcomes: tuple[Outcome, ...] = attrs.field(default=(), converter=_outcomes)
    proof: str = ""
    at: float = 0.0


@attrs.frozen(kw_only=True)
class Intent:
    """A request that moves money is about to be sent; `text` is the pending outcome as JSON."""

    call: str
    pending: str
    operation: str
    voucher: str
    reservation: str
    charge: str
    amount: str
    order: str
    sends: int
    text: str
    at: float = 0.0


@attrs.frozen(kw_only=True)
class Word:
    """What a hook was told about money, `Hook.on_settled`."""

    call: str
    what: str
    pending: str = ""
    charge: str = ""
    error: str = ""
    proof: str = ""
    at: float = 0.0


@attrs.frozen(kw_only=True)
class Doubt:
    """A request that moves money may have been carried out, and no answer said so."""

    call: str
    operation: str


@attrs.frozen(kw_only=True)
class Settled:
    """What `client.settle` answered: `done`, `not done` with its proof, or `unknown` when it stays open.

    `answered`: its request got an answer of 2xx, whether that could be read or not.
    """

    pending: str
    by: str
    state: str
    charge: str = ""
    answered: bool = False
    surplus: tuple[str, ...] = attrs.field(default=(), converter=_texts)
    error: str = ""
    proof: str = ""


@attrs.frozen(kw_only=True)
class Refused:
    """The journal has refused a worker that had a record, or a lease, and somebody else has it now.

    Attributes:
        call: the call that wrote.
        owned: the id of the record, or of the owner who was declared dead.
        what: the state that was to be written; `lease` where a lease was to be renewed.
    """

    call: str
    owned: str
    what: str
    at: float = 0.0


@attrs.frozen(kw_only=True)
class Fetched:
    """A worker has received a token from the server; it had asked for it `elapsed` seconds before."""

    elapsed: float
    at: float


@attrs.frozen(kw_only=True)
class Ended:
    """A worker came to its end; what it still had open then."""

    open: tuple[str, ...] = attrs.field(converter=_texts)


@attrs.frozen(kw_only=True)
class Entry:
    """One charge, recharge or refund of the server's ledger.

    Attributes:
        kind: charge, recharge or refund.
        reservation: the reservation that a charge took.
        refund_of: the charge that a refund gives back.
        twin_of: the first entry that the same request has made, when a proxy delivered it more than once.
        told_well: whether that request got the good answer of one of its deliveries.
        made: when it was made, by the monotonic time; 0 when that is not known.
        replaced: when a newer reservation replaced the one that a charge took, by the monotonic time; 0 when
            none did.
    """

    id: str
    kind: str
    voucher: str
    amount: str
    order: str
    reservation: str = ""
    refund_of: str = ""
    twin_of: str = ""
    told_well: bool = False
    made: float = 0.0
    replaced: float = 0.0


@attrs.frozen(kw_only=True)
class Turn:
    """From a moment on, by the monotonic time, the server has a habit; none when it has no name."""

    at: float
    habit: str = ""


@attrs.frozen(kw_only=True)
class Tokens:
    """What the server did with tokens, and when, by the monotonic time.

    Attributes:
        given: when it made one.
        revoked: when it revoked all of them.
    """

    given: list[float]
    revoked: list[float]


Record: TypeAlias = Began | Told | Intent | Word | Doubt | Settled | Refused | Fetched | Ended

_CLASSES: Final = {
    cls.__name__: cls for cls in (Began, Told, Intent, Word, Doubt, Settled, Refused, Fetched, Ended)
}


def to_line(record: Record) -> str:
    """A record as one line of text."""
    return json.dumps({"record": type(record).__name__, **attrs.asdict(record)}) + "\n"


def from_line(line: str) -> Record:
    """The record again."""
    values: dict[str, Any] = json.loads(line)
    record: Record = _CLASSES[values.pop("record")](**values)
    return record


class Journal:
    """A file of records. What was written is there after a `kill -9`: each record is one write.

    Args:
        path: the file, made when it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def write(self, record: Record) -> None:
        """Append a record."""
        os.write(self._file, to_line(record).encode())


def read(path: Path) -> Iterator[Record]:
    """The records of a file; a last line that was cut short by a kill is left out."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                yield from_line(line)
