"""Writes `voucher_async/models/_generated.py` from `openapi/voucher.yaml`.

    python -m codegen.generate            write the file
    python -m codegen.generate --check    compare it, print the difference, exit with 1 if there is one

datamodel-code-generator does the work with the templates in `codegen/templates`. Its output changes between
releases, so pyproject.toml pins the exact version.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from codegen.differing import difference_of
from codegen.document import Document

__all__ = ["difference", "main", "render"]

ROOT = Path(__file__).resolve().parent.parent
SPECIFICATION = ROOT / "openapi" / "voucher.yaml"
OUTPUT = ROOT / "voucher_async" / "models" / "_generated.py"
TEMPLATES = ROOT / "codegen" / "templates"
RULES = "voucher_async.models._rules"
HELPERS = (
    *(
        "OMITTED",
        "UNSET",
        "Amount",
        "OpenEnum",
        "Unset",
        "Value",
        "at_least",
        "boolean",
        "choice",
        "clearable",
    ),
    *("conceals", "datetime", "exactly_one_of", "integer", "moment", "money", "only_with", "optional"),
    "text",
)
RUFF = ("--quiet", "--isolated", "--line-length", "110", "--target-version", "py311")
COMPACT = ("--config", "format.skip-magic-trailing-comma=true")


def render(specification: Path) -> str:
    """The source of the models of a specification.

    Raises:
        SpecificationError: it holds something that the templates cannot turn into code.
        subprocess.CalledProcessError: the generator failed; it has said why on stderr.
    """
    document = Document(specification)
    with tempfile.TemporaryDirectory() as folder:
        schemas, data, output = (Path(folder, name) for name in ("schemas.json", "data.json", "models.py"))
        schemas.write_text(json.dumps(document.for_generator()), encoding="utf-8")
        data.write_text(json.dumps(document.for_templates()), encoding="utf-8")
        _run(folder, "datamodel_code_generator", *_options(schemas, data, output))
        _bind_types(output)
        _run(folder, "ruff", "check", *RUFF, "--fix", "--select", "F401,I,UP", str(output))
        _run(folder, "ruff", "format", *RUFF, *COMPACT, str(output))
        return output.read_text(encoding="utf-8")


def _options(schemas: Path, data: Path, output: Path) -> list[str]:
    imports = ",".join(["attrs", *(f"{RULES}.{name}" for name in HELPERS)])
    return [
        *("--input", str(schemas), "--input-file-type", "openapi", "--output", str(output)),
        *("--output-model-type", "dataclasses.dataclass", "--target-python-version", "3.11"),
        *("--custom-template-dir", str(TEMPLATES), "--extra-template-data", str(data)),
        *("--custom-file-header-path", str(TEMPLATES / "header.txt"), "--additional-imports", imports),
        *("--keyword-only", "--use-schema-description", "--output-datetime-class", "datetime"),
        *(
            "--enum-field-as-literal",
            "one",
            "--capitalise-enum-members",
            "--disable-timestamp",
            "--no-formatters",
        ),
    ]


def _bind_types(output: Path) -> None:
    """Have annotations evaluated when the models are imported, and `datetime` taken from the rules.

    As texts they would be looked up at the first call, when a test may have put a fake in their place.
    """
    source = output.read_text(encoding="utf-8")
    for line in ("from __future__ import annotations", "from datetime import datetime"):
        source = source.replace(f"{line}\n", "")
    output.write_text(source, encoding="utf-8")


def _run(folder: str, module: str, *arguments: str) -> None:
    # in a folder of its own no pyproject.toml changes what a tool does
    subprocess.run([sys.executable, "-m", module, *arguments], check=True, cwd=folder)


def difference(specification: Path, output: Path) -> str:
    """What regenerating would change in the file, as a diff; empty when nothing would."""
    return difference_of(output, render(specification), "as generated")


def main(arguments: list[str] | None = None) -> int:
    """Write or check the file; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m codegen.generate", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--check", action="store_true", help="change nothing, fail if something would change")
    parser.add_argument("--spec", type=Path, default=SPECIFICATION, help="the specification")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="the file to write")
    options = parser.parse_args(arguments)
    if not options.check:
        options.output.write_text(render(options.spec), encoding="utf-8")
        return 0
    changes = difference(options.spec, options.output)
    if changes:
        print(changes, end="")
        print("The models are out of date or were edited: run `make codegen`.", file=sys.stderr)
    return 1 if changes else 0


if __name__ == "__main__":
    sys.exit(main())
