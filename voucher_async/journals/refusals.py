"""The errors of PostgreSQL in words that say what to do; no password is in them, nor in their causes."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Final

from voucher_async.errors import JournalFailed
from voucher_async.masking.text import Masker

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LOCKED", "Refused", "code_of", "refusal"]

LOCKED: Final = "55P03"
"""The SQLSTATE of a row that was locked for too long."""

_SHOWN: Final = 200  # characters of the server's own words

# by the longest beginning of the SQLSTATE
_ADVICE: Final = {
    "08": "the connection to the database broke: it was restarted, or the network failed",
    "08P01": "the database, or a pooler in between, refuses the connection: see the parameters of the URL",
    "22": "the database refuses a value",
    "23": "the database refuses a row",
    "25006": "the database is read-only: it is a replica or was switched over, so let the URL lead to the "
    "primary, or name both hosts and add target_session_attrs=read-write",
    "28": "the database refuses the login: check the user and the password of the URL, and pg_hba.conf",
    "3D000": "there is no such database: create it, or correct the URL",
    "3F000": "the schema of the journal is missing: create it, or correct search_path",
    "40": "the database stopped the statement in favour of others, several times",
    "42501": "the user of the URL may not do that: grant SELECT, INSERT, UPDATE and DELETE on the journal's "
    "tables, and CREATE on the schema unless the journal is made with create=False",
    "42": "the tables are not those of the journal: run the migrations, or use a schema of its own",
    "53100": "the disk of the database is full: make room",
    "53300": "the database has no connection left: raise max_connections, use a pooler, or run fewer workers",
    "53": "the database lacks resources: memory, disk or connections",
    LOCKED: "a row stayed locked: look for a transaction that was left open in pg_stat_activity",
    "57014": "a statement took too long, and the database stopped it: look for locks and a full disk",
    "57P01": "the database is being shut down or restarted",
    "57P02": "the database has crashed, and restarts",
    "57P03": "the database is starting up, or shutting down",
    "58": "the database has trouble with its files",
    "XX": "the database has an internal error: see its log",
}
_SILENT: Final = "the database did not answer in time: is it overloaded, or a firewall in between?"
_UNKNOWN_HOST: Final = "the host of the URL is not known: correct it, or mend DNS"
_UNENCRYPTED: Final = "no encrypted connection to the database came about: check sslmode and its certificates"
_UNREACHABLE: Final = "the database cannot be reached: is it running, and are host and port of the URL right?"


class Refused(JournalFailed):
    """An error of the database.

    Attributes:
        code: the SQLSTATE; empty when it is not the server's.
    """

    code: str = ""


def code_of(error: BaseException) -> str:
    """The SQLSTATE of an error; empty for one that is not the server's."""
    return str(getattr(error, "sqlstate", None) or "")


def refusal(error: Exception, secrets: Iterable[str]) -> Refused:
    """The error to raise in the place of one of the driver, whose frames show the password.

    Args:
        error: the driver's, or the operating system's.
        secrets: are masked in what the server said.
    """
    code = code_of(error)
    said = str(error.args[0]) if error.args and code else str(error)
    words = Masker(secrets).shown(said, _SHOWN) or type(error).__name__
    mine = Refused(f"the journal failed: {_advice(error, code)} ({f'{code}: ' if code else ''}{words})")
    mine.code = code
    return mine


def _advice(error: Exception, code: str) -> str:
    known = next((_ADVICE[code[:length]] for length in (5, 2) if code[:length] in _ADVICE), None)
    if known is not None:
        return known
    if code:
        return "the database refuses a statement"
    if isinstance(error, TimeoutError):
        return _SILENT
    if isinstance(error, socket.gaierror):
        return _UNKNOWN_HOST
    if isinstance(error, ssl.SSLError):
        return _UNENCRYPTED
    return _UNREACHABLE if isinstance(error, OSError) else "the driver of the database failed"
