"""A cell of the matrix: what is done in it, what came of it, and how it is run."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Literal, cast

import attrs
import trustme

from tests.outage.namespace import prefix

__all__ = ["Cell", "Certificates", "Outcome", "run"]

What = Literal["charge", "recharge", "refund"]
End = Literal["deadline", "cancel", "close"]

_SPARE = 120.0  # seconds that a cell may take beyond its own pauses
_ROOT = Path(__file__).resolve().parents[2]


@attrs.frozen(kw_only=True)
class Cell:
    """What is done.

    Attributes:
        what: the money call.
        outage: seconds without a network, from when the requests are written.
        timeout: seconds that a money call may take.
        certificate: a file with the server's certificate and key, for TLS.
        calls: how many at once.
        given: with a session that is handed in.
        end: what ends the calls.
        settle: whether to wait until every outcome is settled.
    """

    what: What
    outage: float
    timeout: float
    certificate: str | None = None
    calls: int = 20
    given: bool = False
    end: End = "deadline"
    settle: bool = True


@attrs.frozen(kw_only=True)
class Outcome:
    """What came of it.

    Attributes:
        written: money requests that were written into the outage.
        late: money requests that reached the server after the calls were over.
        done: calls whose last word was "done".
        not_done: calls whose last word was "not done".
        unclear: calls that were open to the end.
        made: calls that were carried out, by the server's ledger.
        lost: calls that were carried out and whose last word is another.
        double: calls that were carried out more than once, and not taken back.
        false: words, of whichever kind, that the ledger contradicts.
    """

    written: int
    late: int
    done: int
    not_done: int
    unclear: int
    made: int
    lost: int
    double: int
    false: int


@attrs.frozen
class Certificates:
    """An authority of our own, and a certificate of it for the address of the server.

    Attributes:
        authority: the file with the authority's certificate.
        server: the file with the server's certificate and key.
    """

    authority: Path
    server: Path

    @classmethod
    def make(cls, folder: Path) -> Certificates:
        """Make both in a folder."""
        made = cls(folder / "authority.pem", folder / "server.pem")
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(made.authority))
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(made.server))
        return made


async def run(cell: Cell, certificates: Certificates) -> Outcome:
    """Run a cell in a network namespace of its own.

    Args:
        cell: what is done.
        certificates: which authority the client trusts.

    Raises:
        NoNamespaceError: that cannot be made.
        RuntimeError: the cell broke; the message has its words.
    """
    command = [*prefix(), sys.executable, "-m", "tests.outage.cell", json.dumps(attrs.asdict(cell))]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=_ROOT,
        # aiohttp reads it at its import
        env={**os.environ, "PYTHONPATH": str(_ROOT), "SSL_CERT_FILE": str(certificates.authority)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(cell.outage + 2 * cell.timeout + _SPARE):
            said, complained = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise RuntimeError(f"{cell} took too long") from None
    if process.returncode:
        raise RuntimeError(f"{cell} broke: {complained.decode()}")
    return Outcome(**cast("dict[str, int]", json.loads(said)))
