"""A demonstration in a minute: a simulated observatory, and a mirror of one of its nights."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
from rich.text import Text
from rich.tree import Tree as TreeView

from winter_sync.cli.run_once import run_once
from winter_sync.cli.views.status import show
from winter_sync.config import Settings, check_root
from winter_sync.core import (
    REAL_TIME,
    ErrorCode,
    ExitCode,
    ImageType,
    Night,
    StorageError,
    Time,
    UsageError,
    WinterSyncError,
    end_of,
    is_directory,
    sha256_of_file,
    show_duration,
    show_size,
    storage_errors_explained,
)
from winter_sync.factory import open_existing_catalog
from winter_sync.monitoring import read_status
from winter_sync.simulator import (
    DEFAULT_PASSWORD,
    DEFAULT_PROGRAMS,
    DEFAULT_USER,
    key_of,
)
from winter_sync.tree import KnownRoots, known_roots_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from structlog.typing import FilteringBoundLogger

    from winter_sync.cli.screen import Screen

_NIGHT = "20251023"
_EVERYTHING = {
    "image_types": tuple(map(str, ImageType)),
    "instruments": ("winter", "spring"),
}


@dataclass(frozen=True, slots=True)
class Proof:
    """How the tree compares with what the observatory says it holds."""

    identical: int
    different: tuple[str, ...]
    gone: int


async def demonstrate(
    root: Path, logger: FilteringBoundLogger, console: Screen, *, time: Time = REAL_TIME
) -> ExitCode:
    """Mirror a simulated night of two programs and two cameras, show it, and verify it.

    Parameters
    ----------
    root
        An empty or new directory for the tree.
    logger, console
        Where events are logged, and results printed.
    time
        Clocks, and how to wait.

    Raises
    ------
    UsageError
        If the root is not empty: simulated data must never be mixed with real data.
    """
    check_root(root)
    _refuse_used(root)
    with _observatory() as url:
        settings = demo_settings(url, root)
        console.print(Text(f"A simulated observatory listens on {url}."))
        code = await _mirror(settings, logger, console, time)
        console.print(_tree_view(root))
        await _show_status(console, settings)
        proof = await _prove(url, root)
        _show_proof(console, proof)
        console.print(Text("\nOnce more, to see that nothing is downloaded twice:"))
        again = await run_once(settings, logger, console, time=time)
    return ExitCode.INCOMPLETE if proof.different or again.published else code


def _refuse_used(root: Path) -> None:
    with storage_errors_explained(root):
        is_there = is_directory(root)
        is_used = is_there and any(root.iterdir())
    if is_used:
        raise UsageError(
            f"{root} is not empty",
            remedy="Give an empty directory, or a new one.",
            code=ErrorCode.USE_OPTION,
        )
    if is_there and KnownRoots(known_roots_path(os.environ)).mirror_in(root) is not None:
        raise StorageError(
            f"{root} used to contain a mirror, but is now empty",
            remedy="Is its file system mounted? Otherwise give another --root.",
            code=ErrorCode.MIRROR_EMPTIED,
        )


async def _mirror(
    settings: Settings, logger: FilteringBoundLogger, console: Screen, time: Time
) -> ExitCode:
    """Run once, and print the time and memory that it took."""
    console.print(Text(f"Mirroring into {settings.root} ..."))
    began = time.monotonic()
    report = await run_once(settings, logger, console, time=time)
    seconds = time.monotonic() - began
    console.print(Text(f"It took {show_duration(seconds)}, {_peak_memory()} of memory at most.\n"))
    return report.exit_code


async def _show_status(console: Screen, settings: Settings) -> None:
    async with open_existing_catalog(settings) as catalog:
        found = await read_status(catalog, settings.selections, end_of(Night(_NIGHT)))
    console.print(Text(f"\nThe status, as on the morning after the night {_NIGHT}:"))
    show(console, found)
    console.print()


@contextmanager
def _observatory() -> Iterator[str]:
    """Run a simulated observatory in a process of its own; yield its URL."""
    command = [sys.executable, "-m", "winter_sync", "simulate", "--port", "0", "--night", _NIGHT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ourselves
        try:
            first = process.stdout.readline() if process.stdout else ""
            if not first.startswith("listening on "):
                raise WinterSyncError(
                    "the simulated observatory did not start", code=ErrorCode.NET_CONNECT
                )
            yield first.split()[-1]
        finally:
            process.terminate()


def demo_settings(url: str, root: Path) -> Settings:
    """Return settings that contain nothing of the user's file and environment."""
    named = [{"name": name, "api_key": key_of(name), **_EVERYTHING} for name in DEFAULT_PROGRAMS]
    given: dict[str, Any] = {
        "api": {
            "base_url": url,
            "user": DEFAULT_USER,
            "password": DEFAULT_PASSWORD,
            "request_interval": "20ms",
            "proxy": "",
        },
        "mirror": {"root": root, "min_free": 0},
        # The night is long past, and only sweeps cover it: every poll is a sweep.
        "schedule": {"sweep_every": 0},
        "programs": named,
    }
    return Settings(**given)


def _tree_view(root: Path) -> TreeView:
    """Return a drawing of the tree: each directory with its number and size of files."""
    view = TreeView(Text(str(root)))
    for instrument in _directories(root):
        branch = view.add(instrument.name)
        for night in _directories(instrument):
            files = [path for path in night.rglob("*") if path.is_file()]
            nights = branch.add(_counted(night.name, files))
            for subdir in _directories(night):
                nights.add(_counted(subdir.name, list(subdir.iterdir())))
    return view


def _directories(path: Path) -> list[Path]:
    return sorted(
        entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    )


def _counted(name: str, files: list[Path]) -> str:
    size = sum(path.stat().st_size for path in files)
    return f"{name}: {len(files)} {'file' if len(files) == 1 else 'files'}, {show_size(size)}"


async def _prove(url: str, root: Path) -> Proof:
    """Compare the SHA-256 of every file with the observatory's own list."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{url}/simulator/manifest") as answer,
    ):
        entries = json.loads(await answer.read())["products"]
    here = [entry for entry in entries if not entry["gone"]]
    different = [
        entry["savepath"] for entry in here if await asyncio.to_thread(_differs, root, entry)
    ]
    return Proof(len(here) - len(different), tuple(different), len(entries) - len(here))


def _differs(root: Path, entry: dict[str, str]) -> bool:
    below = entry["savepath"].split(f"/{entry['instrument']}/", 1)[1]
    try:
        return sha256_of_file(root / entry["instrument"] / below) != entry["sha256"]
    except OSError:
        return True


def _show_proof(console: Screen, proof: Proof) -> None:
    total = proof.identical + len(proof.different)
    console.print(Text(f"{proof.identical} of {total} files are the observatory's, byte for byte."))
    if proof.gone:
        console.print(Text(f"{proof.gone} are listed, but the observatory has no file for them."))
    for savepath in proof.different:
        console.print(Text(f"differs or is absent: {savepath}", style="red"))


def _peak_memory() -> str:
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return show_size(kilobytes * 1024)
