"""`voucher-async probe`: what is assumed about the API, tried on a server."""

from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from voucher_async.cli.common import DEFAULT, Common
from voucher_async.cli.exits import Exit
from voucher_async.cli.places import place_of
from voucher_async.cli.probing import (
    QUESTIONS,
    Finding,
    Remains,
    Report,
    Verdict,
    check_host,
    new_batch,
    probe,
)
from voucher_async.cli.terminal import Terminal
from voucher_async.clock import SystemClock
from voucher_async.config import Settings, SettingsOptions
from voucher_async.errors import ConfigurationError

__all__ = ["register"]

_STYLES: Final = {Verdict.CONFIRMED: "green", Verdict.REFUTED: "bold red", Verdict.UNKNOWN: "dim"}


def register(app: App) -> None:
    """Add the command to the program."""
    app.command(_probe, name="probe")


async def _probe(
    *questions: str,
    list_questions: Annotated[bool, Parameter(name="--list")] = False,
    production: bool = False,
    currency: str = "EUR",
    seconds: float = 1800.0,
    report: Path | None = None,
    lines: Path | None = None,
    common: Common = DEFAULT,
) -> int:
    """Try on the sandbox what this SDK assumes about the API, and tell what is confirmed and what refuted.

    The vendor's documentation leaves questions open: can a reservation be charged twice, how long does a list
    lag, are order numbers rewritten? The probe makes vouchers of 1.00, charges cents, and cleans up: those
    that were charged cannot be deleted, and stay inactive. All have one batch. It takes some minutes and all
    seven scopes; what a scope is missing for stays unknown. The status is 1 where something is refuted.

    Args:
        questions: The questions to ask, by their names; all when there is none.
        list_questions: List the questions, and ask none.
        production: Allow a server that is not the sandbox. Real vouchers are made there.
        currency: The currency of the vouchers.
        seconds: The time for all of it but the cleaning up.
        report: Write the report as JSON into this file.
        lines: Write the lines to paste into openapi/voucher.yaml into this file.
        common: see `Common`.
    """
    terminal = common.terminal()
    if list_questions:
        terminal.show([{"name": each.id, "question": each.text} for each in QUESTIONS], ("name", "question"))
        return Exit.DONE
    given: SettingsOptions = {} if common.timeout is None else {"timeout": common.timeout}
    settings = Settings.from_env(common.find().variables, **given)
    check_host(settings, production=production)
    if production:
        terminal.confirm(f"Make, charge and delete vouchers of 1.00 {currency} in {place_of(settings)}?")
    for path in (report, lines):
        _check_writable(path)
    batch = new_batch(SystemClock().now())
    terminal.say(f"Probing {place_of(settings)}; the vouchers have the batch {batch}.")
    made = await probe(
        settings,
        production=production,
        currency=currency,
        only=questions or None,
        seconds=seconds,
        batch=batch,
        on_finding=lambda finding: _show(terminal, finding),
        on_remains=lambda remains: _tell(terminal, remains),
    )
    _write(report, made.to_json())
    _write(lines, made.specification())
    return _end(terminal, made)


def _check_writable(path: Path | None) -> None:
    """Open the file, as a right to write is no proof that it can be written."""
    if path is None:
        return
    is_new = not path.exists()
    try:
        path.open("a", encoding="utf-8").close()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}; nothing was sent") from None
    if is_new:
        path.unlink()


def _write(path: Path | None, text: str) -> None:
    if path is not None:
        path.write_text(f"{text}\n", encoding="utf-8")


def _show(terminal: Terminal, finding: Finding) -> None:
    if terminal.as_json:
        terminal.line(finding.to_dict())
        return
    words = f"{finding.id}: {finding.question} {finding.evidence}"
    terminal.found(finding.verdict, _STYLES[finding.verdict], words, finding.follows)


def _tell(terminal: Terminal, remains: tuple[Remains, ...]) -> None:
    kept = [each.id for each in remains if each.state == "inactive"]
    lost = [each.id for each in remains if each.state == "unknown"]
    if kept:
        terminal.say(f"Charged vouchers cannot be deleted, and are inactive now: {len(kept)}.")
    if lost:
        terminal.say(f"These may still be active, look for them in the Admin UI: {', '.join(lost)}.")


def _end(terminal: Terminal, report: Report) -> Exit:
    for name, value in report.settings.items():
        terminal.say(f"Set {name} to {value:g} seconds: VOUCHER_{name.upper()}={value:g}")
    refuted = len(report.of(Verdict.REFUTED))
    terminal.say(
        f"{len(report.of(Verdict.CONFIRMED))} confirmed, {refuted} refuted, "
        f"{len(report.of(Verdict.UNKNOWN))} unknown, by {report.requests} requests."
    )
    return Exit.REFUSED if refuted else Exit.DONE
