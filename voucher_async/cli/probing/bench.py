"""The bench that probes work on: vouchers of one batch, made small, used, and cleaned up in the end."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import attrs

from voucher_async.cli.probing.findings import Notes, Question, Remains
from voucher_async.cli.probing.line import Reply, Unfit
from voucher_async.errors import VoucherError
from voucher_async.masking import conceal
from voucher_async.operations import (
    CHARGE_RESERVATION,
    CREATE_RESERVATION,
    CREATE_VOUCHER,
    DELETE_VOUCHER,
    GET_COMPLETE_VOUCHER,
    GET_VOUCHER,
    LIST_CHARGES,
    RECHARGE_VOUCHER,
    REFUND_CHARGE,
    SET_VOUCHER_STATUS,
)

if TYPE_CHECKING:
    import datetime as dt

    from voucher_async.cli.probing.line import Line

__all__ = ["CENT", "Bench", "Charged", "Entry", "Made", "Probe", "id_of", "new_batch"]

CENT: Final = "0.01"
_VALUE: Final = "1.00"
_PAGES: Final = 60
_SIZES: Final = (60, 40)  # from 60 to 99 a page, by turns, as the SDK looks
_CLEANING: Final = 3

Entry = dict[str, Any]


@attrs.frozen
class Made:
    """A voucher that was made.

    Attributes:
        id: its id.
        code: its code.
        pin: its PIN; None without one.
        reply: the answer to its making.
    """

    id: str
    code: str = attrs.field(repr=False)
    pin: str | None = attrs.field(repr=False)
    reply: Reply = attrs.field(repr=False)


@attrs.frozen
class Charged:
    """A charge that was made, and what was sent for it."""

    id: str
    order_number: str
    reservation: Reply
    reply: Reply


class Bench:
    """Makes and uses vouchers for probes.

    Args:
        line: sends the requests.
        batch: the batch of every voucher, of 30 characters at most.
        currency: of every voucher.
        watch: seconds that an effect is waited for.

    Attributes:
        line: the line that was given.
        notes: the answers so far.
        lag: seconds after which lists are read where absence counts: `list_lag`, until it was measured.
        tokens: tokens for a part of the scopes, by these.
        masked: answers that were no success, of requests that were carried out all the same.
    """

    def __init__(self, line: Line, batch: str, currency: str, watch: float) -> None:
        self.line: Line = line
        self.batch: str = batch
        self.currency: str = currency
        self.watch: float = watch
        self.notes: Notes = Notes()
        self.lag: float = line.settings.list_lag
        self.tokens: dict[tuple[str, ...], str] = {}
        self.masked: list[Reply] = []
        self._made: list[str] = []
        self._unanswered: set[str] = set()
        self._turn = 0
        self._many: tuple[Made, tuple[Charged, ...]] | Unfit | None = None

    @property
    def other_currency(self) -> str:
        """A currency that no voucher here has."""
        return "USD" if self.currency != "USD" else "EUR"

    def new_id(self) -> str:
        """An id for a voucher, which will be cleaned up whether or not it is made."""
        id = f"{self.batch}-{len(self._made) + 1}"
        self._made.append(id)
        return id

    def found(self, id: str) -> None:
        """Clean up a voucher that has an id of the server's."""
        self._made.append(id)

    async def create(self, id: str | None, **fields: object) -> Reply:
        """Ask for a voucher of 1.00, whatever comes of it; without an id, the server makes one."""
        body = {"amount": _VALUE, "currency": self.currency, "batch": self.batch, **fields}
        if id is None:
            reply = await self.line.ask(CREATE_VOUCHER, body)
        else:
            self._unanswered.add(id)
            reply = await self.line.ask(CREATE_VOUCHER, {**body, "id": id})
            self._unanswered.discard(id)
        for name in ("code", "pin"):
            if reply.ok and (secret := reply.text(name)):
                self.line.secrets.append(conceal(secret))
        return reply

    async def voucher(self, *, active: bool = True, **fields: object) -> Made:
        """Make a voucher of 1.00.

        Args:
            active: activate it.
            **fields: more properties of the create request.

        Raises:
            Unfit: it cannot be had.
        """
        id = self.new_id()
        reply = await self.create(id, **fields)
        if not reply.ok:
            read = await self.line.ask(GET_COMPLETE_VOUCHER, ids={"id": id})
            if read.ok:
                self.masked.append(reply)
                reply = read
            else:
                reply = await self._without_id(reply, fields)
                id = id_of(reply)
        code = reply.fit().text("code")
        if code is None:
            raise Unfit("a voucher was made, and its code was not told")
        if active:
            (await self.set_status(id, "active")).fit()
        return Made(id, conceal(code), conceal(reply.text("pin")), reply)

    async def _without_id(self, refused: Reply, fields: dict[str, object]) -> Reply:
        """Leave the id to the server, where the Admin UI's formats refuse ours.

        Raises:
            Unfit: that is refused, too.
        """
        reply = await self.create(None, **fields) if refused.refuses else refused
        if not reply.ok:
            raise Unfit(f"no voucher could be made: {refused.said}")
        self._made.append(id_of(reply))
        return reply

    async def set_status(self, id: str, status: str) -> Reply:
        """Activate or deactivate a voucher."""
        return await self.line.ask(SET_VOUCHER_STATUS, {"status": status}, ids={"id": id})

    async def delete(self, id: str) -> Reply:
        """Delete a voucher."""
        return await self.line.ask(DELETE_VOUCHER, {"comment": f"made by {self.batch}"}, ids={"id": id})

    async def details(self, id: str) -> Reply:
        """Read a voucher."""
        return await self.line.ask(GET_VOUCHER, ids={"id": id})

    async def reserve(self, voucher: Made, amount: str = CENT, **fields: object) -> Reply:
        """Reserve an amount."""
        body = {"amount": amount, "currency": self.currency, "code": voucher.code}
        if voucher.pin is not None:
            body["pin"] = voucher.pin
        return await self.line.ask(CREATE_RESERVATION, {**body, **fields})

    async def charge_reservation(self, reservation: str, order_number: str) -> Reply:
        """Charge a reservation."""
        return await self.line.ask(
            CHARGE_RESERVATION, {"order_number": order_number}, ids={"id": reservation}
        )

    async def charge(self, voucher: Made, order_number: str, amount: str = CENT) -> Charged:
        """Reserve an amount and charge it.

        Raises:
            Unfit: it was not answered with a charge.
        """
        reservation = (await self.reserve(voucher, amount)).fit()
        reply = (await self.charge_reservation(id_of(reservation), order_number)).fit()
        return Charged(id_of(reply), order_number, reservation, reply)

    async def refund(self, charge_id: str, amount: str = CENT, **fields: object) -> Reply:
        """Refund a part of a charge."""
        body = {"amount": amount, "currency": self.currency, **fields}
        return await self.line.ask(REFUND_CHARGE, body, ids={"id": charge_id})

    async def recharge(self, voucher: Made, order_number: str, amount: str = CENT) -> Reply:
        """Add credit."""
        body = {
            "amount": amount,
            "currency": self.currency,
            "order_number": order_number,
            "id": voucher.id,
        }
        return await self.line.ask(RECHARGE_VOUCHER, body)

    async def page(self, id: str, *query: tuple[str, str], cached: bool = False) -> tuple[list[Entry], Reply]:
        """One page of a voucher's list of charges.

        Raises:
            Unfit: it is no list.
        """
        reply = (await self.line.ask(LIST_CHARGES, ids={"id": id}, query=query, cached=cached)).fit()
        return reply.objects("data"), reply

    async def entries(self, id: str, *query: tuple[str, str]) -> list[Entry]:
        """The whole list of a voucher's charges, at once: younger ones may be missing."""
        found: dict[str, Entry] = {}
        for page in range(1, _PAGES + 1):
            size, known = self.size(), len(found)
            entries, _ = await self.page(id, *query, ("page", str(page)), ("per_page", size))
            found.update({str(entry.get("id")): entry for entry in entries})
            if len(found) == known:
                return list(found.values())
        raise Unfit(f"the list of charges did not end within {_PAGES} pages")

    async def settled(self, id: str, *query: tuple[str, str]) -> list[Entry]:
        """The whole list, read once everything shows: absence counts."""
        await self.line.wait(self.lag)
        return await self.entries(id, *query)

    def size(self) -> str:
        """A size of a page, which makes the address of a look differ from that of the one before."""
        self._turn += 1
        low, count = _SIZES
        return str(low + self._turn % count)

    async def many(self, order_numbers: tuple[str, ...]) -> tuple[Made, tuple[Charged, ...]]:
        """A voucher with one charge of a cent for each order number, made once for all probes.

        Raises:
            Unfit: it could not be made.
        """
        if self._many is None:
            try:
                voucher = await self.voucher()
                charged = [await self.charge(voucher, each) for each in order_numbers]
                self._many = voucher, tuple(charged)
            except (Unfit, VoucherError) as error:
                self._many = Unfit(f"the charges for this could not be made: {error}")
        if isinstance(self._many, Unfit):
            raise self._many
        return self._many

    async def clean_up(self) -> tuple[Remains, ...]:
        """Delete what can be deleted, and deactivate the rest; a voucher that was never made counts, too."""
        return tuple([await self._remove(id) for id in self._made])

    async def _remove(self, id: str) -> Remains:
        said: list[str] = []
        state = "unknown"
        for _ in range(_CLEANING):
            try:
                state = await self._try_to_remove(id, said)
            except (VoucherError, Unfit) as error:
                said.append(str(error))
            except Exception as error:  # noqa: BLE001 - the other vouchers are still to be cleaned up
                said.append(f"an unforeseen {type(error).__name__}")
            if state != "unknown":
                break
        return Remains(id=id, state=state, evidence="; ".join(said))

    async def _try_to_remove(self, id: str, said: list[str]) -> str:
        off = await self.set_status(id, "inactive")
        said.append(f"deactivated: {off.said}")
        if off.status == HTTPStatus.NOT_FOUND and off.enveloped:
            return "unknown" if id in self._unanswered else "absent"
        deleted = await self.delete(id)
        said.append(f"deleted: {deleted.said}")
        if deleted.ok or (deleted.status == HTTPStatus.NOT_FOUND and deleted.enveloped):
            return "deleted"
        return "inactive" if off.ok or await self._is_inactive(id) else "unknown"

    async def _is_inactive(self, id: str) -> bool:
        reply = await self.details(id)
        return reply.ok and reply.text("status") == "inactive"


@attrs.frozen
class Probe:
    """One attempt to answer some questions, independent of all others.

    Attributes:
        name: its name.
        questions: what it answers.
        run: tries it; what it leaves unanswered is unknown, with the error that it ended with.
    """

    name: str
    questions: tuple[Question, ...]
    run: Callable[[Bench], Awaitable[None]]


def id_of(reply: Reply) -> str:
    """The id in an answer.

    Raises:
        Unfit: there is none.
    """
    id = reply.text("id")
    if not id:
        raise Unfit(f"{reply.operation} was answered {reply.status} without an id")
    return id


def new_batch(now: dt.datetime) -> str:
    """A batch of a run that begins at this moment, of 23 characters."""
    return f"probe-{now:%y%m%d%H%M%S}-{secrets.token_hex(2)}"
