"""Options that every command has, and its client by a profile."""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Annotated, Final

import attrs
from cyclopts import Group, Parameter

from voucher_async.cli.places import is_real, place_of
from voucher_async.cli.profiles import Profile, find_profile
from voucher_async.cli.terminal import Terminal
from voucher_async.client import VoucherClient
from voucher_async.errors import VoucherError
from voucher_async.payments.call import CallState
from voucher_async.payments.journal import Journal
from voucher_async.payments.memory import MemoryJournal

if TYPE_CHECKING:
    from voucher_async.journals.sql import SqlJournal

__all__ = ["DEFAULT", "Common", "JournalSession", "Session", "known_of"]

_GROUP: Final = Group("Options of every command", sort_key=100)


@Parameter(name="*", group=_GROUP)
@attrs.frozen(kw_only=True)
class Common:
    """The options of every command.

    Attributes:
        profile: The profile with settings and credentials. Default: the one that VOUCHER_PROFILE names, else
            the variables VOUCHER_CLIENT_ID and so on, else the profile `default`.
        json: Write one JSON object per line, for programs.
        show_secrets: Show codes and pins.
        yes: Answer every question with yes.
        timeout: Seconds for each call; an outcome that is open then is settled by the next command.
    """

    profile: str | None = None
    json: bool = False
    show_secrets: bool = False
    yes: Annotated[bool, Parameter(name=["--yes", "-y"])] = False
    timeout: float | None = None

    def terminal(self) -> Terminal:
        """The streams of the command."""
        return Terminal(as_json=self.json, show_secrets=self.show_secrets, agreed=self.yes)

    def find(self) -> Profile:
        """The profile of the command.

        Raises:
            ConfigurationError: there is none.
        """
        return find_profile(self.profile, os.environ)

    @contextlib.asynccontextmanager
    async def unrecorded(self) -> AsyncGenerator["Session"]:
        """A client by the profile, and the streams, for commands that make no money call.

        The journal is left alone: the library for its database takes a third of a command's start.

        Raises:
            ConfigurationError: there is no profile, or it cannot work.
        """
        client = self._client(self.find(), MemoryJournal())
        async with client:
            yield Session(client=client, terminal=self.terminal())

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncGenerator["JournalSession"]:
        """A client by the profile, with the journal of the profile, and the streams.

        Raises:
            ConfigurationError: there is no profile, or it cannot work.
        """
        from voucher_async.journals.sql import SqlJournal  # noqa: PLC0415 - see `unrecorded`

        profile = self.find()
        async with contextlib.aclosing(SqlJournal(profile.journal)) as journal:
            session = JournalSession(
                client=self._client(profile, journal), terminal=self.terminal(), journal=journal
            )
            try:
                async with session.client, _stopping(session):
                    yield session
            except asyncio.CancelledError:
                # its calls have ended, or were left to the journal: closing the client saw to that
                if session.key is not None:
                    session.terminal.say(await _known_or_not(session))
                raise

    def _client(self, profile: Profile, journal: Journal) -> VoucherClient:
        # recovery is for what runs for long; a command that is about to end would leave it half done
        return VoucherClient.from_env(
            profile.variables, journal=journal, recover_every=0, timeout=self.timeout
        )


@contextlib.asynccontextmanager
async def _stopping(session: "Session") -> AsyncGenerator[None]:
    try:
        yield
    except asyncio.CancelledError:
        if session.key is not None:
            wait = session.client.settings.close_wait
            session.terminal.say(f"Stopping. What was sent is finished first, within {wait:g} seconds.")
        raise


async def _known_or_not(session: "Session") -> str:
    try:
        return await known_of(session)
    except VoucherError as error:
        return f"It may have been done ({error}). {session.again}."


async def known_of(session: "Session") -> str:
    """The words on a money call that was interrupted, by the journal, once its client was closed."""
    record = next(iter(reversed(await session.client.history(key=session.key).to_list())), None)
    if record is None:
        return "Nothing was sent."
    if record.state is CallState.BEGUN:
        # this client is closed, and leaves none in that state
        return f"Nothing was sent from here; another process is at it. {session.again} to learn how it ends."
    if record.state is CallState.NOT_DONE:
        return f"It was not done: {record.proof}."
    if record.state is CallState.DONE and record.charge is not None:
        return f"It was done: {record.charge.type} {record.charge.id} of {record.charge.amount}."
    if record.state is CallState.DONE:
        return "It was done."
    return f"It may have been done. {session.again}: it goes on with this call."


DEFAULT: Final = Common()
"""The options of a command for which none was given."""


@attrs.define(kw_only=True)
class Session:
    """A client, and the streams of the command that uses it.

    Attributes:
        client: by the profile.
        terminal: shows and asks.
        key: the idempotency key of the money call that is made; a command that is interrupted tells what the
            journal knows of it.
        again: the words that say how that call is gone on with.
    """

    client: VoucherClient
    terminal: Terminal
    key: str | None = None
    again: str = "Run the same command again"

    @property
    def where(self) -> str:
        """The environment, for questions and titles."""
        return place_of(self.client.settings)

    def confirm(self, what: str) -> None:
        """Ask before money moves, or something is deleted, where that is real.

        Args:
            what: the deed, such as `Charge 10.00 EUR for order A-1`.

        Raises:
            Refused: nobody agreed; nothing was sent.
        """
        if is_real(self.client.settings):
            self.terminal.confirm(f"{what} in {self.where}?")


@attrs.define(kw_only=True)
class JournalSession(Session):
    """A session whose client has the journal of the profile.

    Attributes:
        journal: that journal, for questions that a client does not answer.
    """

    journal: "SqlJournal"
