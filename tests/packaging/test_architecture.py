"""The packages: what one takes of another stands in the other's interface, and is there."""

from __future__ import annotations

import ast
import importlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import winter_sync

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(winter_sync.__file__).parent
PACKAGES = sorted(path.parent.name for path in SOURCE.glob("*/__init__.pyi"))


@cache
def imports(path: Path) -> tuple[tuple[str, str], ...]:
    """Find all that a module imports from us: the module named, and the name taken of it."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("winter_sync."):
            assert node.module is not None
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (
                (alias.name, "") for alias in node.names if alias.name[:12] == "winter_sync."
            )


def home(path: Path) -> str:
    """Return the package that a module belongs to; itself where it belongs to none."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def exported(package: str) -> set[str]:
    """Read what a package lets others use."""
    return set(importlib.import_module(f"winter_sync.{package}").__all__)


def test_other_packages_are_used_by_their_interface_alone() -> None:
    """Nobody reaches into a package: what others may use, it says in its `__init__`."""
    beyond = [
        f"{path.relative_to(SOURCE)}: {module}.{name}"
        for path in sorted(SOURCE.rglob("*.py"))
        for module, name in imports(path)
        if home(path) != module.split(".")[1]
        and (module.count(".") > 1 or name not in exported(module.split(".")[1]))
    ]
    assert beyond == []


@pytest.mark.parametrize("package", PACKAGES)
def test_what_a_package_exports_is_there(package: str) -> None:
    """Each name is available, and the first line says what the package is for."""
    module = importlib.import_module(f"winter_sync.{package}")
    assert all(hasattr(module, name) for name in module.__all__)
    assert (module.__doc__ or "").splitlines()[0].endswith(".")


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_is_exported_in_vain(package: str) -> None:
    """An interface is no larger than its use: here, by the tests, or in the public names."""
    others = [path for path in SOURCE.rglob("*.py") if home(path) != package]
    used = {
        name
        for path in [*others, *(SOURCE.parent / "tests").rglob("*.py")]
        for module, name in imports(path)
        if module == f"winter_sync.{package}"
    }
    public = set(winter_sync.__all__) if package == "api" else set()
    assert exported(package) - used - public == set()


def test_events_are_joined_where_a_process_or_a_mirror_is_put_together() -> None:
    """Whoever emits is given one sink: several are joined where a process is put together."""
    joins = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if "fan_out(" in path.read_text(encoding="utf-8")
    }
    assert joins == {
        *("core/sinks.py", "factory/mirror.py"),
        *("cli/progress/display.py", "cli/commands/run.py", "daemon/monitor.py"),
    }
