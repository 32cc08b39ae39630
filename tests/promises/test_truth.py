"""What a run says and does is what was seen: no neighbour withdrawn, no mark without meaning."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.rig import DownloadLog, Rig

from winter_sync.cli.views.run_report import not_asked, summary
from winter_sync.core import FoundUnchanged, Polled, PollFailed, WindowHalved
from winter_sync.core.errors import ExitCode
from winter_sync.core.marks import REFETCH_SAMPLE, evenly_spread, parse_marks
from winter_sync.core.products import Night
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.simulator import (
    DEMO_NIGHT,
    Answer,
    Call,
    Observatory,
    SimulatedClock,
    Simulator,
    Universe,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

NIGHTS = tuple(DEMO_NIGHT.plus(days) for days in range(-4, 1))
PROGRAM = "2024A000"
AN_INSTANT = datetime(2025, 10, 24, 12, 52, 16, 785000, tzinfo=UTC)


class Rewritten(DownloadLog):
    """An archive that lists its true rows after they went through a function."""

    def __init__(self) -> None:
        super().__init__()
        self.rewrite: Callable[[Call, list[dict[str, Any]]], list[dict[str, Any]]] | None = None
        self.failing = False

    async def before(self, call: Call) -> Answer | None:
        """Fail all queries, while it is to."""
        return Answer(500) if self.failing and call.path == "/images/query" else None

    def listing(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        """Change the rows."""
        return body if self.rewrite is None else {**body, "body": self.rewrite(call, body["body"])}


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Rig]:
    """Return a mirror of two programs and five nights; some of its stacks are in both programs."""
    universe = Universe(nights=NIGHTS, products_a_night=80, gone_fraction=0)
    now = SimulatedClock(datetime(2025, 10, 28, 12, tzinfo=UTC))
    async with Simulator(Observatory(universe, clock=now), faults=Rewritten()) as simulator:
        rig = Rig(simulator, tmp_path / "winter")
        other = next(each["name"] for each in rig.programs if each["name"] != PROGRAM)
        for stack in stacks(rig)[:3]:
            rig.observatory.list_also_under(stack, other)
        for program in rig.programs:
            program["image_types"] = ["stack", "exposure"]
        yield rig


def stacks(rig: Rig) -> list[Any]:
    """Return the stacks of the program."""
    return rig.observatory.products(PROGRAM, Instrument.WINTER, ImageType.STACK)


def faults(rig: Rig) -> Rewritten:
    """Return what happens to the answers."""
    assert isinstance(rig.simulator.faults, Rewritten)
    return rig.simulator.faults


def emitted(rig: Rig, kind: type) -> list[Any]:
    """Return the events of a kind."""
    return [event for event in rig.events if isinstance(event, kind)]


# --- nothing is withdrawn that was not ----------------------------------------------------------


@pytest.mark.parametrize("night", NIGHTS)
async def test_a_backfill_withdraws_no_neighbour(archive: Rig, night: Night) -> None:
    """After a backfill of one night, all others are listed and here as before."""
    await archive.sync()
    archive.observatory.clock.advance(timedelta(hours=3))
    before = archive.files()
    report = await archive.backfill(night, night)
    assert report.exit_code is ExitCode.DONE
    assert sum(event.withdrawn for event in emitted(archive, Polled)) == 0
    report = await archive.sync()
    assert (report.new, report.changed) == (0, 0)
    assert archive.files() == before


async def test_a_backfill_records_nothing_new_of_its_neighbours(archive: Rig) -> None:
    """What its windows list of the nights beside it is not downloaded, now or later by itself."""
    night = NIGHTS[2]
    await archive.backfill(night, night)
    assert {path.split("/")[1] for path in archive.files()} == {night.name}


async def test_a_vanished_product_is_withdrawn_by_a_backfill(archive: Rig) -> None:
    """One that covers its night shows it; so what is not withdrawn above could have been."""
    await archive.sync()
    gone = stacks(archive)[5]
    archive.observatory.withdraw(gone)
    await archive.backfill(gone.night, gone.night)
    assert sum(event.withdrawn for event in emitted(archive, Polled)) == 1


async def test_a_corrected_target_is_not_withdrawn(archive: Rig) -> None:
    """A product that left the targets that are mirrored is still listed: one query shows it."""
    targets = {each.target for each in archive.observatory.entries(PROGRAM) if each.target}
    archive.programs[0]["targets"] = sorted(targets)
    await archive.sync()
    moved = stacks(archive)[5]
    archive.observatory.correct(moved, program=PROGRAM, target="elsewhere")
    queries = archive.requests["/images/query"]
    await archive.sync()
    assert sum(event.withdrawn for event in emitted(archive, Polled)) == 0
    extra = archive.requests["/images/query"]
    await archive.sync()
    again = archive.requests["/images/query"]
    assert extra - queries == again - extra + 1, "it is asked about once"


async def test_a_product_withdrawn_from_a_target_is_withdrawn(archive: Rig) -> None:
    """What the program lists no more either is gone."""
    targets = {each.target for each in archive.observatory.entries(PROGRAM) if each.target}
    archive.programs[0]["targets"] = sorted(targets)
    await archive.sync()
    archive.observatory.withdraw(stacks(archive)[5])
    await archive.sync()
    assert sum(event.withdrawn for event in emitted(archive, Polled)) == 1


async def test_a_row_that_lost_its_sense_is_not_withdrawn(archive: Rig) -> None:
    """A product whose row cannot be used today was listed all the same."""
    await archive.sync()
    lost = stacks(archive)[5].savepath

    def without_a_night(_: Call, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        path = "\ud800" + lost
        return [{**row, "savepath": path} if row["savepath"] == lost else row for row in rows]

    faults(archive).rewrite = without_a_night
    await archive.sync()
    faults(archive).rewrite = lambda _, rows: [*rows, {"savepath": None}]
    archive.observatory.withdraw(stacks(archive)[6])
    await archive.sync()
    assert sum(event.withdrawn for event in emitted(archive, Polled)) <= 1


# --- listings that are cut short -----------------------------------------------------------------


@pytest.mark.parametrize("cap", [3, 10, 20])
async def test_a_capped_listing_is_asked_for_in_parts(archive: Rig, cap: int) -> None:
    """Where dates are enough to get below the limit everything comes, and the run says so."""
    faults(archive).rewrite = lambda _, rows: rows[:cap]
    await archive.sync()
    assert sum(event.withdrawn for event in emitted(archive, Polled)) == 0
    most_a_date = max(
        Counter(
            (each.program, each.product.instrument, each.product.image_type, each.product.night)
            for each in archive.observatory.entries()
            if each.product.image_type in (ImageType.STACK, ImageType.EXPOSURE)
        ).values()
    )
    missed = wanted(archive).keys() - archive.files().keys()
    assert bool(missed) == (most_a_date > cap)
    report = await archive.sync()
    assert report.exit_code is (ExitCode.SERVER_FAILING if missed else ExitCode.DONE)
    if missed:
        assert "the archive found" in str(report.errors[0])
    faults(archive).rewrite = None
    assert (await archive.sync()).exit_code is ExitCode.DONE
    assert archive.files() == wanted(archive)


def wanted(rig: Rig) -> dict[str, str]:
    """Return what is to be mirrored."""
    kinds = (ImageType.STACK, ImageType.EXPOSURE)
    return rig.truth(each for kind in kinds for each in rig.observatory.products(image_type=kind))


# --- marks by their meaning ---------------------------------------------------------------------


def writings(instant: datetime) -> list[str]:
    """Return ways to write one instant."""
    pacific = instant.astimezone(tz=None).astimezone()
    return [
        instant.isoformat(),
        instant.isoformat().replace("T", " "),
        instant.isoformat().replace("+00:00", "Z"),
        instant.replace(tzinfo=None).isoformat(),
        instant.replace(microsecond=0).isoformat(),
        pacific.isoformat(),
        (instant.astimezone(UTC)).strftime("%Y-%m-%dT%H:%M:%S+0000"),
        format_datetime(instant.replace(microsecond=0)),
        format_datetime(instant.replace(microsecond=0), usegmt=True),
        f" {instant.isoformat()} ",
    ]


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - the zone is given apart
def test_the_same_instant_is_the_same_mark(instant: datetime) -> None:
    """However it is written; another second is another mark."""
    meanings = {parse_marks(text, None) for text in writings(instant)}
    assert len(meanings) == 1
    assert parse_marks((instant + timedelta(seconds=1)).isoformat(), None) not in meanings


@given(st.text() | st.none(), st.text() | st.none())
def test_no_mark_is_too_strange(lastmodified: str | None, pipeversion: str | None) -> None:
    """Whatever is written there has a meaning, the same each time, and covers itself."""
    meaning = parse_marks(lastmodified, pipeversion)
    assert parse_marks(meaning.lastmodified, meaning.pipeversion) == meaning
    assert meaning.cover(meaning)
    assert meaning.united(meaning) == meaning


@given(st.lists(st.integers(), max_size=50), st.integers(-1, 60))
def test_a_sample_is_spread_evenly(ordered: list[int], count: int) -> None:
    """It has the size asked for, or all there is, each once and in order."""
    places = evenly_spread(list(range(len(ordered))), count)
    assert len(places) == min(max(count, 0), len(ordered))
    assert places == sorted(set(places))


@pytest.mark.parametrize("how", range(1, 10))
async def test_the_same_marks_written_otherwise_cost_nothing(archive: Rig, how: int) -> None:
    """A server that writes its times and versions in another way has remade nothing."""

    def written(_: Call, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {
                **row,
                "lastmodified": row["lastmodified"]
                and writings(datetime.fromisoformat(row["lastmodified"]))[how],
                "pipeversion": row["pipeversion"] and f"{row['pipeversion']} ",
            }
            for row in rows
        ]

    await archive.sync()
    asked = Counter(faults(archive).asked)
    faults(archive).rewrite = written
    archive.observatory.clock.advance(timedelta(hours=1))
    assert (await archive.sync()).changed == 0
    assert faults(archive).asked == asked


async def test_rows_that_disagree_are_no_reason_to_download_for_ever(archive: Rig) -> None:
    """Two rows of one product, and two programs, with other marks each: it comes, and it stays."""

    def disagreeing(call: Call, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        ours = AN_INSTANT if call.program == PROGRAM else AN_INSTANT + timedelta(days=1)
        theirs = ours + timedelta(days=2)
        twice = [
            {**row, "lastmodified": each.isoformat()} for row in rows for each in (ours, theirs)
        ]
        return twice if call.number % 2 else twice[::-1]

    faults(archive).rewrite = disagreeing
    for _ in range(16):
        await archive.sync()
        archive.observatory.clock.advance(timedelta(hours=1))
    listed_by_both = {each.savepath for each in stacks(archive)[:3]}
    for savepath, times in faults(archive).asked.items():
        assert times <= 1 + (savepath in listed_by_both), "once for each program's own marks"
    assert archive.files() == wanted(archive)


async def test_a_night_that_was_only_logged_again_costs_a_sample(archive: Rig) -> None:
    """New marks of a whole night without new content: three products are looked at, not all."""
    archive.programs = archive.programs[:1]
    await archive.sync()
    night = stacks(archive)[0].night
    many = [each for each in stacks(archive) if each.night == night]
    assert len(many) > REFETCH_SAMPLE
    before, asked = archive.files(), Counter(faults(archive).asked)
    archive.observatory.reprocess(night, ())
    archive.observatory.clock.advance(timedelta(hours=1))
    report = await archive.sync()
    again = faults(archive).asked - asked
    assert (report.changed, report.unchanged, report.published) == (len(many), REFETCH_SAMPLE, 0)
    assert sum(again.values()) == REFETCH_SAMPLE
    assert report.exit_code is ExitCode.DONE
    (unchanged,) = emitted(archive, FoundUnchanged)
    assert [share.products for share in unchanged.shares] == [len(many) - REFETCH_SAMPLE]
    archive.observatory.clock.advance(timedelta(days=1))
    assert (await archive.sync()).changed == 0
    assert archive.files() == before


async def test_a_night_that_was_remade_is_fetched_whole(archive: Rig) -> None:
    """As soon as one of the sample is new, all are fetched."""
    await archive.sync()
    night = stacks(archive)[0].night
    archive.observatory.reprocess(night)
    archive.observatory.clock.advance(timedelta(hours=1))
    assert (await archive.sync()).exit_code is ExitCode.DONE
    assert archive.files() == wanted(archive)


async def test_a_sample_that_cannot_be_had_is_replaced(archive: Rig) -> None:
    """A product of the sample whose file is gone does not keep the others from being looked at."""
    archive.programs = archive.programs[:1]
    await archive.sync()
    night = stacks(archive)[0].night
    many = [each for each in stacks(archive) if each.night == night]
    for lost in evenly_spread(many, REFETCH_SAMPLE):
        archive.observatory.remove_file(lost)
    archive.observatory.reprocess(night, ())
    archive.observatory.clock.advance(timedelta(hours=1))
    report = await archive.sync()
    assert (report.missing, report.left) == (REFETCH_SAMPLE, 0)
    assert emitted(archive, FoundUnchanged) or len(many) <= 2 * REFETCH_SAMPLE


# --- by hand means now ---------------------------------------------------------------------------


async def test_a_backfill_asks_again_for_what_was_missing(archive: Rig) -> None:
    """Once, though the next attempt would be hours away; a sync says when that is."""
    lost = stacks(archive)[0]
    archive.observatory.remove_file(lost)
    await archive.sync()
    asked = faults(archive).asked[lost.savepath]
    report = await archive.sync()
    assert faults(archive).asked[lost.savepath] == asked
    assert "1 still missing, next 28 Oct 13:" in summary(report)
    report = await archive.backfill(lost.night, lost.night)
    assert faults(archive).asked[lost.savepath] == asked + 1
    assert "1 missing on the server" in summary(report)
    archive.observatory.restore_file(lost)
    assert (await archive.backfill(lost.night, lost.night)).published == 1


async def test_a_program_without_a_start_is_looked_at_from_the_beginning(tmp_path: Path) -> None:
    """Nights of years ago are found where the archive does not say when a program began."""
    universe = Universe(nights=(Night("20250105"),), products_a_night=100, gone_fraction=0)
    now = SimulatedClock(datetime(2026, 10, 28, 12, tzinfo=UTC))

    class Undated(DownloadLog):
        """An archive that does not know when its programs began."""

        async def before(self, call: Call) -> Answer | None:
            """Answer for the program."""
            if call.path != "/validation/program":
                return None
            return Answer(200, b'{"msg": "", "body": {"startdate": null, "enddate": null}}')

    async with Simulator(Observatory(universe, clock=now), faults=Undated()) as simulator:
        rig = Rig(simulator, tmp_path / "winter")
        rig.programs = [{"name": PROGRAM, "image_types": ["stack"]}]
        assert (await rig.sync()).published == len(stacks(rig)) > 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"since": "20990101"}, "it begins on 2099-01-01, and the archive has 2025-10-28"),
        ({"since": "20251115"}, "it begins on 2025-11-15, and the archive has 2025-10-28"),
    ],
)
async def test_a_run_that_asks_nothing_is_not_done(
    archive: Rig, change: dict[str, str], said: str
) -> None:
    """It says for each program why no query was sent, and its exit code is not 0."""
    archive.programs = [{**each, **change} for each in archive.programs]
    report = await archive.sync()
    assert report.exit_code is ExitCode.USAGE
    assert summary(report) == "No query was sent (0 queries, 0 rows listed)."
    assert len(not_asked(report)) == len(archive.programs)
    assert said in not_asked(report)[0]


async def test_a_selection_that_matches_nothing_is_reported(archive: Rig) -> None:
    """A target that was never observed is not "nothing new"."""
    archive.programs = [{"name": PROGRAM, "image_types": ["stack"], "targets": ["SN2099zz"]}]
    report = await archive.sync()
    assert report.asked is not None
    said = f"The archive lists nothing of what was asked for, {report.asked[0]} and later ("
    assert summary(report).startswith(said)


async def test_nothing_lately_is_no_empty_archive(archive: Rig) -> None:
    """A sync after a pause says which dates it asked for, and that what is here stays."""
    archive.programs = archive.programs[:1]
    await archive.sync()
    archive.observatory.clock.advance(timedelta(days=12))
    await archive.sync()
    report = await archive.sync()
    here = len(archive.files())
    said = summary(report)
    assert "lists nothing of what was asked for, 20" in said
    assert f" and later; the {here} products here stay (" in said


async def test_a_program_that_ended_long_ago_is_asked_when_asked_by_hand(archive: Rig) -> None:
    """A second sync of the same day does not end without a question."""
    await archive.sync()
    archive.observatory.clock.advance(timedelta(days=400))
    for _ in range(2):
        report = await archive.sync()
        assert report.queries > 0
        assert report.exit_code is ExitCode.DONE
    assert not emitted(archive, PollFailed)
    assert not emitted(archive, WindowHalved)
