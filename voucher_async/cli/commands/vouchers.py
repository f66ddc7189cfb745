"""`voucher-async voucher ...`, and `voucher-async charges`: vouchers, and what moved on them."""

import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from cyclopts import App, Parameter

from voucher_async.api_errors import NotFound
from voucher_async.cli.common import DEFAULT, Common, Session
from voucher_async.cli.exits import Exit, is_open
from voucher_async.cli.lists import PER_PAGE, moment, show_list, shown_moment, vouchers_of
from voucher_async.cli.repeats import Repeat, begin, key_of
from voucher_async.cli.terminal import Terminal
from voucher_async.errors import InvalidInput, VoucherError
from voucher_async.models import UNSET, CompleteVoucher, Unset, Voucher, VoucherDetails, VoucherStatus
from voucher_async.money import to_amount

__all__ = ["register"]

_COLUMNS: Final = ("id", "status", "left", "amount", "valid_until", "batch", "sku")

_DELETED_SINCE: Final = (
    "It was created before, and has been deleted since: a new one takes another --id, or a --key of its own."
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
    async with common.unrecorded() as session:
        details = await session.client.vouchers.get(id)
        row = details.to_dict()
        if common.show_secrets:
            complete = await session.client.vouchers.get_complete(id)
            row |= {"code": complete.code, "pin": complete.pin}
        session.terminal.show_one(row)


@_voucher.command
async def create(
    amount: str,
    currency: str,
    /,
    *,
    id: str | None = None,
    code: str | None = None,
    pin: str | None = None,
    sku: str | None = None,
    batch: str | None = None,
    validity_value: int | None = None,
    validity_interval: Literal["days", "weeks", "months", "years"] | None = None,
    type: Literal["digital", "print"] | None = None,
    taxable: bool | None = None,
    tax_rate: str | None = None,
    order: str | None = None,
    data: str | None = None,
    key: str | None = None,
    common: Common = DEFAULT,
) -> int:
    """Create a voucher, such as `voucher create 25.00 EUR`.

    It starts inactive, and cannot be spent before `voucher activate`. The server makes a code where none is
    given; --show-secrets shows it. Each run makes another voucher, unless it has the --key, or the --id, of
    an earlier one: then that voucher is shown. Needs the scope `manage` (operation `createVoucher`).

    Args:
        amount: Its value, such as 25.00.
        currency: Three capital letters, such as EUR.
        id: The id of the voucher; made up where it is left out.
        code: The code a customer types in; `-` reads it from the standard input.
        pin: The extra check of a printed voucher; `-` reads it from the standard input.
        sku: The article number.
        batch: The batch it is made in, at most 30 characters.
        validity_value: With --validity-interval, how long it is valid from its activation.
        validity_interval: The unit of --validity-value.
        type: The kind of voucher.
        taxable: Its tax is fixed at the sale (single-purpose voucher).
        tax_rate: The tax in percent, such as 19; with --taxable.
        order: The number of the order it was sold with.
        data: JSON text of your own.
        key: The idempotency key: at most one voucher is created with it.
        common: see `Common`.
    """
    value = to_amount(amount)
    async with common.session() as session:
        known_key, session.again = _key_of_creation(session, key, id)
        code = session.terminal.secret("code", code, is_optional=True)
        pin = session.terminal.secret("pin", pin, is_optional=True)
        repeat = await begin(session, known_key)
        try:
            made = await session.client.vouchers.create(
                amount=value,
                currency=currency,
                id=UNSET if id is None else id,
                code=code,
                pin=pin,
                sku=sku,
                batch=batch,
                validity_value=validity_value,
                validity_interval=validity_interval,
                type=type,
                taxable=taxable,
                tax_rate=tax_rate,
                order_number=order,
                data=data,
                idempotency_key=session.key,
            )
        except VoucherError as error:
            if isinstance(error, NotFound) and repeat.is_over:
                session.terminal.say(_DELETED_SINCE)
            if not is_open(error):
                raise
            session.terminal.say(f"error: {error}")
            session.terminal.say(f"It may have been created. {session.again}: no second one is created.")
            return Exit.OPEN
        _show_created(session, repeat, made)
        await repeat.acknowledge()
    return Exit.DONE


def _key_of_creation(session: Session, key: str | None, id: str | None) -> tuple[str, str]:
    """The key of a creation, and the words that say how it is gone on with."""
    if key is not None:
        return key, session.again
    if id is not None:
        return key_of("create", id), session.again
    made_up = key_of("create", str(uuid.uuid4()))
    return made_up, f"Run it again with --key {made_up}"


def _show_created(session: Session, repeat: Repeat, made: CompleteVoucher) -> None:
    terminal, is_repeated = session.terminal, repeat.tell(made, "created")
    terminal.show_one({**made.to_dict(), "made_before": is_repeated} if terminal.as_json else made)
    if made.status == "inactive":
        terminal.say(f"It is inactive until `voucher-async voucher activate {made.id}`.")


@_voucher.command(name="list")
async def list_(
    *,
    order: str | None = None,
    batch: str | None = None,
    status: Literal["active", "inactive"] | None = None,
    created_from: str | None = None,
    created_to: str | None = None,
    limit: int = 50,
    all: bool = False,
    common: Common = DEFAULT,
) -> None:
    """List vouchers, with their balances.

    Pages are read as they are needed. The server filters by order and date; --batch and --status are looked
    for here, in all that the other filters leave: a date keeps that short. Needs the scope `read-lists`
    (operation `listVouchers`).

    Args:
        order: Those sold with this order.
        batch: Those of this batch.
        status: Those with this status.
        created_from: Those created then or later: 2026-11-30, or 2026-11-30T18:00.
        created_to: Those created then or earlier; a date counts to its end.
        limit: How many to show at most.
        all: Show all, however many there are.
        common: see `Common`.
    """
    vouchers_from = moment("created_from", created_from)
    vouchers_to = moment("created_to", created_to, is_end=True)

    async with common.unrecorded() as session:
        found = session.client.vouchers.list(
            order_number=order, created_from=vouchers_from, created_to=vouchers_to, per_page=PER_PAGE
        )
        await show_list(
            session.terminal,
            found,
            _row_of if not common.json else Voucher.to_dict,
            _COLUMNS,
            limit=None if all else limit,
            keeps=vouchers_of(batch, status),
            empty="There is no such voucher." if order or batch or status else "There is no voucher.",
        )


def _row_of(voucher: VoucherDetails) -> Mapping[str, Any]:
    """The row of a table: amounts with their currency, dates without times."""
    ends = shown_moment(voucher.valid_until)
    return {
        **voucher.to_dict(),
        "left": f"{voucher.remaining_amount} {voucher.currency}",
        "amount": f"{voucher.amount} {voucher.currency}",
        "valid_until": None if ends is None else ends.partition(" ")[0],
    }


@_voucher.command
async def activate(id: str, /, *, comment: str | None = None, common: Common = DEFAULT) -> None:
    """Activate a voucher: from then on it can be spent, and its validity begins.

    Needs the scope `use` (operation `setVoucherStatus`).

    Args:
        id: The voucher's id.
        comment: The reason.
        common: see `Common`.
    """
    await _set_status(id, VoucherStatus.ACTIVE, comment, common)


@_voucher.command
async def deactivate(id: str, /, *, comment: str | None = None, common: Common = DEFAULT) -> None:
    """Deactivate a voucher: it cannot be spent then, and keeps its balance.

    Needs the scope `use` (operation `setVoucherStatus`).

    Args:
        id: The voucher's id.
        comment: The reason.
        common: see `Common`.
    """
    await _set_status(id, VoucherStatus.INACTIVE, comment, common)


async def _set_status(id: str, status: VoucherStatus, comment: str | None, common: Common) -> None:
    async with common.unrecorded() as session:
        changed = await session.client.vouchers.set_status(id, status, comment=comment)
        _show_changed(session.terminal, changed)


@_voucher.command
async def update(
    id: str, /, *, sku: str | None = None, batch: str | None = None, common: Common = DEFAULT
) -> None:
    """Change the article number or the batch of an inactive voucher.

    Needs the scope `update` (operation `updateVoucher`).

    Args:
        id: The voucher's id.
        sku: The article number; "" clears it.
        batch: The batch, at most 30 characters; "" clears it.
        common: see `Common`.
    """
    if sku is None and batch is None:
        raise InvalidInput("--sku or --batch", "must be given: nothing else can be changed", None)
    async with common.unrecorded() as session:
        changed = await session.client.vouchers.update(id, sku=_cleared(sku), batch=_cleared(batch))
        _show_changed(session.terminal, changed)


def _cleared(text: str | None) -> str | Unset | None:
    return UNSET if text is None else text or None


def _show_changed(terminal: Terminal, voucher: Voucher) -> None:
    terminal.show_one(voucher, ("id", "status", "amount", "currency", "valid_until", "batch", "sku"))


@_voucher.command
async def delete(
    id: str, /, *, comment: Annotated[str, Parameter(show_default=False)], common: Common = DEFAULT
) -> None:
    """Delete an inactive voucher on which nothing ever moved.

    It asks before it does so, but for the sandbox and this machine. Needs the scope `manage` (operation
    `deleteVoucher`).

    Args:
        id: The voucher's id.
        comment: The reason, which the server keeps.
        common: see `Common`.
    """
    async with common.unrecorded() as session:
        session.confirm(f"Delete voucher {id}")
        try:
            await session.client.vouchers.delete(id, comment=comment)
        except NotFound:
            session.terminal.say("It may have been deleted before: there is no such voucher now.")
            raise
        if common.json:
            session.terminal.line({"id": id, "deleted": True})
        session.terminal.say(f"Deleted voucher {id}.")
