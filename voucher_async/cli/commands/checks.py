"""`voucher-async check`: what works, what does not, and what to do about it."""

import contextlib
from collections import Counter
from pathlib import Path
from typing import Any, Final

import attrs
from cyclopts import App

from voucher_async.cli.checking import Finding, State, check
from voucher_async.cli.common import DEFAULT, Common
from voucher_async.cli.exits import Exit
from voucher_async.cli.terminal import Terminal

__all__ = ["register"]

_STYLES: Final = {State.OK: "green", State.WARNING: "yellow", State.FAILED: "bold red", State.SKIPPED: "dim"}
_DEFAULT: Final = "the command line's default"


def register(app: App) -> None:
    """Add the command to the program."""
    app.command(_check, name="check")


async def _check(*, deadline: float = 60.0, common: Common = DEFAULT) -> int:
    """Check all that a client needs, from the settings to the journal, and change nothing.

    It looks at the settings, at names, ports and certificates, at the token, at each scope (by requests that
    cannot do anything), at the clock against the server's, at the round trip, at the journal and at the
    token store that workers share, and says what to mend. The status is 0 where everything works, warnings
    included, and 1 where something does not.

    Args:
        deadline: Seconds for all of it.
        common: see `Common`.
    """
    terminal, profile = common.terminal(), common.find()
    environ = {**profile.variables, "VOUCHER_JOURNAL": profile.journal}
    sources = {**dict.fromkeys(environ, _DEFAULT), **dict.fromkeys(profile.variables, profile.source)}
    counts = Counter[State]()
    async with contextlib.aclosing(check(environ, sources=sources, deadline=deadline)) as findings:
        async for finding in findings:
            shown = finding if "VOUCHER_JOURNAL" in profile.variables else _of_own_journal(finding)
            counts[shown.state] += 1
            _show(terminal, shown)
    if counts[State.FAILED]:
        terminal.say(f"{counts[State.FAILED]} of {counts.total()} do not work.")
        return Exit.REFUSED
    warned = counts[State.WARNING]
    terminal.say("All of it works." if not warned else f"It works; {warned} of {counts.total()} need a look.")
    return Exit.DONE


def _of_own_journal(finding: Finding) -> Finding:
    """The finding for the command line's own journal: before its first use there is none, which is fine."""
    path = finding.facts.get("path")
    if finding.name != "journal" or finding.state is not State.WARNING or Path(str(path)).exists():
        return finding
    return attrs.evolve(finding, state=State.OK, advice="")


def _show(terminal: Terminal, finding: Finding) -> None:
    if terminal.as_json:
        terminal.line(_row(finding))
        return
    about = f"{finding.name} {finding.about}".strip()
    terminal.found(finding.state, _STYLES[finding.state], f"{about}: {finding.seen}", finding.advice)


def _row(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.name,
        "about": finding.about,
        "state": finding.state.value,
        "seen": finding.seen,
        "advice": finding.advice,
        "facts": dict(finding.facts),
    }
