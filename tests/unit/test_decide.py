"""Every combination of small evidence: what no combination of facts may lead to."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

import pytest

from tests.seeds import drawing
from tests.unit.samples import charge
from voucher_async.errors import Proof
from voucher_async.payments.evidence import RULES, Evidence, Finding, Move, Rule, decide

WINDOW, LAG = 60.0, 10.0
BOTH = (False, True)
CHARGE: Final = charge()
FINDINGS: Final = [
    Finding(certain=(CHARGE,) * certain, recognised=(CHARGE,) * recognised, unclear=(CHARGE,) * unclear)
    for certain, recognised, unclear in itertools.product(range(3), range(3), range(2))
]
NOTHING: Final = FINDINGS[0]
SPACE: Final[dict[str, tuple[Any, ...]]] = {
    "finding": tuple(FINDINGS),
    "sends": (1, 2),
    "absences": (0, 1, 2),
    "quiet": (0.0, LAG, WINDOW - 0.1, WINDOW),
    "fenced": (None, LAG - 0.1, LAG),
    "whole": BOTH,
    "rivals": (0, 1),
    "confusable": BOTH,
    "repeatable": BOTH,
    "told": (0, 1),
    "refused": BOTH,
    "repeat_refused": BOTH,
    "gone": BOTH,
    "answered": BOTH,
    "balanced": (None, True, False),
    "patience": (None, 1.0),
}


def every(**fixed: tuple[Any, ...]) -> Iterator[Evidence]:
    """Every combination, some facts held to fewer values."""
    space = SPACE | fixed
    names = list(space)
    for values in itertools.product(*space.values()):
        yield Evidence(window=WINDOW, lag=LAG, **dict(zip(names, values, strict=True)))


def some(count: int) -> Iterator[Evidence]:
    """Combinations from everywhere."""
    rng = drawing("evidence")
    for _ in range(count):
        values = {name: rng.choice(values) for name, values in SPACE.items()}
        yield Evidence(window=WINDOW, lag=LAG, **values)


def wrong(rule: Rule, given: Evidence, move: Move) -> str | None:
    """The law that a move breaks, read from the design and not from the code."""
    found = given.finding
    nothing = not (found.certain or found.recognised or found.unclear)
    if given.answered and move in {Move.NOT_DONE, Move.REPEAT, Move.REFUSED}:
        return "after an answer of 2xx nothing is 'not done', and nothing is sent again"
    if move is Move.NOT_DONE and not (nothing and given.whole and given.absence):
        return "'not done' takes a whole list that shows nothing, and a proof"
    if move is Move.NOT_DONE and not is_late_enough(given):
        return "'not done' takes the window, or a fence and the lag of lists"
    if move is Move.NOT_DONE and given.repeat_refused and given.balanced is False:
        return "a balance that does not add up is no absence"
    if move is Move.REFUSED and not (given.refused and given.whole and nothing and given.absences >= 2):
        return "a refusal stands when two whole looks show nothing"
    return wrong_done(given, move) or wrong_repeat(rule, given, move, nothing=nothing)


def is_late_enough(given: Evidence) -> bool:
    if given.repeat_refused:
        return given.quiet >= (LAG if given.gone else WINDOW)
    return given.quiet >= WINDOW or (given.fenced is not None and given.fenced >= LAG)


def wrong_done(given: Evidence, move: Move) -> str | None:
    if move is not Move.DONE:
        return None
    found = given.finding
    if len(found.certain) > given.sends:
        return "more than was sent is somebody else's in part"
    if found.certain:
        contended = given.rivals and len(found.certain) > given.told
        return "what may be a rival's is nobody's" if contended else None
    if len(found.recognised) != 1 or not (given.repeat_refused or given.answered) or given.confusable:
        return "what is only recognised is ours after a refused repeat or a 2xx, alone, and nobody else's"
    return None


def wrong_repeat(rule: Rule, given: Evidence, move: Move, *, nothing: bool) -> str | None:
    if move is not Move.REPEAT:
        return None
    if not given.repeatable or given.finding.certain:
        return "what may not be sent again, or is there, is not sent again"
    if rule.repeat_early:
        return None if given.absences >= 2 else "a charge is sent again after two looks"
    declined = given.refused and given.patience is not None and given.absences >= 2
    if not nothing or not given.whole or not (given.absence or declined):
        return "a refund is sent again when the first is certainly lost, or was declined"
    return None


def broken(rule: Rule, evidences: Iterable[Evidence]) -> Counter[str]:
    laws = Counter[str]()
    for given in evidences:
        law = wrong(rule, given, decide(rule, given))
        if law is not None:
            laws[f"{law}: {given}"] += 1
    return laws


@pytest.mark.parametrize("operation", ["chargeReservation", "refundCharge"])
class TestNoCombinationBreaksALaw:
    def test_where_nothing_is_found(self, operation: str) -> None:
        still = {"finding": (NOTHING,), "sends": (1,), "rivals": (0,), "confusable": (False,), "told": (0,)}
        assert not broken(RULES[operation], every(**still))

    def test_where_something_is_found(self, operation: str) -> None:
        still = {
            "finding": tuple(FINDINGS[1:]),
            "absences": (1, 2),
            "quiet": (0.0, WINDOW),
            "fenced": (None,),
            "whole": (True,),
            "gone": (False,),
            "balanced": (None,),
            "patience": (None,),
        }
        assert not broken(RULES[operation], every(**still))

    def test_wherever(self, operation: str) -> None:
        assert not broken(RULES[operation], some(20_000))


def test_what_is_absent_late_enough_always_ends() -> None:
    still = {"finding": (NOTHING,), "quiet": (WINDOW,), "whole": (True,), "answered": (False,)}
    moves = set[Move]()
    for given in every(**still, refused=(False,), balanced=(None, True), rivals=(0,), told=(0,), sends=(1,)):
        moves.add(decide(RULES["refundCharge"], given))
    assert moves == {Move.NOT_DONE, Move.REPEAT}


def test_every_proof_of_absence_is_reached_by_some_evidence() -> None:
    proofs = {given.absence for given in some(5000)}
    assert proofs == {None, Proof.ABSENT, Proof.FENCED, Proof.REPEAT_REFUSED}
