"""A check that is run to its end; no secret may be in what it finds, whatever a test is about."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from voucher_async.cli.checking import Finding, State, check

__all__ = ["SECRET", "SECRETS", "Checked", "checked", "journal_at"]

SECRET = "hush-hush-secret"
SECRETS = [SECRET, "p4ss-of-the-proxy", "Tr0ub4dor-and-3"]


class Checked:
    """The findings of one check."""

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = findings

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def all(self, name: str) -> list[Finding]:
        """The findings of a step."""
        return [each for each in self.findings if each.name == name]

    def one(self, name: str, about: str | None = None) -> Finding:
        """The only finding of a step, or of one about something."""
        (finding,) = (each for each in self.all(name) if about in {None, each.about})
        return finding

    def states(self) -> dict[str, set[str]]:
        """The states of each step."""
        return {each.name: {str(other.state) for other in self.all(each.name)} for each in self.findings}

    @property
    def bad(self) -> list[tuple[str, str]]:
        """The steps that something has to be done about."""
        return [
            (each.name, each.about) for each in self.findings if each.state in {State.FAILED, State.WARNING}
        ]


async def checked(*args: Any, secrets: list[str] | None = None, **options: Any) -> Checked:
    """Run a check to its end."""
    async with contextlib.aclosing(check(*args, **options)) as findings:
        found = [finding async for finding in findings]
    for finding in found:
        assert not [each for each in [*SECRETS, *(secrets or [])] if each in repr(finding)], finding.name
        assert bool(finding.advice) == (finding.state in {State.FAILED, State.WARNING}), finding
        assert not finding.advice or finding.advice.endswith((".", "?")), finding
    return Checked(found)


async def journal_at(url: str) -> Finding:
    """The finding about a journal; a check without settings goes on with that."""
    found = await checked({"VOUCHER_CLIENT_ID": "till-1", "VOUCHER_JOURNAL": url})
    return found.one("journal")
