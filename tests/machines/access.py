"""What a worker of a storm over machines is told at its start."""

from __future__ import annotations

import json
from typing import Any

import attrs

from voucher_async.testing import EmulatorSettings

__all__ = ["Access"]


@attrs.frozen(kw_only=True)
class Access:
    """How a worker reaches its services, and how wrong its clock is.

    Attributes:
        api: the settings of the client.
        journal: the URL of the journal.
        valkey: the URL of the token store.
        skew: seconds that its clock is ahead.
    """

    api: EmulatorSettings
    journal: str
    valkey: str
    skew: float = 0.0

    def to_json(self) -> str:
        """As an argument for another process."""
        return json.dumps(attrs.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Access:
        """The value again."""
        values: dict[str, Any] = json.loads(text)
        return cls(**values)
