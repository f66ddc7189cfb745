"""A PostgreSQL server, and the kinds of orders that tables are filled with."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Mapping

import pytest

from tests.growth.mix import Family, families
from tests.journals.postgres import Server

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server that gathers no statistics by itself."""
    server = Server()
    yield server
    server.close()


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    """An empty database."""
    name = f"growth_{next(_NUMBERS)}"
    server.run(f"CREATE DATABASE {name} STRATEGY FILE_COPY")
    yield name
    server.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def made() -> Mapping[str, Family]:
    """The kinds of orders."""
    return asyncio.run(families())
