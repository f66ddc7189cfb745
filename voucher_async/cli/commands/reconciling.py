"""`voucher-async reconcile`: the journal and the API for a day."""

import datetime as dt
from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from voucher_async.cli.common import DEFAULT, Common, Session
from voucher_async.cli.exits import Exit
from voucher_async.cli.lists import shown_moment
from voucher_async.errors import InvalidInput
from voucher_async.masking import visible
from voucher_async.reconciliation import DayTotal, Difference, Reconciliation
from voucher_async.reconciliation.days import zone_of

__all__ = ["register"]

_TOTALS: Final = ("kind", "currency", "listed", "listed_amount", "recorded", "recorded_amount")
_NOT_FINAL: Final = "The day is not over for long enough: more may show. Run it again later."


class _Local(dt.tzinfo):
    """The time zone of this machine, summer time included."""

    def utcoffset(self, moment: dt.datetime | None) -> dt.timedelta | None:
        """The offset of a moment."""
        return None if moment is None else moment.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, moment: dt.datetime | None) -> dt.timedelta | None:
        """Unknown."""

    def tzname(self, moment: dt.datetime | None) -> str | None:
        """The name at a moment."""
        return None if moment is None else moment.replace(tzinfo=None).astimezone().tzname()


def register(app: App) -> None:
    """Add the command to the program."""
    app.command(reconcile)


async def reconcile(
    *,
    day: str | None = None,
    timezone: str | None = None,
    voucher: Annotated[tuple[str, ...], Parameter(name="--voucher")] = (),
    common: Common = DEFAULT,
) -> int:
    """Compare the journal with the API's lists for a day; the exit status is 1 where they differ.

    Each difference has a reason, and what it rests on: charges that no record knows, records that no list
    shows, other amounts, open calls, charges of which nobody was told, refunds of more than was charged.
    Reads alone: the journal, and the list of every voucher on which something may have moved (operations
    `listVouchers`, `getVoucher`, `listCharges`, `getCharge`; scopes `read-lists` and `read`).

    Args:
        day: The day, such as 2026-11-27. Default: yesterday.
        timezone: The time zone of the shop, such as Europe/Berlin. Default: that of this machine.
        voucher: The id of a voucher to compare; may be repeated. Default: all.
        common: see `Common`.
    """
    zone = _Local() if timezone is None else zone_of(timezone)
    date = _date(day, zone)
    async with common.session() as session:
        report = await session.client.reconcile(date, timezone=zone, voucher_ids=voucher or None)
        _show(session, report, timezone)
    return Exit.DONE if report.agrees else Exit.REFUSED


def _date(text: str | None, zone: dt.tzinfo) -> dt.date:
    if text is None:
        here = dt.datetime.now(dt.UTC)
        today = here.astimezone() if isinstance(zone, _Local) else here.astimezone(zone)
        return today.date() - dt.timedelta(days=1)
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise InvalidInput("day", "must be a date, such as 2026-11-27", text) from None


def _show(session: Session, report: Reconciliation, timezone: str | None) -> None:
    terminal = session.terminal
    if terminal.as_json:
        for each in report.differences:
            terminal.line({"kind": "difference", **each.to_dict()})
        summary = report.to_dict()
        summary["differences"] = len(report.differences)
        terminal.line({"kind": "summary", **summary})
    else:
        where = "this machine's time zone" if timezone is None else timezone
        read_at = shown_moment(report.read_at)
        lists = "1 list" if report.vouchers == 1 else f"{report.vouchers} lists"
        terminal.say(f"{report.day} in {where}: {lists} of charges read, from {read_at} on.")
        terminal.show(map(_total, report.totals), _TOTALS, empty="Nothing moved on that day.")
        _show_differences(session, report)
    if not report.is_final:
        terminal.say(_NOT_FINAL)


def _total(each: DayTotal) -> dict[str, Any]:
    return each.to_dict()


def _show_differences(session: Session, report: Reconciliation) -> None:
    out = session.terminal.out
    out.print()
    if report.agrees:
        out.print("Both say the same.", style="bold")
        return
    out.print(f"Differences: {len(report.differences)}", style="bold")
    for each in report.differences:
        for line in _lines(each):
            out.print(visible(line), soft_wrap=not out.is_terminal)


def _lines(each: Difference) -> list[str]:
    names = {"voucher": each.voucher_id, "entry": each.charge_id, "record": each.record_id}
    known = ", ".join(f"{name} {value}" for name, value in names.items() if value is not None)
    lines = [f"* {each.reason}: {each.what}"]
    if known:
        lines.append(f"  ({known})")
    return [*lines, *(f"  - {ground}" for ground in each.grounds)]
