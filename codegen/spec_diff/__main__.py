"""Compares the vendor's specification with ours: `python -m codegen.spec_diff voucher.json`.

The exit status is 0 when nothing differs, 1 when something does, 2 when the file cannot be read.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from codegen.spec_diff.document import Unreadable, load
from codegen.spec_diff.report import Ours
from codegen.spec_diff.text import lines

__all__ = ["main"]

OURS = Path(__file__).resolve().parents[2] / "openapi" / "voucher.yaml"


def main(arguments: list[str] | None = None) -> int:
    """Print what differs; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m codegen.spec_diff", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("upstream", type=Path, help="the vendor's file, JSON or YAML, OpenAPI 3")
    parser.add_argument("--ours", type=Path, default=OURS, help="our specification")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args(arguments)
    try:
        theirs = load(options.upstream)
        found = Ours(load(options.ours)).against(theirs)
    except (Unreadable, RecursionError) as error:
        print(f"{options.upstream} cannot be read: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(found.to_dict(), indent=2, default=str))
    else:
        print("\n".join(lines(found)))
    return 1 if found.differs else 0


if __name__ == "__main__":
    sys.exit(main())
