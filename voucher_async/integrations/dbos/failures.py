"""Errors that end a step, on their way through DBOS's tables and back.

DBOS pickles an error, and the same one is raised when its workflow is gone on with. A serializer that writes
JSON keeps its name, its text and its `data`: so each has the problem and the proof there, and is read back as
a `RecordedFailure`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from dbos import PortableWorkflowError

from voucher_async.errors import VoucherError
from voucher_async.integrations.problems import Problem

__all__ = ["RecordedFailure", "describe", "read_back"]


class RecordedFailure(VoucherError):
    """An error that ended a step in an earlier run, where DBOS writes JSON.

    Attributes:
        name: the name of its class, such as `Conflict`.
        data: its problem details, and the names of the operation, the fate and the proof. `fate` and `proof`
            themselves are not set: what was read from a text proves nothing.
    """

    def __init__(self, message: str, *, name: str, data: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.name: str = name
        self.data: dict[str, Any] = dict(data)


def describe(error: VoucherError, problem: Problem) -> None:
    """Give an error the `data` that DBOS writes beside its text where it writes JSON; no secret is in it."""
    facts = {
        "operation": None if error.facts is None else error.facts.operation,
        "fate": None if error.fate is None else error.fate.value,
        "proof": None if error.proof is None else error.proof.value,
    }
    vars(error)["data"] = problem.to_dict() | facts


@contextmanager
def read_back() -> Generator[None]:
    """Raise an error of the SDK that was written as JSON as one of the SDK."""
    try:
        yield
    except PortableWorkflowError as error:
        data = error.data if isinstance(error.data, dict) else None
        if data is None or not str(data.get("type")).startswith("urn:voucher-async:"):
            raise
        raise RecordedFailure(error.message, name=error.name, data=cast("dict[str, Any]", data)) from error
