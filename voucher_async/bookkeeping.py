"""The client's methods for bookkeeping: watching the vendor's side, and comparing it with the journal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from voucher_async.calls import calling
from voucher_async.config import Timeout
from voucher_async.payments.joining import Joining
from voucher_async.payments.pauses import Pauses
from voucher_async.payments.supervisor import Supervisor
from voucher_async.reconciliation import Reconciliation
from voucher_async.reconciliation.days import day_of
from voucher_async.reconciliation.run import Reconciler
from voucher_async.resources.charges import Charges
from voucher_async.resources.vouchers import Vouchers
from voucher_async.watching import ChargeCursor, ChargeWatch, WatchOptions
from voucher_async.watching.dates import Dates
from voucher_async.watching.options import cursor_of, vouchers_of
from voucher_async.watching.rounds import Stock

__all__ = ["Bookkeeping"]


class Bookkeeping:
    """The client's methods for bookkeeping."""

    _supervisor: Supervisor
    _joining: Joining
    _vouchers: Vouchers
    _charges: Charges
    _polling: Pauses

    def watch_charges(
        self,
        *,
        voucher_ids: Iterable[str] | None = None,
        since: ChargeCursor | dt.datetime | None = None,
        follow: bool = True,
        interval: float = 60.0,
        sweep_every: float = 3600.0,
        overlap: float = 7200.0,
        retry_for: float = 600.0,
        per_page: int = 100,
        timeout: float | Timeout | None = None,
    ) -> ChargeWatch:
        """Watch for new charges, refunds and recharges, whoever made them, by polling.

        `async for new in watch` gives out each entry once, those of one voucher by their `created_at`. After
        each, `watch.cursor` is the position to store. A watch that begins `since` a stored cursor gives out
        what came after it: exactly once where the cursor is stored in the transaction that stores what was
        made of the entry, at least once where it is stored afterwards.

        The API lists charges per voucher alone. A *sweep* reads the whole list of every voucher: of those in
        `voucher_ids`, else of all but those that are inactive and untouched. The first round is a sweep.
        Between sweeps, all vouchers are listed, and the charges of those read whose balance or `updated_at`
        has changed. An entry that leaves both as they were, such as a charge and its refund between two
        rounds on a server that keeps `updated_at`, comes with the next sweep. One request is sent at a time:
        for N vouchers of which M are active or were used, N / `per_page` and one or two per changed voucher a
        round, and 2 N / `per_page` + M a sweep. Operations `listVouchers`, `listCharges`; scope `read-lists`.

        A request that fails is repeated as that of every call is, within its `timeout`; then the watch logs
        a WARNING, waits 1 to 60 s or what `Retry-After` asked for, and goes on where it was. Refusals are
        raised at once. After an error another loop over the same watch goes on with it.

        Args:
            voucher_ids: the vouchers to watch; None watches all.
            since: a stored cursor of a watch of the same vouchers; or an aware datetime, for entries whose
                `created_at` is not before it; None: what appears after the first round.
            follow: False ends the loop after the first round, with what is new by then.
            interval: seconds between two rounds; each of these times is a day at most.
            sweep_every: seconds between two sweeps.
            overlap: seconds by which a `created_at` may be off, besides `list_lag`: the clocks of servers
                differ, and caches keep lists. The cursor holds the ids of entries of that time.
            retry_for: seconds for which failing requests are repeated before their error is raised; 0 raises
                it at once, `math.inf` never.
            per_page: entries a page that are asked for; a server may give fewer.
            timeout: seconds for each request, or a `Timeout`.

        Returns:
            The watch, for `async for` in one task; nothing is sent before. It ends when the client is closed.

        Raises:
            InvalidInput: an empty `voucher_ids`, an id that no voucher can have, a naive datetime.
            ConfigurationError: a time span that is none; or, from the loop, a client that was closed before.
        """
        options = WatchOptions(
            voucher_ids=vouchers_of(voucher_ids),
            follow=follow,
            interval=interval,
            sweep_every=sweep_every,
            overlap=overlap,
            retry_for=retry_for,
            per_page=per_page,
            timeout=timeout,
        )
        settler = self._supervisor.settler
        dates = Dates(settler.clock, settler.server_clock)
        stock = Stock(self._vouchers, options, dates, settler.settings.list_lag)
        return ChargeWatch(stock, cursor_of(since), self._polling)

    async def reconcile(
        self,
        day: dt.date,
        *,
        timezone: str | dt.tzinfo,
        voucher_ids: Iterable[str] | None = None,
        timeout: float | Timeout | None = None,
    ) -> Reconciliation:
        """Compare the journal with the API's lists for a day, and name the differences.

        Reads alone (operations `listVouchers`, `getVoucher`, `listCharges`, `getCharge`; scopes `read-lists`
        and `read`). Each difference has a reason, and the grounds that it rests on. Nothing is called "not
        charged": a list that lacks an entry may lag. An entry belongs to the day of its `created_at`.

        All records of the client's scope are read, and the lists of all vouchers but those that are inactive
        and untouched: 2 N / 100 + M requests for N vouchers of which M are active or were used.

        Args:
            day: the day.
            timezone: the shop's time zone, such as `Europe/Berlin`.
            voucher_ids: the vouchers to compare; None: all.
            timeout: seconds for each request, or a `Timeout`.

        Returns:
            The report.

        Raises:
            InvalidInput: no such time zone, an empty `voucher_ids`.
            JournalFailed: the journal cannot be read.
            VoucherError: a list could not be read.
        """
        settler = self._supervisor.settler
        with calling(settler.hooks, "reconcile"):
            reconciler = Reconciler(
                self._vouchers,
                self._charges,
                self._joining.ownership,
                settler.settings,
                Dates(settler.clock, settler.server_clock),
                timeout=timeout,
            )
            return await reconciler.run(day_of(day, timezone), vouchers_of(voucher_ids))
