"""Other users of the machine who may read or change a file."""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_ROOT = 0


@dataclass(frozen=True, slots=True)
class Exposure:
    """What others may do with a file, and how to prevent it."""

    said: str
    remedy: str


def exposure_of(path: Path, *, secret: bool) -> Exposure | None:
    """Return what others may do with a file that they should not; None if there is nothing.

    Nobody else should be able to change it, or to read it if it is `secret`; root always can. A
    file of root's that our own group may read is fine: there is no other way to give it to us. A
    file whose mode cannot be read has no exposure; reading the file will fail.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    others = _others(found, secret=secret)
    if not others:
        return None
    said = f"{path} ({stat.S_IMODE(found.st_mode):04o}): {' and '.join(others)}"
    return Exposure(said, f"Run `{_command(path, found, secret=secret)}`.")


def _others(found: os.stat_result, *, secret: bool) -> list[str]:
    can = []
    if found.st_uid not in {os.geteuid(), _ROOT}:
        can.append(f"it belongs to {_user(found.st_uid)}")
    if act := _act(found.st_mode, secret=secret):
        can.append(f"everybody on this machine can {act} it")
    elif act := _act(found.st_mode >> 3, secret=secret and not _is_lent_to_us(found)):
        can.append(f"the group {_group(found.st_gid)} can {act} it")
    return can


def _act(mode: int, *, secret: bool) -> str:
    """Return what the mode allows everybody, as far as it matters."""
    if mode & stat.S_IWOTH:
        return "change"
    return "read" if secret and mode & stat.S_IROTH else ""


def _is_lent_to_us(found: os.stat_result) -> bool:
    is_ours = found.st_gid in {os.getegid(), *os.getgroups()}
    return found.st_uid == _ROOT != os.geteuid() and is_ours


def _command(path: Path, found: os.stat_result, *, secret: bool) -> str:
    file = shlex.quote(str(path))
    command = f"chmod {'600' if secret else 'go-w'} {file}"
    if found.st_uid == os.geteuid():
        return command
    if found.st_uid == _ROOT and not secret:
        return f"sudo {command}"
    return f"sudo chown {_user(os.geteuid())} {file} && sudo {command}"


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
