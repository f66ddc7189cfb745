"""The tables of mutants are up to date: a stale one would test nothing."""

from __future__ import annotations

from tests.mutants.tables import ROOT, as_listed, named, source, survivors


def test_the_text_of_every_named_mutant_occurs_once_and_its_test_is_there() -> None:
    stale = [mutant.name for mutant in named() if source(mutant.change.file).count(mutant.change.old) != 1]
    lost = [
        test
        for test, (path, _, name) in ((mutant.test, mutant.test.partition("::")) for mutant in named())
        if not (ROOT / path).exists() or (name and f"def {name}(" not in source(path))
    ]
    assert (stale, lost) == ([], [])


def test_the_line_of_every_survivor_is_there() -> None:
    lines = {change.file: set(map(as_listed, source(change.file).splitlines())) for change in survivors()}
    assert [change for change in survivors() if change.old not in lines[change.file]] == []
