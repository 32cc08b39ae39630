"""Children that mirror once and are killed: at a named step, at any instant, or not at all.

Run as a process of its own, so that it can fork children that start in a millisecond: everything
is imported once, here. Reads one JSON order a line, answers one JSON line when the child is dead.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import io
import itertools
import json
import os
import signal
import struct
import sys
import traceback
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from winter_sync.api import history
from winter_sync.api import mirror as api_mirror
from winter_sync.catalog.event_sinks import EventSinks
from winter_sync.catalog.history import History
from winter_sync.catalog.listings import Listings
from winter_sync.catalog.outcomes import Outcomes
from winter_sync.catalog.queue import Queue
from winter_sync.catalog.set_aside import SetAside
from winter_sync.catalog.settling import Settling
from winter_sync.cli.plain_screen import PlainScreen
from winter_sync.cli.run_once import run_once
from winter_sync.config import settings
from winter_sync.core import REAL_TIME, BatchStarted, Event, Time
from winter_sync.factory import open_mirror
from winter_sync.maintenance import AdoptRequest, adopt
from winter_sync.maintenance.adoption_sources import FileSource
from winter_sync.monitoring import configure_logging
from winter_sync.sync import engine as mirror
from winter_sync.tree import (
    directories,
    journal,
    publishing,
    revisions,
    root,
    sessions,
    staging,
    tree,
    withdrawn,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from winter_sync.config.settings import Settings

Step = tuple[Any, str]
SYNCING = (directories, journal, revisions, root, sessions, tree)
"""The modules that sync directories."""

# EXT4_IOC_SHUTDOWN and EXT4_GOING_FLAGS_NOLOGFLUSH of Linux, fs/ext4/ext4.h: from now on the file
# system is dead, and what was not forced to its disk is lost.
SHUT_DOWN = 0x8004587D
WITHOUT_FLUSHING_ITS_LOG = 2

SINK_SECONDS = 177.0
"""The time limit of a sink's program, which lives in real time: this wait is a real one."""

STEPS: dict[str, Step] = {
    "prepare": (tree.Tree, "prepare"),
    "poll": (Listings, "record_poll"),
    "claim": (Queue, "claim"),
    "stage": (publishing.Session, "stage"),
    "write": (staging.Part, "write"),
    "seal": (staging.Part, "sync"),
    "directory": (directories.Directories, "make"),
    "publish": (publishing.Session, "publish_all"),
    "rename": (staging.Part, "rename"),
    "keep": (revisions.Revisions, "keep"),
    "journal": (journal, "append"),
    "sync directory": (SYNCING, "sync_directory"),
    "discard": (staging.Part, "discard"),
    "commit": (Outcomes, "commit"),
    "hold": (Outcomes, "_hold"),
    "forget journal": (publishing.Session, "forget_journal"),
    "release": (Queue, "release"),
    "recover": (mirror.Mirror, "recover"),
    "adopt": (Outcomes, "adopt"),
    "bury": (sessions.Sessions, "remove"),
}
"""Every step between a listing and a commit, and of the recovery, by the function that does it.

It is looked up in a class or a module, or replaced in several modules.
"""


STEPS_OF_A_COMMAND: dict[str, Step] = {
    "advance": (EventSinks, "advance"),
    "record manifest": (Settling, "record_manifest"),
}
"""The steps of `winter-sync sync` that follow: what nights came to, and events delivered."""


STEPS_OF_WITHDRAWN_FILES: dict[str, Step] = {
    "begin": (SetAside, "begin"),
    "move out": (withdrawn.WithdrawnFiles, "move_out"),
    "delete": (withdrawn.WithdrawnFiles, "delete"),
    "finish": (SetAside, "finish"),
    "move back": (withdrawn.WithdrawnFiles, "move_back"),
    "restore": (SetAside, "restore"),
}
"""The steps by which files of withdrawn products leave the tree and come back."""

STEPS_OF_AN_ADOPTION: dict[str, Step] = {
    "stage file": (FileSource, "stage"),
    "remove file": (FileSource, "remove"),
}
"""The steps of `winter-sync adopt` that a download does not have."""


STEPS_OF_OLDER_REVISIONS: dict[str, Step] = {
    "remove revision": (revisions.Revisions, "remove"),
    "forget revision": (History, "forget_kept"),
    "copy revision": (history, "_read"),
}
"""The steps by which older revisions are removed, and one is copied beside the tree."""


def die(mount: str | None) -> None:
    """Die as by `kill -9`; with a mount, as when the power of its disk is cut."""
    if mount is not None:
        directory = os.open(mount, os.O_RDONLY)
        fcntl.ioctl(directory, SHUT_DOWN, struct.pack("I", WITHOUT_FLUSHING_ITS_LOG))
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at(step: str, moment: str, times: int, mount: str | None) -> None:
    """Arrange to be killed before or after the given occurrence of a step."""
    steps = {
        **STEPS,
        **STEPS_OF_A_COMMAND,
        **STEPS_OF_WITHDRAWN_FILES,
        **STEPS_OF_AN_ADOPTION,
        **STEPS_OF_OLDER_REVISIONS,
    }
    found, name = steps[step]
    owners = found if isinstance(found, tuple) else (found,)
    original: Callable[..., Any] = getattr(owners[0], name)
    numbers = itertools.count(1)

    def counted(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever the step takes
        number = next(numbers)
        if number == times and moment == "before":
            die(mount)
        result = original(*args, **kwargs)
        if number == times and moment == "after":
            die(mount)
        return result

    for owner in owners:
        setattr(owner, name, counted)


def time_of(order: dict[str, Any]) -> Time:
    """Return this machine's time, or one that stands still while waits take no time."""
    if "now" not in order:
        return REAL_TIME
    now, elapsed = datetime.fromisoformat(order["now"]), 0.0

    async def sleep(seconds: float) -> None:
        nonlocal elapsed
        if seconds == SINK_SECONDS:
            await asyncio.sleep(seconds)
        elapsed += seconds
        await asyncio.sleep(0)

    return Time(lambda: now, lambda: elapsed, sleep)


async def run_as_command(
    chosen: Settings,
    time: Time,
    **how: Any,  # noqa: ANN401 - as `run_once` takes it
) -> None:
    """Do what `winter-sync sync` or a backfill does, whatever comes of it, and show nothing."""
    nowhere = io.StringIO()
    with contextlib.redirect_stderr(nowhere), contextlib.redirect_stdout(nowhere):
        await run_once(chosen, configure_logging(str), PlainScreen(), time=time, **how)


@contextlib.contextmanager
def count_nothing(*_: int) -> Iterator[Callable[[int, int], None]]:
    """Show no progress."""
    yield lambda *_: None


def adopt_once(order: dict[str, Any]) -> None:
    """Move the files of a directory into the tree in this process."""
    chosen = settings.load_settings(None, order["settings"])
    request = AdoptRequest(Path(order["adopt"]), move=True)
    asyncio.run(adopt(chosen, request, lambda _: None, count_nothing))


def restore_once(order: dict[str, Any]) -> None:
    """Copy an older revision to a new file in this process."""
    with api_mirror.Mirror.open(order["settings"]["mirror"]["root"]) as opened:
        opened.restore(order["restore"], order["revision"], order["output"])


def mirror_once(order: dict[str, Any]) -> None:
    """Do one sync in this process."""
    chosen = settings.load_settings(None, order["settings"])

    asked = 0

    def note(event: Event) -> None:
        nonlocal asked
        if isinstance(event, BatchStarted):
            asked += len(event.batch.candidates)

    async def run() -> None:
        if order.get("as_command"):
            await run_as_command(chosen, time_of(order))
            return
        async with open_mirror(chosen, note, time=time_of(order)) as opened:
            report = await opened.sync()
            for error in report.errors:
                raise error

    asyncio.run(run())
    Path(order["asked"]).write_text(str(asked))


ACTS = {"adopt": adopt_once, "restore": restore_once}
"""What an order with such a word asks for; any other is a sync."""


def give_birth(order: dict[str, Any]) -> int:
    """Fork a child that mirrors; it dies when its order says so, or at its end."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        if order.get("step"):
            kill_at(order["step"], order["moment"], order["times"], order.get("mount"))
        if order.get("after"):
            # An alarm that nobody handles ends the process at once, wherever it is.
            handler = (lambda *_: die(order["mount"])) if "mount" in order else signal.SIG_DFL
            signal.signal(signal.SIGALRM, handler)
            signal.setitimer(signal.ITIMER_REAL, order["after"])
        act = next((act for word, act in ACTS.items() if word in order), mirror_once)
        act(order)
        status = 0
    except BaseException:  # noqa: BLE001 - a forked child must end here, whatever happened
        traceback.print_exc()
    os._exit(status)


def main() -> None:
    """Serve orders until standard input ends."""
    # What is not collected is not written to, and stays shared with the children.
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        child = give_birth(json.loads(line))
        _, status = os.waitpid(child, 0)
        answer = {"killed": os.WIFSIGNALED(status), "status": status}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
