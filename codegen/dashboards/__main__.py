"""Writes `docs/dashboards/` from the instruments: `python -m codegen.dashboards`.

`--check` compares instead, prints the names of the files that differ, and exits with 1 if there is one.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Final

import yaml

from codegen.dashboards.alerts import rules
from codegen.dashboards.grafana import dashboard
from codegen.differing import present

__all__ = ["main", "written"]

FOLDER: Final = Path(__file__).resolve().parents[2] / "docs" / "dashboards"
_HEAD: Final = "# Alert rules for Prometheus. Written by: python -m codegen.dashboards\n"


def written() -> dict[str, str]:
    """The names of the files, and their texts."""
    alerts = yaml.safe_dump(rules(), sort_keys=False, width=110)
    return {
        "voucher.json": json.dumps(dashboard(), indent=2) + "\n",
        "alerts.yml": _HEAD + alerts,
    }


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or compare them; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m codegen.dashboards", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    is_check = parser.parse_args(arguments).check
    differ = {name: text for name, text in written().items() if present(FOLDER / name) != text}
    for name, text in differ.items():
        if not is_check:
            FOLDER.mkdir(exist_ok=True)
            (FOLDER / name).write_text(text, encoding="utf-8")
        print(f"{'out of date' if is_check else 'written'}: {FOLDER / name}")
    return int(is_check and bool(differ))


if __name__ == "__main__":
    sys.exit(main())
