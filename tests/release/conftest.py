"""A small project in a work tree of git, all of whose checks are ok, for tests to break."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.release.repository import Tree

PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "voucher-async"
dynamic = ["version"]
description = "An SDK."
readme = "README.md"
license = "MIT"
license-files = ["LICENSE"]
requires-python = ">=3.11"
classifiers = ["Programming Language :: Python :: 3.11", "Programming Language :: Python :: 3.12"]
dependencies = ["attrs>=24.3"]

[project.optional-dependencies]
sqlite = ["sqlalchemy>=2.0"]

[project.urls]
"Reference" = "https://developer.jtl-software.com/api-reference"

[project.scripts]
voucher-async = "voucher_async.cli:main"

[dependency-groups]
test = []

[tool.hatch.version]
path = "voucher_async/_version.py"

[tool.hatch.build.targets.wheel]
packages = ["voucher_async"]

[tool.mypy]
python_version = "3.11"

[tool.pyright]
pythonVersion = "3.11"

[tool.ruff]
target-version = "py311"
"""
CHANGELOG = """\
# Changelog

## [Unreleased]

## [1.1.0] - 2026-02-01

### Fixed

- A bug, see [the page](docs/page.md#a-heading).

## [1.0.0] - 2026-01-01

### Added

- All
  of it.
- More.
"""
README = """\
# An SDK

See [the page](docs/page.md#a-heading) and `code[0](1)`.

```python
f[0](1)
```
"""
FILES = {
    "pyproject.toml": PYPROJECT,
    "CHANGELOG.md": CHANGELOG,
    "README.md": README,
    "LICENSE": "MIT License\n",
    "docs/page.md": "# Page\n\n## A heading\n",
    "docs/upgrading.md": "# Upgrading\n\n## 1.1.0\n\nNobody has to change anything.\n",
    "voucher_async/__init__.py": "from voucher_async._version import __version__\n",
    "voucher_async/_version.py": '__version__ = "1.1.0"\n',
    "voucher_async/cli.py": "def main() -> None: ...\n",
    "voucher_async/py.typed": "",
}


class Project(Tree):
    """The tree, with what changes it."""

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def replace(self, name: str, old: str, new: str) -> None:
        assert old in self.text(name)
        self.write(name, self.text(name).replace(old, new))

    def git(self, *arguments: str) -> None:
        who = ("-c", "user.name=A", "-c", "user.email=a@b.invalid", "-c", "init.defaultBranch=main")
        command = ["git", *who, "-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false", *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=self.root)

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "Change")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Project(tmp_path_factory.mktemp("template"))
    for name, text in FILES.items():
        made.write(name, text)
    made.git("init", "--quiet")
    made.commit()
    return made.root


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Project:
    return Project(shutil.copytree(template, tmp_path / "project"))
