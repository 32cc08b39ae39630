"""A machine that knows nothing of winter-sync yet, a settings file on it, and how errors show."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from winter_sync.config import credentials

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def leave_bare(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    """Leave nothing of the developer's machine in reach; the home is in a directory."""
    for name in (
        "WINTER_SYNC_CONFIG",
        "WINTER_API_PROGRAM",
        "WINTER_API_USER",
        "WINTER_API_PASSWORD",
        "WINTER_API_KEY",
        "CREDENTIALS_DIRECTORY",
        "XDG_CONFIG_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(directory / "home"))
    monkeypatch.setattr(credentials, "_SECRET_DIRECTORY", directory / "run-secrets")


def write(directory: Path, text: str) -> Path:
    """Write a settings file."""
    path = directory / "winter-sync.toml"
    path.write_text(text)
    return path


def whole_text(error: BaseException) -> str:
    """Return all that any way of printing an error, its causes and its context would show."""
    chain: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        if (link := todo.pop()) is not None and link not in chain:
            chain.append(link)
            todo += [link.__cause__, link.__context__]
    shown = [f"{link} {link!r} {link.__dict__}" for link in chain]
    return "\n".join([*shown, *traceback.format_exception(error)])
