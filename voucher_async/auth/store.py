"""Stores that keep tokens when several clients or processes share one."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import re
import secrets
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

import attrs

from voucher_async.clock import Clock, SystemClock
from voucher_async.errors import ConfigurationError
from voucher_async.forks import renew_in_children
from voucher_async.masking import Members, SecretBytes, conceal, conceals
from voucher_async.realtime import Real

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MemoryTokenStore", "StoredToken", "TokenStore", "check_store", "store_key"]

_TOKEN: Final = re.compile(r"[\x21-\x7e]+")


def _check_token(_instance: object, _attribute: object, value: Any) -> None:
    # a token from a shared store becomes a header; the message must not quote it
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise ValueError("access_token must be a text of visible ASCII characters")


def _check_aware(_instance: object, _attribute: object, value: Any) -> None:
    if not isinstance(value, Real.datetime) or value.utcoffset() is None:
        raise ValueError("expires_at must be an aware datetime")


def _to_seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("lifetime must be a number")  # noqa: TRY004 - as documented
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if not 0 < seconds < math.inf:
        raise ValueError("lifetime must be positive and finite")
    return seconds


@conceals("access_token")
@attrs.frozen(kw_only=True)
class StoredToken:
    """A token in a store, readable by other processes and machines.

    Attributes:
        access_token: the token; secret, not shown in the repr.
        expires_at: the end of its life; aware.
        lifetime: seconds it lives in all.

    Raises:
        ValueError: when the token has other than visible ASCII characters, the date is not aware, or the
            lifetime is no positive number.
    """

    access_token: str = attrs.field(repr=False, validator=_check_token)
    expires_at: dt.datetime = attrs.field(validator=_check_aware)
    lifetime: float = attrs.field(converter=_to_seconds)

    def __attrs_post_init__(self) -> None:
        # a store's serializer need not accept a subclass of str
        object.__setattr__(self, "access_token", str(self.access_token))

    def to_json(self) -> str:
        """The value as JSON; it holds the token, so keep it where only your own processes read."""
        content = {
            "access_token": conceal(self.access_token),
            "expires_at": self.expires_at.isoformat(),
            "lifetime": self.lifetime,
        }
        return json.dumps(content)

    @classmethod
    def from_json(cls, text: str | bytes) -> StoredToken:
        """Read what `to_json` wrote.

        Args:
            text: the JSON text.

        Raises:
            ValueError: it is something else. The message does not quote it.
        """
        text = SecretBytes(text) if isinstance(text, bytes) else conceal(text)
        token = cls._read(text)
        if token is None:
            raise ValueError("not a stored token") from None
        return token

    @classmethod
    def _read(cls, text: str | bytes) -> StoredToken | None:
        # no error may leave this frame: it would carry the text, and json and fromisoformat quote it
        try:
            content = Members(json.loads(conceal(str(text, "utf-8") if isinstance(text, bytes) else text)))
            return cls(
                access_token=content.get("access_token"),
                expires_at=Real.datetime.fromisoformat(content.get("expires_at")),
                lifetime=content.get("lifetime"),
            )
        except (ValueError, TypeError, LookupError, RecursionError):
            return None


@runtime_checkable
class TokenStore(Protocol):
    """Keeps tokens for several clients or processes, and lets one of them at a time request a new one.

    `voucher_async.integrations.redis.RedisTokenStore` keeps them in Redis or Valkey, `SqlTokenStore` in the
    journal's database; `docs/tokens.md` describes both. A store may fail: an exception, or no answer within
    two seconds, is logged (of a `TokenStoreFailed` its text, of others their class), and the client goes on
    without the store.
    """

    async def load(self, key: str) -> StoredToken | None:
        """The token under that key; None when there is none."""
        ...

    async def save(self, key: str, token: StoredToken) -> None:
        """Keep a token under that key, in place of any other."""
        ...

    async def discard(self, key: str, access_token: str) -> None:
        """Forget the token under that key if it still is this one; leave any other alone."""
        ...

    async def lease(self, key: str, seconds: float) -> str | None:
        """Claim the right to request a new token.

        Args:
            key: the token's key.
            seconds: when the claim ends by itself, should its owner die.

        Returns:
            The claim for `release`, not empty; None while another client has it.
        """
        ...

    async def release(self, key: str, lease: str) -> None:
        """Give a claim back; do nothing when it has ended and another client has it."""
        ...


class MemoryTokenStore:
    """Shares tokens among the clients of one process.

    Args:
        clock: measures how long a lease is held.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._tokens: dict[str, StoredToken] = {}
        self._leases: dict[str, tuple[str, float]] = {}
        renew_in_children(self)

    def after_fork(self) -> None:
        """Forget the leases: they are the parent's."""
        self._leases.clear()

    async def load(self, key: str) -> StoredToken | None:
        """The token under that key; None when there is none."""
        return self._tokens.get(key)

    async def save(self, key: str, token: StoredToken) -> None:
        """Keep a token under that key, in place of any other."""
        self._tokens[key] = token

    async def discard(self, key: str, access_token: str) -> None:
        """Forget the token under that key if it still is this one."""
        stored = self._tokens.get(key)
        if stored is not None and stored.access_token == access_token:
            del self._tokens[key]

    async def lease(self, key: str, seconds: float) -> str | None:
        """Claim the right to request a new token; None while another client has it."""
        now = self._clock.monotonic()
        held = self._leases.get(key)
        if held is not None and now < held[1]:
            return None
        lease = secrets.token_hex(8)
        self._leases[key] = (lease, now + seconds)
        return lease

    async def release(self, key: str, lease: str) -> None:
        """Give a claim back, if it is still held."""
        held = self._leases.get(key)
        if held is not None and held[0] == lease:
            del self._leases[key]


def check_store(store: object) -> None:
    """Refuse an object that cannot be a store, before its first use.

    Raises:
        ConfigurationError: it is a class, or lacks methods of `TokenStore`.
    """
    if isinstance(store, type):
        raise ConfigurationError(f"token_store: {store.__name__} is a class, give an instance of it")
    names = ("load", "save", "discard", "lease", "release")
    missing = [name for name in names if not callable(getattr(store, name, None))]
    if missing:
        raise ConfigurationError(f"token_store: {type(store).__name__} has no method {', '.join(missing)}")


def store_key(token_url: str, client_id: str, scopes: Iterable[str] | None = None) -> str:
    """The key of a client's token: a digest, the same on every machine, with no secret in it.

    Args:
        token_url: the token endpoint.
        client_id: the OAuth client id.
        scopes: the scopes asked for, in any order; None when none are named.
    """
    parts = [token_url, client_id, None if scopes is None else sorted(set(scopes))]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
