"""One run: the guard in front of it, the probes one by one, the cleaning up, the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from voucher_async.addresses import addresses, is_loopback
from voucher_async.cancelling import to_the_end
from voucher_async.checks import check_pause, check_seconds
from voucher_async.cli.probing.bench import Bench, new_batch
from voucher_async.cli.probing.findings import Report
from voucher_async.cli.probing.line import Line, Unfit
from voucher_async.cli.probing.table import PROBES, UNTRIED
from voucher_async.clock import SystemClock
from voucher_async.errors import ConfigurationError, VoucherError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection

    from voucher_async.cli.probing.bench import Probe
    from voucher_async.cli.probing.findings import Finding, Remains
    from voucher_async.clock import Clock
    from voucher_async.config import Settings

__all__ = ["check_host", "probe"]

_CLEANING: Final = 120.0
_LONGEST_BATCH: Final = 30


def check_host(settings: Settings, *, production: bool = False) -> str:
    """Refuse a server that is no sandbox.

    Args:
        settings: where to.
        production: allow any server, on which real vouchers are then made.

    Returns:
        The host.

    Raises:
        ConfigurationError: it is neither the sandbox nor this machine, and nobody has allowed it.
    """
    host = urlsplit(settings.base_url).hostname or ""
    sandbox, _ = addresses("sandbox", None, None)
    if production or host == urlsplit(sandbox).hostname or is_loopback(host):
        return host
    raise ConfigurationError(
        f"{host} is not the sandbox: a probe makes, charges and deletes vouchers there; allow it explicitly"
    )


async def probe(
    settings: Settings,
    *,
    production: bool = False,
    currency: str = "EUR",
    only: Collection[str] | None = None,
    seconds: float = 1800.0,
    watch: float = 90.0,
    pace: float = 0.2,
    clock: Clock | None = None,
    batch: str | None = None,
    on_finding: Callable[[Finding], object] | None = None,
    on_remains: Callable[[tuple[Remains, ...]], object] | None = None,
) -> Report:
    """Try on a server what the SDK assumes about it.

    Vouchers of 1.00 are made, used for cents, and deleted in the end; one that has charges cannot be deleted,
    and is deactivated. All have one batch, `probe-...`, by which those of a run that was killed are found in
    the Admin UI. Cancelled, it cleans up first.

    Args:
        settings: where to, and the credentials; `client.settings` has those of a client.
        production: allow a server that is no sandbox.
        currency: of the vouchers; ISO 4217.
        only: the ids of questions; None: all. A probe that answers one of them is run whole.
        seconds: the time for all of it but the cleaning up, for which there are two minutes more.
        watch: seconds that an effect is waited for.
        pace: seconds between two requests.
        clock: the source of the time; for tests.
        batch: the batch of the vouchers, of 1 to 30 characters, as `new_batch` makes one; None: a new one.
        on_finding: told each finding once its probe is over.
        on_remains: told what became of the vouchers, also when the run is cancelled.

    Returns:
        The report: a finding for each question that was asked.

    Raises:
        ConfigurationError: the server is no sandbox, a number or the batch cannot work, or `only` names no
            question; nothing was sent.
    """
    host = check_host(settings, production=production)
    check_seconds("seconds", seconds)
    check_seconds("watch", watch)
    check_pause("pace", pace)
    chosen = _chosen(only)
    if batch is not None and not 0 < len(batch) <= _LONGEST_BATCH:
        raise ConfigurationError(f"batch must have 1 to {_LONGEST_BATCH} characters")
    clock = clock or SystemClock()
    line, began = Line(settings, clock, seconds, pace), clock.now()
    bench = Bench(line, batch or new_batch(began), currency, watch)
    findings: list[Finding] = []
    try:
        for each in PROBES:
            if chosen is None or chosen & {question.id for question in each.questions}:
                findings += await _tried(each, bench, on_finding)
    finally:
        remains = await to_the_end(_leave(bench, on_remains))
    findings += _told(_untried(bench, chosen), on_finding)
    return _report(bench, host, began, findings, remains)


def _chosen(only: Collection[str] | None) -> set[str] | None:
    if only is None:
        return None
    known = {question.id for probe in PROBES for question in probe.questions}
    known |= {question.id for question in UNTRIED}
    unknown = sorted(set(only) - known)
    if unknown:
        raise ConfigurationError(f"there is no question {unknown[0]!r}")
    return set(only)


async def _tried(probe: Probe, bench: Bench, on_finding: Callable[[Finding], object] | None) -> list[Finding]:
    """Run one probe; whatever goes wrong in it leaves its questions unknown."""
    reason = "the probe ended without an answer to this"
    try:
        await probe.run(bench)
    except (VoucherError, Unfit) as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - a server may answer anything; the other probes go on
        reason = f"the probe broke with an unforeseen {type(error).__name__}"
    return _told([bench.notes.finding(question, reason) for question in probe.questions], on_finding)


def _told(findings: list[Finding], on_finding: Callable[[Finding], object] | None) -> list[Finding]:
    for finding in findings:
        if on_finding is not None:
            on_finding(finding)
    return findings


async def _leave(
    bench: Bench, on_remains: Callable[[tuple[Remains, ...]], object] | None
) -> tuple[Remains, ...]:
    """Clean up, and close the connections whatever comes of it."""
    bench.line.extend(_CLEANING)
    try:
        remains = await bench.clean_up()
    finally:
        await bench.line.aclose()
    if on_remains is not None:
        on_remains(remains)
    return remains


def _untried(bench: Bench, chosen: set[str] | None) -> list[Finding]:
    return [
        bench.notes.finding(question, f"not tried: {reason}")
        for question, reason in UNTRIED.items()
        if chosen is None or question.id in chosen
    ]


def _report(
    bench: Bench, host: str, began: dt.datetime, findings: list[Finding], remains: tuple[Remains, ...]
) -> Report:
    return Report(
        host=host,
        batch=bench.batch,
        began=began,
        ended=bench.line.clock.now(),
        requests=bench.line.requests,
        findings=tuple(findings),
        remains=remains,
        settings=dict(bench.notes.settings),
    )
