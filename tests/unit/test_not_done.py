"""Each place that says "not done" takes a proof, and each proof has a test that gives it."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

import voucher_async
from voucher_async.errors import Proof

SOURCES = Path(voucher_async.__file__).resolve().parent
TESTS = "tests/settlement/test_what_proves_what.py"

PROVED_BY: dict[Proof, tuple[str, ...]] = {
    Proof.NOT_SENT: (f"{TESTS}::test_no_connection_proves_that_nothing_was_done",),
    Proof.UNAUTHORIZED: (
        "tests/unit/test_replies.py::test_401_proves_something_when_nothing_was_sent_before",
    ),
    Proof.REFUSED: (f"{TESTS}::test_a_refusal_is_looked_into_twice_a_second_apart",),
    Proof.ABSENT: (f"{TESTS}::test_absence_is_proved_past_the_window",),
    Proof.FENCED: (f"{TESTS}::test_absence_is_proved_past_the_end_of_the_reservation",),
    Proof.REPEAT_REFUSED: (f"{TESTS}::test_a_refused_repeat_and_a_balance_that_adds_up_are_a_proof",),
    Proof.NO_VOUCHER: (f"{TESTS}::test_a_voucher_is_not_created_when_its_id_is_free_or_another_ones",),
    Proof.OTHER_VOUCHER: (f"{TESTS}::test_a_voucher_is_not_created_when_its_id_is_free_or_another_ones",),
    Proof.RESOLVED: (
        "tests/settlement/test_resolved.py::test_an_operator_s_word_that_nothing_was_done_frees_the_key",
    ),
}


@functools.cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    """The modules that speak of it at all."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(SOURCES.rglob("*.py"))}
    return tuple(
        (path.relative_to(SOURCES).as_posix(), ast.parse(text))
        for path, text in texts.items()
        if any(word in text for word in ("NOT_DONE", "Settlement", "Proof", "proof", "Fate", "Move"))
    )


def functions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Each function with what belongs to no function inside it, and the module with the rest."""
    owners: list[ast.FunctionDef | ast.AsyncFunctionDef] = [
        node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    for owner in owners:
        yield owner.name, owner
    for node in tree.body:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield "", node


def says(node: ast.AST, cls: str, member: str) -> bool:
    """Whether a node is that member of an enum."""
    return (
        isinstance(node, ast.Attribute)
        and node.attr == member
        and isinstance(node.value, ast.Name)
        and node.value.id == cls
    )


def compared(tree: ast.AST) -> set[ast.AST]:
    """Everything that is only compared with something."""
    comparisons = (node for node in ast.walk(tree) if isinstance(node, ast.Compare))
    return {inner for comparison in comparisons for inner in ast.walk(comparison)}


def is_done(call: ast.Call, function: ast.AST) -> bool:
    """Whether a settlement is certainly one of what was carried out."""
    state = next(keyword.value for keyword in call.keywords if keyword.arg == "state")
    if isinstance(state, ast.Name):
        given = [
            node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign)
            and any(isinstance(target, ast.Name) and target.id == state.id for target in node.targets)
        ]
        return bool(given) and all(says(value, "SettlementState", "DONE") for value in given)
    return says(state, "SettlementState", "DONE")


def settlements() -> Iterator[tuple[str, ast.Call, bool]]:
    """Each settlement that is made, where, and whether it may say that nothing was done."""
    for file, tree in modules():
        for name, function in functions(tree):
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Settlement":
                    yield f"{file}::{name}", node, not is_done(node, function)


def test_each_settlement_that_says_not_done_has_a_proof() -> None:
    unproved = [where for where, call, negative in settlements() if negative and not _proof_of(call)]
    assert not unproved
    assert {where for where, _, negative in settlements() if negative} == {
        "payments/by_record.py::_known",
        "payments/supervisor.py::_not_done",
        "payments/watch.py::not_done",
        "payments/resolving.py::resolve",
    }


def _proof_of(call: ast.Call) -> ast.expr | None:
    given = next((keyword.value for keyword in call.keywords if keyword.arg == "proof"), None)
    return None if isinstance(given, ast.Constant) else given


@pytest.mark.parametrize(
    ("cls", "said"),
    [
        ("Fate", {"payments/replies.py::as_not_done", "payments/replaying.py::_error_of"}),
        (
            "CallState",
            {
                "payments/call.py::",
                "payments/machine.py::",
                "checkout/finishing.py::_child",
                "checkout/finishing.py::run",
                "checkout/recorded.py::_replay",
                "refunding/parts.py::fence",  # of a part that nobody can send any more
                "payments/recording.py::may_deny",  # asks the machine first
                "payments/recording.py::released",
                "payments/recording.py::failed",
                "payments/recording.py::settled",
                "payments/resolving.py::_recorded",
            },
        ),
        (
            "SettlementState",
            {
                "payments/by_record.py::_known",
                "payments/supervisor.py::_not_done",
                "payments/watch.py::not_done",
                "payments/resolving.py::resolve",
            },
        ),
        (
            "Happened",
            {f"payments/report.py::{name}" for name in ("refuted", "not_done", "checkout_recovered")},
        ),
        (
            "Move",
            {
                "payments/evidence.py::decide",
                "payments/judging.py::_look_for_voucher",
                "payments/judging.py::",
                "payments/settle.py::_look_until_clear",
                "payments/watch.py::_is_clear",
            },
        ),
    ],
)
def test_not_done_is_said_in_a_few_places(cls: str, said: set[str]) -> None:
    places = {
        f"{file}::{name}"
        for file, tree in modules()
        for name, function in functions(tree)
        for node in ast.walk(function)
        if says(node, cls, "NOT_DONE") and node not in compared(function)
    }
    assert places <= said
    assert {
        place for place in said if not place.startswith(("payments/settle.py", "payments/watch.py"))
    } <= places


def test_no_enum_is_made_from_a_text_that_may_say_not_done() -> None:
    made = [
        f"{file}:{node.lineno}"
        for file, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"Fate", "SettlementState", "Proof", "Move"}
    ]
    assert not made


def test_an_error_says_not_done_with_its_proof_alone() -> None:
    """Whoever sets `proof` on an error does it where the fate is set, or says that nothing was sent."""
    places = {
        f"{file}::{name}"
        for file, tree in modules()
        for name, function in functions(tree)
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and node.attr == "proof" and isinstance(node.ctx, ast.Store)
    }
    assert places == {
        "payments/replies.py::as_not_done",
        "payments/replies.py::without_proof",
        "payments/running.py::closed",
    }


def test_each_proof_has_a_test_that_gives_it(root: Path) -> None:
    assert set(PROVED_BY) == set(Proof)
    for tests in PROVED_BY.values():
        for test in tests:
            path, _, name = test.partition("::")
            assert f"def {name}(" in (root / path).read_text(encoding="utf-8"), test


def test_each_proof_is_given_by_the_code() -> None:
    given = {
        node.attr
        for file, tree in modules()
        if file != "errors.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Proof"
    }
    assert given == {proof.name for proof in Proof}
