"""What the mirror promises of a whole run, on a real archive, a real disk and a real catalog."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from support.rig import DownloadLog, Rig, path_of

from winter_sync.core import Polled, RowsLeftOut, ServerFailing, ServerRecovered
from winter_sync.core.errors import ExitCode
from winter_sync.core.filesystem import sha256_of_file
from winter_sync.core.layout import STATE_DIR
from winter_sync.core.products import Night
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.simulator import (
    DEMO_NIGHT,
    Answer,
    Call,
    Faults,
    Observatory,
    Reset,
    SimulatedClock,
    Simulator,
    Universe,
    ZipStyle,
    demo_universe,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from typing import Any


EVENING = datetime(2025, 10, 24, 2, tzinfo=UTC)
STYLES = [
    replace(style, method=method, data_descriptors=descriptors)
    for method in ("stored", "deflated")
    for descriptors in (False, True)
    for style in (
        ZipStyle(layout="flat", built="before"),
        ZipStyle(layout="folder", built="streamed"),
        ZipStyle(layout="savepath", zip64="always"),
    )
]


async def test_a_night_arrives_byte_for_byte(rig: Rig) -> None:
    """Every product of two programs, two cameras and six types is in the tree, as archived."""
    report = await rig.sync()
    assert rig.files() == rig.truth()
    assert report.published == len(rig.truth()) >= 200
    assert {product.image_type for product in rig.observatory.products()} == set(ImageType)
    assert {product.instrument for product in rig.observatory.products()} == set(Instrument)
    assert report.exit_code is ExitCode.DONE


async def test_nothing_is_asked_for_twice(rig: Rig, download_log: DownloadLog) -> None:
    """One run asks for each product once, in requests that never name a file twice."""
    await rig.sync()
    assert set(download_log.asked.values()) == {1}
    for savepaths in download_log.downloads:
        names = [path.rpartition("/")[2] for path in savepaths]
        assert len(names) == len(set(names))


async def test_a_second_run_only_asks(rig: Rig, download_log: DownloadLog) -> None:
    """With nothing new, a run makes its queries and downloads nothing."""
    await rig.sync()
    downloads = len(download_log.downloads)
    report = await rig.sync()
    assert len(download_log.downloads) == downloads
    assert report.queries > 0
    assert (report.new, report.changed, report.published) == (0, 0, 0)


async def test_a_later_run_fetches_exactly_what_is_new(tmp_path: Path) -> None:
    """As the archive's day goes on, each run asks for what appeared since, and for nothing else."""
    download_log = DownloadLog()
    evening = SimulatedClock(EVENING)
    observatory = Observatory(demo_universe(), clock=evening)
    async with Simulator(observatory, faults=download_log) as simulator:
        rig = Rig(simulator, tmp_path / "winter")
        before: set[str] = set()
        growth = []
        for _ in range(12):
            await rig.sync()
            listed = {product.savepath for product in observatory.products()}
            assert rig.files() == rig.truth()
            assert set(download_log.asked) == listed
            growth.append(len(listed - before))
            before = listed
            evening.advance(timedelta(hours=3))
        assert sum(count > 0 for count in growth) >= 4
        gone = {
            entry.savepath for entry in observatory.products() if path_of(entry) not in rig.truth()
        }
        assert {path for path, count in download_log.asked.items() if count > 1} <= gone


SUPERNOVA = "SN2024wex"
AT_THE_SUPERNOVA = {"ra": 326.1, "dec": 50.8}
AROUND_IT = {"ra_min": 325.0, "ra_max": 327.0, "dec_min": 50.0, "dec_max": 51.5}
FIELD_WITHOUT_A_NAME = {"ra": 11.0, "dec": 3.8, "radius": 0.5}


@pytest.mark.parametrize(
    ("narrowing", "targets"),
    [
        ({}, {SUPERNOVA, None}),
        ({"targets": [SUPERNOVA]}, {SUPERNOVA}),
        ({"cones": [AT_THE_SUPERNOVA]}, {SUPERNOVA}),
        ({"rectangles": [AROUND_IT]}, {SUPERNOVA}),
        ({"targets": [SUPERNOVA], "cones": [FIELD_WITHOUT_A_NAME]}, {SUPERNOVA, None}),
        ({"targets": ["nothing of the kind"]}, set()),
    ],
    ids=["program", "target", "cone", "rectangle", "two", "none"],
)
async def test_each_kind_of_selection(
    rig: Rig, narrowing: dict[str, Any], targets: set[str | None]
) -> None:
    """A program, a target, a cone and a rectangle each mirror just what lies in them."""
    rig.programs = [{"name": "2024A000", "image_types": ["stack", "diff"], **narrowing}]
    await rig.sync()
    expected = [
        entry.product
        for entry in rig.observatory.entries("2024A000", Instrument.WINTER)
        if entry.product.image_type in (ImageType.STACK, ImageType.DIFF) and entry.target in targets
    ]
    assert bool(expected) == bool(targets)
    assert rig.files() == rig.truth(expected)


async def test_a_backfill_fetches_its_nights_only(tmp_path: Path) -> None:
    """Of several nights, those from one to another come, whole; the others are left alone."""
    nights = tuple(Night("20240211").plus(days) for days in range(5))
    observatory = Observatory(Universe(nights=nights, products_a_night=30))
    async with Simulator(observatory) as simulator:
        rig = Rig(simulator, tmp_path / "winter")
        await rig.backfill(nights[1], nights[3])
        expected = [
            product for product in observatory.products() if nights[1] <= product.night <= nights[3]
        ]
        assert {product.night for product in expected} == set(nights[1:4])
        assert rig.files() == rig.truth(expected)


async def test_what_is_no_longer_selected_is_not_fetched(tmp_path: Path) -> None:
    """A type taken out of the settings is not fetched any more, though it was wanted before."""
    simulator = Simulator(Observatory(demo_universe()), faults=NoDownloads())
    async with simulator:
        rig = Rig(simulator, tmp_path / "winter")
        rig.programs = [{"name": "2024A000", "image_types": ["stack", "diff"]}]
        await rig.sync()
        assert rig.files() == {}
        simulator.faults = Faults()
        rig.programs = [{"name": "2024A000", "image_types": ["diff"]}]
        rig.observatory.clock.advance(timedelta(days=1))
        await rig.sync()
        diffs = rig.observatory.products("2024A000", Instrument.WINTER, ImageType.DIFF)
        assert rig.files() == rig.truth(diffs)


class NoDownloads(Faults):
    """Answers every download with an error that is nobody's in particular."""

    async def before_zip(self, call: Call) -> Answer | None:
        """Refuse a download."""
        del call
        return Answer(404, b"{}")


@pytest.mark.fault(
    kind="a product that the server says it does not have now",
    injected="(the archive loses its file)",
    outcome="no failure: it is shown as missing, and asked for again after hours, ever later",
    kept="every other product",
)
async def test_a_missing_file_waits_and_comes(rig: Rig, download_log: DownloadLog) -> None:
    """What the archive lists but does not have is asked for again hours later, and then comes."""
    lost = rig.observatory.products(image_type=ImageType.STACK)[0]
    rig.observatory.remove_file(lost)
    report = await rig.sync()
    assert report.missing > 0
    assert report.exit_code is ExitCode.DONE
    rig.observatory.restore_file(lost)
    await rig.sync()
    assert download_log.asked[lost.savepath] == 1
    rig.observatory.clock.advance(timedelta(hours=2))
    await rig.sync()
    assert download_log.asked[lost.savepath] == 2
    assert rig.files() == rig.truth()


async def test_a_reprocessed_night_is_fetched_again(rig: Rig) -> None:
    """New content takes the place of the old, and the old is kept as a revision of ours."""
    await rig.sync()
    before = rig.files()
    rig.observatory.clock.advance(timedelta(hours=1))
    rig.observatory.reprocess(DEMO_NIGHT)
    rig.observatory.clock.advance(timedelta(days=1))
    await rig.sync()
    after = rig.files()
    assert after == rig.truth()
    changed = {path for path in before if before[path] != after.get(path)}
    assert changed
    kept = {
        sha256_of_file(path)
        for path in (rig.root / STATE_DIR / "revisions").rglob("*")
        if path.is_file()
    }
    assert kept == {before[path] for path in changed}


async def test_replacing_keeps_nothing(rig: Rig) -> None:
    """Where the user wants no older revisions, a reprocessed product replaces them."""
    rig.changes["mirror"] = {"on_change": "replace"}
    await rig.sync()
    rig.observatory.reprocess(DEMO_NIGHT)
    rig.observatory.clock.advance(timedelta(days=1))
    await rig.sync()
    assert rig.files() == rig.truth()
    assert not (rig.root / STATE_DIR / "revisions").exists()


async def test_what_vanishes_stays_and_is_reported(rig: Rig) -> None:
    """A withdrawn product is reported and kept; when it is listed again that is reported too."""
    await rig.sync()
    before = rig.files()
    stack = rig.observatory.products(image_type=ImageType.STACK)[0]
    rig.observatory.withdraw(stack)
    assert await _count(rig, "withdrawn") == 1
    assert rig.files() == before
    assert await _count(rig, "withdrawn") == 0
    rig.observatory.relist(stack)
    assert await _count(rig, "returned") == 1
    assert rig.files() == before


async def _count(rig: Rig, what: str) -> int:
    rig.events.clear()
    await rig.sync()
    return sum(getattr(event, what) for event in rig.events if isinstance(event, Polled))


async def test_a_renamed_stack_comes_under_its_new_name(rig: Rig) -> None:
    """A stack whose name changed is fetched as the new product it is; the old file stays."""
    await rig.sync()
    stack = rig.observatory.products(image_type=ImageType.STACK)[0]
    renamed = rig.observatory.rename(stack)
    rig.observatory.clock.advance(timedelta(days=2))
    await rig.sync()
    assert {path_of(stack), path_of(renamed)} <= set(rig.files())


async def test_a_product_of_two_programs_is_one_file(rig: Rig, download_log: DownloadLog) -> None:
    """A product listed under two programs is fetched once and kept once."""
    stack = rig.observatory.products("2024A000", Instrument.WINTER, ImageType.STACK)[0]
    rig.observatory.list_also_under(stack, "2025B001")
    await rig.sync()
    assert download_log.asked[stack.savepath] == 1
    assert rig.files() == rig.truth()


@pytest.mark.parametrize("style", STYLES, ids=str)
async def test_every_style_of_zip(tmp_path: Path, style: ZipStyle) -> None:
    """However the archive writes its zips, the same files come out."""
    observatory = Observatory(Universe(nights=(DEMO_NIGHT,), products_a_night=30))
    async with Simulator(observatory, zip_style=style) as simulator:
        rig = Rig(simulator, tmp_path / "winter")
        await rig.sync()
        assert rig.files() == rig.truth()


class CutOnce(DownloadLog):
    """Cuts the first download of stacks after so many bytes."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self._left = after
        self._cut = False

    async def stream(self, call: Call, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Pass bytes on until it is enough."""
        async for chunk in chunks:
            if call.image_type is ImageType.STACK and not self._cut:
                yield chunk[: self._left]
                self._left -= len(chunk)
                if self._left <= 0:
                    self._cut = True
                    raise Reset
            else:
                yield chunk


async def test_a_cut_download_goes_on_where_it_was(tmp_path: Path) -> None:
    """Of a batch that breaks, the whole members are kept and only the rest is asked for again."""
    cut = CutOnce(after=20_000)
    style = ZipStyle(method="stored", built="streamed")
    simulator = Simulator(Observatory(demo_universe()), faults=cut, zip_style=style)
    async with simulator:
        rig = Rig(simulator, tmp_path / "winter")
        report = await rig.sync()
        assert rig.files() == rig.truth()
        assert report.exit_code is ExitCode.DONE
        again = [path for path, count in cut.asked.items() if count > 1]
        first = next(paths for paths in cut.downloads if set(again) & set(paths))
        assert 0 < len(again) < len(first)


async def test_a_refused_program_stops_no_other(rig: Rig) -> None:
    """Where one program's key is wrong the others are mirrored, and the run reports the refusal."""
    rig.programs[0] = {**rig.programs[0], "api_key": "not-the-key"}
    report = await rig.sync()
    name = rig.programs[1]["name"]
    others = rig.observatory.products(name)
    assert rig.files() == rig.truth(others)
    assert report.exit_code is ExitCode.REFUSED


class Unwell(Faults):
    """Answers 503 to so many calls of the real API."""

    def __init__(self, times: int, headers: dict[str, str] | None = None) -> None:
        self._left = times
        self._headers = headers or {}

    async def before(self, call: Call) -> Answer | None:
        """Refuse service for a while."""
        del call
        self._left -= 1
        return (
            Answer(503, b"<html>busy</html>", "text/html", self._headers)
            if self._left >= 0
            else None
        )


async def test_an_unwell_server_is_waited_for(tmp_path: Path) -> None:
    """A few 503s cost waiting, never a product."""
    simulator = Simulator(Observatory(demo_universe()), faults=Unwell(3, {"Retry-After": "7"}))
    async with simulator:
        rig = Rig(simulator, tmp_path / "winter")
        report = await rig.sync()
        assert [wait for wait in rig.waits if wait > 0] == [7, 7, 7]
        assert sum(isinstance(event, ServerFailing) for event in rig.events) == 1
        assert sum(isinstance(event, ServerRecovered) for event in rig.events) == 1
        assert rig.files() == rig.truth()
        assert report.exit_code is ExitCode.DONE


async def test_a_server_that_stays_unwell_ends_the_run(tmp_path: Path) -> None:
    """When the server does not recover the run ends soon, says so, and the next one goes on."""
    simulator = Simulator(Observatory(demo_universe()), faults=Unwell(10_000))
    async with simulator:
        rig = Rig(simulator, tmp_path / "winter")
        report = await rig.sync()
        assert report.exit_code is ExitCode.SERVER_FAILING
        assert len(simulator.requests) <= 12
        simulator.faults = Faults()
        await rig.sync()
        assert rig.files() == rig.truth()


class OddRows(Faults):
    """Puts rows that make no sense among the good ones of every listing."""

    def listing(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        """Add a null, a row without a savepath, one that would leave the tree, and a new column."""
        del call
        rows = [{**row, "seeing": 1.2} for row in body["body"]]
        odd = [
            None,
            {"ra": 1.0},
            {"savepath": "/data/loki/data/winter/20251023/../../../etc/passwd"},
        ]
        return {**body, "body": [*odd, *rows]}


async def test_rows_that_make_no_sense_are_left_out(tmp_path: Path) -> None:
    """Odd rows are reported and left out; all the others of the same listing are used."""
    async with Simulator(Observatory(demo_universe()), faults=OddRows()) as simulator:
        rig = Rig(simulator, tmp_path / "winter")
        await rig.sync()
        assert rig.files() == rig.truth()
        assert any(
            len(event.reasons) == 3 for event in rig.events if isinstance(event, RowsLeftOut)
        )


class Emptied(Faults):
    """Lists a thousand rows that are null before the true ones."""

    def listing(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        """Put them there."""
        del call
        return {**body, "body": [None] * 1000 + body["body"]}


async def test_all_rows_that_are_left_out_are_counted(rig: Rig) -> None:
    """However many they are: only the reasons of the first are reported."""
    rig.simulator.faults = Emptied()
    await rig.sync()
    refused = [event for event in rig.events if isinstance(event, RowsLeftOut)]
    assert {event.rows for event in refused} == {1000}
    assert max(len(event.reasons) for event in refused) < 100


class Together(Faults):
    """Holds every download until so many are under way, and counts the most there ever were."""

    def __init__(self, expected: int) -> None:
        self.most = 0
        self._now = 0
        self._expected = expected
        self._enough = asyncio.Event()

    async def stream(self, call: Call, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Count a download as long as it lasts."""
        del call
        self._now += 1
        self.most = max(self.most, self._now)
        if self._now == self._expected:
            self._enough.set()
        await asyncio.wait_for(self._enough.wait(), 30)
        async for chunk in chunks:
            yield chunk
        self._now -= 1


async def test_downloads_run_side_by_side_but_no_more_than_allowed(tmp_path: Path) -> None:
    """As many downloads run at once as there are connections in the settings, and no more."""
    together = Together(3)
    async with Simulator(Observatory(demo_universe()), faults=together) as simulator:
        rig = Rig(simulator, tmp_path / "winter")
        rig.changes["api"] = {"connections": 3}
        await rig.sync()
        assert together.most == 3
