"""The URLs of journals; a password in one is never shown."""

from __future__ import annotations

import re
from typing import Final

import attrs

from voucher_async.errors import ConfigurationError
from voucher_async.masking import MASK, conceal

__all__ = ["Address", "address_of", "shown"]

_FORMS: Final = '"sqlite:///vouchers.db", "sqlite:////var/lib/shop/vouchers.db" or "postgresql://..."'
_SCHEMES: Final = {"sqlite": "sqlite", "postgresql": "postgresql", "postgres": "postgresql"}
_PASSWORD: Final = re.compile(r"(?<=://)([^:@/?#]*):(.*)@", re.DOTALL)
# a password alone, where no user has to be named: Redis, and a file's URL, whose text before the path is none
_BARE: Final = re.compile(r"(?i)((?:rediss?|unix)://)[^:]+@|(sqlite://)(?!/).*", re.DOTALL)
_NAMED_PASSWORD: Final = re.compile(r"([?&](?:ssl_?)?password=)[^&#]*", re.IGNORECASE)


@attrs.frozen
class Address:
    """The place of a journal.

    Attributes:
        dialect: `sqlite` or `postgresql`.
        place: the path of the file, or the whole URL.
    """

    dialect: str
    place: str = attrs.field(repr=False)


def shown(url: str) -> str:
    """A URL without its password, for a text that people read."""
    url = conceal(url)
    url = conceal(_NAMED_PASSWORD.sub(rf"\g<1>{MASK}", _PASSWORD.sub(rf"\g<1>:{MASK}@", url)))
    return _BARE.sub(lambda found: f"{found[1]}{MASK}@" if found[1] else f"{found[2]}{MASK}", url)


def address_of(url: str) -> Address:
    """The place that a URL names.

    Raises:
        ConfigurationError: it names none, or a database in memory.
    """
    url = conceal(url)
    dialect = _SCHEMES.get(url.partition("://")[0].lower()) if "://" in url else None
    if dialect is None:
        raise ConfigurationError(f"a journal's URL looks like {_FORMS}, not {shown(url)!r}")
    if dialect == "postgresql":
        return Address(dialect, url)
    rest = conceal(url.partition("://")[2])  # somebody may give a password here, too
    path = conceal(rest.removeprefix("/"))
    if path in {"", "/", ":memory:"} or path.startswith("file:"):
        raise ConfigurationError(
            f"{shown(url)} names no file: the journal in SQLite is a file, as in {_FORMS}; "
            "for a journal in memory, leave it out"
        )
    if not rest.startswith("/") or "?" in path or "\0" in path:
        raise ConfigurationError(f"{shown(url)} is no file's URL: a journal's URL looks like {_FORMS}")
    return Address(dialect, str(path))
