"""The examples of the contract, as bodies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from voucher_async import wire

ROOT = Path(__file__).resolve().parents[2]
SPEC: Any = yaml.load((ROOT / "openapi" / "voucher.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)


def example(name: str, **changes: Any) -> dict[str, Any]:
    return {**SPEC["components"]["examples"][name]["value"], **changes}


def raw(content: Any) -> bytes:
    return json.dumps(content).encode()


def problem(cls: type[Any], body: bytes) -> wire.WireError:
    with pytest.raises(wire.WireError) as caught:
        wire.decode(cls, body)
    return caught.value
