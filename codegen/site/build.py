"""Builds the site: pages are gathered below `.build/docs`, zensical makes HTML of them, checks read that."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from codegen.site.checking import built_pages, problems
from codegen.site.llms import entries_of, write_llms
from codegen.site.pages import Pages, write_pages
from codegen.site.places import ROOT, SOURCES, Unbuildable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import PurePosixPath

    from codegen.site.html import BuiltPage

__all__ = ["CONFIGURATION", "build", "check_navigation", "in_navigation", "run_zensical"]

HERE: Final = Path(__file__).resolve().parent
CONFIGURATION: Final = HERE / "zensical.toml"
_ADDED: Final = ("site.css", "site.js")
# what makes interpreters talk or stop that the tests of this project want so, and zensical does not
_NOT_PASSED: Final = ("PYTHONDEVMODE", "PYTHONWARNINGS", "PYTHONASYNCIODEBUG")
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")
# all that a build says of which nothing is wrong
_FINE: Final = re.compile(r"Build started|Build finished in .*|No issues found|")


def build(output: Path, work: Path, root: Path = ROOT) -> Mapping[str, BuiltPage]:
    """Build the site.

    Args:
        output: the folder of the site; what was there is replaced once the new one is whole.
        work: a folder for pages and configuration, on the same file system.
        root: the repository.

    Returns:
        Its pages, by their paths.

    Raises:
        Unbuildable: a page, a link, a reference or the navigation is wrong; the text says which.
    """
    shutil.rmtree(work, ignore_errors=True)
    pages = Pages(root)
    pages.gather()
    configuration = CONFIGURATION.read_text(encoding="utf-8").replace("@root@", str(root))
    project = tomllib.loads(configuration)["project"]
    check_navigation(set(pages.texts), project["nav"])
    write_pages(pages, work / "pages")
    for name in _ADDED:
        shutil.copyfile(HERE / name, work / "pages" / name)
    (work / CONFIGURATION.name).write_text(configuration, encoding="utf-8")
    run_zensical(work, root)
    write_llms(work, project)
    built = built_pages(work / "site")
    if found := problems(work / "site", built):
        raise Unbuildable("\n".join(found))
    shutil.rmtree(output, ignore_errors=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    (work / "site").rename(output)
    return built


def in_navigation(nav: list[Any]) -> Iterator[str]:
    """The pages that the navigation names."""
    return (page for _, page in entries_of(nav))


def check_navigation(pages: set[PurePosixPath], nav: list[Any]) -> None:
    """Hold the navigation against the pages; files that pages link to need no place in it.

    Raises:
        Unbuildable: a page is not in it, is in it twice, or does not exist.
    """
    named = list(in_navigation(nav))
    written = {str(page) for page in pages if not page.is_relative_to(SOURCES)}
    wrong = {
        "not in the navigation": written - set(named),
        "in the navigation, and no page": set(named) - written,
        "twice in the navigation": {page for page in named if named.count(page) > 1},
    }
    found = [f"{what}: {', '.join(sorted(which))}" for what, which in wrong.items() if which]
    if found:
        raise Unbuildable(f"{CONFIGURATION.name}: {'; '.join(found)}")


def run_zensical(work: Path, root: Path) -> None:
    """Make HTML of the pages, in `site` beside them.

    Raises:
        Unbuildable: zensical or mkdocstrings had something to say.
    """
    environ = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED}
    environ["PYTHONPATH"] = str(root)
    command = (sys.executable, "-m", "zensical", "build", "--strict", "-f", str(work / CONFIGURATION.name))
    done = subprocess.run(command, cwd=work, env=environ, capture_output=True, text=True, check=False)
    said = _COLOURS.sub("", done.stdout + done.stderr)
    if done.returncode or not all(_FINE.fullmatch(line.strip()) for line in said.splitlines()):
        raise Unbuildable(f"zensical ended with {done.returncode}:\n{said}")
