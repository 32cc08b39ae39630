"""What is needed for a mirror: from options and the environment, else asked for at a terminal."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field, replace
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from winter_sync.cli.process import say
from winter_sync.cli.setup.winterapi_store import Stored
from winter_sync.cli.wrapping import terminal_width, wrap
from winter_sync.config import check_root
from winter_sync.core import ErrorCode, ImageType, Instrument, StorageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

BASE_URL_VARIABLE = "WINTER_SYNC_API__BASE_URL"
"""It is written into the settings, which would lead elsewhere without it."""
_PROGRAM = r"[A-Za-z0-9]{8}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the options say; what is None or empty was not given."""

    root: Path | None
    user: str | None
    programs: tuple[str, ...]
    image_types: tuple[ImageType, ...]
    instruments: tuple[Instrument, ...]
    base_url: str | None
    stored: Stored = field(default_factory=Stored)
    """What the client `winterapi` keeps, where that is taken over."""


@dataclass(frozen=True, slots=True)
class Answers:
    """All that is needed for a mirror; printing it shows no secret."""

    root: Path
    user: str
    password: str = field(repr=False)
    keys: dict[str, str] = field(repr=False)
    """The key of each program, by its name."""
    image_types: tuple[ImageType, ...] = ()
    instruments: tuple[Instrument, ...] = ()
    base_url: str | None = None


def is_interactive() -> bool:
    """Return whether there is somebody at a terminal to ask."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def answers_of(wanted: Wanted) -> Answers:
    """Return what is needed: from the options, the client's store, the environment, or asked for.

    Raises
    ------
    UsageError
        If something is missing and there is nobody to ask: all that is missing is named.
    StorageError
        If the root cannot be created.
    """
    _refuse_other_account(wanted)
    if not is_interactive():
        _require_all(wanted)
    user = _user(wanted) or _ask("User (an e-mail address)")
    password = _password(wanted) or _ask_secret("Password (not shown)")
    names = _programs(wanted) or _ask_programs()
    keys = {
        name: _key(name, names, wanted.stored) or _ask_secret(f"Key of {name} (not shown)")
        for name in names
    }
    return Answers(
        _root(wanted),
        user,
        password,
        keys,
        wanted.image_types,
        wanted.instruments,
        wanted.base_url,
    )


def variables_used(wanted: Wanted) -> tuple[str, ...]:
    """Return the variables of the environment that answer what neither options nor store do."""
    stored = wanted.stored
    has_programs = wanted.programs or stored.keys
    used = {
        "WINTER_API_USER": not (wanted.user or stored.user),
        "WINTER_API_PASSWORD": not stored.password,
        "WINTER_API_PROGRAM": not has_programs,
        BASE_URL_VARIABLE: wanted.base_url == os.environ.get(BASE_URL_VARIABLE),
    }
    return tuple(name for name, is_used in used.items() if is_used and os.environ.get(name))


def ask_again(answers: Answers, program: str | None) -> Answers:
    """Return answers in which what the archive refused is asked for once more: the rest stays.

    Parameters
    ----------
    answers
        The answers so far.
    program
        The program whose key was refused; None for the user or the password.
    """
    if program is None:
        user = _ask("User (an e-mail address)", answers.user)
        return replace(answers, user=user, password=_ask_secret("Password (not shown)"))
    asked = f"Key of {program} (not shown)"
    return replace(answers, keys={**answers.keys, program: _ask_secret(asked)})


def ask_types() -> tuple[ImageType, ...]:
    """Ask which image types to mirror."""

    def read(text: str) -> tuple[ImageType, ...]:
        words = [word for word in re.split(r"[,\s]+", text) if word]
        return tuple(dict.fromkeys(ImageType(word) for word in words))

    asked = f"Types to mirror ({', '.join(ImageType)})"
    return _ask_until(asked, read, "Write one or several of these, like stack,diff.", "stack")


def ask_instruments() -> tuple[Instrument, ...]:
    """Ask which cameras to mirror."""

    def read(text: str) -> tuple[Instrument, ...]:
        words = [word for word in re.split(r"[,\s]+", text) if word]
        return tuple(dict.fromkeys(Instrument(word) for word in words))

    asked = f"Cameras to mirror ({', '.join(Instrument)})"
    return _ask_until(asked, read, "Write winter, spring, or winter,spring.", "winter")


def _refuse_other_account(wanted: Wanted) -> None:
    """Take over nothing of an account or program that is not in the client's store."""
    stored = wanted.stored
    if stored.path is None:
        return
    if wanted.user and stored.user and wanted.user != stored.user:
        raise UsageError(
            f"{stored.path} holds the account {stored.user}, not {wanted.user}",
            remedy="Leave out --user, or --from-winterapi.",
            code=ErrorCode.USE_INIT,
        )
    names = wanted.programs
    if unknown := [name for name in names if not _key(name, names, stored)]:
        raise UsageError(
            f"{stored.path} does not hold {', '.join(unknown)}; its programs: "
            f"{', '.join(stored.keys) or 'none'}",
            remedy="Correct --program, or leave it out to take over all of them.",
            code=ErrorCode.USE_INIT,
        )


def _require_all(wanted: Wanted) -> None:
    names = _programs(wanted)
    missing = []
    if wanted.root is None:
        missing.append("--root DIR")
    if not _user(wanted):
        missing.append("--user USER, or WINTER_API_USER")
    if not _password(wanted):
        missing.append("WINTER_API_PASSWORD in the environment")
    if not names:
        missing.append("--program PROGRAM, or WINTER_API_PROGRAM")
    missing += [
        f"{_key_variables(name)} in the environment"
        for name in names
        if not _key(name, names, wanted.stored)
    ]
    if missing:
        raise UsageError(
            "this is no terminal to ask at, and these are missing:\n  " + "\n  ".join(missing),
            remedy="Give them, or run `winter-sync init` at a terminal.",
            code=ErrorCode.USE_INIT,
        )


def _user(wanted: Wanted) -> str | None:
    return wanted.user or wanted.stored.user or os.environ.get("WINTER_API_USER")


def _password(wanted: Wanted) -> str | None:
    return wanted.stored.password or _secret("WINTER_API_PASSWORD")


def _programs(wanted: Wanted) -> tuple[str, ...]:
    variable = tuple(filter(None, [os.environ.get("WINTER_API_PROGRAM")]))
    named = wanted.programs or tuple(wanted.stored.keys) or variable
    for name in named:
        _check_program(name)
    return tuple(dict.fromkeys(named))


def _check_program(name: str) -> None:
    if not re.fullmatch(_PROGRAM, name, re.ASCII):
        raise UsageError(
            f"{name[:40]!r} is not the name of a program",
            remedy="It has eight letters and digits, like 2024A000.",
            code=ErrorCode.USE_INIT,
        )


def _ask_programs() -> tuple[str, ...]:
    def read(text: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(word for word in re.split(r"[,\s]+", text) if word))
        for name in names:
            _check_program(name)
        return names

    remedy = "A program has eight letters and digits; several: 2024A000,2025B001."
    return _ask_until("Programs (like 2024A000; several with commas)", read, remedy)


def _key(name: str, names: tuple[str, ...], stored: Stored) -> str | None:
    if name in stored.keys:
        return stored.keys[name]
    ours = os.environ.get("WINTER_API_PROGRAM") or (names[0] if len(names) == 1 else None)
    return _secret(f"WINTER_API_KEY_{name}") or (
        _secret("WINTER_API_KEY") if name == ours else None
    )


def _key_variables(name: str) -> str:
    return f"WINTER_API_KEY_{name} (or WINTER_API_KEY, for one program)"


def _secret(variable: str) -> str | None:
    secret = os.environ.get(variable, "").strip()
    if len(secret.splitlines()) > 1:
        raise UsageError(
            f"{variable} has more than one line",
            remedy="Give it on one line.",
            code=ErrorCode.USE_INIT,
        )
    return secret or None


def _root(wanted: Wanted) -> Path:
    def read(text: str) -> Path:
        root = Path(text).expanduser().absolute()
        check_root(root)
        return root

    if wanted.root is not None:
        return read(str(wanted.root))
    while True:
        try:
            return read(_ask("Directory of the mirror (created if its parent exists)"))
        except StorageError as wrong:
            say(wrap(f"  {wrong.message}. {wrong.remedy}", terminal_width(sys.stdout)))


def _ask(what: str, default: str | None = None) -> str:
    given: str = typer.prompt(what, default=default)
    return given.strip() or _ask(what, default)


def _ask_secret(what: str) -> str:
    # Typer's own prompt is drawn before the echo is off: who pastes quickly would see the secret.
    return getpass(f"{what}: ").strip() or _ask_secret(what)


def _ask_until(
    what: str, read: Callable[[str], tuple[T, ...]], remedy: str, default: str | None = None
) -> tuple[T, ...]:
    while True:
        try:
            if found := read(_ask(what, default)):
                return found
        except (UsageError, ValueError):
            pass
        say(f"  {remedy}")
