"""A month of an archive that changes, and of a mirror of it that is restarted and killed.

Real HTTP, a real catalog and a real tree; the clocks of both are driven. Each day the archive
changes, time passes, its answers may be faulty, and the mirror runs once. What must be true then
and at the end is predicted by `long.month_expected`.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from long.month_changes import PROGRAMS, TYPES, Changes
from long.month_expected import Expected
from promises.killable import SINK_SECONDS, STEPS, STEPS_OF_A_COMMAND, run_as_command
from support.rig import DownloadLog, Rig

from winter_sync.core.layout import CATALOG, STATE_DIR
from winter_sync.core.products import Night
from winter_sync.core.traits import Instrument
from winter_sync.core.withdrawals import ANSWERS_NEEDED
from winter_sync.maintenance import Request, verify
from winter_sync.simulator import (
    Call,
    Campaign,
    Circumstances,
    Observatory,
    Script,
    Scripted,
    SimulatedClock,
    Simulator,
    Universe,
    parse_script,
    settled,
)
from winter_sync.sync.windows import Nights

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from promises.kills import KillableMirrors

    from winter_sync.core import Sink
    from winter_sync.simulator import Answer

NIGHTS = tuple(Night("20251001").plus(days) for days in (0, 1, 4, 9, 16))
START = datetime(2025, 10, 3, 12, tzinfo=UTC)
LOOKED_BACK = 5
"""Nights that every poll looks back, whatever the time of the day."""
QUIET_RUNS, MOST_RUNS = ANSWERS_NEEDED, 20
"""So many runs in a row must change nothing at the end: what vanished with much else takes as many
answers to be withdrawn."""
NAMELESS = "nameless"
"""The first row of each answer has no name; no kind of the simulator takes one away."""
SCRIPTS = (
    NAMELESS,
    *("", "shuffled,rows-twice", "odd-rows,shuffled", "capped=3", "capped=1", "null-row:0.5"),
    *("no-rows:0.5", "503:0.4@query", "500:0.5@download", "html:0.3@query+download"),
    *("reset-body:0.5", "end-early:0.5", "flip:0.5", "half:0.5", "left-out:0.5,capped=2:0.5"),
)
"""How the archive answers: as it should, in odd ways, in part, or broken."""
MOMENTS = ("before", "after")


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happens to the archive or to the tree; `chosen` says to which product."""

    kind: str
    chosen: int = 0


@dataclass(frozen=True, slots=True)
class Kill:
    """A kill before or after a step of a run, when it comes to it for the given time."""

    step: str
    moment: str
    times: int


@dataclass(frozen=True, slots=True)
class Day:
    """What happens from one run to the next: changes, hours, how the archive answers, the run."""

    hours: int
    changes: tuple[Change, ...] = ()
    script: str = ""
    recheck: bool = False
    """Whether the run is a backfill that compares everything with the archive."""
    kill: Kill | None = None


class Answers(Scripted, DownloadLog):
    """The faults of a script, and a record of what was asked for and answered in full."""

    def __init__(self, script: str, now: Callable[[], datetime]) -> None:
        self._is_nameless = script == NAMELESS
        rules = parse_script(script).rules if script and not self._is_nameless else ()
        Scripted.__init__(self, Script(rules), Circumstances(now=now))
        self.downloads = []
        self.complete: set[tuple[str | None, str | None]] = set()
        """Programs and types of which an answer listed all that there is; no type for any type."""

    async def before_zip(self, call: Call) -> Answer | None:
        """Record a download before a fault strikes it."""
        await DownloadLog.before_zip(self, call)
        return await Scripted.before_zip(self, call)

    def listing(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        """Change the answer to a query, and record whether all is in it."""
        rows = body["body"]
        answer = super().listing(call, body)
        if self._is_nameless and rows:
            answer = {**body, "body": [{**rows[0], "savepath": None}, *rows[1:]]}
        listed = [row.get("savepath") for row in answer["body"] if isinstance(row, dict)]
        if {row["savepath"] for row in rows} <= set(listed) and None not in answer["body"]:
            types = {row["image_type"] for row in rows} or {None}
            self.complete |= {(call.program, image_type) for image_type in types}
        return answer


class NoDisplay:
    """Shows nothing of a verification."""

    def checking(self, *_: int) -> AbstractContextManager[Callable[[int, int], None]]:
        """Show nothing of a check."""
        return _Silent(lambda _files, _size: None)

    def repairing(self) -> AbstractContextManager[Sink]:
        """Show nothing of a repair."""
        return _Silent(lambda _: None)


class _Silent:
    def __init__(self, receiver: Any) -> None:  # noqa: ANN401 - of either sort
        self._receiver = receiver

    def __enter__(self) -> Any:  # noqa: ANN401 - of either sort
        return self._receiver

    def __exit__(self, *_: object) -> None:
        pass


class MonthRig(Rig):
    """A rig whose mirror delivers its events to a file."""

    @property
    def delivered(self) -> Path:
        """Where the sink writes all that it is given."""
        return self.root.parent / "delivered"

    def sections(self) -> dict[str, Any]:
        """Return the settings, with a sink, and events that are kept for as long as it takes."""
        command = ["tee", "-a", str(self.delivered)]
        sinks = [{"name": "file", "command": command, "timeout": f"{SINK_SECONDS:.0f}s"}]
        return {**super().sections(), "sinks": sinks, "events": {"keep": "1000d"}}

    async def _sleep(self, seconds: float) -> None:
        if seconds == SINK_SECONDS:
            await asyncio.sleep(seconds)
        await super()._sleep(seconds)


class Month:
    """An archive, a mirror of it, and what is expected of the mirror."""

    def __init__(
        self, simulator: Simulator, root: Path, mirrors: KillableMirrors, on_withdrawn: str
    ) -> None:
        self.rig = MonthRig(simulator, root)
        self.rig.changes["mirror"] = {"on_withdrawn": on_withdrawn}
        self.rig.programs = [{"name": name, "image_types": list(TYPES)} for name in PROGRAMS]
        self.expected = Expected(simulator.observatory, root, PROGRAMS, on_withdrawn)
        self._changes = Changes(self.rig, self.expected)
        self._mirrors = mirrors
        self._kills = 0
        self._inject("")

    # --- days ------------------------------------------------------------------------------------

    async def live(self, day: Day) -> None:
        """Live through a day, and check what must be true after it."""
        self.observatory.clock.advance(timedelta(hours=day.hours))
        for change in day.changes:
            getattr(self._changes, change.kind)(change.chosen)
        self._inject(day.script)
        if day.kill is not None:
            await self._run_and_kill(day.kill)
        else:
            await self._run(recheck=day.recheck)
        self._check(was_killed=day.kill is not None)
        if not day.script and day.kill is None:
            first = Night.at(self.observatory.clock.now()).plus(-LOOKED_BACK)
            self.expected.check_listings(first)

    async def end(self) -> None:
        """Have the archive answer well, and run until nothing changes any more; check the end."""
        self._inject("")
        self.observatory.clock.set(max(self.observatory.clock.now(), settled(NIGHTS)))
        found: object = None
        quiet = 0
        for _ in range(MOST_RUNS):
            self.observatory.clock.advance(timedelta(hours=25))
            await self._repair()
            await self._run(recheck=bool(self.expected.silent))
            self._check(was_killed=False)
            before, found = found, (self.rig.files(), self.expected.read)
            quiet = quiet + 1 if before == found else 0
            if quiet == QUIET_RUNS:
                break
        else:
            raise AssertionError("it does not come to an end")
        self.expected.check_end(self.rig.files(), TYPES)

    async def _repair(self) -> None:
        """Repair what a hand damaged, as far as the archive lists it.

        What it lists again later is still damaged then, and is told so, until it is asked for.
        """
        if self.expected.spoiled:
            await verify(self.rig.settings(), Request(repair=True), NoDisplay(), time=self.rig.time)

    def _check(self, *, was_killed: bool) -> None:
        """Check what must be true after every run, whatever went wrong in it."""
        self.expected.observe_files(self.rig.files(), TYPES)
        if (self.rig.root / STATE_DIR / CATALOG).exists():
            self.expected.check_catalog(self.answers.complete, was_killed=was_killed)
            self._kills += was_killed
            self.expected.check_nights(self.rig.files(), TYPES)
            if not was_killed:
                self.expected.check_sink(self.rig.delivered, is_each_once=not self._kills)

    @property
    def answers(self) -> Answers:
        """How the archive answers now."""
        answers = self.rig.simulator.faults
        assert isinstance(answers, Answers)
        return answers

    @property
    def observatory(self) -> Observatory:
        """The archive."""
        return self.rig.observatory

    def _inject(self, script: str) -> None:
        self.rig.simulator.faults = Answers(script, self.observatory.clock.now)

    async def _run(self, *, recheck: bool) -> None:
        """Do what `winter-sync sync` does, or `backfill --recheck`."""
        how = (
            {"nights": Nights(NIGHTS[0], NIGHTS[-1]), "recheck": timedelta(days=1)}
            if recheck
            else {}
        )
        await run_as_command(self.rig.settings(), self.rig.time, **how)

    async def _run_and_kill(self, kill: Kill) -> None:
        """Run in a process that is killed when it comes to a step, if it does."""
        await asyncio.to_thread(
            self._mirrors.run,
            self.rig.root,
            settings=self.rig.sections(),
            now=self.observatory.clock.now().isoformat(),
            as_command=True,
            step=kill.step,
            moment=kill.moment,
            times=kill.times,
        )


KILLED_AT = (*STEPS, *STEPS_OF_A_COMMAND)


def the_universe() -> Universe:
    """Return what was observed in the month."""
    return Universe(
        nights=NIGHTS,
        campaigns=(
            Campaign(PROGRAMS[0], Instrument.WINTER, 1, 3, (1, 2, 3, 4), TYPES),
            Campaign(PROGRAMS[1], Instrument.WINTER, 1, 2, (1, 2), TYPES),
        ),
        gone_fraction=0,
    )


@asynccontextmanager
async def a_month(
    directory: Path,
    mirrors: KillableMirrors,
    cache: Path | None = None,
    on_withdrawn: str = "keep",
) -> AsyncIterator[Month]:
    """Serve the archive of a month, and yield it with a mirror that has not run yet."""
    observatory = Observatory(the_universe(), clock=SimulatedClock(START))
    async with Simulator(observatory, cache=cache) as simulator:
        yield Month(simulator, directory / "winter", mirrors, on_withdrawn)
