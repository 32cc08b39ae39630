"""Kills a mirror again and again, and checks each time what it left and the next run."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from support.tables import in_words

from winter_sync.core.filesystem import sha256_of_file
from winter_sync.core.layout import STATE_DIR
from winter_sync.simulator import DEFAULT_PASSWORD, DEFAULT_USER, key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PROGRAMS = ("2024A000", "2025B001")
PRODUCTS = 36
TYPES = ["exposure", "raw", "science", "stack", "diff", "avro"]
CHECKOUT = Path(__file__).parent.parent.parent


class ArchiveProcess:
    """A simulated archive in a process of its own; a context manager."""

    def __init__(self, products: int = PRODUCTS, *, faults: str = "") -> None:
        command = [
            *(sys.executable, "-m", "winter_sync", "simulate", "--port", "0"),
            *("--night", "20251023", "--products", str(products)),
            *(("--faults", faults) if faults else ()),
        ]
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=CHECKOUT
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().split()[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()

    def ask(self, path: str) -> dict[str, Any]:
        """Ask a control endpoint."""
        with urllib.request.urlopen(f"{self.url}/simulator/{path}") as answer:  # noqa: S310 - ours
            found: dict[str, Any] = json.load(answer)
            return found

    def truth(self) -> dict[str, str]:
        """Return the SHA-256 of all that the archive has, by the path it belongs to."""
        return {
            entry["savepath"].split("/", 4)[4]: entry["sha256"]
            for entry in self.ask("manifest")["products"]
            if not entry["gone"]
        }

    def gone(self) -> int:
        """Count what is listed and has no file."""
        return sum(entry["gone"] for entry in self.ask("manifest")["products"])


class KillableMirrors:
    """Runs mirrors that are killed; a context manager."""

    def __init__(self, url: str) -> None:
        self._url = url
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
        self._process = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, str(Path(__file__).with_name("killable.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, root: Path, **order: object) -> bool:
        """Mirror into a root; return whether the mirror was killed before its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = root.with_suffix(".asked")
        given = {"settings": self._settings(root), "asked": str(asked), **order}
        line = json.dumps(given, default=str)
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        if not answer["killed"] and answer["status"]:
            raise AssertionError(f"the mirror failed of itself: {answer}")
        return bool(answer["killed"])

    def asked(self, root: Path) -> int:
        """Return how many products the last run that finished asked for."""
        return int(root.with_suffix(".asked").read_text())

    def _settings(self, root: Path) -> dict[str, Any]:
        return {
            "api": {
                "base_url": self._url,
                "user": DEFAULT_USER,
                "password": DEFAULT_PASSWORD,
                "request_interval": "0s",
                "connections": 2,
            },
            "mirror": {"root": str(root), "min_free": 0},
            "programs": [
                {
                    "name": name,
                    "api_key": key_of(name),
                    "image_types": TYPES,
                    "instruments": ["winter", "spring"],
                }
                for name in PROGRAMS
            ],
        }


@dataclass(frozen=True, slots=True)
class Found:
    """The files of a tree, by path, with digest and inode."""

    files: Mapping[str, tuple[str, int]]

    @property
    def digests(self) -> dict[str, str]:
        """The SHA-256 of every file."""
        return {path: sha256 for path, (sha256, _) in self.files.items()}


def look(root: Path) -> Found:
    """Read every file of a tree."""
    return Found(
        {
            str(path.relative_to(root)): (sha256_of_file(path), path.stat().st_ino)
            for path in root.rglob("*")
            if path.is_file() and STATE_DIR not in path.parts
        }
    )


def check_after_kill(root: Path, truth: Mapping[str, str]) -> Found:
    """Nothing partial is under a final name."""
    found = look(root)
    for path, sha256 in found.digests.items():
        assert truth[path] == sha256, f"{path} is not whole"
    return found


def check_after_restart(root: Path, truth: Mapping[str, str], before: Found) -> None:
    """All is there, what was there stayed untouched, nothing is left over, the catalog is whole."""
    after = look(root)
    assert after.digests == dict(truth)
    for path, (_, inode) in before.files.items():
        assert after.files[path][1] == inode, f"{path} was published twice"
    leftovers = [path for path in (root / STATE_DIR / "staging").rglob("*") if path.is_file()]
    assert leftovers == [], "orphans in the state directory"
    with closing(sqlite3.connect(root / STATE_DIR / "catalog.sqlite3")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        published = f"SELECT path, sha256 FROM ({in_words('products')}) WHERE state = 'published'"  # noqa: S608 - our own words
        held = dict(database.execute(published))
        claimed = database.execute("SELECT count(*) FROM products WHERE claimed_by IS NOT NULL")
        assert claimed.fetchone() == (0,), "a claim outlived its process"
    assert held == dict(truth)


def random_instants(mirrors: KillableMirrors, root: Path, count: int) -> list[float]:
    """Draw instants, in seconds, out of the life of a mirror into this root that nobody disturbs.

    That life is measured first, so that on a machine of any speed most instants fall into it: the
    shortest of three, because another process may have held up one of them.
    """
    lives = []
    for attempt in range(3):
        began = time.perf_counter()
        mirrors.run(root.with_name(f"{root.name}-{attempt}"))
        lives.append(time.perf_counter() - began)
    life = min(lives)
    chance = random.Random(1)  # noqa: S311 - instants, not secrets
    return [chance.uniform(0.001, life) for _ in range(count)]


def kill_and_restart(
    archive: ArchiveProcess,
    mirrors: KillableMirrors,
    root: Path,
    truth: Mapping[str, str],
    *,
    meanwhile: Callable[[], object] = lambda: None,
    **order: object,
) -> bool:
    """Kill a mirror as ordered, restart it, check both; return whether it was killed.

    What happens `meanwhile`, happens between the death and the first look at what it left.
    """
    killed = mirrors.run(root, **order)
    meanwhile()
    before = check_after_kill(root, truth)
    mirrors.run(root)
    check_after_restart(root, truth, before)
    again = mirrors.asked(root)
    most = len(truth) - len(before.files) + archive.gone()
    assert again <= most, f"{again} products were asked for where {most} were not there"
    return killed
