"""Habits of answers: filters, pages, and words that contradict what was done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

from voucher_async.testing._validating import among, each_among, named, within

if TYPE_CHECKING:
    from voucher_async.testing._stored import OrderNumbers

__all__ = ["Contradiction", "Filters", "Pages", "frozen"]

_FILTERS: Final = ("created_from", "created_to", "order_number")
_META: Final = ("current_page", "from", "last_page", "path", "per_page", "to", "total")
_FIELDS: Final = (
    "id",
    "voucher_id",
    "client_id",
    "type",
    "amount",
    "order_number",
    "created_at",
    "updated_at",
)
_WORDS: Final = {"true": "1", "false": "0", "null": None}  # as a database receives PHP's true and false


def frozen(fields: Mapping[str, object]) -> Mapping[str, object]:
    """A copy of a mapping that nobody can change."""
    return MappingProxyType(dict(fields))


@attrs.frozen
class Filters:
    """Filters of lists are read in their own way. Without this, order numbers compare as they are stored.

    Attributes:
        split_commas: an order number is split at commas, each part is a choice, as spatie's
            laravel-query-builder does unless told otherwise.
        read_words: `true`, `false` and `null` are read as what they mean and not as texts, as there.
        ignored: filters that are not looked at: `created_from`, `created_to`, `order_number`.
        partial: a part of an order number is enough, as with spatie's `AllowedFilter::partial`, its default.
        fold: case does not count, as in MySQL's collations that end in `_ci`.
        like_stored: what is asked for is rewritten as order numbers are when they are stored.
    """

    split_commas: bool = False
    read_words: bool = False
    ignored: tuple[str, ...] = attrs.field(default=(), converter=named, validator=each_among(_FILTERS))
    partial: bool = False
    fold: bool = False
    like_stored: bool = False

    @property
    def unread(self) -> frozenset[str]:
        """The parameters of the query that are not looked at."""
        return frozenset(f"filter[{name}]" for name in self.ignored)

    def test(self, asked: str, order_numbers: OrderNumbers | None) -> Callable[[str | None], bool]:
        """Predicate that tells whether a stored order number is one that was asked for."""
        parts = asked.split(",") if self.split_commas else [asked]
        read = [_WORDS.get(part, part) if self.read_words else part for part in parts]
        if self.like_stored and order_numbers is not None:
            read = [order_numbers.stored(part) for part in read]
        wanted = [self._key(part) for part in read]

        def admits(stored: str | None) -> bool:
            key = self._key(stored)
            if key in wanted:
                return True
            return (
                self.partial and key is not None and any(part is not None and part in key for part in wanted)
            )

        return admits

    def _key(self, text: str | None) -> str | None:
        return text.casefold() if self.fold and text is not None else text


@attrs.frozen
class Pages:
    """Lists come on other pages, in another order or with other sums than was asked for.

    Attributes:
        largest: a greater `per_page` is lowered to it, as frameworks and gateways cap it.
        size: `per_page` is not looked at, pages have this size: Laravel's `paginate(15)`.
        order: `oldest` or `newest` first, or by `id`, which is no order in time where identifiers are random
            (`ORDER BY` a UUID, or none at all); None: as the emulator was made.
        missing: what is left out of `meta`: Laravel's `simplePaginate` has neither `total` nor `last_page`.
        total_off: what `meta.total` is too high by (below 0: too low), as an estimated or cached count is.
    """

    largest: int | None = attrs.field(default=None, validator=within(1, 10**6))
    size: int | None = attrs.field(default=None, validator=within(1, 10**6))
    order: Literal["oldest", "newest", "id"] | None = attrs.field(
        default=None, validator=among(None, "oldest", "newest", "id")
    )
    missing: tuple[str, ...] = attrs.field(default=(), converter=named, validator=each_among(_META))
    total_off: int = attrs.field(default=0, validator=within(-(10**6), 10**6))

    def per_page(self, asked: int) -> int:
        """Number of entries that a page has."""
        if self.size is not None:
            return self.size
        return asked if self.largest is None else min(asked, self.largest)

    def meta(self, meta: Mapping[str, object], total: int) -> dict[str, object]:
        """Metadata that the list shows about itself."""
        told = {**meta, "total": max(0, total + self.total_off)}
        return {name: value for name, value in told.items() if name not in self.missing}


@attrs.frozen
class Contradiction:
    """The answer to a charge, refund or recharge is a success that says something else than was done.

    A newer version of the API knows more types, a worker answers with the row that was written next to it, a
    proxy mixes answers up, a database without case finds `v-1` under `V-1`.

    Attributes:
        fields: by name, the JSON value that a charge object shows in place of the true one, or a function
            that makes it of the true one, such as `str.upper`.
        kinds: of which charge objects: `charge`, `refund`, `recharge`.
        in_lists: lists and reads show the same; otherwise they show the truth.
        share: of them, from 0 to 1.
        seed: of the random choices.

    Example:
        `Contradiction({"type": "credit", "voucher_id": str.upper}, kinds="recharge")`
    """

    fields: Mapping[str, Any] = attrs.field(converter=frozen, validator=each_among(_FIELDS))
    kinds: tuple[str, ...] = attrs.field(
        default=("charge", "refund", "recharge"),
        converter=named,
        validator=each_among(("charge", "refund", "recharge")),
    )
    in_lists: bool = False
    share: float = attrs.field(default=1.0, validator=within(0, 1))
    seed: int = 0

    def of(self, view: Mapping[str, object]) -> Mapping[str, object]:
        """Values that are shown in place of those of a true charge object."""
        return {name: _shown(value, view.get(name)) for name, value in self.fields.items()}


def _shown(value: Any, true: object) -> object:
    if not callable(value):
        return value
    return None if true is None else value(true)
