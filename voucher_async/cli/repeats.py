"""Money commands that were run before: what the journal has of their key, and the words for it."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, Any, Final

from voucher_async.cli.lists import shown_moment
from voucher_async.errors import VoucherError
from voucher_async.payments.call import REFUND_ORDER, CallState
from voucher_async.payments.joined import is_joined

if TYPE_CHECKING:
    from voucher_async.cli.common import Session
    from voucher_async.payments.call import CallRecord

__all__ = ["Repeat", "begin", "key_of", "key_of_the_rest"]

_LONGEST: Final = 255  # characters of a key
_MARK: Final = 16  # bytes


def key_of(*words: str) -> str:
    """The key of what a command says, where none was given."""
    key = "/".join(words)
    if len(key) <= _LONGEST:
        return key
    ending = hashlib.blake2b(key.encode(errors="surrogatepass"), digest_size=_MARK).hexdigest()
    return f"{key[: _LONGEST - len(ending) - 1]}/{ending}"  # cut off, an amount would be left out


async def key_of_the_rest(session: Session, order: str) -> tuple[str, CallRecord | None]:
    """The key of a refund of all that is left of an order, and the record of the last one that is done.

    It is that of one that has not ended, whoever began it. After one that is done it is a new one: what was
    left then says nothing about later charges, or about vouchers that nobody knew of.

    Args:
        session: of the command.
        order: the order number.

    Raises:
        JournalFailed: the journal cannot be read; nothing was sent.
    """
    last: CallRecord | None = None
    under_way: str | None = None
    async for each in session.client.history(order_number=order):
        asked = each.parameters
        if asked.operation != REFUND_ORDER or asked.amount is not None:
            continue
        last = each if each.state is CallState.DONE else last
        under_way = under_way if each.ended else each.key
    key = key_of("refund", order, "all", *([] if last is None else [last.id]))
    return under_way or key, last


class Repeat:
    """A money command, and the earlier one with its key.

    Args:
        session: of the command.
        earlier: the record of the earlier one; None where there is none.
    """

    def __init__(self, session: Session, earlier: CallRecord | None) -> None:
        self._session = session
        self._earlier = earlier

    @property
    def is_over(self) -> bool:
        """True where the earlier one was carried out, so that this one moves no money."""
        return self._earlier is not None and self._earlier.state is CallState.DONE

    def confirm(self, what: str) -> None:
        """Ask before money moves, unless it has moved before.

        Args:
            what: the deed; see `Session.confirm`.

        Raises:
            Refused: nobody agreed; nothing was sent.
        """
        if not self.is_over:
            self._session.confirm(what)

    def tell(self, result: object, deed: str) -> bool:
        """Say whether the money moved now or before.

        Args:
            result: what the call gave.
            deed: the participle, such as `charged`.

        Returns:
            True when it moved before, and not now.
        """
        say, earlier = self._session.terminal.say, self._earlier
        at = None if earlier is None else shown_moment(earlier.sent_at or earlier.begun_at)
        if self.is_over or is_joined(result):
            when = f" at {at}" if at else ""
            say(f"Made before{when} with the key {self._session.key!r}: nothing was {deed} now.")
            return True
        if earlier is not None and earlier.state is not CallState.NOT_DONE:
            say(f"This went on with what was begun at {at}: it was {deed} once.")
        return False

    async def acknowledge(self) -> None:
        """Note that somebody was told of the call: one that was gone on with may be listed as untold."""
        with contextlib.suppress(VoucherError):  # it was told; `untold` lists it, and takes it off
            record = await _latest(self._session)
            if record is not None and record.state is CallState.DONE and not record.told:
                await self._session.client.acknowledge(record)

    async def currency(self) -> str | None:
        """The currency of the call, by the journal; None where that cannot tell."""
        with contextlib.suppress(VoucherError):  # money has moved: that is what the command tells
            record = await _latest(self._session)
            sent = None if record is None else record.parameters.currency
            return sent or (None if record is None or record.pending is None else record.pending.currency)
        return None

    def row(self, value: Any, *, currency: str | None, is_repeated: bool) -> dict[str, Any]:
        """The row of a charge, with its currency, which it does not name; for programs: whether it is new."""
        row: dict[str, Any] = {**value.to_dict(), "currency": currency}
        if self._session.terminal.as_json:
            row["made_before"] = is_repeated
        return row


async def begin(session: Session, key: str) -> Repeat:
    """Look for an earlier command with the key, before anything is sent.

    Args:
        session: of the command; an interruption tells of this key from now on.
        key: the idempotency key.

    Raises:
        JournalFailed: the journal cannot be read; nothing was sent.
    """
    session.key = key
    earlier = await _latest(session)
    if earlier is not None and earlier.state in {CallState.BEGUN, CallState.SENT}:
        at = shown_moment(earlier.begun_at)
        session.terminal.say(
            f"The same command was begun at {at}, and has not ended. Going on with it: where it was killed, "
            "that takes 15 seconds."
        )
    return Repeat(session, earlier)


async def _latest(session: Session) -> CallRecord | None:
    records = await session.client.history(key=session.key).to_list()
    return records[-1] if records else None
