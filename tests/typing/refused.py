"""What type checkers refuse, so that nobody has to run it to find out."""

from __future__ import annotations

from voucher_async import AttemptEnded, Charge, VoucherClient


async def amounts_are_no_floats(client: VoucherClient) -> None:
    await client.vouchers.create(amount=9.5, currency="EUR")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.charges.refund("C-1", 0.01, currency="EUR")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def what_is_needed_is_asked_for(client: VoucherClient) -> None:
    await client.redeem(code="C", amount="1.00", currency="EUR")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await client.vouchers.delete("V-1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def environments_are_known_by_name() -> None:
    VoucherClient("id", "secret", environment="staging")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def options_are_known_by_name_and_type() -> None:
    VoucherClient.from_env(colour="red")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    VoucherClient.from_env(settle_window="60")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def models_and_events_do_not_change(charge: Charge, event: AttemptEnded) -> None:
    charge.id = "C-2"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    event.attempt = 2  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


async def lists_are_lazy(client: VoucherClient) -> None:
    await client.vouchers.list()  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    for _voucher in client.vouchers.list():  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType]
        pass
    await client.history()  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]


async def lookups_that_the_api_does_not_have(client: VoucherClient) -> None:
    await client.charges.get("C-1")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    await client.reservations.get("R-1")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
