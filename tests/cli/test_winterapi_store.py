"""`init --from-winterapi`: what the client keeps is taken over, or a plain sentence says why not.

That the client itself keeps it so is tried with the client, by `tests/run_winterapi_session.sh`.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.fernet import Fernet
from support.command import KEYS, OTHER_PROGRAM, PASSWORD, PROGRAM, USER, run, served
from support.file_keyring import keyring_path, use_file_keyring

from winter_sync.cli.setup.winterapi_store import (
    FILE_NAME,
    KEYRING_SERVICE,
    KEYRING_USER,
    read_store,
)
from winter_sync.config.readiness import require_ready
from winter_sync.config.settings import load_settings
from winter_sync.core import ExitCode, UsageError

if TYPE_CHECKING:
    from pathlib import Path

AT_ONCE = {"WINTER_SYNC_API__REQUEST_INTERVAL": "0s"}
INIT = ("init", "--from-winterapi", "--root", "winter", "--type", "stack", "--yes")
KEPT: dict[str, Any] = {
    "user": USER,
    "password": PASSWORD,
    "programs": {PROGRAM: {"progname": PROGRAM, "prog_key": KEYS[PROGRAM], "pi_name": "Hubble"}},
}
KEY = Fernet.generate_key()


def keep(home: Path, content: bytes, key: bytes | None = KEY) -> None:
    """Write the file of the client, and its key into the keyring of this home."""
    use_file_keyring(home)
    (home / FILE_NAME).write_bytes(content)
    if key is not None:
        words = {f"{KEYRING_SERVICE}/{KEYRING_USER}": key.decode()}
        keyring_path(home).write_text(json.dumps(words))


def encrypted(kept: object) -> bytes:
    """Encrypt as the client does."""
    return Fernet(KEY).encrypt(json.dumps(kept).encode())


def written(home: Path) -> list[Path]:
    """Return what `init` has written."""
    return [*home.glob(".config/winter-sync/*"), *home.glob("winter")]


def test_what_the_client_keeps_is_taken_over(tmp_path: Path) -> None:
    """User, password and keys are the client's, before those of the environment; none is shown."""
    keep(tmp_path, encrypted(KEPT))
    environment = {**AT_ONCE, "WINTER_API_USER": "other", "WINTER_API_PASSWORD": "of another"}
    with served() as archive:
        said = run(*INIT, "--base-url", archive.url, home=tmp_path, environment=environment)
    assert said.code == ExitCode.DONE, said.err
    file = tmp_path / ".config/winter-sync/winter-sync.toml"
    credentials = require_ready(load_settings(file))
    assert (credentials.user, credentials.password) == (USER, PASSWORD)
    assert credentials.keys == {PROGRAM: KEYS[PROGRAM]}
    assert {path.stat().st_mode & 0o777 for path in file.parent.iterdir()} == {0o600}
    assert f"account {USER}; programs: {PROGRAM}" in said.out
    shown = said.out + said.err + file.read_text()
    assert not any(secret in shown for secret in (PASSWORD, *KEYS.values()))


@pytest.mark.parametrize(
    ("content", "key", "said"),
    [
        (None, KEY, "not found"),
        (b"", KEY, "is empty"),
        (b"[api]\npassword = 'secret'\n", KEY, "is damaged"),
        (encrypted(KEPT)[:-9] + b"AAAAAAAA=", KEY, "cannot be decrypted"),
        (encrypted(KEPT), Fernet.generate_key(), "cannot be decrypted"),
        (encrypted(KEPT), b"no key", "cannot be decrypted"),
        (encrypted(KEPT), None, "the system keyring has no key"),
        (encrypted({}), KEY, "neither an account nor a program"),
        (encrypted(["secret"]), KEY, "not what winterapi 1.7 writes"),
        (encrypted({**KEPT, "password": "secret\nof two lines"}), KEY, "not what winterapi"),
        (encrypted({**KEPT, "programs": {PROGRAM: {}}}), KEY, "not what winterapi"),
        (encrypted({**KEPT, "programs": {}}), KEY, "--program PROGRAM"),
    ],
    ids=[
        *("absent", "empty", "not encrypted", "damaged", "of another key", "a bad key", "no key"),
        *("nothing in it", "a list", "two lines", "no program key", "no program"),
    ],
)
def test_a_store_that_cannot_be_used_writes_nothing(
    content: bytes | None, key: bytes | None, said: str, tmp_path: Path
) -> None:
    """The error says of the file what is wrong with it, and nothing of what is in it."""
    keep(tmp_path, content or b"", key)
    if content is None:
        (tmp_path / FILE_NAME).unlink()
    ended = run(*INIT, "--no-check", home=tmp_path)
    assert ended.code == ExitCode.USAGE, ended.err
    assert said in ended.err
    assert "init" in ended.err
    assert "Error" not in ended.err
    assert "secret" not in ended.out + ended.err
    assert written(tmp_path) == []


def test_a_store_that_cannot_be_read_is_the_fault_of_the_disk(tmp_path: Path) -> None:
    """Anything but a file is named, with the reason."""
    keep(tmp_path, b"")
    (tmp_path / FILE_NAME).unlink()
    (tmp_path / FILE_NAME).mkdir()
    ended = run(*INIT, "--no-check", home=tmp_path)
    assert ended.code == ExitCode.STORAGE, ended.err
    assert f"{FILE_NAME} cannot be read: this is a directory" in ended.err
    assert written(tmp_path) == []


@pytest.mark.parametrize("backend", ["fail.Keyring", "nothing.at.all"])
def test_without_a_keyring_the_environment_of_the_client_is_named(
    backend: str, tmp_path: Path
) -> None:
    """On a machine without a desktop no keyring may be there, or its plug-in may not be."""
    keep(tmp_path, encrypted(KEPT))
    file = tmp_path / ".config/python_keyring/keyringrc.cfg"
    file.write_text(f"[backend]\ndefault-keyring=keyring.backends.{backend}\n")
    ended = run(*INIT, "--no-check", home=tmp_path)
    assert ended.code == ExitCode.USAGE, ended.err
    assert "system keyring" in ended.err
    assert "where winterapi works" in ended.err
    assert written(tmp_path) == []


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--user", "another@example.org"), f"holds the account {USER}, not another@example.org"),
        (("--program", OTHER_PROGRAM), f"does not hold {OTHER_PROGRAM}; its programs: {PROGRAM}"),
    ],
)
def test_options_that_are_not_of_the_store_are_errors(
    option: tuple[str, str], said: str, tmp_path: Path
) -> None:
    """The password of one account is not written for another."""
    keep(tmp_path, encrypted(KEPT))
    ended = run(*INIT, *option, "--no-check", home=tmp_path)
    assert ended.code == ExitCode.USAGE, ended.err
    assert said in ended.err
    assert written(tmp_path) == []


@pytest.mark.parametrize("library", ["keyring", "cryptography.fernet"])
def test_without_the_libraries_the_line_that_installs_them_is_said(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are an extra, and everything else works without it."""
    keep(tmp_path, encrypted(KEPT))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UsageError) as lacking:
        read_store(tmp_path)
    assert lacking.value.remedy == (
        f"Run `{sys.executable} -m pip install 'winter-sync[from-winterapi]'`, then this again."
    )
