"""The public names: listed, sorted, documented, and at home in one place."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import voucher_async
import voucher_async.models
import voucher_async.testing

PACKAGES = [voucher_async, voucher_async.models, voucher_async.testing]
# DBOS needs a newer SQLAlchemy than the lowest, so only the environment of the source has it
ABSENT = () if importlib.util.find_spec("dbos") else ("voucher_async.integrations.dbos",)
MODULES = [
    importlib.import_module(found.name)
    for found in pkgutil.walk_packages(voucher_async.__path__, "voucher_async.")
    if not found.name.endswith("__main__") and not found.name.startswith(ABSENT)
]


def named(module: ModuleType) -> str:
    return module.__name__


def imported_names(module: ModuleType, *, for_types: bool = False) -> dict[str, str]:
    """What the module itself imports of this package under a public name, and from where.

    Args:
        module: the module.
        for_types: inside of `if TYPE_CHECKING`, instead of outside.
    """
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    body = [line for node in tree.body if isinstance(node, ast.If) for line in node.body]
    imports = [node for node in (body if for_types else tree.body) if isinstance(node, ast.ImportFrom)]
    return {
        alias.asname or alias.name: str(node.module)
        for node in imports
        for alias in node.names
        if str(node.module).startswith("voucher_async")
    }


@pytest.mark.parametrize("package", PACKAGES[1:], ids=named)
def test_all_lists_exactly_what_is_imported(package: ModuleType) -> None:
    assert set(package.__all__) == set(imported_names(package))


def test_what_is_loaded_later_is_what_type_checkers_are_told() -> None:
    told = imported_names(voucher_async, for_types=True)
    assert told == voucher_async._MODULES
    assert set(voucher_async.__all__) == {*told, *imported_names(voucher_async)}
    for name, module in told.items():
        assert getattr(voucher_async, name) is getattr(importlib.import_module(module), name)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'voucher_async' has no attribute 'Vouchers'"):
        voucher_async.Vouchers  # type: ignore[attr-defined]  # noqa: B018


def test_all_names_are_shown_before_they_are_loaded() -> None:
    program = "import voucher_async; assert set(voucher_async.__all__) <= set(dir(voucher_async))"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("package", PACKAGES, ids=named)
def test_all_is_sorted_and_lists_nothing_twice(package: ModuleType) -> None:
    constants = sorted(name for name in package.__all__ if name.isupper())
    others = sorted(name for name in package.__all__ if not name.isupper() and not name.startswith("__"))
    functions = [name for name in others if name[0].islower()]
    dunders = [name for name in package.__all__ if name.startswith("__")]
    classes = [name for name in others if name[0].isupper()]
    assert package.__all__ == [*constants, *classes, *dunders, *functions]
    assert len(set(package.__all__)) == len(package.__all__)


@pytest.mark.parametrize("module", MODULES, ids=named)
def test_every_listed_name_exists(module: ModuleType) -> None:
    missing = [name for name in getattr(module, "__all__", ()) if not hasattr(module, name)]
    assert missing == []


@pytest.mark.parametrize("module", [voucher_async, *MODULES], ids=named)
def test_everything_public_has_a_docstring(module: ModuleType) -> None:
    assert module.__doc__, module.__name__
    own = [getattr(module, name) for name in getattr(module, "__all__", ())]
    objects = [each for each in own if inspect.isclass(each) or inspect.isfunction(each)]
    undocumented = [each.__qualname__ for each in objects if not own_docstring(each)]
    undocumented += [name for each in objects if inspect.isclass(each) for name in bare_methods(each)]
    assert undocumented == []


def own_docstring(each: type | object) -> str | None:
    """The docstring written for it: what a class inherits, or attrs makes, does not count."""
    return each.__dict__.get("__doc__") if inspect.isclass(each) else each.__doc__


def bare_methods(cls: type) -> list[str]:
    members = {name: getattr(m, "fget", m) or m for name, m in vars(cls).items() if not name.startswith("_")}
    return [
        f"{cls.__qualname__}.{name}"
        for name, member in members.items()
        if inspect.isfunction(member) and not member.__doc__
    ]


def test_a_star_import_brings_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from voucher_async import *", names)
    assert set(voucher_async.__all__) <= set(names)
