"""Values that travel: written as a dict or as JSON, read back, and taken by pydantic."""

from __future__ import annotations

import json
from collections.abc import Callable, KeysView, Mapping
from typing import Any, ClassVar, Self, TypeVar, cast

import attrs

from voucher_async.errors import InvalidInput, VoucherError

__all__ = ["Value", "WithError", "Written"]

T = TypeVar("T")

# The converter and the schemas are imported when used: models load neither msgspec nor pydantic.


class Written:
    """A value that can be written as JSON, by itself, by pydantic and by FastAPI.

    `dict(value)` is `value.to_dict()`: so FastAPI writes what a handler without an annotation returns.
    """

    __slots__ = ()
    __iter__: ClassVar[None] = None  # a single value that was taken for a list is a TypeError

    def to_dict(self) -> dict[str, Any]:
        """The value as JSON has it, with the API's names of fields and values.

        Amounts are texts with two decimals, moments ISO 8601 with an offset. Secrets that the value has are
        in it, such as `code` and `pin` of a `CompleteVoucher`, for the mail to the customer; its `repr` shows
        none.
        """
        return self._written(self)

    def to_json(self) -> str:
        """The value as JSON text: that of `to_dict`."""
        return json.dumps(self.to_dict())

    def keys(self) -> KeysView[str]:
        """The names in `to_dict`, for `dict(value)`."""
        return self.to_dict().keys()

    def __getitem__(self, name: str) -> Any:
        return self.to_dict()[name]

    @classmethod
    def _written(cls, value: Any) -> dict[str, Any]:
        """A value of this class, or of a derived one: without the fields that the derived class adds."""
        from voucher_async.wire import to_builtins  # noqa: PLC0415 - see the top

        return to_builtins(value, cls)

    @classmethod
    def _read(cls, content: Mapping[str, Any]) -> Self:
        raise InvalidInput(cls.__name__, "cannot be read from JSON", type(content).__name__)

    @classmethod
    def _json_schema(cls) -> dict[str, Any]:
        from voucher_async.schemas import described  # noqa: PLC0415 - see the top

        return described(cls)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from voucher_async.schemas import core_schema_of  # noqa: PLC0415 - see the top

        return core_schema_of(cls, cls._read, cls._written)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> Any:
        from voucher_async.schemas import json_schema_of  # noqa: PLC0415 - see the top

        return json_schema_of(cls._json_schema(), core_schema, handler)


class WithError(Written):
    """A value with a field `error`, an exception or None. As JSON it has the text of that."""

    __slots__ = ()

    @classmethod
    def _written(cls, value: Any) -> dict[str, Any]:
        error = value.error
        words = type(error).__name__ if error is not None else None
        if isinstance(error, VoucherError):
            words = f"{words}: {error}"  # of another error nobody knows whether it holds a secret
        return {**super()._written(attrs.evolve(value, error=None)), "error": words}


class Value(Written):
    """A value that can be read back from what it was written as."""

    __slots__ = ()

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """The value that `to_dict` has written. Names that it does not know are ignored.

        Args:
            content: the dict, or another mapping.

        Raises:
            InvalidInput: something is missing or of the wrong type, or a request breaks a rule; the value
                itself is not shown.
        """
        found = _without_frames(cls._of_mapping, content)
        del content
        if isinstance(found, InvalidInput):
            raise found
        return found

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The value that `to_json` has written; its names are the API's.

        Args:
            text: the JSON text.

        Raises:
            InvalidInput: as for `from_dict`, or it is no JSON.
        """
        found = _without_frames(cls._of_text, text)
        del text
        if isinstance(found, InvalidInput):
            raise found
        return found

    @classmethod
    def _of_text(cls, text: str | bytes) -> Self:
        from voucher_async.wire import WireError, parse  # noqa: PLC0415 - see the top

        try:
            content = parse(text.encode() if isinstance(text, str) else text)
        except (WireError, UnicodeError, AttributeError):
            raise InvalidInput(cls.__name__, "must be JSON text", type(text).__name__) from None
        return cls._of_mapping(content)

    @classmethod
    def _of_mapping(cls, content: object) -> Self:
        if not isinstance(content, Mapping):
            raise InvalidInput(cls.__name__, "must be a mapping", type(content).__name__)
        return cls._read(cast("Mapping[str, Any]", content))

    @classmethod
    def _read(cls, content: Mapping[str, Any]) -> Self:
        from voucher_async.wire import WireError, of_builtins  # noqa: PLC0415 - see the top

        try:
            return of_builtins(dict(content), cls)
        except WireError as error:
            raise InvalidInput(error.path or cls.__name__, error.reason, None, secret=True) from None


def _without_frames(read: Callable[[Any], T], source: object) -> T | InvalidInput:
    """The value that was read, or the error without the frames that hold what was to be read.

    A crash reporter prints the variables of every frame, and there may be a voucher's code in them.
    """
    try:
        return read(source)
    except InvalidInput as error:
        error.__context__ = None
        return error.with_traceback(None)
