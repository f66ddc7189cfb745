"""The step `journal`: found, readable, of this version, and how long a durable write takes.

Nothing is made where nothing is, and a write is taken back in the transaction that made it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from voucher_async.cli.checking.findings import Finding, failed, ok, warning
from voucher_async.cli.checking.journal_kinds import NoJournalYet
from voucher_async.errors import ConfigurationError, JournalFailed
from voucher_async.journals.urls import Address, address_of, shown
from voucher_async.masking import conceal
from voucher_async.masking.text import Masker

if TYPE_CHECKING:
    from voucher_async.cli.checking.findings import Fact
    from voucher_async.clock import Clock

__all__ = ["open_journal"]

_NAME: Final = "journal"
_SLOW: Final = 100.0  # milliseconds
_LONGEST: Final = 500


async def open_journal(journal: str | None, clock: Clock) -> Finding:
    """Open the journal as a client would, but without making it.

    Args:
        journal: its URL, which may have a password; None for one in memory.
        clock: of leases.
    """
    journal = conceal(journal)
    if journal is None:
        seen = "the journal is in memory: what was charged is forgotten when the process ends"
        advice = "Set VOUCHER_JOURNAL to a database, such as sqlite:////var/lib/shop/vouchers.db."
        return warning(_NAME, "", seen, advice, kind="memory")
    about = shown(journal)
    facts: dict[str, Fact] = {}
    try:
        address = address_of(journal)
        facts["kind"] = address.dialect
        milliseconds = await _measure(address, clock, facts)
    except NoJournalYet as error:
        advice = "If there should be one, correct VOUCHER_JOURNAL: in an empty journal, used keys are free."
        return warning(_NAME, about, str(error), advice, **facts)
    except ConfigurationError as error:
        return failed(_NAME, about, str(error), "Correct VOUCHER_JOURNAL, or install what it needs.", **facts)
    except JournalFailed as error:
        return _failed(about, str(error), journal, facts)
    facts["durable_write_ms"] = milliseconds
    seen = f"a durable write takes {milliseconds:g} ms"
    if milliseconds > _SLOW:
        advice = (
            "Put the journal on a faster disk, or nearer: each payment waits for two such writes or more."
        )
        return warning(_NAME, about, seen, advice, **facts)
    return ok(_NAME, about, seen, **facts)


async def _measure(address: Address, clock: Clock, facts: dict[str, Fact]) -> float:
    """Milliseconds of a durable write.

    Raises:
        JournalFailed: the journal cannot be used.
        NoJournalYet: there is none.
        ConfigurationError: a driver is not installed.
    """
    try:
        if address.dialect == "sqlite":
            from voucher_async.cli.checking import journal_files  # noqa: PLC0415 - it needs an extra

            measure = journal_files.measure
        else:
            from voucher_async.cli.checking import journal_databases  # noqa: PLC0415 - as above

            measure = journal_databases.measure
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f'this journal needs {error.name}: pip install "voucher-async[{address.dialect}]"'
        ) from None
    return await measure(address.place, clock, facts)


def _failed(about: str, said: str, journal: str, facts: dict[str, Fact]) -> Finding:
    """A failure, whose words say what to do behind a colon or semicolon."""
    said = Masker((journal,)).shown(said, _LONGEST)  # a password is in the URL alone
    advice = "Mend the journal, since each payment is refused until it can be written."
    return failed(_NAME, about, said, advice, **facts)
