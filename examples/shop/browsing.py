"""The shelf and the cart."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse

from . import carts
from .goods import GOODS
from .pages import Store, show
from .visits import Form, Session

__all__ = ["router"]

router: Final = APIRouter(default_response_class=HTMLResponse)

# after a form a page is shown by a request of its own: loading it anew sends no form again


@router.get("/")
def shelf(session: Session, orders: Store) -> str:
    """Show all goods."""
    return show("shelf", goods=GOODS.values(), cart=carts.cart_of(orders.database, session))


@router.get("/cart")
def cart(session: Session, orders: Store) -> str:
    """Show the cart."""
    return show("cart", cart=carts.cart_of(orders.database, session), most=carts.MOST)


@router.post("/cart")
def add(session: Session, orders: Store, form: Form) -> RedirectResponse:
    """Put one thing into the cart."""
    carts.add(orders.database, session, form.get("sku", ""))
    return RedirectResponse("/cart", 303)


@router.post("/cart/change")
def change(session: Session, orders: Store, form: Form) -> RedirectResponse:
    """Have more or fewer of a thing."""
    quantity = form.get("remove") or form.get("quantity", "")
    if quantity.isdecimal():
        carts.change(orders.database, session, form.get("sku", ""), int(quantity[:4]))
    return RedirectResponse("/cart", 303)


@router.post("/orders")
def place(session: Session, orders: Store, form: Form) -> RedirectResponse:
    """Make an order of the cart; a second click makes no second one."""
    del form  # it has no fields, and was checked to come from this site
    number = carts.place(orders.database, session)
    return RedirectResponse("/cart" if number is None else f"/orders/{number}/checkout", 303)
