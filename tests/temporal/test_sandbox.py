"""Temporal's sandbox, which loads the modules of a workflow anew: what has to stand in its file."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Final

import pytest
from temporalio import workflow
from temporalio.worker.workflow_sandbox import RestrictedWorkflowAccessError, SandboxedWorkflowRunner

from examples.temporal_checkout import Checkout
from examples.temporal_worker import PayOrder

IMPORTED: Final = "from examples.temporal_payments import Payments\n"
PASSED_THROUGH: Final = f"with workflow.unsafe.imports_passed_through():\n    {IMPORTED}"
WORKFLOW: Final = """

@workflow.defn
class Pay:
    @workflow.run
    async def run(self, number: str) -> str:
        return number
"""


def prepare(kind: type) -> None:
    """Load a workflow into the sandbox, as a worker does when it is made; needs a running loop."""
    SandboxedWorkflowRunner().prepare_workflow(workflow._Definition.must_from_class(kind))


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> type:
    """A workflow in a file of its own, with the imports of the test's parameter."""
    (tmp_path / "own_workflow.py").write_text(f"from temporalio import workflow\n{request.param}{WORKFLOW}")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_workflow", raising=False)
    kind: type = importlib.import_module("own_workflow").Pay
    return kind


@pytest.mark.parametrize("kind", [Checkout, PayOrder])
async def test_the_examples_may_be_loaded_into_the_sandbox(kind: type) -> None:
    prepare(kind)


@pytest.mark.parametrize("own", [PASSED_THROUGH], indirect=True)
async def test_a_workflow_may_import_activities_that_are_passed_through(own: type) -> None:
    prepare(own)


@pytest.mark.parametrize("own", [IMPORTED], indirect=True)
async def test_a_worker_is_not_made_where_they_are_not(own: type) -> None:
    with pytest.raises(RestrictedWorkflowAccessError, match="mark the import as pass through"):
        prepare(own)
