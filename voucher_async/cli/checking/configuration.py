"""The step `configuration`: which variables there are, and whether they make settings."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.addresses import addresses
from voucher_async.cli.checking.findings import Finding, failed, ok, warning
from voucher_async.config import Settings
from voucher_async.errors import ConfigurationError
from voucher_async.journals.urls import shown as shown_journal
from voucher_async.masking import conceal
from voucher_async.proxy import check_environment
from voucher_async.proxy import shown as shown_proxy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from voucher_async.cli.checking.findings import Fact
    from voucher_async.masking import Variables

__all__ = ["KNOWN", "Configuration", "of_settings", "of_variables"]

KNOWN: Final = (
    "VOUCHER_CLIENT_ID",
    "VOUCHER_CLIENT_SECRET",
    "VOUCHER_ENVIRONMENT",
    "VOUCHER_BASE_URL",
    "VOUCHER_TOKEN_URL",
    "VOUCHER_INSECURE_HOSTS",
    "VOUCHER_CLIENT_TYPE",
    "VOUCHER_TRUST_ENV",
    "VOUCHER_CLOSE_WAIT",
    "VOUCHER_SETTLE_WINDOW",
    "VOUCHER_SETTLE_FOR",
    "VOUCHER_LIST_LAG",
    "VOUCHER_BRAKE_AT",
    "VOUCHER_RECOVER_EVERY",
    "VOUCHER_LOOK_BEFORE_CHARGE",
    "VOUCHER_ORDER_NUMBER_FORMAT",
    "VOUCHER_JOURNAL",
    "VOUCHER_TOKEN_STORE",
)
"""The variables that a client reads."""

_NAME: Final = "configuration"
_ENVIRONMENT: Final = "the environment"
_SETTING: Final = re.compile(r"(?:VOUCHER_)?(\w+)", re.IGNORECASE)
_ALIKE: Final = 0.8  # of two names, one of which is then taken for the other misspelt


@attrs.frozen
class Configuration:
    """The settings that were found, if any, and the finding that says so.

    Attributes:
        finding: of this step.
        settings: None when there are none to go on with.
        journal: the URL of the journal; None for one in memory.
    """

    finding: Finding
    settings: Settings | None
    journal: str | None = attrs.field(repr=False)


def of_variables(names: Sequence[str], variables: Variables, sources: Mapping[str, str]) -> Configuration:
    """Read settings as `VoucherClient.from_env` does.

    Args:
        names: of all variables that are set.
        variables: their values.
        sources: where a variable is from, such as `the profile shop`; those that are not named are from
            the environment.
    """
    found = {name: sources.get(name, _ENVIRONMENT) for name in KNOWN if name in names and variables.get(name)}
    misspelt = _misspelt(names)
    facts: dict[str, Fact] = {
        "variables": tuple(found),
        "sources": tuple(dict.fromkeys(found.values())),
        "unread": tuple(misspelt),
    }
    journal = variables.get("VOUCHER_JOURNAL")
    try:
        settings = Settings.from_env(variables)
        _check_proxies(settings)
    except ConfigurationError as error:
        seen = str(error)
        return Configuration(failed(_NAME, "", seen, _advice(seen, misspelt), **facts), None, journal)
    finding = _judged(settings, journal, _told(found), facts, misspelt)
    return Configuration(finding, settings, journal)


def _told(found: Mapping[str, str]) -> str:
    """The variables that were found, by their sources."""
    places = dict.fromkeys(found.values())
    return "; ".join(
        f"{', '.join(name for name, source in found.items() if source == place)} from {place}"
        for place in places
    )


def of_settings(settings: Settings, journal: str | None) -> Configuration:
    """Take settings that the caller has made."""
    journal = conceal(journal)
    seen = "settings were given"
    try:
        _check_proxies(settings)
    except ConfigurationError as error:
        return Configuration(failed(_NAME, "", str(error), "Correct the proxy."), None, journal)
    return Configuration(_judged(settings, journal, seen, {}, {}), settings, journal)


def _check_proxies(settings: Settings) -> None:
    if settings.trust_env and settings.proxy is None:
        check_environment(settings.base_url, settings.token_url, settings.insecure_hosts)


def _judged(
    settings: Settings,
    journal: str | None,
    seen: str,
    facts: Mapping[str, Fact],
    misspelt: Mapping[str, str],
) -> Finding:
    facts = {**facts, **_facts_of(settings, journal)}
    defaults = attrs.fields_dict(Settings)
    short = [
        name for name in ("settle_window", "list_lag") if getattr(settings, name) < defaults[name].default
    ]
    if misspelt:
        name, meant = next(iter(misspelt.items()))
        return warning(
            _NAME, "", f"{seen}; nobody reads {name}", f"Rename {name}: {meant} is meant?", **facts
        )
    if short:
        lowered = " and ".join(short)
        advice = 'Never lower them below their defaults: "not done" would be said too early.'
        return warning(_NAME, "", f"{seen}; {lowered} below the default", advice, **facts)
    return ok(_NAME, "", seen, **facts)


def _facts_of(settings: Settings, journal: str | None) -> dict[str, Fact]:
    return {
        "environment": environment_of(settings.base_url),
        "base_url": settings.base_url,
        "token_url": settings.token_url,
        "client_id": settings.client_id,
        "scopes_asked": settings.scopes,
        "proxy": None if settings.proxy is None else shown_proxy(settings.proxy).strip("'"),
        "trust_env": settings.trust_env,
        "settle_window_seconds": settings.settle_window,
        "list_lag_seconds": settings.list_lag,
        "journal": None if journal is None else shown_journal(journal),
    }


def environment_of(base_url: str) -> str | None:
    """The environment that an address is of: `production`, `sandbox`, or None for another server."""
    named = {addresses(each, None, None)[0]: each for each in ("production", "sandbox")}
    return named.get(base_url)


def _advice(seen: str, misspelt: Mapping[str, str]) -> str:
    if misspelt:
        name, meant = next(iter(misspelt.items()))
        return f"Rename {name}: {meant} is meant?"
    if "not set" in seen:
        return "Set what is missing, or connect this machine with a PIN from the Admin UI."
    begin = _SETTING.match(seen)
    variable = f"VOUCHER_{begin[1].upper()}" if begin else ""
    return f"Correct {variable}." if variable in KNOWN else "Correct the variables of the addresses."


def _misspelt(names: Sequence[str]) -> dict[str, str]:
    """Variables that nobody reads, by the one that each looks like and that is not set."""
    found: dict[str, str] = {}
    for name in names:
        if name.startswith("VOUCHER_") and name not in KNOWN:
            free = [each for each in KNOWN if each not in names]
            meant = difflib.get_close_matches(name, free, n=1, cutoff=_ALIKE)
            if meant:
                found[name] = meant[0]
    return found
