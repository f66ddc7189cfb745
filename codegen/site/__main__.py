"""Builds the documentation site: `python -m codegen.site`.

The exit status is 0 when the site is whole, 1 when something of it is wrong.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from codegen.site.build import build
from codegen.site.places import ROOT, Unbuildable
from codegen.site.written import difference, write

__all__ = ["main"]

BUILD = ROOT / ".build"


def main(arguments: list[str] | None = None) -> int:
    """Build the site, or the documents that are made from results; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m codegen.site", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="only tell whether written documents are up to date"
    )
    parser.add_argument("--output", type=Path, default=BUILD / "site", help="the folder of the site")
    options = parser.parse_args(arguments)
    if options.check:
        changes = difference(ROOT)
        print(changes, end="")
        return 1 if changes else 0
    try:
        write(ROOT)
        build(options.output, BUILD / "docs")
    except Unbuildable as error:
        print(error, file=sys.stderr)
        return 1
    print(f"the site is in {options.output}: python -m http.server -d {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
