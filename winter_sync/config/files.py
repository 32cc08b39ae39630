"""The settings file: where it is, and what it holds."""

from __future__ import annotations

import os
import shlex
import stat
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from winter_sync.config.sections import EXAMPLE
from winter_sync.core import (
    ErrorCode,
    NotRegularFileError,
    TooLargeError,
    UsageError,
    file_kind,
    read_regular,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG_ENV = "WINTER_SYNC_CONFIG"
FILE = "winter-sync/winter-sync.toml"
"""The settings file, relative to `$XDG_CONFIG_HOME` (or else `~/.config`) and to `/etc`."""
_ABSENT = "not found"
_LONGEST_FILE = 1024 * 1024
_COPY_THE_EXAMPLE = f"Copy {EXAMPLE} there and fill it in"


def find_file(config: Path | None = None) -> Path | None:
    """Return the settings file that `load_settings` reads; None if there is none.

    Raises
    ------
    UsageError
        If `config` or `$WINTER_SYNC_CONFIG` names a file that cannot be used.
    """
    named = config or (Path(found) if (found := os.environ.get(CONFIG_ENV)) else None)
    if named is None:
        return next((path for path in _usual_places(os.environ) if _is_file(path)), None)
    if obstacle := _obstacle(named):
        written = (
            f"`winter-sync init --config {shlex.quote(str(named))}` writes it; or give another"
        )
        raise UsageError(
            f"settings file {named}: {obstacle}",
            remedy=f"{written if obstacle == _ABSENT else 'Give another'} with --config.",
            code=ErrorCode.SETTINGS_FILE,
        )
    return named


def new_file(config: Path | None = None) -> Path:
    """Return where `init` writes settings: where they are looked for first."""
    named = config or os.environ.get(CONFIG_ENV) or _usual_places(os.environ)[0]
    return Path(named).expanduser().absolute()


def _usual_places(environ: Mapping[str, str]) -> tuple[Path, ...]:
    home = environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111 - never fails
    return Path(home, FILE), Path("/etc", FILE)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except PermissionError:
        return False


def _obstacle(path: Path) -> str | None:
    """Return why a path is no settings file; None if it is a regular file.

    Waiting for a pipe or a device might never end.
    """
    try:
        mode = path.stat().st_mode
    except PermissionError:
        return "not readable"
    except OSError:
        return _ABSENT
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISDIR(mode):
        return "is a directory"
    return f"cannot be read: this is {file_kind(mode)}, not a regular file"


def read_toml(path: Path) -> dict[str, Any]:
    """Read a settings file.

    Raises
    ------
    UsageError
        If it cannot be read or is not TOML, without a word of what is in it.
    """
    content = _read(path)
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as broken:
        fault = f"line {content[: broken.start].count(10) + 1} is not UTF-8"
    except RecursionError:
        fault = "it is nested too deep"
    except ValueError as broken:
        fault = str(broken).splitlines()[0]
    # Raised here, because those exceptions hold the whole file, and with it the secrets.
    raise UsageError(
        f"{path} is not TOML: {fault}",
        remedy="Fix that line of the file.",
        code=ErrorCode.SETTINGS_TOML,
    )


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, _LONGEST_FILE, follow=True)
    except OSError as unreadable:
        odd = isinstance(unreadable, NotRegularFileError | TooLargeError)
        raise UsageError(
            f"{path} cannot be read: {unreadable.strerror}",
            remedy=f"{_COPY_THE_EXAMPLE}." if odd else "Check its owner and mode.",
            code=ErrorCode.SETTINGS_FILE,
        ) from None


def holds_secret(path: Path) -> bool:
    """Return whether a settings file contains a password or a key, and not only where they are.

    Raises
    ------
    UsageError
        If it cannot be read.
    """
    return _holds_secret(read_toml(path))


def _holds_secret(table: Mapping[str, Any]) -> bool:
    for key, value in table.items():
        if key in {"password", "api_key", "secret"} and value:
            return True
        if key == "proxy" and "@" in str(value):
            return True
        tables = value if isinstance(value, list) else [value]
        if any(_holds_secret(inner) for inner in tables if isinstance(inner, dict)):
            return True
    return False
