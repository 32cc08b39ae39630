"""A simulated observatory in a process of its own, for benchmarks that need its contents."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.measuring import winter_sync

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = "2024A000"


@dataclass(frozen=True, slots=True)
class Observatory:
    """How to reach the simulated archive."""

    url: str
    user: str
    password: str
    key: str


@contextmanager
def observatory(*options: str) -> Iterator[Observatory]:
    """Run a simulated observatory of one night, with further options of `simulate`."""
    command = winter_sync("simulate", "--port", "0", "--night", "20251023", *options)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            words = [process.stdout.readline().split() for _ in range(4)]
            keys = {line[1]: line[3] for line in words if line[0] == "program"}
            yield Observatory(words[0][-1], words[1][1], words[1][3], keys[PROGRAM])
        finally:
            process.terminate()
