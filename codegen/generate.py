"""Writes `voucher_async/models/_generated.py` from `openapi/voucher.yaml`; with --check, compares only.

datamodel-code-generator reads the contract and makes the types; the templates beside this file make frozen
attrs classes of them. Everything a class checks comes from the contract: adding a field there and running
this again is all it takes.
"""

from __future__ import annotations

import argparse
import difflib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import yaml

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent
CONTRACT: Final = ROOT / "openapi" / "voucher.yaml"
TARGET: Final = ROOT / "voucher_async" / "models" / "_generated.py"

_RULES: Final = "voucher_async.models._rules"
_IMPORTS: Final = (
    "attrs.field",
    "attrs.frozen",
    "decimal.Decimal",
    "voucher_async.money.Amount",
    "voucher_async.money.to_amount",
    *(
        f"{_RULES}.{name}"
        for name in (
            "UNSET",
            "OpenEnum",
            "Unset",
            "at_least_one_of",
            "exactly_one_of",
            "flag",
            "known",
            "moment",
            "text",
            "whole",
        )
    ),
)
_OPTIONS: Final = (
    "--input-file-type=openapi",
    "--openapi-scopes=schemas",
    "--output-model-type=dataclasses.dataclass",
    f"--custom-template-dir={HERE / 'templates'}",
    f"--custom-file-header-path={HERE / 'header.txt'}",
    "--disable-timestamp",
    "--keyword-only",
    "--use-field-description",
    "--use-schema-description",
    "--output-datetime-class=datetime",
    "--use-union-operator",
    "--target-python-version=3.11",
    "--field-include-all-keys",
    "--field-constraints",
    "--strict-nullable",
    f"--additional-imports={','.join(_IMPORTS)}",
    f"--type-overrides={json.dumps({'Money': f'{_RULES}.Money'})}",
)


def rules_of_classes(contract: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What a template must know of a whole schema: rules that bind several properties together."""
    rules: dict[str, dict[str, Any]] = {}
    for name, schema in contract["components"]["schemas"].items():
        if "x-exactly-one-of" in schema:
            rules.setdefault(name, {})["exactly_one_of"] = schema["x-exactly-one-of"]
        if schema.get("minProperties"):
            rules.setdefault(name, {})["at_least_one"] = True
    return rules


def generate(contract: Path = CONTRACT) -> str:
    """The text of the generated file.

    Raises:
        subprocess.CalledProcessError: the generator or the formatter failed; its words are on stderr.
    """
    with tempfile.TemporaryDirectory() as folder:
        extra, output = Path(folder, "extra.json"), Path(folder, "_generated.py")
        rules = rules_of_classes(yaml.safe_load(contract.read_text(encoding="utf-8")))
        extra.write_text(json.dumps(rules), encoding="utf-8")
        _run(
            "datamodel_code_generator",
            f"--input={contract}",
            f"--output={output}",
            f"--extra-template-data={extra}",
            "--formatters=builtin",
            *_OPTIONS,
        )
        for arguments in (("check", "--fix", "--quiet"), ("format", "--quiet")):
            _run("ruff", *arguments, "--config", str(HERE / "ruff.toml"), str(output))
        return output.read_text(encoding="utf-8")


def _run(module: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], check=True)


def main(argv: list[str] | None = None) -> int:
    """Write the file, or with --check tell whether it is current: 0 yes, 1 no."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail with a diff when out of date")
    parser.add_argument("--target", type=Path, default=TARGET, help="the generated file")
    options = parser.parse_args(argv)
    wanted = generate()
    target: Path = options.target
    present = target.read_text(encoding="utf-8") if target.exists() else ""
    if not options.check:
        target.write_text(wanted, encoding="utf-8")
        return 0
    if wanted == present:
        return 0
    diff = difflib.unified_diff(
        present.splitlines(keepends=True), wanted.splitlines(keepends=True), "as it is", "as generated"
    )
    sys.stdout.writelines(diff)
    print(f"{target.name} is not what the contract generates: run `make codegen`")
    return 1


if __name__ == "__main__":
    sys.exit(main())
