"""What a batch of small files costs is counted, in calls of the system."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from support.makers import batch, candidate, fits, product, zipped

from winter_sync.core.downloads import Published
from winter_sync.sync.receiver import Receiver
from winter_sync.tree.tree import Tree

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

FILES = 256
MOST_CALLS = {"fsync": 1.1, "open": 1.2, "close": 1.2, "write": 1.2, "pwrite": 0.6, "rename": 1}
"""Of each file of a batch. The sum of all others is `MOST_OTHERS`."""
MOST_OTHERS = 7
COUNTED = {
    *("fsync", "open", "close", "write", "pwrite", "rename", "pread", "read", "stat", "fstat"),
    *("lstat", "unlink", "link", "mkdir", "scandir", "listdir", "statvfs"),
}


def count_calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Return a count, from now on, of the calls of the system that Python code makes."""
    counted = Counter[str]()

    def counting(name: str) -> Any:  # noqa: ANN401 - a function of os
        call = getattr(os, name)

        def count(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as that of os
            counted[name] += 1
            return call(*arguments, **options)

        return count

    for name in COUNTED:
        monkeypatch.setattr(os, name, counting(name))
    return counted


def test_small_files_share_their_syncs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is synced once; journal, directories and all else hardly count."""
    products = [product(number) for number in range(FILES)]
    archive = zipped([(one.filename, fits(number)) for number, one in enumerate(products)])
    tree = Tree(tmp_path / "winter")
    tree.prepare("mirror")
    with tree.session("session") as session, monkeypatch.context() as patch:
        counted = count_calls(patch)
        with Receiver(batch(*map(candidate, products)), session, keep=True) as receiver:
            receiver.feed(archive)
            receiver.finish()
            outcomes = receiver.remainder(None)
    assert all(isinstance(outcome, Published) for outcome in outcomes)
    each = {name: times / FILES for name, times in counted.items()}
    assert {name: each[name] for name, most in MOST_CALLS.items() if each[name] > most} == {}
    assert sum(times for name, times in each.items() if name not in MOST_CALLS) <= MOST_OTHERS
