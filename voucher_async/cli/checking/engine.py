"""The check: its steps in their order, each with a time limit, all with a deadline."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from voucher_async.checks import check_seconds
from voucher_async.cli.checking import configuration
from voucher_async.cli.checking.journaling import open_journal
from voucher_async.cli.checking.network import Network, all_skipped
from voucher_async.cli.checking.steps import Steps, the_finding
from voucher_async.cli.checking.token_stores import ask_token_store
from voucher_async.clock import Clock, Deadline, SystemClock
from voucher_async.masking import Variables, conceal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from voucher_async.cli.checking.findings import Finding
    from voucher_async.config import Settings

__all__ = ["check"]


async def check(
    environ: Mapping[str, str] | None = None,
    *,
    settings: Settings | None = None,
    journal: str | None = None,
    sources: Mapping[str, str] | None = None,
    deadline: float = 60.0,
    clock: Clock | None = None,
) -> AsyncGenerator[Finding, None]:
    """Check everything that a client needs, and change nothing: findings, as they are made.

    Nothing is created, reserved, charged or recharged, no journal is made, and no finding holds a secret.
    Close the generator when it is not read to its end (`contextlib.aclosing`).

    Args:
        environ: the variables, as `VoucherClient.from_env` reads them; default: the process's.
        settings: settings that were made already, instead of variables.
        journal: beside `settings`, the URL of the journal; None for one in memory.
        sources: where a variable is from, such as `the profile shop`; default: the environment.
        deadline: seconds for all steps.
        clock: the local clock that is compared with the server's; default: the system's.

    Yields:
        The findings in the order of the steps: configuration, proxy, dns, tcp, tls, token, scope, clock,
        round trip, journal, and token store where workers share one. A step that cannot be tried is skipped,
        with the reason.

    Raises:
        ConfigurationError: the deadline is no number of seconds.
    """
    journal = conceal(journal)
    names = tuple(os.environ if environ is None else environ)
    variables = Variables(os.environ if environ is None else environ)
    environ = None  # this frame lasts, and its secrets would be in it
    clock = clock or SystemClock()
    steps = Steps(Deadline(SystemClock(), check_seconds("deadline", deadline)))
    if settings is not None:
        found = configuration.of_settings(settings, journal)
    else:
        found = configuration.of_variables(names, variables, sources or {})
    yield found.finding
    if found.settings is None:
        for finding in all_skipped("there are no settings to go on with"):
            yield finding
    else:
        network = Network(steps, found.settings, clock)
        async with contextlib.aclosing(network.findings()) as findings:
            async for finding in findings:
                yield finding
    yield await steps.do("journal", "", open_journal(found.journal, clock), the_finding)
    token_store = variables.get("VOUCHER_TOKEN_STORE") if settings is None else None
    if token_store:
        asking = ask_token_store(token_store, found.journal, clock)
        yield await steps.do("token store", "", asking, the_finding)
