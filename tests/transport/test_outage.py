"""The network goes as a money request is written: once its call is over, the kernel delivers nothing of it.

Each test is a process in a network namespace of its own, which takes its loopback interface down.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.outage.namespace import NoNamespaceError, prefix
from tests.outage.plan import Cell, Certificates, Outcome, run

OUTAGE, TIMEOUT, CALLS = 4.0, 2.0, 4


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates.make(tmp_path)


async def outcomes(certificates: Certificates, *cells: Cell) -> list[Outcome]:
    return await asyncio.gather(*(run(cell, certificates) for cell in cells))


def cells(certificates: Certificates, **rest: object) -> list[Cell]:
    limits = {"outage": OUTAGE, "timeout": TIMEOUT, "calls": CALLS, "settle": False}
    return [
        Cell(what=what, certificate=certificate, **limits, **rest)  # type: ignore[arg-type]
        for what in ("charge", "recharge", "refund")
        for certificate in (None, str(certificates.server))
        if not rest or (what == "recharge") is (certificate is not None)
    ]


def test_this_machine_can_take_a_network_down() -> None:
    try:
        assert prefix()
    except NoNamespaceError as error:
        pytest.fail(str(error))


@pytest.mark.parametrize(
    "rest",
    [{}, {"end": "cancel", "given": True}, {"end": "close"}],
    ids=["timed out", "cancelled on a session that was handed in", "client closed"],
)
async def test_nothing_arrives_after_its_call_is_over(
    certificates: Certificates, rest: dict[str, object]
) -> None:
    ends = await outcomes(certificates, *cells(certificates, **rest))
    assert [(end.written, end.late, end.made) for end in ends] == [(CALLS, 0, 0)] * len(ends)
