"""Metadata: links that are well-formed, and Pythons that the gate runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from trove_classifiers import classifiers as known_classifiers

from tests.pythons import Claims
from tests.release.checks import Result
from tests.release.repository import Tree

__all__ = ["check", "check_pythons"]

_LABEL: Final = 32  # characters of a label, by the core metadata
_SUMMARY: Final = 512
_PLACEHOLDERS: Final = ("example.com", "example.org", "example.net", "localhost", "127.0.0.1")
_HOST: Final = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")


def check(tree: Tree) -> Result:
    """Look at the URLs, the summary, the licence and the classifiers that are declared."""
    project = tree.project
    urls: dict[str, str] = project.get("urls", {})
    problems = [problem for label, url in urls.items() for problem in _url(label, url)]
    problems += [] if urls else ["pyproject.toml: [project.urls] is empty"]
    problems += [f"pyproject.toml: {name!r} is no classifier" for name in _unknown(project["classifiers"])]
    problems += list(_words(tree))
    told = "" if tree.repository else "; none of them is the repository's"
    return Result(problems, f"{len(urls)} URLs{told}, {len(project['classifiers'])} classifiers")


def _url(label: str, url: str) -> Iterator[str]:
    if len(label) > _LABEL:
        yield f"pyproject.toml: the label {label!r} of a URL is longer than {_LABEL} characters"
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https" or not _HOST.fullmatch(host) or parts.username or re.search(r"\s", url):
        yield f"pyproject.toml: {label}: {url!r} is no https URL"
    elif any(host == each or host.endswith(f".{each}") for each in _PLACEHOLDERS):
        yield f"pyproject.toml: {label}: {url!r} stands for a URL"


def _unknown(declared: list[str]) -> list[str]:
    return [name for name in declared if name not in known_classifiers]


def _words(tree: Tree) -> Iterator[str]:
    summary: str = tree.project.get("description", "")
    if not summary or "\n" in summary or len(summary) > _SUMMARY:
        yield f"pyproject.toml: the description is one line of at most {_SUMMARY} characters"
    if not isinstance(tree.project.get("license"), str):
        yield "pyproject.toml: `license` is to be an SPDX expression"
    for name in tree.project.get("license-files", []):
        if not tree.text(name):
            yield f"pyproject.toml: the licence file {name} is not there"


def check_pythons(tree: Tree, find: Callable[[str], Path | None]) -> Result:
    """Compare the Pythons of the classifiers with `requires-python`, the tools' settings, and the machine.

    Args:
        tree: the tree.
        find: gives the interpreter of a minor version, as the gate finds it.
    """
    pythons = Claims.of(tree.declared).pythons
    if not pythons:
        return Result(["pyproject.toml: no classifier names a minor version of Python"])
    problems = [
        *_required(tree, pythons),
        *_tools(tree, pythons[0]),
        *(
            f"Python {version} is claimed, and not on this machine: `make test` cannot run it"
            for version in pythons
            if find(version) is None
        ),
    ]
    return Result(problems, f"{', '.join(pythons)}, all found")


def _required(tree: Tree, pythons: tuple[str, ...]) -> Iterator[str]:
    wanted, given = f">={pythons[0]}", tree.project.get("requires-python")
    if given != wanted:
        yield f"pyproject.toml: requires-python is {given!r}; the classifiers begin with {pythons[0]}"
    minors = [int(version.partition(".")[2]) for version in pythons]
    missing = sorted(set(range(minors[0], minors[-1] + 1)) - set(minors))
    if missing:
        left_out = ", ".join(f"3.{minor}" for minor in missing)
        yield f"pyproject.toml: the classifiers leave out Python {left_out}, which requires-python allows"


def _tools(tree: Tree, lowest: str) -> Iterator[str]:
    tools = tree.declared.get("tool", {})
    settings = {
        "[tool.mypy] python_version": tools.get("mypy", {}).get("python_version"),
        "[tool.pyright] pythonVersion": tools.get("pyright", {}).get("pythonVersion"),
        "[tool.ruff] target-version": tools.get("ruff", {}).get("target-version"),
    }
    for name, value in settings.items():
        if value not in {lowest, f"py{lowest.replace('.', '')}"}:
            yield f"pyproject.toml: {name} is {value!r}; the lowest Python is {lowest}"
