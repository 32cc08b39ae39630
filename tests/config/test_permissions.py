"""Files that others may read or change are reported, with the command that prevents it."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winter_sync.config.permissions import exposure_of

MODES = st.integers(0, 0o7777)
ONLY_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
SOMEBODY = 65534


def followed(remedy: str) -> None:
    """Follow a remedy, as the user whom it is for."""
    command = remedy.removeprefix("Run `").removesuffix("`.").replace("sudo ", "")
    subprocess.run(["/bin/sh", "-c", command], check=True)  # noqa: S603 - what a user would do


@given(mode=MODES, secret=st.booleans())
def test_what_others_may_do_is_reported_for_every_mode(mode: int, *, secret: bool) -> None:
    """Others must not read a secret or write any file; the remedy prevents it."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "a file; touch $HOME")
        path.touch()
        path.chmod(mode)
        found = exposure_of(path, secret=secret)
        wrong = stat.S_IWGRP | stat.S_IWOTH | (stat.S_IRGRP | stat.S_IROTH if secret else 0)
        assert (found is not None) is bool(mode & wrong)
        if found is None:
            return
        assert found.said.startswith(f"{path} ({mode:04o}): ")
        assert ("everybody" in found.said) is bool(mode & wrong & stat.S_IRWXO)
        followed(found.remedy)
        assert exposure_of(path, secret=secret) is None
        assert path.stat().st_mode & stat.S_IRUSR or not mode & stat.S_IRUSR


def test_a_secret_that_all_can_read(tmp_path: Path) -> None:
    """The sentence names the file, its mode and who, and the remedy is the line to type."""
    path = tmp_path / "password"
    path.touch()
    path.chmod(0o644)
    found = exposure_of(path, secret=True)
    assert found is not None
    assert found.said == f"{path} (0644): everybody on this machine can read it"
    assert found.remedy == f"Run `chmod 600 {path}`."
    path.chmod(0o400)
    assert exposure_of(path, secret=True) is None
    assert exposure_of(tmp_path / "absent", secret=True) is None


@ONLY_ROOT
def test_a_file_of_another_user(tmp_path: Path) -> None:
    """The owner of a file can change it, whatever its mode; root and we are trusted."""
    path = tmp_path / "password"
    path.touch()
    path.chmod(0o600)
    os.chown(path, SOMEBODY, SOMEBODY)
    found = exposure_of(path, secret=True)
    assert found is not None
    assert "it belongs to " in found.said
    followed(found.remedy)
    assert path.stat().st_uid == 0
    assert exposure_of(path, secret=True) is None


@ONLY_ROOT
@pytest.mark.parametrize(
    ("mode", "group", "told"),
    [
        (0o640, SOMEBODY, ""),
        (0o640, 4, "the group adm can read it"),
        (0o660, SOMEBODY, "can change it"),
        (0o644, SOMEBODY, "everybody on this machine can read it"),
    ],
)
def test_a_file_that_root_lends_us(mode: int, group: int, told: str) -> None:
    """A file of root's that our own group may read is fine; one that others may read is not."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        path = Path(directory, "password")
        path.touch()
        os.chown(path, 0, group)
        path.chmod(mode)
        try:
            os.setegid(SOMEBODY)
            os.seteuid(SOMEBODY)
            found = exposure_of(path, secret=True)
        finally:
            os.seteuid(0)
            os.setegid(0)
    assert told in (found.said if found else "")
    assert bool(found) is bool(told)
    if found is not None:
        assert found.remedy.startswith("Run `sudo chown nobody ")
