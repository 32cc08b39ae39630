"""All commands by name, each made when it is asked for: making all takes longer than most do."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

import typer

from winter_sync.cli.examples import epilog_of
from winter_sync.cli.place import PLACE_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typer._click import Command

_NAMES = (
    "init",
    "run",
    "sync",
    "backfill",
    "verify",
    "adopt",
    "status",
    "history",
    "restore",
    "list",
    "covers",
    "cutout",
    "alerts",
    "export",
    "nightlog",
    "events",
    "show",
    "web",
    "check",
    "explain",
    "simulate",
    "demo",
)
"""In the order of `--help`; each is a module, and its function has the same name."""

_FUNCTIONS = {"list": "list_products"}
"""Where the function has another name."""

_WITH_A_PLACE = {"covers", "cutout"}


class Commands(Mapping[str, "Command"]):
    """The commands."""

    def __init__(self) -> None:
        self._made: dict[str, Command] = {}

    def __getitem__(self, name: str) -> Command:
        if name in _NAMES and name not in self._made:
            self._made[name] = _make(name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_NAMES)

    def __len__(self) -> int:
        return len(_NAMES)


def _make(name: str) -> Command:
    module = import_module(f"winter_sync.cli.commands.{name}")
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    alone.command(
        name,
        context_settings=PLACE_SETTINGS if name in _WITH_A_PLACE else None,
        epilog=epilog_of(name),
    )(getattr(module, _FUNCTIONS.get(name, name)))
    return typer.main.get_command(alone)
