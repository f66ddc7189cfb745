"""Signatures for frameworks that look at a callable and fill in its parameters themselves."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

__all__ = ["called_without_arguments"]

F = TypeVar("F", bound=Callable[..., Any])


class _Bare(inspect.Signature):
    """A signature that shows the class alone, and binds the arguments of the whole one."""

    __slots__ = ()
    whole: ClassVar[inspect.Signature]

    def bind(self, /, *args: Any, **kwargs: Any) -> inspect.BoundArguments:
        """The arguments by their parameters, as a mock with this signature checks them."""
        return self.whole.bind(*args, **kwargs)

    def __str__(self) -> str:
        return str(self.whole)


def called_without_arguments(function: F) -> F:
    """A decorator below `classmethod`: `inspect.signature` shows no parameters.

    FastAPI fills in what it sees from the request, so that whoever sends one would choose the environment and
    the API's address. As it sees none, a class method can be a dependency.
    """
    whole = inspect.signature(function)
    cls, *others = whole.parameters.values()
    of_function = type("_Bare", (_Bare,), {"__slots__": (), "whole": whole.replace(parameters=others)})
    untyped: Any = function
    untyped.__signature__ = of_function([cls], return_annotation=whole.return_annotation)
    return function
