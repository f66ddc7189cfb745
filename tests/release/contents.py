"""The files in the wheel and in the sdist: all that belong there, and no other."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from codegen.generate import OUTPUT, SPECIFICATION, difference
from tests.release.checks import Result
from tests.release.repository import Tree

__all__ = ["check_models", "check_sdist", "check_wheel", "secrets", "strange"]

_PACKAGE: Final = "voucher_async/"
_FOLDERS: Final = frozenset({"__pycache__", "test", "tests", "node_modules", "dist", "build"})
_SUFFIXES: Final = frozenset(
    {
        *(".pyc", ".pyo", ".so", ".log", ".tmp", ".orig", ".rej", ".swp", ".bak"),
        *(".db", ".sqlite", ".sqlite3", ".env", ".pem", ".key", ".p12", ".pfx", ".pypirc"),
    }
)
_SECRETS: Final = {
    "a private key": re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{20}"),
    "a token of a package index": re.compile(rb"\bpypi-[A-Za-z0-9_-]{40,}"),
    "a token of a code hosting site": re.compile(rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|glpat-[A-Za-z0-9_-]{20})"),
    "a key of a cloud": re.compile(rb"\bAKIA[0-9A-Z]{16}\b"),
    "a signed JSON web token": re.compile(
        rb"\beyJ[A-Za-z0-9_-]{15,}\.eyJ[A-Za-z0-9_-]{15,}\.[A-Za-z0-9_-]{20,}"
    ),
}
_NEEDED: Final = (
    *("LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "pyproject.toml"),
    *("openapi/voucher.yaml", "codegen/generate.py", "examples/quickstart.py", "docs/settlement.md"),
    *("tests/conftest.py", "tests/constraints.txt", "tests/constraints-lowest.txt"),
)


def check_wheel(tree: Tree, files: Mapping[str, bytes], version: str) -> Result:
    """Compare the wheel's files with those that git tracks, and its metadata with what is declared.

    Args:
        tree: the tree.
        files: the wheel's, by name.
        version: the version, which is in the name of the folder with the metadata.
    """
    information = f"voucher_async-{version}.dist-info/"
    licences = {f"{information}licenses/{name}" for name in tree.project.get("license-files", [])}
    about = {information + name for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")} | licences
    package = {name for name in tree.tracked if name.startswith(_PACKAGE)}
    expected = package | about
    problems = [
        *(f"the wheel lacks {name}" for name in sorted(expected - files.keys())),
        *(f"the wheel has {name}, which git does not track" for name in sorted(files.keys() - expected)),
        *(f"the wheel has {problem}" for problem in strange(files.keys() - about)),
        *(f"the wheel has {problem}" for problem in secrets(files, home=Path.home(), root=tree.root)),
        *_typed_and_licensed(tree, files, licences),
        *_entry_points(tree, files.get(f"{information}entry_points.txt", b"").decode("utf-8")),
        *_same(tree, files, package),
    ]
    return Result(problems, f"{len(files)} files")


def _typed_and_licensed(tree: Tree, files: Mapping[str, bytes], licences: set[str]) -> Iterator[str]:
    if f"{_PACKAGE}py.typed" not in files:
        yield "the wheel lacks voucher_async/py.typed: type checkers would ignore its types"
    if not licences:
        yield "pyproject.toml: `license-files` names no file"
    for name in licences & files.keys():
        if files[name].decode("utf-8") != tree.text(PurePosixPath(name).name):
            yield f"{name} in the wheel is not the licence of the tree"


def _same(tree: Tree, files: Mapping[str, bytes], package: Iterable[str]) -> Iterator[str]:
    for name in sorted(files.keys() & set(package)):
        if files[name] != (tree.root / name).read_bytes():
            yield f"{name} in the wheel is not that of the tree"


def _entry_points(tree: Tree, text: str) -> Iterator[str]:
    declared: dict[str, dict[str, str]] = {
        "console_scripts": tree.project.get("scripts", {}),
        **tree.project.get("entry-points", {}),
    }
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign] # names keep their capitals
    parser.read_string(text)
    made = {section: dict(parser[section]) for section in parser.sections()}
    if made != {group: points for group, points in declared.items() if points}:
        yield f"the wheel's entry points are {made}; pyproject.toml declares {declared}"
    for points in declared.values():
        for name, place in points.items():
            module = place.partition(":")[0].replace(".", "/")
            if not {f"{module}.py", f"{module}/__init__.py"} & tree.tracked:
                yield f"the entry point {name} leads to {place}, which is not there"


def check_sdist(tree: Tree, files: Mapping[str, bytes]) -> Result:
    """Compare the sdist's files with those that git tracks.

    Args:
        tree: the tree.
        files: the sdist's, by name.
    """
    strangers = files.keys() - tree.tracked - {"PKG-INFO"}
    left_out = {
        name for name in tree.tracked if name.startswith((_PACKAGE, "tests/", "codegen/"))
    } - files.keys()
    without_tests = {name: data for name, data in files.items() if not name.startswith("tests/")}
    problems = [
        *(f"the sdist has {name}, which git does not track" for name in sorted(strangers)),
        *(f"the sdist lacks {name}" for name in sorted(left_out | (set(_NEEDED) - files.keys()))),
        # tests make up secrets to look for them
        *(f"the sdist has {problem}" for problem in secrets(without_tests, home=Path.home(), root=tree.root)),
    ]
    return Result(problems, f"{len(files)} files")


def strange(names: Iterable[str]) -> Iterator[str]:
    """The names that no wheel should hold: tests, caches, databases, keys, hidden files."""
    for name in sorted(names):
        path = PurePosixPath(name)
        if set(path.parts) & _FOLDERS or any(part.startswith(".") for part in path.parts):
            yield f"{name}, of a folder that does not belong there, or hidden"
        elif path.suffix in _SUFFIXES:
            yield f"{name}, a file of a kind that does not belong there"
        elif path.name == "conftest.py" or path.name.startswith("test_"):
            yield f"{name}, a test"


def secrets(files: Mapping[str, bytes], *, home: Path, root: Path) -> Iterator[str]:
    """The files that hold a secret, or the path of a folder of this machine.

    Args:
        files: by name.
        home: the home folder of whoever builds.
        root: the folder of the tree.
    """
    folders = {str(path).encode() for path in (home, root) if len(path.parts) > 2}
    for name, data in sorted(files.items()):
        for what, pattern in _SECRETS.items():
            if pattern.search(data):
                yield f"{name}, which holds {what}"
        if any(folder in data for folder in folders):
            yield f"{name}, which names a folder of this machine"


def check_models(specification: Path = SPECIFICATION, output: Path = OUTPUT) -> Result:
    """Make the models anew, and compare them with those that are there."""
    if difference(specification, output):
        return Result([f"{output.name} is out of date, or was edited: run `make codegen`"])
    return Result((), f"{len(output.read_text(encoding='utf-8').splitlines())} lines as generated")
