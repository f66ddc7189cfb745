"""The bill of materials (CycloneDX) of the wheel with all its extras."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from tests.release.checks import Result
from tests.release.repository import Tree

__all__ = ["check", "completed", "judge", "make"]

_SPECIFICATION: Final = "1.6"


def make(tree: Tree, python: str, wheel: Path, version: str) -> dict[str, Any]:
    """Describe the packages of an environment that holds the wheel, with the wheel as the root.

    Args:
        tree: the tree.
        python: the environment's interpreter.
        wheel: the wheel.
        version: its version.

    Raises:
        subprocess.CalledProcessError: cyclonedx-py failed; its output is in the error.
    """
    command = [sys.executable, "-m", "cyclonedx_py", "environment", python]
    command += ["--pyproject", str(tree.root / "pyproject.toml"), "--mc-type", "library"]
    command += ["--output-reproducible", "--spec-version", _SPECIFICATION, "--output-file", "-"]
    environ = os.environ | {"SOURCE_DATE_EPOCH": str(tree.committed_at)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environ)
    return completed(json.loads(done.stdout), version, hashlib.sha256(wheel.read_bytes()).hexdigest())


def completed(bom: dict[str, Any], version: str, digest: str) -> dict[str, Any]:
    """Give the root its version, which `pyproject.toml` does not say, and the wheel's digest."""
    root = bom["metadata"]["component"]
    root |= {
        "version": version,
        "purl": f"pkg:pypi/{root['name']}@{version}",
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }
    return bom


def check(bom: dict[str, Any], place: Path, installed: dict[str, str]) -> Result:
    """Write the bill of materials, once it is valid and complete.

    Args:
        bom: the bill.
        place: the file.
        installed: versions by name of what is installed beside the wheel.
    """
    text = json.dumps(bom, indent=2, sort_keys=True) + "\n"
    problems = judge(bom, text, installed, _invalid)
    if not problems:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    return Result(
        problems, f"{len(bom.get('components', ()))} components, each with its licence: {place.name}"
    )


def judge(
    bom: dict[str, Any], text: str, installed: dict[str, str], invalid: Callable[[str], str | None]
) -> list[str]:
    """What is wrong with a bill.

    Args:
        bom: the bill.
        text: the same as it is written.
        installed: versions by normal name.
        invalid: says of the text why it breaks the format's schema; None where it does not.
    """
    reason = invalid(text)
    components = {_normal(each["name"]): each for each in bom.get("components", ())}
    return [
        *([f"it breaks the schema of CycloneDX: {reason}"] if reason else []),
        *_rooted(bom),
        *(f"{each['name']} has no licence" for each in components.values() if not each.get("licenses")),
        *(
            f"{name} {version} is installed, and not in it"
            for name, version in sorted(installed.items())
            if components.get(name, {}).get("version") != version
        ),
        *(f"{name} is in it, and not installed" for name in sorted(components.keys() - installed.keys())),
    ]


def _rooted(bom: dict[str, Any]) -> Iterator[str]:
    root = bom.get("metadata", {}).get("component", {})
    for name in ("name", "version", "purl", "licenses", "hashes"):
        if not root.get(name):
            yield f"its root component has no {name}"
    needs = {each["ref"]: each.get("dependsOn", []) for each in bom.get("dependencies", ())}
    if not needs.get(root.get("bom-ref", "")):
        yield "its root component depends on nothing"


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _invalid(text: str) -> str | None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    return str(error)[:300] if error else None
