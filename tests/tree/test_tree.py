"""What the tree promises on real disks: clear errors, and files held byte for byte."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.makers import fits, sha256
from support.trees import ENVIRONMENT, put, target

from winter_sync.core.errors import StorageError
from winter_sync.core.filesystem import sha256_of_file
from winter_sync.core.storage_errors import storage_errors_explained

if TYPE_CHECKING:
    from winter_sync.tree.publishing import Session
    from winter_sync.tree.tree import Tree


def test_something_in_the_way_is_named(tree: Tree, session: Session) -> None:
    """A file where a night should be, and a directory where a file should be, are reported."""
    (tree.root / "winter").write_bytes(b"mine")
    with pytest.raises(StorageError, match=f"{tree.root}/winter") as refused:
        put(session, b"content")
    assert "move it away" in refused.value.remedy
    (tree.root / "winter").unlink()
    target(tree).mkdir(parents=True)
    for keep in (True, False):
        with pytest.raises(StorageError, match="Is a directory") as refused:
            put(session, b"content", keep=keep)
        assert "move it away" in refused.value.remedy
    assert target(tree).is_dir()


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.ENOSPC, "Free some space"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permission"),
        (errno.ENOTDIR, "move it away"),
        (errno.ENOENT, "mounted"),
        (errno.EIO, "disk"),
        (errno.ENXIO, "Check that path"),
    ],
)
def test_every_error_of_the_disk_has_a_path_and_a_remedy(code: int, remedy: str) -> None:
    """What the system says becomes one line with the path, and one with what to do."""
    with pytest.raises(StorageError) as failed, storage_errors_explained(Path("/some/where")):
        raise OSError(code, os.strerror(code))
    assert failed.value.message == f"/some/where: {os.strerror(code)}"
    assert remedy in failed.value.remedy
    assert failed.value.errno == code


AS_NOBODY = """
import os, sys
from pathlib import Path
from winter_sync.core import StorageError
from winter_sync.tree.tree import Tree
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    Tree(Path(sys.argv[1])).prepare("mirror")
except StorageError as refused:
    print(refused, refused.remedy, sep="|")
"""


@pytest.mark.fault(
    kind="permission to write in the root is lost",
    injected="(a process of another user)",
    outcome="the run ends (exit code 6) and asks for the permission",
    kept="all that was published",
)
def test_a_root_one_may_not_write_in_is_reported() -> None:
    """Without write permission the error names the path and asks for the permission."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o555)
        command = [sys.executable, "-c", AS_NOBODY, f"{name}/winter"]
        done = subprocess.run(  # noqa: S603 - ourselves
            command, capture_output=True, text=True, env=ENVIRONMENT, check=True
        )
        Path(name).chmod(0o755)
    message, remedy = done.stdout.strip().split("|")
    assert message == f"{name}/winter: Permission denied"
    assert "write permission" in remedy


def test_a_file_is_held_only_byte_for_byte(tree: Tree, session: Session) -> None:
    """The tree has what it is said to have only where size and digest are those of the file."""
    held = put(session, b"content")
    session.forget_journal("batch")
    assert tree.holds(held)
    assert tree.has_content(held.path, held.sha256)
    assert not tree.holds(replace(held, size=6))
    assert not tree.holds(replace(held, sha256=sha256(b"CONTENT")))
    assert not tree.holds(replace(held, path="winter/20240130/final/other.fits"))
    assert not tree.has_content("winter/20240130/final", held.sha256)


def test_a_digest_is_that_of_the_whole_file(tmp_path: Path) -> None:
    """The digest of a file longer than one piece is that of all its bytes."""
    content = fits(3, blocks=1000)
    (tmp_path / "x.fits").write_bytes(content)
    assert len(content) > 2 * 1024 * 1024
    assert sha256_of_file(tmp_path / "x.fits") == sha256(content)
