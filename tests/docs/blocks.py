"""Finds the Python examples in Markdown and in docstrings."""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent.parent
FENCED = re.compile(r"^( *)```python\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@attrs.frozen
class Block:
    """An example: where it stands, and its code."""

    name: str
    code: str = attrs.field(repr=False)

    @property
    def is_program(self) -> bool:
        """Whether it stands alone, with a loop of its own."""
        return "asyncio.run(" in self.code

    @property
    def is_file(self) -> bool:
        """Whether it is for a file: its first line is the file's name, or it is a program."""
        return self.is_program or re.match(r"# \w+\.py\n", self.code) is not None

    @property
    def is_test(self) -> bool:
        """Whether it is a test for pytest."""
        return "def test_" in self.code


def in_text(name: str, text: str) -> Iterator[Block]:
    """The examples in a text."""
    for found in FENCED.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(f"{name}:{line}", textwrap.dedent(found[2]))


def in_docstrings(path: Path) -> Iterator[Block]:
    """The examples in the docstrings of a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, DOCUMENTED):
            docstring = ast.get_docstring(node) or ""
            yield from in_text(f"{path.stem}.{getattr(node, 'name', '')}", docstring)


def in_document(path: Path) -> list[Block]:
    """The examples of a document."""
    return list(in_text(path.name, path.read_text(encoding="utf-8")))


def of_readme() -> list[Block]:
    """The examples of the README."""
    return in_document(ROOT / "README.md")
