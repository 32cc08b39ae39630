"""The whole thing shown in a minute: a simulated observatory, a mirror of one of its nights."""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
from rich.text import Text
from rich.tree import Tree as TreeView

from winter_sync import settings as settings_module
from winter_sync import status
from winter_sync.catalog import Scope
from winter_sync.errors import ExitCode, WinterSyncError
from winter_sync.factory import open_existing_catalog
from winter_sync.oneoff import run_once
from winter_sync.simulator.accounts import (
    DEFAULT_PASSWORD,
    DEFAULT_PROGRAMS,
    DEFAULT_USER,
    key_of,
)
from winter_sync.tree import digest
from winter_sync.units import show_duration, show_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console
    from structlog.typing import FilteringBoundLogger

    from winter_sync.settings import Settings

_NIGHT = "20251023"
_EVERYTHING = {
    "image_types": ("exposure", "raw", "science", "stack", "diff", "avro"),
    "instruments": ("winter", "spring"),
}


@dataclass(frozen=True, slots=True)
class Proof:
    """How the tree compares with what the observatory says it holds."""

    identical: int
    different: tuple[str, ...]
    gone: int


async def demonstrate(root: Path, logger: FilteringBoundLogger, console: Console) -> ExitCode:
    """Mirror a simulated night of two programs and two cameras, show it, and prove it right.

    Parameters
    ----------
    root
        An empty directory for the tree.
    logger, console
        Where it is told and shown.
    """
    with _observatory() as url:
        settings = _settings(url, root)
        console.print(Text(f"A simulated observatory listens on {url}. Mirroring into {root} ..."))
        began = time.monotonic()
        report = await run_once(settings, logger, console)
        seconds = time.monotonic() - began
        console.print(Text(f"In {show_duration(seconds)}, {_peak_memory()} of memory at most."))
        async with open_existing_catalog(settings) as catalog:
            scope = Scope(programs=DEFAULT_PROGRAMS)
            status.show(console, await status.look(catalog, scope))
        console.print(_tree_view(root))
        proof = await _prove(url, root)
        _show_proof(console, proof)
        console.print(Text("Once more, to see that nothing is fetched twice:"))
        await run_once(settings, logger, console)
    return ExitCode.INCOMPLETE if proof.different else report.exit_code


@contextmanager
def _observatory() -> Iterator[str]:
    """Run a simulated observatory in a process of its own; gives its URL."""
    command = [sys.executable, "-m", "winter_sync", "simulate", "--port", "0", "--night", _NIGHT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ourselves
        try:
            first = process.stdout.readline() if process.stdout else ""
            if not first.startswith("listening on "):
                raise WinterSyncError("the simulated observatory did not start")
            yield first.split()[-1]
        finally:
            process.terminate()


def _settings(url: str, root: Path) -> Settings:
    return settings_module.load(
        None,
        {
            "api": {
                "base_url": url,
                "user": DEFAULT_USER,
                "password": DEFAULT_PASSWORD,
                "request_interval": "20ms",
            },
            "mirror": {"root": root, "min_free": 0},
            "programs": [
                {"name": name, "api_key": key_of(name), **_EVERYTHING} for name in DEFAULT_PROGRAMS
            ],
        },
    )


def _tree_view(root: Path) -> TreeView:
    """Draw the tree: every directory of a night with how many files it has and how large."""
    view = TreeView(str(root))
    for instrument in _directories(root):
        branch = view.add(instrument.name)
        for night in _directories(instrument):
            files = [path for path in night.rglob("*") if path.is_file()]
            nights = branch.add(_counted(night.name, files))
            for subdir in _directories(night):
                nights.add(_counted(subdir.name, list(subdir.iterdir())))
    return view


def _directories(path: Path) -> list[Path]:
    return sorted(one for one in path.iterdir() if one.is_dir() and not one.name.startswith("."))


def _counted(name: str, files: list[Path]) -> str:
    size = sum(path.stat().st_size for path in files)
    return f"{name}: {len(files)} files, {show_size(size)}"


async def _prove(url: str, root: Path) -> Proof:
    """Compare the SHA-256 of every file with the observatory's own list."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{url}/simulator/manifest") as answer,
    ):
        entries = json.loads(await answer.read())["products"]
    here = [entry for entry in entries if not entry["gone"]]
    different = [one["savepath"] for one in here if await asyncio.to_thread(_differs, root, one)]
    return Proof(len(here) - len(different), tuple(different), len(entries) - len(here))


def _differs(root: Path, entry: dict[str, str]) -> bool:
    below = entry["savepath"].split(f"/{entry['instrument']}/", 1)[1]
    try:
        return digest(root / entry["instrument"] / below) != entry["sha256"]
    except OSError:
        return True


def _show_proof(console: Console, proof: Proof) -> None:
    total = proof.identical + len(proof.different)
    console.print(Text(f"{proof.identical} of {total} files are the observatory's, byte for byte."))
    if proof.gone:
        console.print(Text(f"{proof.gone} are listed, but the observatory has no file for them."))
    for savepath in proof.different:
        console.print(Text(f"differs or is absent: {savepath}", style="red"))


def _peak_memory() -> str:
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return show_size(kilobytes * 1024)
