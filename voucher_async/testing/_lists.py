"""Lists: filters, order and Laravel's paginator."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

import attrs

from voucher_async.testing._records import ChargeRecord, VoucherRecord
from voucher_async.testing._refusals import FieldError, field_refusal
from voucher_async.testing._shown import Filters, Pages
from voucher_async.testing._state import Outcome
from voucher_async.testing._telling import listed
from voucher_async.testing._views import Json, charge_view, detail_view
from voucher_async.testing._vouchers import find_voucher

if TYPE_CHECKING:
    from collections.abc import Iterable

    from voucher_async.testing._state import Command

__all__ = ["list_charges", "list_vouchers"]

_HOST = "http://domain"  # another host than the API's, as in its documentation
_INTEGER = re.compile(r"[0-9]{1,4000}")  # what `int` accepts
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_AS_DOCUMENTED = Filters()
_AS_ASKED = Pages()
_Entry = TypeVar("_Entry", VoucherRecord, ChargeRecord)


@attrs.frozen
class _Filters:
    page: int
    per_page: int
    created_from: dt.datetime | None
    created_to: dt.datetime | None
    order_number: str | None
    is_asked_for: Callable[[str | None], bool]

    def admits(self, entry: VoucherRecord | ChargeRecord) -> bool:
        return (
            (self.created_from is None or entry.created_at >= self.created_from)
            and (self.created_to is None or entry.created_at <= self.created_to)
            and (self.order_number is None or self.is_asked_for(entry.order_number))
        )


def list_vouchers(command: Command) -> Outcome:
    """Operation 2."""
    filters = _read(command, "VOUCHER.LIST")
    vouchers = command.state.vouchers.values()
    return _page(command, filters, vouchers, lambda voucher: detail_view(command, voucher), "/v1/vouchers")


def list_charges(command: Command) -> Outcome:
    """Operation 8."""
    voucher = find_voucher(command)
    filters = _read(command, "CHARGE.LIST")
    path = f"/v1/vouchers/{quote(voucher.id, safe='', errors='replace')}/charges"
    charges: Iterable[ChargeRecord] = command.state.charges_of(voucher.id)
    if command.options.list_lag:
        shown = command.now - dt.timedelta(seconds=command.options.list_lag)
        charges = (charge for charge in charges if charge.made_at <= shown)
    return _page(command, filters, charges, lambda charge: listed(command, charge, charge_view(charge)), path)


def _read(command: Command, prefix: str) -> _Filters:
    errors: list[FieldError] = []
    habits = command.habits.filters or _AS_DOCUMENTED
    query = {name: text for name, text in command.query.items() if name not in habits.unread}

    def number(name: str, default: int) -> int:
        text = query.get(name, str(default))
        if _INTEGER.fullmatch(text) is None:
            errors.append(FieldError.of(prefix, name, "integer"))
        elif int(text) < 1:
            errors.append(FieldError.of(prefix, name, "min", "1"))
        else:
            return int(text)
        return default

    def date(name: str) -> dt.datetime | None:
        text = query.get(f"filter[{name}]")
        value = None if text is None else _moment(text)
        if text is not None and value is None:
            errors.append(FieldError.of(prefix, f"filter.{name}", "date"))
        return value

    order_number = query.get("filter[order_number]")
    if order_number is not None and not order_number.strip():
        errors.append(FieldError.of(prefix, "filter.order_number", "string"))
    filters = _Filters(
        number("page", 1),
        number("per_page", 25),
        date("created_from"),
        date("created_to"),
        order_number,
        habits.test(order_number or "", command.habits.order_numbers),
    )
    if errors:
        raise field_refusal(prefix, *errors)
    return filters


def _moment(text: str) -> dt.datetime | None:
    if _RFC3339.fullmatch(text) is None:
        return None
    try:
        return dt.datetime.fromisoformat(text.upper())
    except ValueError:
        return None


def _page(
    command: Command,
    filters: _Filters,
    entries: Iterable[_Entry],
    view: Callable[[_Entry], Json],
    path: str,
) -> Outcome:
    pages = command.habits.pages or _AS_ASKED
    found = _ordered(command, pages, [entry for entry in entries if filters.admits(entry)])
    size = pages.per_page(min(filters.per_page, command.options.max_per_page))
    start = (filters.page - 1) * size
    shown = found[start : start + size]
    last = max(1, -(-len(found) // size))
    meta = {
        "current_page": filters.page,
        "from": start + 1 if shown else None,
        "last_page": last,
        "path": _HOST + path,
        "per_page": size,
        "to": start + len(shown) if shown else None,
    }
    return Outcome(
        body={
            "data": [view(entry) for entry in shown],
            "links": _links(path, filters.page, last),
            "meta": pages.meta(meta, len(found)),
        }
    )


def _ordered(command: Command, pages: Pages, found: list[_Entry]) -> list[_Entry]:
    order = pages.order or ("newest" if command.options.newest_first else "oldest")
    if order == "id":
        return sorted(found, key=lambda entry: entry.id)
    return found[::-1] if order == "newest" else found


def _links(path: str, page: int, last: int) -> Json:
    def link(number: int) -> str:
        return f"{_HOST}{path}?page={number}"

    return {
        "first": link(1),
        "last": link(last),
        "prev": link(page - 1) if page > 1 else None,
        "next": link(page + 1) if page < last else None,
    }
