"""The real commands that serve pages, each in a process of its own, until a test is done."""

from __future__ import annotations

import re
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from support.command import command, environment_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ADDRESS = re.compile(r"http://[^\s/\"]+")


@contextmanager
def web(root: Path, *options: str | Path, listen: str = "127.0.0.1:0") -> Iterator[str]:
    """Serve the pages of a mirror by `winter-sync web`; yield the address."""
    with process("web", "--root", root, "--listen", listen, *options, home=root.parent) as server:
        yield address_in(server)


@contextmanager
def process(*arguments: str | Path, home: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a command until a test is done, and end it."""
    with subprocess.Popen(  # noqa: S603 - our own code
        command(*arguments),
        env=environment_of(home),
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def address_in(server: subprocess.Popen[str], sign: str = "http://") -> str:
    """Return the address that a command names in its first line that has a sign."""
    assert server.stdout is not None
    said = []
    for line in server.stdout:
        said.append(line)
        if sign in line and (found := _ADDRESS.search(line)):
            return found.group()
    raise AssertionError("".join(said))
