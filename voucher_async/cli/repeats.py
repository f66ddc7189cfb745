"""Money commands that were run before: what the journal has of their key, and the words for it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

from voucher_async.cli.lists import shown_moment
from voucher_async.errors import VoucherError
from voucher_async.payments.call import CallState
from voucher_async.payments.joined import is_joined

if TYPE_CHECKING:
    from voucher_async.cli.common import Session
    from voucher_async.payments.call import CallRecord

__all__ = ["Repeat", "begin", "key_of"]

_LONGEST: Final = 255  # characters of a key


def key_of(*words: str) -> str:
    """The key of what a command says, where none was given."""
    return "/".join(words)[:_LONGEST]


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
