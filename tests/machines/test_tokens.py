"""The reasons why a token may be fetched, and that there is none beyond them."""

from __future__ import annotations

import pytest

from tests.chaos.records import Fetched
from tests.machines.tokens import NONE, Troubles, reasons_of

QUIET = Troubles()


@pytest.mark.parametrize(
    ("first", "second", "revoked", "troubles", "reason"),
    [
        pytest.param((1.0, 0.1), (11.0, 0.1), [], QUIET, NONE, id="nothing happened"),
        pytest.param((1.0, 0.1), (51.0, 0.1), [], QUIET, "as its life was nearly over", id="half its life"),
        pytest.param((1.0, 0.1), (11.0, 0.1), [5.0], QUIET, "as it was revoked", id="revoked"),
        pytest.param((1.0, 0.5), (11.0, 0.1), [0.8], QUIET, "as it was revoked", id="revoked on its way"),
        pytest.param((1.0, 0.1), (11.0, 0.1), [0.8], QUIET, NONE, id="the one before was revoked"),
        pytest.param((1.0, 0.1), (11.0, 0.1), [12.0], QUIET, NONE, id="revoked afterwards"),
        pytest.param(
            (1.0, 0.1), (11.0, 0.1), [], Troubles(emptied=[5.0]), "as Valkey had lost it", id="emptied"
        ),
        pytest.param((1.0, 0.1), (11.0, 0.1), [], Troubles(emptied=[0.8]), NONE, id="emptied before"),
        pytest.param(
            (1.0, 0.1), (11.0, 0.1), [], Troubles(away=[(9.0, 12.0)]), "as Valkey was not reached", id="away"
        ),
        pytest.param(
            (1.0, 0.1),
            (40.0, 0.1),
            [],
            Troubles(away=[(9.0, 12.0)]),
            "as Valkey was not reached",
            id="left alone for a while",
        ),
        pytest.param((1.0, 0.1), (43.0, 0.1), [], Troubles(away=[(9.0, 12.0)]), NONE, id="reached again"),
        pytest.param(
            (1.0, 0.1),
            (40.0, 0.1),
            [],
            Troubles(stopped=[(9.0, 12.0)]),
            "as the worker had stood still while it asked Valkey",
            id="stopped as it asked",
        ),
        pytest.param((1.0, 0.1), (43.0, 0.1), [], Troubles(stopped=[(9.0, 12.0)]), NONE, id="goes on since"),
        pytest.param(
            (1.0, 0.1), (21.0, 15.0), [], QUIET, "as the answer came after the lease", id="stood still"
        ),
    ],
)
def test_why_a_second_token_was_fetched(
    first: tuple[float, float],
    second: tuple[float, float],
    revoked: list[float],
    troubles: Troubles,
    reason: str,
) -> None:
    tokens = [Fetched(at=at, elapsed=elapsed) for at, elapsed in (second, first)]
    found = [(token.at, why) for token, why in reasons_of(tokens, revoked, troubles, life=100.0)]
    assert found == [(first[0], "the first"), (second[0], reason)]
