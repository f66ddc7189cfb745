"""A PostgreSQL server, and the kinds of orders that tables are filled with."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from tests.growth.mix import Family, families
from tests.journals.conftest import database, server

__all__ = ["database", "server"]


@pytest.fixture(scope="session")
def made() -> Mapping[str, Family]:
    """The kinds of orders."""
    return asyncio.run(families())
