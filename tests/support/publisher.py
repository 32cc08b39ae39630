"""A process that publishes and is killed on the way; run as a script by the tests of the tree.

`publisher.py ROOT named MOMENT` dies at a moment that has a name. `publisher.py ROOTS every LINKS`
publishes in ROOTS/0, ROOTS/1 and so on, each time dying one system call later, until it survives;
with LINKS `none` the file system behaves as if it had no hard links.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from support.makers import evidence, fits, product

from winter_sync.core.traits import ImageType
from winter_sync.tree.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from winter_sync.tree.publishing import Session

OLD, NEW = fits(1), fits(2)
FIRST, SECOND = product(0), product(0, ImageType.DIFF)
COMMITTED = "committed"
MOMENTS = ("stage", "write", "seal", "journal", "rename", "publish", "commit")
_MOST_CALLS = 200
_CALLS = ("open", "write", "fsync", "link", "rename", "mkdir", "unlink", "close")


def die() -> NoReturn:
    """End as a power cut would end it, as far as one process is concerned."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def publish(session: Session, reached: Callable[[str], None]) -> None:
    """Publish a new revision of the first product, and the second product in a new directory."""
    for entry, content in ((FIRST, NEW), (SECOND, NEW)):
        with session.stage() as part:
            reached("stage")
            part.write(content)
            reached("write")
            part.sync()
            reached("seal")
            session.publish(part, evidence(entry, content), batch="batch", keep=True)
            reached("publish")
    (session.tree.root.parent / f"{session.tree.root.name}.{COMMITTED}").touch()
    session.forget_journal("batch")
    reached("commit")


def prepare(root: Path) -> Tree:
    """Make a mirror that has the first product's older revision."""
    tree = Tree(root)
    tree.prepare("mirror")
    with tree.session("before") as session, session.stage() as part:
        part.write(OLD)
        session.publish(part, evidence(FIRST, OLD), batch="batch", keep=True)
        session.forget_journal("batch")
    return tree


def die_named(root: Path, moment: str) -> None:
    """Publish and die at a moment that has a name."""
    tree = prepare(root)
    rename, fsync = os.rename, os.fsync
    renamed = False

    def dying_rename(source: Any, target: Any, **options: Any) -> None:  # noqa: ANN401 - os's own
        nonlocal renamed
        if moment == "journal":
            die()
        rename(source, target, **options)
        renamed = True

    def dying_fsync(descriptor: int) -> None:
        if moment == "rename" and renamed:
            die()
        fsync(descriptor)

    with tree.session("dying") as session:
        for name, dying in (("rename", dying_rename), ("fsync", dying_fsync)):
            setattr(os, name, dying)
        publish(session, lambda reached: die() if reached == moment else None)


def die_everywhere(roots: Path, *, links: bool) -> None:
    """Publish again and again, dying at the first system call, the second, and so on."""
    for moment in range(_MOST_CALLS):
        tree = prepare(roots / str(moment))
        child = os.fork()
        if child == 0:
            with tree.session("dying") as session:
                _arm(moment, links=links)
                publish(session, lambda _: None)
                os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            return
    sys.exit("it never survived")


def _arm(fatal: int, *, links: bool) -> None:
    """Make one system call, counted from now, the last thing this process attempts."""
    numbers = count()

    def armed(name: str) -> Callable[..., Any]:
        call = getattr(os, name)

        def dying(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - os's own
            if next(numbers) == fatal:
                die()
            if name == "link" and not links:
                raise OSError(errno.EPERM, os.strerror(errno.EPERM))
            return call(*arguments, **options)

        return dying

    for name in _CALLS:
        setattr(os, name, armed(name))


if __name__ == "__main__":
    where, how, what = sys.argv[1:]
    if how == "named":
        die_named(Path(where), what)
    else:
        die_everywhere(Path(where), links=what != "none")
