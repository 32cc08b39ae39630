"""An archive that withdraws nothing is never said to have: any history of looks, Hypothesis's own.

Real HTTP, a real catalog and a real tree. The archive grows, is capped, doubles and reorders its
rows, has bad minutes, corrects targets and writes its marks in other ways; people delete files;
hours pass between runs; the mirror is asked to sync and to backfill. It is judged after each step
by what was told, by the catalog, and by what was downloaded more often than there was a reason.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.rig import DownloadLog, Rig
from support.tables import totals

from winter_sync.core import Polled
from winter_sync.core.errors import ExitCode
from winter_sync.core.layout import CATALOG, STATE_DIR
from winter_sync.core.outbox import EventKind
from winter_sync.core.products import Night
from winter_sync.core.traits import ImageType
from winter_sync.simulator import (
    Answer,
    Call,
    Observatory,
    Reset,
    SimulatedClock,
    Simulator,
    Universe,
)
from winter_sync.simulator.observatory.universe import campaigns_of

if TYPE_CHECKING:
    from collections.abc import Coroutine


NIGHTS = tuple(Night("20251010").plus(days) for days in range(5))
PROGRAMS = ("2024A000", "2024B001")
TYPES = ("stack", "exposure")
START = datetime(2025, 10, 13, 12, tzinfo=UTC)
HOURS = st.integers(1, 40)
ANY_NIGHT = st.sampled_from(NIGHTS)


def as_blank(instant: str) -> str:
    """Write an instant with a blank for its T."""
    return instant.replace("T", " ")


def as_zulu(instant: str) -> str:
    """Write an instant with Z for its zone."""
    return instant.replace("+00:00", "Z")


def as_pacific(instant: str) -> str:
    """Write an instant in another zone."""
    return (datetime.fromisoformat(instant)).astimezone().isoformat()


def as_header(instant: str) -> str:
    """Write an instant as HTTP does."""
    return format_datetime(datetime.fromisoformat(instant))


WRITINGS = (str, as_blank, as_zulu, as_pacific, as_header)


@dataclass
class Mood(DownloadLog):
    """What the archive does to its true answers at present; it also notes every download."""

    cap: int | None = None
    doubled: bool = False
    order: int = 0
    writing: int = 0
    trailing: str = ""
    bad_calls: int = 0
    longest: int | None = None
    hidden: int = 0
    malformed: bool = False
    asked_for: list[tuple[str, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    async def before(self, call: Call) -> Answer | None:
        """Fail, while there is a bad minute."""
        if self.bad_calls and call.path == "/images/query":
            self.bad_calls -= 1
            return Answer(503)
        return None

    def listing(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        """Change the table, and never what `msg` says of it."""
        rows = [self._written(row) for row in body["body"]]
        if self.cap is not None:
            rows = rows[: self.cap]
        if self.longest is not None and len(rows) > self.longest:
            return {"detail": "too much at once"}
        if self.hidden:
            rows = [row for row in rows if hash((self.hidden, row["savepath"])) % 3]
        if self.doubled:
            rows = rows + [dict(row) for row in rows]
        if self.order:
            rows.sort(key=lambda row: hash((self.order, call.number, row["savepath"])))
        if self.malformed:
            rows = [{**row, "savepath": None} if at == 0 else row for at, row in enumerate(rows)]
        if call.number % 7 == 3 and self.bad_calls:
            raise Reset
        return {**body, "body": rows}

    def _written(self, row: dict[str, Any]) -> dict[str, Any]:
        modified, version = row["lastmodified"], row["pipeversion"]
        return {
            **row,
            "lastmodified": modified and WRITINGS[self.writing](modified),
            "pipeversion": version and version + self.trailing,
        }


class Histories(RuleBasedStateMachine):
    """Everything that can happen around a mirror, but for a withdrawal."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = TemporaryDirectory(prefix="withdrawals-")

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - whatever it gives
        """Run something to its end."""
        return self.loop.run_until_complete(work)

    @initialize(regions=st.booleans())
    def begin(self, *, regions: bool) -> None:
        """Set an archive up in the middle of its nights, and a mirror of two programs."""
        universe = Universe(
            nights=NIGHTS, campaigns=campaigns_of(PROGRAMS), products_a_night=80, gone_fraction=0
        )
        self.mood = Mood()
        observatory = Observatory(universe, clock=SimulatedClock(START))
        self.simulator = Simulator(observatory, faults=self.mood)
        self.run(self.simulator.__aenter__())
        self.rig = Rig(self.simulator, Path(self.directory.name) / "winter")
        first: dict[str, Any] = {"name": PROGRAMS[0], "image_types": list(TYPES)}
        if regions:
            first["targets"] = sorted({entry.target or "" for entry in self.entries()} - {""})
        self.rig.programs = [first, {"name": PROGRAMS[1], "image_types": list(TYPES)}]
        self.reasons: Counter[str] = Counter()
        self.cut: set[str] = set()
        self.judge(self.run(self.rig.sync()))

    def entries(self) -> list[Any]:
        """Return what of our types the archive holds now."""
        return [
            entry
            for program in PROGRAMS
            for kind in TYPES
            for entry in self.simulator.observatory.entries(program, None, ImageType(kind))
        ]

    def teardown(self) -> None:
        """Take everything down."""
        if hasattr(self, "simulator"):
            self.run(self.simulator.__aexit__(None, None, None))
        self.loop.close()
        self.directory.cleanup()

    # --- what is asked -------------------------------------------------------------------------

    @rule()
    def sync(self) -> None:
        """Look at everything once."""
        self.judge(self.run(self.rig.sync()))

    @rule(first=ANY_NIGHT, more=st.integers(0, 2))
    def backfill(self, first: Night, more: int) -> None:
        """Look at some nights only."""
        self.judge(self.run(self.rig.backfill(first, first.plus(more))))

    def judge(self, report: Any) -> None:  # noqa: ANN401 - a Report
        """Check that only a run that asked something says that it is done."""
        assert report.queries or report.exit_code is not ExitCode.DONE

    # --- what happens --------------------------------------------------------------------------

    @rule(hours=HOURS)
    def time_passes(self, hours: int) -> None:
        """Advance the clock, so that the archive lists late products."""
        self.rig.observatory.clock.advance(timedelta(hours=hours))

    @rule(cap=st.none() | st.integers(1, 12), doubled=st.booleans(), order=st.integers(0, 3))
    def answers_change(self, cap: int | None, *, doubled: bool, order: int) -> None:
        """Make listings capped, doubled or reordered."""
        self.mood.cap, self.mood.doubled, self.mood.order = cap, doubled, order

    @rule(longest=st.none() | st.integers(5, 40))
    def long_windows_fail(self, longest: int | None) -> None:
        """Make windows of more than some rows fail, so that they are halved."""
        self.mood.longest = longest

    @rule(hidden=st.integers(0, 2))
    def answers_are_filtered(self, hidden: int) -> None:
        """Leave a third of the rows out of each answer, which says how many there are."""
        self.mood.hidden = hidden

    @rule(writing=st.integers(0, len(WRITINGS) - 1), trailing=st.sampled_from(["", " ", "\t"]))
    def marks_are_written_otherwise(self, writing: int, trailing: str) -> None:
        """Write the same marks in another way."""
        self.mood.writing, self.mood.trailing = writing, trailing

    @rule(malformed=st.booleans())
    def a_row_makes_no_sense(self, *, malformed: bool) -> None:
        """Take the name from one row of each answer, or restore it."""
        self.mood.malformed = malformed

    @rule(calls=st.integers(1, 9))
    def bad_minute(self, calls: int) -> None:
        """Make some queries fail."""
        self.mood.bad_calls = calls

    @precondition(lambda self: hasattr(self, "simulator"))
    @rule(data=st.data())
    def a_target_is_corrected(self, data: st.DataObject) -> None:
        """Move a product to a target that is not selected."""
        entry = data.draw(st.sampled_from(self.entries()))
        self.simulator.observatory.correct(entry.product, program=entry.program, target="corrected")

    @precondition(lambda self: hasattr(self, "simulator"))
    @rule(data=st.data())
    def a_program_is_corrected(self, data: st.DataObject) -> None:
        """Move a product to the other program."""
        entry = data.draw(st.sampled_from(self.entries()))
        other = PROGRAMS[entry.program == PROGRAMS[0]]
        self.simulator.observatory.correct(entry.product, program=other, target=entry.target)

    @precondition(lambda self: hasattr(self, "simulator"))
    @rule(data=st.data())
    def listed_twice(self, data: st.DataObject) -> None:
        """List a product under the other program, too."""
        entry = data.draw(st.sampled_from(self.entries()))
        other = PROGRAMS[entry.program == PROGRAMS[0]]
        self.simulator.observatory.list_also_under(entry.product, other)

    @precondition(lambda self: hasattr(self, "rig") and self.rig.files())
    @rule(data=st.data(), quite=st.booleans())
    def a_file_is_deleted_by_hand(self, data: st.DataObject, *, quite: bool) -> None:
        """Delete a file, or cut it short, which nobody overwrites."""
        path = self.rig.root / data.draw(st.sampled_from(sorted(self.rig.files())))
        if quite:
            path.unlink()
            self.reasons.update(
                entry.product.savepath
                for entry in self.entries()
                if entry.product.filename == path.name
            )
        else:
            path.write_bytes(path.read_bytes()[:100])
            self.cut.add(str(path.relative_to(self.rig.root)))

    @rule(night=ANY_NIGHT)
    def logged_again(self, night: Night) -> None:
        """Process a night again without new content."""
        remade = self.simulator.observatory.reprocess(night, ())
        assert not remade
        for entry in self.entries():
            if entry.product.night == night:
                self.reasons[entry.product.savepath] += 1

    # --- what must be true ---------------------------------------------------------------------

    @invariant()
    def nothing_is_said_to_be_withdrawn(self) -> None:
        """Neither an event nor the catalog has it."""
        if not hasattr(self, "rig"):
            return
        told = [event for event in self.rig.events if isinstance(event, Polled)]
        assert sum(event.withdrawn for event in told) == 0
        path = self.rig.root / STATE_DIR / CATALOG
        if path.exists():
            with closing(sqlite3.connect(path)) as db:
                sql = "SELECT count(*) FROM products WHERE withdrawn_at IS NOT NULL"
                assert db.execute(sql).fetchone() == (0,)
                assert totals(db) == totals(db, anew=True)
            assert not self.rig.outbox(EventKind.WITHDRAWN, EventKind.WITHDRAWAL_HELD)

    @invariant()
    def nothing_is_downloaded_without_a_reason(self) -> None:
        """Once when it appears, and at most once more for each time its marks changed."""
        if not hasattr(self, "mood"):
            return
        for savepath, times in self.mood.asked.items():
            assert times <= 1 + self.reasons[savepath], savepath

    @invariant()
    def nothing_in_the_tree_is_wrong(self) -> None:
        """Every file is byte for byte the archive's, but for those that were cut by hand."""
        if hasattr(self, "rig"):
            truth = self.rig.truth()
            found = self.rig.files()
            assert all(found[path] == truth.get(path) for path in found.keys() - self.cut)


MANY = int(os.environ.get("TRY_HISTORIES", "4"))
"""Histories that are tried; `scripts/soak` tries more."""

Histories.TestCase.settings = settings(
    max_examples=MANY,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
test_an_archive_that_withdraws_nothing_is_never_said_to_have = Histories.TestCase
