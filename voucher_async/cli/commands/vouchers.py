"""`voucher-async voucher ...`: show and list vouchers."""

from typing import Final

from cyclopts import App

from voucher_async.cli.common import DEFAULT, Common

__all__ = ["register"]

_COLUMNS: Final = ("id", "status", "remaining_amount", "amount", "currency", "valid_until", "batch", "sku")
_FIELDS: Final = (
    "id",
    "status",
    "remaining_amount",
    "amount",
    "currency",
    "valid_until",
    "batch",
    "sku",
    "code",
    "pin",
)

_voucher: Final = App(name="voucher", help="Create, show, list, change and delete vouchers.")


def register(app: App) -> None:
    """Add the commands to the program."""
    app.command(_voucher)


@_voucher.command
async def show(id: str, /, *, common: Common = DEFAULT) -> None:
    """Show a voucher; with --show-secrets its code and pin, too (scopes `read`, `read-secrets`).

    Args:
        id: The voucher's id.
        common: see `Common`.
    """
    async with common.session() as session:
        details = await session.client.vouchers.get(id)
        row = details.to_dict()
        if common.show_secrets:
            complete = await session.client.vouchers.get_complete(id)
            row |= {"code": complete.code, "pin": complete.pin}
        session.terminal.show_one(row)
