"""Every test: no settings from the developer's shell, and random failures that can be replayed."""

from __future__ import annotations

import asyncio
import os
import traceback
from asyncio import constants
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, settings

from tests import seeds
from tests.shares import has_file, in_other_files, left_out, read_share

# No deadline, as machines are busy; a failure prints the blob that replays it. The phase that explains a
# failure traces each line of what it repeats: slow tests then outlive their time limit, and tell only that.
settings.register_profile("gate", deadline=None, print_blob=True, phases=set(Phase) - {Phase.explain})
settings.load_profile("gate")

# Debug mode keeps ten frames of each callback and, as C code does not look at that constant, all frames of
# each task and future: a third of the time. The tests need its checks, not the frames; remove these lines to
# see them.
vars(constants)["DEBUG_STACK_DEPTH"] = 0
vars(traceback)["walk_stack"] = lambda _frame: iter(())


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--share",
        type=read_share,
        default=(1, 1),
        metavar="NUMBER/COUNT",
        help="of each file run this share; COUNT shares have all of it, but half of the big tables of cases",
    )
    parser.addoption(
        "--files",
        type=read_share,
        default=(1, 1),
        metavar="NUMBER/COUNT",
        help="collect this share of the files; COUNT shares have each once",
    )
    parser.addoption(
        "--seed",
        type=int,
        default=seeds.DEFAULT,
        metavar="NUMBER",
        help="what every random test draws from (default: %(default)s)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    seeds.plant(config.getoption("seed"))
    if config.getoption("hypothesis_seed", None) is None:
        config.option.hypothesis_seed = seeds.chosen()


def pytest_report_header(config: pytest.Config) -> str:
    return f"random tests draw from --seed={seeds.chosen()}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    if exitstatus:
        terminalreporter.write_line(f"random tests drew from --seed={seeds.chosen()}: it replays them")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    path = collection_path.relative_to(config.rootpath).as_posix()
    is_others = path.endswith(".py") and not has_file(path, *config.getoption("files"))
    return is_others or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    ids = [item.nodeid for item in items]
    # pytest asks of no file that is named on its command line whether to ignore it
    others = left_out(ids, *config.getoption("share")) | in_other_files(ids, *config.getoption("files"))
    if others:
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in others])
        items[:] = [item for item in items if item.nodeid not in others]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("VOUCHER_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def _loop_of_the_main_thread() -> Iterator[None]:
    # pytest-asyncio below 1.4 makes a loop where there is none, and never closes it
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder with README.md, openapi and examples."""
    return Path(__file__).resolve().parent.parent
