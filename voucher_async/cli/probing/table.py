"""The table of all probes, and what no probe can try."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from voucher_async.cli.probing.findings import Question
from voucher_async.cli.probing.probes import (
    access,
    clocks,
    delivery,
    forms,
    lag,
    money,
    orders,
    pages,
    refusals,
    vouchers,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from voucher_async.cli.probing.bench import Probe

__all__ = ["PROBES", "QUESTIONS", "UNTRIED"]

PROBES: Final[tuple[Probe, ...]] = (
    *access.PROBES[:2],
    *lag.PROBES,  # first: later looks wait for as long as lists lag
    *money.PROBES,
    *delivery.PROBES,
    *orders.PROBES,
    *pages.PROBES,
    *clocks.PROBES,
    *vouchers.PROBES,
    *forms.PROBES,
    *refusals.PROBES,
    *access.PROBES[2:],
)

_CONNECTED: Final = "/components/schemas/ConnectedClient/properties"

UNTRIED: Final[Mapping[Question, str]] = {
    Question(
        "connect",
        "Is the answer to a connection PIN what is assumed?",
        (
            *(
                f"{_CONNECTED}/{name}"
                for name in (
                    "id",
                    "client_group_id",
                    "name",
                    "secret",
                    "type",
                    "created_at",
                    "updated_at",
                    "connected_at",
                )
            ),
            "/components/schemas/ConnectRequest/properties/pin",
        ),
    ): "a try uses up a PIN, which the Admin UI shows",
    Question(
        "disconnect",
        "Does disconnecting need no scope?",
        ("/paths/~1clients~1disconnect/post",),
    ): "a try resets the credentials that it is made with",
    Question(
        "null-client",
        "Is null shown as the client of what was made in the Admin UI?",
        tuple(
            f"/components/schemas/{name}/properties/client_id"
            for name in ("Voucher", "Reservation", "Charge")
        ),
    ): "a try needs the Admin UI",
    Question("reservation-ends", "Does a reservation end after 30 minutes?"): "a try takes longer than a run",
    Question(
        "voucher-ends", "Is an expired voucher refused with 409 or 422?"
    ): "a try takes a day: the shortest validity is one day",
    Question(
        "too-many",
        "Is a caller that asks too often answered 429?",
        ("/components/responses/TooManyRequests",),
    ): "a probe does not provoke it, since others use the server, too",
    Question(
        "server-error", "Is a 5xx without proof of anything?", ("/components/responses/ServerError",)
    ): "an error of the server cannot be provoked",
    Question(
        "too-large", "Is a body that is too large answered 413?", ("/components/responses/TooLarge",)
    ): "a probe sends no megabytes to find where it ends",
}
"""Questions that no probe answers, each with the reason."""

QUESTIONS: Final[tuple[Question, ...]] = (
    *(question for probe in PROBES for question in probe.questions),
    *UNTRIED,
)
"""Every question, in the order of a report."""
