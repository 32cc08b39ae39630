"""What the tests of the tree share: contents put into it, system calls, other processes."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.makers import evidence, path_of, product

from winter_sync.core.layout import STATE_DIR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from winter_sync.core.downloads import Evidence
    from winter_sync.core.products import Product
    from winter_sync.tree.publishing import Session
    from winter_sync.tree.tree import Tree


SUPPORT = Path(__file__).parent

ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{SUPPORT.parents[1]}:{SUPPORT.parent}"}

STACK = product(0)


def put(
    session: Session,
    content: bytes,
    one: Product = STACK,
    *,
    keep: bool = True,
    path: str | None = None,
    batch: str = "batch",
) -> Evidence:
    """Publish a content of a product."""
    with session.stage() as part:
        part.write(content)
        return session.publish(part, evidence(one, content, path=path), batch=batch, keep=keep)


def published(tree: Tree) -> list[str]:
    """Return every name in the tree that is not ours."""
    found = (path.relative_to(tree.root) for path in tree.root.rglob("*") if not path.is_dir())
    return sorted(str(path) for path in found if STATE_DIR not in path.parts)


def revisions(tree: Tree) -> list[bytes]:
    """Return the contents of all older revisions."""
    kept = sorted((tree.own_directory / "revisions").rglob("*"))
    return [path.read_bytes() for path in kept if path.is_file()]


def staged(tree: Tree) -> list[str]:
    """Return the names of what is staged."""
    return sorted(
        path.name for path in (tree.own_directory / "staging").rglob("*") if path.is_file()
    )


def target(tree: Tree, one: Product = STACK) -> Path:
    """Return where a product is published."""
    return tree.root / path_of(one)


class Recorder:
    """Notes system calls, each with the file's name or what its descriptor is open on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, str]] = []
        for name in ("fsync", "rename", "link", "mkdir", "write"):
            monkeypatch.setattr(os, name, self._noting(name))

    def _noting(self, name: str) -> Callable[..., Any]:
        call = getattr(os, name)

        def noting(where: Any, *more: Any, **options: Any) -> Any:  # noqa: ANN401 - os's own
            opened = isinstance(where, int)
            subject = Path(f"/proc/self/fd/{where}").readlink() if opened else Path(where)
            self.calls.append((name, subject.name))
            return call(where, *more, **options)

        return noting

    def at(self, name: str, subject: str) -> int:
        """Return when a call was made for the first time."""
        return self.calls.index((name, subject))

    def last(self, name: str, subject: str) -> int:
        """Return when a call was made for the last time."""
        return len(self.calls) - 1 - self.calls[::-1].index((name, subject))


def recovered(tree: Tree) -> list[Evidence]:
    """Recover a tree as a new process does; return the evidence of the dead."""
    heard: list[Evidence] = []
    for name, alive in tree.sessions.take_over_dead().items():
        assert not alive
        heard += tree.recover_evidence(name)
        tree.sessions.remove(name)
    return heard


@contextmanager
def running(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Run a process that opens sessions, as soon as it says that it is ready."""
    command = [sys.executable, str(SUPPORT / "sessions.py"), *map(str, arguments)]
    with subprocess.Popen(  # noqa: S603 - ourselves
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        try:
            next_line(process)
            yield process
        finally:
            process.kill()


def next_line(process: subprocess.Popen[str]) -> str:
    """Return the next line of a process."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def ask(process: subprocess.Popen[str], line: str = "") -> str:
    """Send a line to a process and return its answer."""
    send(process, line)
    return next_line(process)


def send(process: subprocess.Popen[str], line: str = "") -> None:
    """Send a line to a process."""
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


class Disk:
    """The space of a file system, driven."""

    def __init__(self, free: int) -> None:
        self.left = free

    def __call__(self, path: Path) -> int:
        """Return what is free."""
        del path
        return self.left
