"""Event loops: the error for what belongs to another one that still runs."""

from __future__ import annotations

from voucher_async.errors import ConfigurationError

__all__ = ["elsewhere"]


def elsewhere(what: str, advice: str = "") -> ConfigurationError:
    """The error for the use of something on a second event loop.

    Args:
        what: what happens on the first loop.
        advice: what to do; default: one background loop for threads, a client for each loop elsewhere.
    """
    advice = advice or (
        "A client serves one running loop at a time. Threads share one loop in the background: "
        "voucher_async.integrations.blocking, described in docs/frameworks.md under Threads. Elsewhere make "
        "a client for each loop."
    )
    return ConfigurationError(f"{what} on another event loop, which still runs. {advice}")
