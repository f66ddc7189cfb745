"""Cross references in docstrings: a public name between backticks leads to its place in the reference."""

from __future__ import annotations

import inspect
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import griffe

import voucher_async

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Crossing", "crossed"]

_CODE: Final = re.compile(r"(?<![`\[])`(?P<name>[A-Za-z_][A-Za-z_.]*)(?P<call>\(\))?`(?![`\]])")
_MEMBER: Final = re.compile(r"[a-z][a-z_]*")
_FENCE: Final = "```"


@cache
def _public() -> Mapping[str, str]:
    """The full name of each public name, and of each member of a class, such as `VoucherClient.redeem`."""
    names = {name: f"voucher_async.{name}" for name in voucher_async.__all__}
    for name, path in tuple(names.items()):
        value = getattr(voucher_async, name)
        for member in filter(_MEMBER.fullmatch, dir(value) if isinstance(value, type) else ()):
            held = getattr(value, member)
            # what is described with its class has no place of its own
            has_place = inspect.isroutine(held) or isinstance(held, property)
            names[f"{name}.{member}"] = f"{path}.{member}" if has_place else path
    resources = {
        "vouchers": "Vouchers",
        "charges": "Charges",
        "reservations": "Reservations",
        "clients": "Clients",
    }
    for module, owner in resources.items():
        names[f"client.{module}"] = f"voucher_async.resources.{module}.{owner}"
    return names


def crossed(text: str, owner: str = "") -> str:
    """A docstring with its public names as references; blocks of code stay.

    Args:
        text: the docstring.
        owner: the class that it belongs to, whose methods it names by their own names.
    """

    def reference(match: re.Match[str]) -> str:
        names = _public()
        own = names.get(f"{owner}.{match['name']}", "")
        # fields of a class are described with it: they need no link to where one is
        path = own if own.endswith(f".{match['name']}") else names.get(match["name"])
        return match.group() if path is None else f"[{match.group()}][{path}]"

    parts = text.split(_FENCE)
    return _FENCE.join(part if index % 2 else _CODE.sub(reference, part) for index, part in enumerate(parts))


class Crossing(griffe.Extension):
    """Rewrites every docstring of the package as it is read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Put references into the docstring of an object."""
        if obj.docstring is not None:
            owner = obj if obj.is_class else obj.parent
            obj.docstring.value = crossed(obj.docstring.value, owner.name if owner is not None else "")
