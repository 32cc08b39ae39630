"""The text of a new settings file: what is needed, with hints; secrets are in files beside it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from winter_sync.cli.setup.answers import Answers

_HEAD = """\
# Settings of winter-sync, written by `winter-sync init`; `winter-sync check`
# checks them. config/winter-sync.toml of its sources explains every key, as
# does the page "Settings" of its documentation.
"""
_ACCOUNT = """\
# Your account. The password is in a file that only you can read. It crosses the
# network unencrypted, because the server speaks plain HTTP: use one that you
# use nowhere else.
"""
_ROOT = """\
# The directory of the tree. It is created if its parent exists.
"""
_MIRROR_HINTS = """\
# How much space to leave free on the file system of the root.
# min_free = "10 GiB"

# How often to poll, and how many nights back: products still appear days after
# their night.
# [schedule]
# poll_every = "10m"
# lookback_nights = 7
"""
_PROGRAM_HINTS = """\
# The first night, YYYYMMDD: the date of its evening at Palomar. Unless set, the
# program's start.
# since = "20240201"

# Only part of the program: products that match any of the targets or cones
# (degrees).
# targets = ["SN2024abc"]
# cones = [{ ra = 150.1, dec = 2.2, radius = 1.0 }]
"""


def secret_paths(file: Path, programs: tuple[str, ...]) -> tuple[Path, ...]:
    """Return the file of the password and that of each program's key."""
    names = (f"{file.stem}-password", *(f"{file.stem}-key-{name}" for name in programs))
    return tuple(file.with_name(name) for name in names)


def files_of(file: Path, answers: Answers) -> dict[Path, str]:
    """Return the texts of the files, the settings last."""
    password, *keys = secret_paths(file, tuple(answers.keys))
    secrets = dict(zip(keys, answers.keys.values(), strict=True))
    texts = {password: answers.password, **secrets}
    return {path: f"{secret}\n" for path, secret in texts.items()} | {
        file: _settings(answers, password, dict(zip(answers.keys, keys, strict=True)))
    }


def _settings(answers: Answers, password: Path, keys: dict[str, Path]) -> str:
    address = "" if answers.base_url is None else f"base_url = {_quoted(answers.base_url)}\n\n"
    account = (
        f"{_ACCOUNT}user = {_quoted(answers.user)}\npassword_file = {_quoted(str(password))}\n"
    )
    parts = [
        _HEAD,
        f"[api]\n{address}{account}",
        f"[mirror]\n{_ROOT}root = {_quoted(str(answers.root))}\n\n{_MIRROR_HINTS}",
        *(_program(answers, name, key) for name, key in keys.items()),
    ]
    return "\n\n".join(parts)


def _program(answers: Answers, name: str, key: Path) -> str:
    types = ", ".join(_quoted(kind.value) for kind in answers.image_types)
    cameras = ", ".join(_quoted(camera.value) for camera in answers.instruments)
    return (
        f"[[programs]]\nname = {_quoted(name)}\napi_key_file = {_quoted(str(key))}\n\n"
        "# Image types: exposure, raw, science, stack, diff, avro.\n"
        f"image_types = [{types}]\n\n"
        f"# Cameras: winter, spring.\ninstruments = [{cameras}]\n\n{_PROGRAM_HINTS}"
    )


def _quoted(text: str) -> str:
    """Write a text as TOML has it; JSON's strings are TOML's but for one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
