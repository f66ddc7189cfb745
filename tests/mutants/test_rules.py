"""Each rule that `make mutants` removes is still there, and can be removed."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import pytest

import voucher_async
from tests.mutants.copies import MODEL, WIDE
from tests.mutants.table import Rule, load

SOURCES = Path(voucher_async.__file__).resolve().parent.parent
RULES = load()


@functools.cache
def tree_of(file: str) -> str:
    """What a file says, comments and layout left aside."""
    return ast.dump(ast.parse((SOURCES / file).read_text(encoding="utf-8")))


def test_every_rule_has_a_name_of_its_own() -> None:
    names = [(rule.file, rule.name) for rule in RULES]
    assert len(set(names)) == len(names) > 70


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_can_be_removed(rule: Rule) -> None:
    removed = rule.remove_from((SOURCES / rule.file).read_text(encoding="utf-8"))
    assert ast.dump(ast.parse(removed)) != tree_of(rule.file)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_tests_that_are_run_first_are_there(rule: Rule, root: Path) -> None:
    assert rule.tests
    for test in rule.tests:
        path, _, name = test.partition("::")
        assert (root / path).exists(), test
        assert not name or f"def {name}(" in (root / path).read_text(encoding="utf-8"), test


def test_the_tests_that_are_run_for_every_rule_are_there(root: Path) -> None:
    assert [test for test in (*WIDE, *MODEL) if not (root / test).exists()] == []
