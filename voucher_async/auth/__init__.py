"""Tokens: their life, their store, and their renewal."""

from voucher_async.auth.provider import TokenProvider
from voucher_async.auth.store import MemoryTokenStore, StoredToken, TokenStore, check_store, store_key
from voucher_async.auth.token import Thresholds, Token, TokenGrant, thresholds

__all__ = [
    "MemoryTokenStore",
    "StoredToken",
    "Thresholds",
    "Token",
    "TokenGrant",
    "TokenProvider",
    "TokenStore",
    "check_store",
    "store_key",
    "thresholds",
]
