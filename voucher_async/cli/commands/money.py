"""`redeem`, `recharge`, `refund`, `charges`: money that moves on vouchers, each command at most once."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from cyclopts import App

from voucher_async.api_errors import ApiError, MissingScope
from voucher_async.cli.common import DEFAULT, Common, Session
from voucher_async.cli.lists import PER_PAGE, moment, show_list, shown_moment
from voucher_async.cli.repeats import Repeat, begin, key_of, key_of_the_rest
from voucher_async.errors import InvalidInput
from voucher_async.models import Charge
from voucher_async.money import CENT, format_amount, to_amount
from voucher_async.order_refunds import OrderRefund, OrderRefundFailed
from voucher_async.payments.call import CallRecord
from voucher_async.payments.likeness import Likeness, compare

__all__ = ["register"]

_CHARGE: Final = ("id", "type", "amount", "currency", "order_number", "voucher_id", "created_at")
_LIST: Final = ("created_at", "type", "amount", "order_number", "id")
_OUTCOME: Final = ("charge_id", "amount", "currency", "state", "error")
_ALL: Final = "all"
_RULE: Final = "must be given with its currency, such as 10.00 EUR"
_NO_VOUCHER: Final = "--voucher ID names a voucher that paid for it, once for each of them."
_THE_REST: Final = "Run the same command again: it gives back the rest, and nothing twice."
_NOTHING_LEFT: Final = (
    "Nothing that is left of order {order} was found: the journal and --voucher tell the vouchers."
)
_REFUSED: Final = frozenset({409, 422})
_BY_OTHERS: Final = (
    "Others may have given back a part of it, of which the journal does not know: `voucher-async charges` "
    "lists that. The rest is given back with --amount, or by `voucher-async refund --order`."
)
_NO_CHARGE: Final = "--voucher ID names the voucher that was charged: the rest is read then."
_NUMBER: Final = re.compile(r"-?[0-9]{1,9}([.,][0-9]{0,9})?")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")


def register(app: App) -> None:
    """Add the commands to the program."""
    app.command(redeem, usage="Usage: voucher-async redeem [CODE] AMOUNT CURRENCY --order NUMBER [OPTIONS]")
    app.command(
        recharge, usage="Usage: voucher-async recharge VOUCHER AMOUNT CURRENCY --order NUMBER [OPTIONS]"
    )
    app.command(refund, usage="Usage: voucher-async refund CHARGE|--order NUMBER [OPTIONS]")
    app.command(charges)


async def redeem(
    code: str | None = None,
    amount: str | None = None,
    currency: str | None = None,
    /,
    *,
    order: str,
    pin: str | None = None,
    key: str | None = None,
    common: Common = DEFAULT,
) -> None:
    """Pay with a voucher: `redeem 10.00 EUR --order A-1` asks for the code, and charges it.

    An order is charged once, however often the command is run, on this machine and with this profile: run it
    again after Ctrl-C, a crash or a lost answer. A second voucher for the order takes a --key of its own.
    In production it asks before it charges. Needs the scope `use` (operations `createReservation`,
    `chargeReservation`), and `read-lists` to find out what became of a lost answer.

    Args:
        code: The voucher's code; `-` reads it from the standard input. Leave it out to be asked for it: so it
            is in no history of commands.
        amount: How much, such as 10.00.
        currency: The voucher's, three capital letters, such as EUR.
        order: The number of the order that it pays for.
        pin: The extra check of a printed voucher; `-` reads it from the standard input, after the code.
        key: The idempotency key: at most one charge is made with it. Default: the order's number.
        common: see `Common`.
    """
    given, value, unit = _sum(code, amount, currency)
    async with common.session() as session:
        secret = session.terminal.secret("code", given) or ""
        secret_pin = session.terminal.secret("pin", pin, is_optional=True)
        repeat = await begin(session, key_of(order) if key is None else key)
        repeat.confirm(f"Charge {value} {unit} for order {order}")
        charge = await session.client.redeem(
            code=secret,
            amount=value,
            currency=unit,
            order_number=order,
            pin=secret_pin,
            idempotency_key=session.key,
        )
        await _show(session, repeat, charge, unit, "charged")


async def recharge(
    voucher: str | None = None,
    amount: str | None = None,
    currency: str | None = None,
    /,
    *,
    order: str,
    code: str | None = None,
    key: str | None = None,
    common: Common = DEFAULT,
) -> None:
    """Add credit to a voucher, such as `recharge VOUCHER 10.00 EUR --order A-1`; it undoes no charge.

    An order adds its credit once, however often the command is run, on this machine and with this profile.
    By the voucher's id a lost answer is looked into; by --code alone it stays open. Needs the scope
    `recharge` (operation `rechargeVoucher`), and `read-lists`.

    Args:
        voucher: The voucher's id; leave it out with --code.
        amount: How much, such as 10.00.
        currency: The voucher's, three capital letters, such as EUR.
        order: The number of the order that the credit was bought with.
        code: The voucher's code in place of its id; `-` reads it from the standard input.
        key: The idempotency key: at most one recharge is made with it. Default: `recharge/` and the order.
        common: see `Common`.
    """
    id, value, unit = _sum(voucher, amount, currency)
    async with common.session() as session:
        secret = session.terminal.secret("code", code, is_optional=id is not None)
        repeat = await begin(session, key_of("recharge", order) if key is None else key)
        repeat.confirm(f"Add {value} {unit} for order {order}")
        made = await session.client.vouchers.recharge(
            amount=value,
            currency=unit,
            order_number=order,
            code=secret,
            id=id,
            idempotency_key=session.key,
        )
        await _show(session, repeat, made, unit, "added")


async def refund(
    charge: str | None = None,
    /,
    *,
    order: str | None = None,
    amount: str | None = None,
    currency: str | None = None,
    voucher: list[str] | None = None,
    key: str | None = None,
    common: Common = DEFAULT,
) -> None:
    """Give money back: of one charge, `refund CHARGE`, or what an order took, `refund --order A-1`.

    Without --amount all that is left is given back, never more than was charged. The same command run again
    gives back nothing twice; a second refund of the same amount takes a --key of its own. What the journal
    of this profile did not make, it does not know: name the vouchers then; and give the --amount where others
    have refunded a part of a charge. Needs the scope `use` (operation
    `refundCharge`), and `read`, `read-lists`.

    Args:
        charge: The charge's id; `voucher-async charges VOUCHER` lists them.
        order: The order's number, in place of a charge: its charges on all its vouchers.
        amount: How much, such as 10.00; all that is left where it is left out.
        currency: The voucher's; needed for a charge that neither the journal nor --voucher tells.
        voucher: The id of the voucher that was charged; for an order as often as it has vouchers.
        key: The idempotency key of the refund. Default: `refund/`, the charge or order, and the amount; for
            all that is left of an order a new one after each that has ended.
        common: see `Common`.
    """
    if (charge is None) is (order is None):
        raise InvalidInput("charge", "must be given, or --order, and not both", charge)
    value = None if amount is None else to_amount(amount, minimum=CENT)
    vouchers = voucher or []
    if order is not None:
        if currency is not None:
            raise InvalidInput("currency", "is that of the order's charges, and is not given", currency)
        return await _refund_order(common, order, value, vouchers, key)
    if len(vouchers) > 1:
        raise InvalidInput("voucher", "must be one: that of the charge", ", ".join(vouchers))
    key = key_of("refund", charge or "", _named(value)) if key is None else key
    voucher_id = vouchers[0] if vouchers else None
    return await _refund_charge(common, charge or "", voucher_id, (value, currency), key)


async def _refund_charge(
    common: Common, id: str, voucher_id: str | None, given: tuple[Decimal | None, str | None], key: str
) -> None:
    value, currency = given
    async with common.session() as session:
        repeat = await begin(session, key)
        charge: Charge | str = id
        if voucher_id is not None:
            charge = await session.client.charges.get(id, voucher_id=voucher_id)
            currency = currency or (await session.client.vouchers.get(voucher_id)).currency
        what = "what is left" if value is None else f"{value} {currency or ''}".rstrip()
        repeat.confirm(f"Refund {what} of charge {id}")
        try:
            made = await session.client.charges.refund(
                charge, value, currency=currency, idempotency_key=session.key
            )
        except InvalidInput:
            if isinstance(charge, str):
                session.terminal.say(_NO_CHARGE)
            raise
        except ApiError as error:
            if value is None and error.status in _REFUSED:
                session.terminal.say(_BY_OTHERS)
            raise
        await _show(session, repeat, made, currency or await repeat.currency(), "given back")


async def _refund_order(
    common: Common, order: str, value: Decimal | None, vouchers: list[str], key: str | None
) -> None:
    async with common.session() as session:
        before = None
        if key is None and value is None:
            key, before = await key_of_the_rest(session, order)
        repeat = await begin(session, key or key_of("refund", order, _named(value)))
        repeat.confirm(f"Refund {'all that is left' if value is None else value} of order {order}")
        try:
            made = await session.client.refund_order(
                order, value, voucher_ids=vouchers, idempotency_key=session.key
            )
        except OrderRefundFailed as error:
            if error.outcomes:
                session.terminal.show([each.to_dict() for each in error.outcomes], _OUTCOME)
                session.terminal.say(_THE_REST)
            raise
        except InvalidInput as error:
            if error.field == "order_number":
                session.terminal.say(_NO_VOUCHER)
            raise
        _show_order(session, repeat, made, before)


def _named(value: Decimal | None) -> str:
    return _ALL if value is None else format_amount(value)


def _show_order(session: Session, repeat: Repeat, made: OrderRefund, before: CallRecord | None) -> None:
    terminal = session.terminal
    is_repeated = repeat.tell(made, "given back")
    if not made.refunds:
        terminal.say(_NOTHING_LEFT.format(order=made.order_number))
        if before is not None:
            at = shown_moment(before.changed_at)
            terminal.say(f"A refund of it ended at {at}: `voucher-async order` shows what it gave back.")
    if terminal.as_json:
        terminal.line({**made.to_dict(), "made_before": is_repeated, "key": session.key})
        return
    if not made.refunds:
        return
    rows = [
        {
            "charge_id": each.charge_id,
            "amount": f"{each.refund.amount} {each.currency}",
            "voucher_id": each.refund.voucher_id,
        }
        for each in made.refunds
    ]
    terminal.show(rows, ("charge_id", "amount", "voucher_id"))
    # several terminals may have gone on with one refund: each tells all of it, and the key that they share
    order, key = made.order_number, session.key
    terminal.say(f"Given back for order {order} with the key {key!r}: {made.amount} {made.currency}.")


async def charges(
    voucher: str,
    /,
    *,
    order: str | None = None,
    created_from: str | None = None,
    created_to: str | None = None,
    limit: int = 50,
    all: bool = False,
    common: Common = DEFAULT,
) -> None:
    """List what moved on a voucher: each charge, recharge and refund.

    The voucher's balance stands above the list. Needs the scopes `read` and `read-lists` (operations
    `getVoucher`, `listCharges`).

    Args:
        voucher: The voucher's id.
        order: Those of this order, and those that name none or a number that a server may have made of it.
        created_from: Those made then or later: 2026-11-30, or 2026-11-30T18:00.
        created_to: Those made then or earlier; a date counts to its end.
        limit: How many to show at most.
        all: Show all, however many there are.
        common: see `Common`.
    """
    made_from = moment("created_from", created_from)
    made_to = moment("created_to", created_to, is_end=True)
    async with common.unrecorded() as session:
        currency = await _currency_of(session, voucher)

        def view(charge: Charge) -> Mapping[str, Any]:
            row: dict[str, Any] = {**charge.to_dict(), "currency": currency}
            if common.json:
                return row
            unit = "" if currency is None else f" {currency}"
            return {**row, "amount": f"{row['amount']}{unit}", "created_at": shown_moment(charge.created_at)}

        def keeps(charge: Charge) -> bool:
            return order is None or compare(order, charge.order_number) is not Likeness.OTHER

        await show_list(
            session.terminal,
            session.client.vouchers.list_charges(
                voucher, created_from=made_from, created_to=made_to, per_page=PER_PAGE
            ),
            view,
            _LIST,
            limit=None if all else limit,
            keeps=keeps,
            empty="Nothing moved on this voucher."
            if order is None
            else f"Nothing on this voucher names the order {order}, or no order.",
        )


async def _currency_of(session: Session, voucher_id: str) -> str | None:
    """The currency, which a charge does not name; the balance is said, too."""
    try:
        voucher = await session.client.vouchers.get(voucher_id)
    except MissingScope:
        return None
    unit = voucher.currency
    session.terminal.say(
        f"Balance {voucher.remaining_amount} {unit}, created with {voucher.amount} {unit}, {voucher.status}."
    )
    return unit


def _sum(first: str | None, amount: str | None, currency: str | None) -> tuple[str | None, Decimal, str]:
    """The first word, the amount and the currency, of which the first word may be left out."""
    word: str | None = first
    if currency is None:
        word, amount, currency = None, first, amount
    if amount is None or currency is None:
        raise InvalidInput("amount", _RULE, None)
    # a word in the wrong place may be a code, which is shown nowhere
    if not _NUMBER.fullmatch(amount):
        raise InvalidInput("amount", _RULE, amount, secret=True)
    if not _CURRENCY.fullmatch(currency):
        raise InvalidInput("currency", "must be three capital letters, such as EUR", currency, secret=True)
    return word, to_amount(amount, minimum=CENT), currency


async def _show(session: Session, repeat: Repeat, charge: Charge, currency: str | None, deed: str) -> None:
    is_repeated = repeat.tell(charge, deed)
    session.terminal.show_one(repeat.row(charge, currency=currency, is_repeated=is_repeated), _CHARGE)
    await repeat.acknowledge()
