"""The asserts of the contract explain themselves, although no file of it is collected."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(*(f"tests.journals.{name}" for name in ("contract", "upkeep", "writes")))
