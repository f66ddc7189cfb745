"""Changes of an emulator, found by comparing: nobody has to tell the console anything."""

from __future__ import annotations

import itertools
import secrets
from typing import TYPE_CHECKING, Any, Final

from voucher_async.testing.console.rows import (
    Row,
    client_row,
    moment,
    movement_row,
    request_row,
    reservation_row,
    switches,
    voucher_facts,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from voucher_async.testing._engine import Engine
    from voucher_async.testing._records import ReservationRecord
    from voucher_async.testing.console.emulated import Emulated

__all__ = ["MOST", "Books"]

MOST: Final = 300  # rows of one kind, the latest


class _Table:
    """Rows of one kind, numbered as they came, each with the version in which it last changed."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, tuple[object, ...]]] = {}
        self._rows: dict[str, tuple[int, Row]] = {}  # in the order of their changes
        self.count = 0

    def look(self, version: int, key: str, facts: tuple[Any, ...], row: Callable[..., Row]) -> None:
        """Write a row, unless nothing of what it is made from has changed."""
        number, known = self._seen.get(key, (0, None))
        if known == facts:
            return
        if not number:
            self.count = number = self.count + 1
        self._seen[key] = number, facts
        self.write(version, key, {"number": number, **row(*facts)})

    def write(self, version: int, key: str, row: Row) -> None:
        """Write a row, and forget the one that has not changed for longest where there are too many."""
        self._rows.pop(key, None)
        self._rows[key] = version, row
        if len(self._rows) > MOST:
            del self._rows[next(iter(self._rows))]

    def forget(self, keys: Iterable[str]) -> list[str]:
        """Look no longer at any but these; returns those that are gone."""
        kept = set(keys)
        gone = [key for key in self._seen if key not in kept]
        for key in gone:
            del self._seen[key]
        return gone

    def row(self, key: str) -> Row:
        """A row as it is, empty when it was forgotten."""
        return self._rows.get(key, (0, Row()))[1]

    def mark(self, version: int, key: str, **changed: object) -> None:
        """Change some fields of a row."""
        known = self._rows.get(key)
        if known is not None:
            self.write(version, key, {**known[1], **changed})

    @property
    def size(self) -> int:
        """Number of those that are looked at."""
        return len(self._seen)

    def after(self, version: int) -> list[Row]:
        """Rows that changed after a version."""
        changed = itertools.takewhile(lambda each: each[0] > version, reversed(self._rows.values()))
        return [row for _, row in changed][::-1]

    def changed_in(self, version: int) -> bool:
        """True when a row changed in a version."""
        latest = next(reversed(self._rows.values()), None)
        return latest is not None and latest[0] == version


class Books:
    """Everything that pages show of one emulator.

    Args:
        emulator: what is shown.
        engine: its memory.

    Attributes:
        run: tells these books from those of another process on the same port.
        version: grows with each change.
    """

    def __init__(self, emulator: Emulated, engine: Engine) -> None:
        self._emulator = emulator
        self._engine = engine
        self.run: str = secrets.token_hex(4)
        self.version: int = 0
        self._vouchers, self._reservations, self._clients = _Table(), _Table(), _Table()
        self._ledger, self._requests = _Table(), _Table()
        self._switches: tuple[int, Row] = 0, {}

    def refresh(self) -> bool:
        """Look at the emulator; True when something has changed."""
        version = self.version + 1
        with self._engine.guard:
            self._look_at_vouchers(version)
            self._look_at_reservations(version)
            self._look_at_clients(version)
            self._look_at_ledger(version)
        self._look_at_requests(version)
        self._look_at_switches(version)
        if self._switches[0] == version or any(each.changed_in(version) for each in self._tables.values()):
            self.version = version
            return True
        return False

    def after(self, version: int) -> Row:
        """Everything that changed after a version; 0 for all."""
        rows = {name: table.after(version) for name, table in self._tables.items()}
        counts = {name: table.count for name, table in self._tables.items()}
        changed = self._switches[0] > version
        return {
            "reset": version == 0,
            "now": moment(self._emulator.now()),
            "counts": counts,
            **{name: some for name, some in rows.items() if some},
            **({"switches": self._switches[1]} if changed else {}),
        }

    @property
    def _tables(self) -> dict[str, _Table]:
        return {
            "vouchers": self._vouchers,
            "reservations": self._reservations,
            "ledger": self._ledger,
            "requests": self._requests,
            "clients": self._clients,
        }

    def _look_at_vouchers(self, version: int) -> None:
        table, vouchers = self._vouchers, self._engine.state.vouchers
        for voucher in vouchers.values():
            table.look(version, voucher.id, (voucher,), voucher_facts)
        if table.size > len(vouchers):
            for id in table.forget(vouchers):
                table.mark(version, id, status="deleted", balance="0.00")

    def _look_at_reservations(self, version: int) -> None:
        table, held = self._reservations, self._engine.state.reservations
        recent = list(itertools.islice(reversed(held.values()), MOST))[::-1]
        for each in recent:
            newest = self._engine.state.newest.get(each.voucher_id)
            table.look(version, each.id, (each, newest), self._held)
        if table.size > len(recent):
            table.forget(each.id for each in recent)

    def _held(self, reservation: ReservationRecord, newest: str | None) -> Row:
        voucher = self._engine.state.vouchers.get(reservation.voucher_id)
        return reservation_row(reservation, voucher, newest=newest == reservation.id)

    def _look_at_clients(self, version: int) -> None:
        for client in self._engine.state.clients.values():
            self._clients.look(version, client.id, (client,), client_row)

    def _look_at_ledger(self, version: int) -> None:
        state, table = self._engine.state, self._ledger
        begin = max(table.count, len(state.movements) - MOST)
        for number, movement in enumerate(state.movements[begin:], begin + 1):
            row = movement_row(movement, *self._whose(movement.voucher_id))
            table.write(version, str(number), {"number": number, **row})
        table.count = len(state.movements)

    def _whose(self, voucher_id: str) -> tuple[object, object]:
        """Code and currency of a voucher, also of one that was deleted, as far as they are known."""
        voucher = self._engine.state.vouchers.get(voucher_id)
        if voucher is not None:
            return voucher.code, voucher.currency
        row = self._vouchers.row(voucher_id)
        return row.get("code"), row.get("currency", "")

    def _look_at_requests(self, version: int) -> None:
        table = self._requests
        for number, entry in self._engine.log.after(table.count)[-MOST:]:
            table.write(version, str(number), {"number": number, **request_row(entry)})
            table.count = number

    def _look_at_switches(self, version: int) -> None:
        now = switches(self._emulator)
        if now != self._switches[1]:
            self._switches = version, now
