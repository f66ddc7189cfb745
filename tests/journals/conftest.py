"""A PostgreSQL server; and asserts that explain themselves in files of which none is collected."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.journals.postgres import Server

_CONTRACTS = ("contract", "lines", "upkeep", "writes")
pytest.register_assert_rewrite(*(f"tests.journals.{name}" for name in _CONTRACTS))

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The server of all tests."""
    from tests.journals.postgres import Server

    server = Server()
    yield server
    server.close()


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    """An empty database; at its end nobody may have left a connection to it."""
    name = f"journal_{next(_NUMBERS)}"
    server.run(f"CREATE DATABASE {name} STRATEGY FILE_COPY")
    yield name
    server.start()
    server.wait_for(f"SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = '{name}'")
    server.run(f"DROP DATABASE {name}")
