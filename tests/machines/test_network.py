"""Links that are cut: a client sees silence or resets, in both kinds of networks, others nothing."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from tests.machines.network import Means, means
from tests.machines.probing import SEEN
from tests.outage.namespace import prefix
from tests.processes import plain_environment


@pytest.mark.parametrize("kind", sorted({"relays", means()[0]}))  # what the storm takes here, and relays
async def test_a_cut_link_is_silent_or_resets_and_a_mended_one_is_as_before(kind: Means, root: Path) -> None:
    within = prefix() if kind == "namespaces" else ()
    command = (*within, sys.executable, "-m", "tests.machines.probing", kind)
    running = await asyncio.create_subprocess_exec(*command, stdout=PIPE, cwd=root, env=plain_environment())
    said, _ = await running.communicate()
    assert running.returncode == 0
    assert json.loads(said) == [[word, "echo"] for word in SEEN]
