"""A backfill as somebody runs it by hand: watched, interrupted, run again, left alone."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from typing import TYPE_CHECKING

import pytest
from support.command import Keyboard, Said, run, run_on_terminal, served, settings_file
from support.rig import DownloadLog

from winter_sync.cli.progress.counts import Counts
from winter_sync.cli.progress.tally import Tally
from winter_sync.core import Polled
from winter_sync.core.errors import ExitCode
from winter_sync.core.layout import STATE_DIR
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.simulator import DEMO_NIGHT, Scripted, parse_script

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.rig import Rig

    from winter_sync.core import Event
    from winter_sync.simulator import Answer, Call, Simulator

BACKFILL = ("backfill", "--from", DEMO_NIGHT.name, "--to", DEMO_NIGHT.name)
CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def settings_of(archive: Simulator, home: Path) -> Path:
    """Write settings for a mirror of all types, which downloads one batch at a time."""
    program = {"image_types": [str(kind) for kind in ImageType], "instruments": ["winter"]}
    api = {"base_url": archive.url, "connections": 1}
    return settings_file(home, api=api, programs=[program])


def published(home: Path) -> set[str]:
    """Return the names of all files in the tree."""
    root = home / "winter"
    return {path.name for path in root.rglob("*") if path.is_file() and STATE_DIR not in path.parts}


def listed(archive: Simulator) -> set[str]:
    """Return the names of all files that the archive lists for these settings, and has."""
    observatory = archive.observatory
    products = observatory.products("2024A000", Instrument.WINTER)
    now = observatory.clock.now()
    return {
        product.filename
        for product in products
        if not observatory.entry(*product.identity).gone(now)
    }


def plain(said: Said) -> str:
    """Return what was drawn, without what moves the cursor or colours."""
    return CONTROL.sub("", said.out)


class Interrupter(DownloadLog):
    """Holds a download, and presses Ctrl-C while it is held."""

    def __init__(self, keyboard: Keyboard, at: int) -> None:
        super().__init__()
        self._keyboard = keyboard
        self._at = at
        self.ended = threading.Event()

    async def before_zip(self, call: Call) -> Answer | None:
        """Record a download; the one that was chosen is answered when its client is gone."""
        await super().before_zip(call)
        if len(self.downloads) == self._at:
            self._keyboard.interrupt()
            await asyncio.to_thread(self.ended.wait)
        return None


def test_an_interrupted_backfill_goes_on_when_run_again(tmp_path: Path) -> None:
    """Ctrl-C ends it at once and says so; run again it fetches the rest, and nothing twice."""
    keyboard = Keyboard()
    interrupter = Interrupter(keyboard, at=3)
    with served(interrupter) as archive:
        settings = settings_of(archive, tmp_path)
        first = run_on_terminal("--config", settings, *BACKFILL, home=tmp_path, keyboard=keyboard)
        interrupter.ended.set()
        fetched = published(tmp_path)
        again = run_on_terminal("--config", settings, *BACKFILL, home=tmp_path)
        *_, so_far, last = plain(first).splitlines()
        assert first.code == 130
        assert last == "winter-sync: interrupted; run it again to resume."
        done = sum(map(len, interrupter.downloads[:2]))  # those that the archive lacks, too
        assert re.fullmatch(rf"{done} of \d+ products done so far, .*B\.", so_far.strip())
        assert fetched
        assert again.code == ExitCode.DONE
        assert published(tmp_path) == listed(archive) > fetched
    held = {path.rpartition("/")[2] for path in interrupter.downloads[2]}
    asked = {path.rpartition("/")[2]: times for path, times in interrupter.asked.items()}
    assert not held & fetched
    there = listed(archive)  # what the archive lacks is asked for once more
    assert all(times == 1 + (name in held) for name, times in asked.items() if name in there)


def test_a_backfill_on_a_terminal_ends_with_a_table(tmp_path: Path) -> None:
    """Drawn while it runs; at the end the types of the night, then the line that it always says."""
    with served() as archive:
        settings = settings_of(archive, tmp_path)
        said = run_on_terminal("--config", settings, *BACKFILL, home=tmp_path)
        here = len(listed(archive))
        wanted = len(archive.observatory.products("2024A000", Instrument.WINTER))
    assert said.code == ExitCode.DONE
    *_, headings, night, summary = plain(said).rstrip().splitlines()
    types = [str(kind) for kind in ImageType]
    assert headings.split() == ["night", *types, "missing", "pending", "size"]
    assert night.split()[0] == DEMO_NIGHT.name
    assert summary.startswith(f"{here} downloaded, ")
    assert f"  {wanted}/{wanted}  " in plain(said)


def test_a_backfill_says_why_some_of_it_could_not_be_downloaded(tmp_path: Path) -> None:
    """What fails is counted by its reason at the end, and the exit code says that some is left."""
    with served(Scripted(parse_script("flip@diff"))) as archive:
        settings = settings_of(archive, tmp_path)
        said = run_on_terminal("--config", settings, *BACKFILL, home=tmp_path, columns=100)
    assert said.code == ExitCode.INCOMPLETE
    assert re.search(r"Failed \d+ times: ", plain(said))
    assert "[info]" not in plain(said)


@pytest.mark.parametrize("terminal", [{"TERM": "dumb"}, {"TTY_COMPATIBLE": "0"}])
def test_a_terminal_that_cannot_draw_gets_lines(
    terminal: Mapping[str, str], tmp_path: Path
) -> None:
    """The log says what the drawing would show, and the cursor is never moved."""
    with served() as archive:
        settings = settings_of(archive, tmp_path)
        said = run_on_terminal("--config", settings, *BACKFILL, home=tmp_path, environment=terminal)
    assert said.code == ExitCode.DONE
    assert f"[info] night done night={DEMO_NIGHT}" in re.sub(r" +", " ", plain(said))
    assert not re.search(r"\x1b\[[0-9;?]*[A-HJKhl]", said.out)


def test_a_backfill_that_nobody_watches_writes_lines(tmp_path: Path) -> None:
    """Piped, it says one line, and the log has the polls and each night that became complete."""
    with served() as archive:
        settings = settings_of(archive, tmp_path)
        said = run("--config", settings, "--log-format", "json", *BACKFILL, home=tmp_path)
        number = len(listed(archive))
    assert said.code == ExitCode.DONE
    assert len(said.out.splitlines()) == 1
    lines = [json.loads(line) for line in said.err.splitlines()]
    (complete,) = [line for line in lines if line["event"] == "night done"]
    assert (complete["night"], complete["published"]) == (DEMO_NIGHT.name, number)
    assert {line["event"] for line in lines} == {"polled", "night done"}


def listen(tally: Tally, event: Event) -> None:
    """Record an event in a tally; here it does not matter when it happened."""
    tally.record(event, 0.0)


async def test_what_is_shown_is_what_was_done(rig: Rig) -> None:
    """The tally of a run agrees with its report and the tree; again, only what lacked is asked."""
    first, again = Tally(), Tally()
    rig.listeners = [lambda event: listen(first, event)]
    report = await rig.backfill(DEMO_NIGHT, DEMO_NIGHT)
    done = report.published + report.missing
    assert first.overall == Counts(done, report.published, report.missing, 0, report.size)
    assert report.published == len(rig.files())
    polls = [event for event in rig.events if isinstance(event, Polled)]
    assert sum(share.products for poll in polls for share in poll.shares) == report.new == done
    assert (first.nights_done, first.nights_left) == (1, 0)
    rig.listeners = [lambda event: listen(again, event)]
    report = await rig.backfill(DEMO_NIGHT, DEMO_NIGHT)
    assert report.published == 0
    assert again.overall == Counts(report.missing, 0, report.missing, 0, 0)
