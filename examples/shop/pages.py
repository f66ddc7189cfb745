"""Pages: templates filled by Jinja, which escapes every value."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from . import card
from .goods import shown
from .notices import NOTICES
from .orders import Orders

__all__ = ["Store", "show"]

_pages: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_pages.filters["money"] = shown
_pages.globals.update(accepted=card.ACCEPTED, declined=card.DECLINED, notices=NOTICES)


def show(name: str, **values: Any) -> str:
    """Fill a template.

    Args:
        name: its name.
        **values: what it shows.
    """
    return _pages.get_template(f"{name}.html").render(values)


def _orders_of(request: Request) -> Orders:
    orders: Orders = request.app.state.orders
    return orders


Store = Annotated[Orders, Depends(_orders_of)]
"""The shop's orders, as the type of a handler's parameter."""
