"""Say whether what is in the tree can be published, and what to mend before: `make release-check`.

Network to the package index is needed, and a few minutes. The wheel, the sdist and the bill of materials stay
in .build/release. The exit status is 1 when there is something to mend.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Final

from tests import pythons
from tests.release import building, changelog, contents, installs, metadata, readme, sbom, tools, versions
from tests.release.checks import Check, Result, run_all
from tests.release.repository import Tree

__all__ = ["main"]

FOLDER: Final = pythons.ROOT / ".build" / "release"


class Release:
    """The checks of a tree, which share what was built and installed.

    Args:
        tree: the tree.
        folder: where the archives, the environments and the bill of materials go.
    """

    def __init__(self, tree: Tree, folder: Path) -> None:
        self._tree = tree
        self._folder = folder
        self._built = cache(partial(building.check, tree, folder / "dist"))
        self._installed = cache(self._install)

    def checks(self) -> Iterator[Check]:
        """The checks; the quick ones come first."""
        tree = self._tree
        today = datetime.now(UTC).date()
        find = partial(pythons.find, environ=os.environ)
        yield "version", partial(versions.check, tree)
        yield "changelog", partial(changelog.check, tree, today=today)
        yield "metadata", partial(metadata.check, tree)
        yield "pythons", partial(metadata.check_pythons, tree, find)
        yield "readme", partial(readme.check, tree)
        yield "models", contents.check_models
        yield "build", lambda: self._built()[1]
        yield "wheel", lambda: contents.check_wheel(tree, self._wheel.in_wheel(), self._version)
        yield "sdist", lambda: contents.check_sdist(tree, self._wheel.in_sdist())
        yield "description", self._description
        yield "check-wheel-contents", lambda: tools.check_wheel_contents(self._wheel.wheel)
        yield "twine", lambda: tools.check_archives(self._wheel)
        yield "installs", lambda: self._installed()[1]
        yield "sbom", self._bill
        yield "vulnerabilities", lambda: tools.audit(self._installed()[0].packages)

    @property
    def _wheel(self) -> building.Built:
        return self._built()[0]

    @property
    def _version(self) -> str:
        return str(self._wheel.metadata["Version"])

    def _install(self) -> tuple[installs.Fresh, Result]:
        return installs.check(self._wheel.wheel, self._tree.extras, self._folder / "environments")

    def _description(self) -> Result:
        shown = str(self._wheel.metadata.get_payload())
        return readme.check_description(self._tree.text(readme.NAME), shown)

    def _bill(self) -> Result:
        fresh = self._installed()[0]
        bom = sbom.make(self._tree, fresh.python, self._wheel.wheel, self._version)
        installed = fresh.installed()
        del installed["voucher-async"]
        return sbom.check(bom, self._folder / f"voucher_async-{self._version}.cdx.json", installed)


def main(arguments: list[str]) -> int:
    """Run the checks; returns the exit status."""
    checks = dict(Release(Tree(pythons.ROOT), FOLDER).checks())
    parser = argparse.ArgumentParser(
        prog="python -m tests.release", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", choices=checks, action="append", help="run this check; may be repeated")
    given = parser.parse_args(arguments)
    return run_all((name, run) for name, run in checks.items() if not given.only or name in given.only)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
