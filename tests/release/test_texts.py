"""Version, changelog, metadata and README: what is right passes, each mistake is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from tests.release import changelog, metadata, readme, versions
from tests.release.checks import Result
from tests.release.conftest import Project
from tests.release.repository import Tree

TODAY = date(2026, 3, 1)


def logged(tree: Tree) -> Result:
    return changelog.check(tree, today=TODAY)


def on_pythons(tree: Tree) -> Result:
    return metadata.check_pythons(tree, lambda version: None if version == "3.99" else Path(version))


CHECKS = [versions.check, logged, metadata.check, on_pythons, readme.check]
DEVELOPED = ("voucher_async/_version.py", "1.1.0", "1.2.0.dev0")

# the check, the file, what is replaced by what, and words of the problem
BROKEN: list[tuple[Callable[[Tree], Result], str, str, str, str]] = [
    (
        versions.check,
        "voucher_async/_version.py",
        "1.1.0",
        "1.1",
        "the newest heading with a date is of 1.1.0",
    ),
    (versions.check, "voucher_async/_version.py", "1.1.0", "1.1.0-rc1", "is written 1.1.0rc1"),
    (versions.check, "docs/upgrading.md", "## 1.1.0", "## Unreleased", "there is no `## 1.1.0`"),
    (logged, "CHANGELOG.md", "### Fixed\n", "", "has 1 entries above its first section"),
    (logged, "CHANGELOG.md", "[Unreleased]\n", "[Unreleased]\n\n* More\n", "has 1 entries above"),
    (
        readme.check,
        "README.md",
        "and `code",
        '<a href="docs/none.md">and</a> `code',
        "docs/none.md is not there",
    ),
    (readme.check, "README.md", "An SDK\n", "An SDK\n\n<img alt=x src='docs/page.md'>\n", "is not absolute"),
    (versions.check, "voucher_async/_version.py", "1.1.0", "one", "'one' is no version of PEP 440"),
    (versions.check, "voucher_async/_version.py", "1.1.0", "1.1.0+mine", "takes no local version"),
    (versions.check, "voucher_async/_version.py", "1.1.0", "1.1.0.dev3", "comes before 1.1.0"),
    (versions.check, "voucher_async/_version.py", "__version__", "version", "assigned 0 times"),
    (
        versions.check,
        "voucher_async/cli.py",
        "def",
        "__version__ = '2'\ndef",
        "cli.py: assigns `__version__`",
    ),
    (versions.check, "pyproject.toml", 'dynamic = ["version"]', 'version = "1.1.0"', "is to be dynamic"),
    (versions.check, "pyproject.toml", "_version.py", "cli.py", "[tool.hatch.version] reads"),
    (versions.check, "CHANGELOG.md", "[Unreleased]\n", "[Unreleased]\n\n### Added\n\n- A\n", "has entries"),
    (versions.check, "LICENSE", "MIT", "The MIT", "not committed, such as LICENSE"),
    (logged, "CHANGELOG.md", "## [Unreleased]\n", "", "the first heading is not"),
    (logged, "CHANGELOG.md", "## [1.1.0] - 2026-02-01", "## [1.1.0] - Unreleased", "is neither"),
    (logged, "CHANGELOG.md", "[1.1.0] - 2026-02-01", "1.1.0 (2026-02-01)", "is neither"),
    (logged, "CHANGELOG.md", "2026-02-01", "2026-02-30", "a date that no calendar has"),
    (logged, "CHANGELOG.md", "2026-02-01", "2026-03-02", "is dated in the future"),
    (logged, "CHANGELOG.md", "[1.1.0]", "[v1.1.0]", "no version in the normal form"),
    (logged, "CHANGELOG.md", "[1.1.0]", "[0.9.0]", "0.9.0 stands above 1.0.0"),
    (logged, "CHANGELOG.md", "### Fixed", "### Repaired", "has a section 'Repaired'"),
    (logged, "CHANGELOG.md", "### Fixed", "### Added\n\n### Fixed", "has an empty section 'Added'"),
    (logged, "CHANGELOG.md", "### Fixed", "### Fixed\n\n- A\n\n### Fixed", "'Fixed' more than once"),
    (logged, "CHANGELOG.md", "### Fixed\n\n- A bug", "A bug", "has no section"),
    (logged, "CHANGELOG.md", "docs/page.md", "docs/pages.md", "docs/pages.md#a-heading is not there"),
    (logged, "CHANGELOG.md", "- More.\n", "\n[1.0.0]: http://a.b\n", "[1.0.0] is not https"),
    (logged, "CHANGELOG.md", "- More.\n", "\n[2.0.0]: https://a.b\n", "[2.0.0] belongs to no heading"),
    (logged, "pyproject.toml", '"Reference"', '"Repository"', "the heading [1.0.0] has no link"),
    (metadata.check, "pyproject.toml", "https://developer", "developer", "is no https URL"),
    (metadata.check, "pyproject.toml", "https://developer", "http://developer", "is no https URL"),
    (metadata.check, "pyproject.toml", "developer.jtl-software.com", "docs.example.com", "stands for a URL"),
    (metadata.check, "pyproject.toml", '"Reference"', f'"{"R" * 33}"', "longer than 32 characters"),
    (
        metadata.check,
        "pyproject.toml",
        "Python :: 3.11",
        "Pythons :: 3.11",
        "is no classifier",
    ),
    (metadata.check, "pyproject.toml", '"An SDK."', '"""An\nSDK."""', "the description is one line"),
    (metadata.check, "pyproject.toml", '["LICENSE"]', '["LICENCE"]', "the licence file LICENCE is not there"),
    (on_pythons, "pyproject.toml", '">=3.11"', '">=3.10"', "requires-python is '>=3.10'"),
    (on_pythons, "pyproject.toml", "Python :: 3.12", "Python :: 3.13", "leave out Python 3.12"),
    (on_pythons, "pyproject.toml", "Python :: 3.12", "Python :: 3.99", "Python 3.99 is claimed, and not on"),
    (on_pythons, "pyproject.toml", '"py311"', '"py312"', "[tool.ruff] target-version is 'py312'"),
    (readme.check, "README.md", "docs/page.md#", "docs/pages.md#", "docs/pages.md#a-heading is not there"),
    (readme.check, "README.md", "#a-heading", "#another", "there is no such heading"),
    (readme.check, "README.md", "docs/page.md", "../page.md", "leads out of the repository"),
    (readme.check, "README.md", "[the page]", "![the page]", "is not absolute"),
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"{check.__module__}.{check.__name__}")
def test_what_is_right_passes(project: Project, check: Callable[[Tree], Result]) -> None:
    assert check(project).problems == []


@pytest.mark.parametrize(("check", "name", "old", "new", "words"), BROKEN)
def test_a_mistake_is_named(
    project: Project, *, check: Callable[[Tree], Result], name: str, old: str, new: str, words: str
) -> None:
    project.replace(name, old, new)
    problems = check(project).problems
    assert [problem for problem in problems if words in problem], problems


def test_a_development_version_may_have_unreleased_entries_and_changes(project: Project) -> None:
    project.replace(*DEVELOPED)
    project.replace("CHANGELOG.md", "[Unreleased]\n", "[Unreleased]\n\n### Added\n\n- More\n")
    assert versions.check(project).problems == []
    assert "1.2.0.dev0, a development version, 2 files changed" in versions.check(project).seen


def test_a_changelog_that_is_missing_is_named(project: Project) -> None:
    (project.root / "CHANGELOG.md").unlink()
    assert logged(project).problems == ["CHANGELOG.md is missing or empty"]


@pytest.mark.parametrize("tag", ["1.1.0", "v1.1.0", "nightly"])
def test_a_tag_of_this_version_or_of_none_passes(project: Project, tag: str) -> None:
    project.git("tag", tag)
    assert versions.check(project).problems == []


def test_a_tag_of_another_version_is_named(project: Project) -> None:
    project.git("tag", "v1.0.0")
    assert versions.check(project).problems == ["the tag v1.0.0 is on this commit, whose version is 1.1.0"]


def test_a_version_that_was_tagged_before_is_not_released_again(project: Project) -> None:
    project.git("tag", "v1.1.0")
    project.commit()
    (problem,) = versions.check(project).problems
    assert problem.startswith("the tag v1.1.0 is on another commit: 1.1.0 is released")


SHOWN = "# An SDK\n\nSee the page and `code[0](1)`.\n\n```python\nf[0](1)\n```\n"


def test_a_description_without_relative_links_passes(project: Project) -> None:
    assert readme.check_description(project.text("README.md"), SHOWN).problems == []


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (SHOWN.replace("the page", "[the page](docs/page.md)"), "links to docs/page.md"),
        (SHOWN.replace("the page", "[the page](#a)"), "links to #a"),
        (SHOWN.replace("the page", "<a href=docs/page.md>the page</a>"), "links to docs/page.md"),
        (SHOWN.replace("the page", "!the page"), "reads otherwise than the README: 'See !the page"),
        (SHOWN.replace("f[0](1)", "f0"), "code in the long description"),
        (SHOWN.replace("`code[0](1)`", "`code0`"), "code in the long description"),
        (SHOWN.partition("See")[0], "reads otherwise"),
    ],
)
def test_a_description_that_is_shown_otherwise_is_named(project: Project, shown: str, words: str) -> None:
    problems = readme.check_description(project.text("README.md"), shown).problems
    assert [problem for problem in problems if words in problem], problems
