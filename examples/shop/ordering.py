"""An order: its vouchers, its payment, its receipt and its refund."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from voucher_async.integrations.fastapi import Vouchers

from . import carts, payments
from .orders import MOST_REFUSALS, Order
from .pages import Store, show
from .visits import Form, Session

__all__ = ["router"]

router: Final = APIRouter(default_response_class=HTMLResponse)


def _order_of(number: str, session: Session, orders: Store) -> Order:
    """The visitor's own order.

    Raises:
        HTTPException: there is none, or it is another visitor's.
    """
    order = orders.find(number, session)
    if order is None:
        raise HTTPException(404)
    return order


Own = Annotated[Order, Depends(_order_of)]


def _to_order(order: Order) -> RedirectResponse:
    return RedirectResponse(f"/orders/{order.number}", 303)


def _to_checkout(order: Order) -> RedirectResponse:
    return RedirectResponse(f"/orders/{order.number}/checkout", 303)


@router.get("/orders")
def all_orders(session: Session, orders: Store) -> str:
    """Show the visitor's orders."""
    return show("orders", orders=orders.of(session), cart=carts.cart_of(orders.database, session))


@router.get("/orders/{number}/checkout", response_model=None)
def checkout(order: Own, orders: Store) -> str | Response:
    """Show what is to be paid, and by what."""
    if order.state != "open":
        return _to_order(order)
    seconds = order.seconds(orders.now())
    return show("checkout", order=order, seconds=seconds, is_closed=order.refusals >= MOST_REFUSALS)


@router.post("/orders/{number}/vouchers")
async def add_voucher(order: Own, orders: Store, vouchers: Vouchers, form: Form) -> Response:
    """Use a voucher."""
    if order.state == "open":
        code, pin = form.get("code", "").strip()[:255], form.get("pin", "").strip()[:255]
        notice = await payments.add_voucher(vouchers, orders, order, code, pin or None)
        await asyncio.to_thread(orders.note, order.number, notice, refused=notice == "refused")
    return _to_checkout(order)


@router.post("/orders/{number}/vouchers/{id}/remove")
async def remove_voucher(order: Own, id: int, orders: Store, vouchers: Vouchers, form: Form) -> Response:
    """Take a voucher off; the others may cover more then."""
    del form
    await asyncio.to_thread(orders.drop, order.number, id)
    left = await asyncio.to_thread(orders.find, order.number)
    if left is not None and left.state == "open":
        notice = await payments.hold_again(vouchers, orders, left)
        await asyncio.to_thread(orders.note, order.number, "removed" if notice == "renewed" else notice)
    return _to_checkout(order)


@router.post("/orders/{number}/renew")
async def renew(order: Own, orders: Store, vouchers: Vouchers, form: Form) -> Response:
    """Hold the vouchers for another half-hour."""
    del form
    if order.state == "open":
        notice = await payments.hold_again(vouchers, orders, order)
        await asyncio.to_thread(orders.note, order.number, notice)
    return _to_checkout(order)


@router.post("/orders/{number}/pay")
async def pay(order: Own, orders: Store, vouchers: Vouchers, form: Form) -> Response:
    """Pay. However often it is sent, and wherever it is cut off, the order is paid once."""
    if order.state == "open":
        rest = form.get("rest", "")
        seen = int(rest[:9]) if rest.isdecimal() else -1
        notice = await payments.begin(orders, order, seen, form.get("card", ""))
        if notice is not None:
            await asyncio.to_thread(orders.note, order.number, notice)
            return _to_checkout(order)
    await payments.ask_again(vouchers, orders, order.number)
    return _to_order(order)


@router.post("/orders/{number}/ask")
async def ask(order: Own, orders: Store, vouchers: Vouchers, form: Form) -> Response:
    """Ask what became of a payment, or of a refund, that is not known yet."""
    del form
    if order.state == "paying":
        await payments.ask_again(vouchers, orders, order.number)
    elif order.state == "refunding":
        await payments.refund(vouchers, orders, order.number)
    return _to_order(order)


@router.get("/orders/{number}", response_model=None)
def receipt(order: Own) -> str | Response:
    """Show the receipt, or how the payment stands."""
    return _to_checkout(order) if order.state == "open" else show("order", order=order)


@router.get("/orders/{number}/state", response_model=None)
def state(order: Own, orders: Store) -> Response:
    """Tell a page how its order stands now; as JSON, for the script."""
    said: dict[str, Any] = {"state": order.state, "rest": order.rest, "seconds": order.seconds(orders.now())}
    return JSONResponse(said)


@router.post("/orders/{number}/refund")
async def refund(order: Own, orders: Store, vouchers: Vouchers, form: Form) -> Response:
    """Give all of the money back; a second click gives nothing more."""
    del form
    if order.state == "paid":
        await asyncio.to_thread(orders.begin_refund, order.number)
    await payments.refund(vouchers, orders, order.number)
    return _to_order(order)
