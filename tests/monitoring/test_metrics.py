"""The numbers for Prometheus: each of them moves when what it counts happens."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, get_args

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.faulty_rig import faulty_rig
from support.makers import PROGRAM, batch, candidate, evidence, product

from winter_sync.catalog.listings import Listings
from winter_sync.catalog.records import Poll
from winter_sync.catalog.thread import CatalogThread
from winter_sync.core import (
    Backlog,
    BatchEnded,
    BatchStarted,
    CheckPaused,
    ClockJumped,
    ClocksDiffer,
    ConnectionsChanged,
    DayEnded,
    DeliveryFailed,
    DeliveryRecovered,
    DirectoriesNotSynced,
    DownloadsPaused,
    Event,
    EventsLost,
    FactsPaused,
    FactsRead,
    FactsUpToDate,
    FileChecked,
    FilesChanged,
    FilesLost,
    FilesUnreadable,
    FoundUnchanged,
    GroupNotGiven,
    ManifestsPaused,
    ManifestWritten,
    NarrowCones,
    PagesOpen,
    PagesServed,
    Polled,
    PollFailed,
    PollsEnded,
    ProductFinished,
    ProductsLeftOut,
    ProgramRefused,
    Received,
    Recovered,
    Reloading,
    ReloadRefused,
    Resumed,
    Retrying,
    RevisionsNotRemoved,
    RevisionsRemoved,
    RowsLeftOut,
    ServerFailing,
    ServerRecovered,
    SpaceChecked,
    Stalled,
    Started,
    Stopped,
    Stopping,
    StorageFailing,
    ToOQueueRead,
    TypeNotServed,
    WindowHalved,
    WithdrawalCleared,
    WithdrawalHeld,
    WithdrawnFilesChanged,
    end_of,
)
from winter_sync.core.downloads import Failed, Missing, Published, Unchanged
from winter_sync.core.errors import Cause
from winter_sync.core.event_filter import EventFilter
from winter_sync.core.layout import CATALOG
from winter_sync.core.queries import Query, Selection, Subject, Target
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.monitoring.completeness import last_night
from winter_sync.monitoring.event_log import LINES
from winter_sync.monitoring.metric_changes import EFFECTS
from winter_sync.monitoring.metric_definitions import METRICS
from winter_sync.monitoring.metric_sources import Watched
from winter_sync.monitoring.metrics import Metrics
from winter_sync.monitoring.status import read_status
from winter_sync.previews import PreviewCounts
from winter_sync.simulator import DEMO_NIGHT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.rig import Rig

NOW = datetime(2024, 2, 1, 12, tzinfo=UTC)
SELECTION = Selection(PROGRAM, (ImageType.STACK,))
QUERY = Query(SELECTION.subjects[0], date(2024, 1, 1))
SUBJECT = {"program": PROGRAM, "instrument": "winter", "image_type": "stack"}
KIND = {"instrument": "winter", "image_type": "stack"}
CANDIDATE = candidate(product())
BATCH = batch(CANDIDATE)
EVIDENCE = evidence(product(), b"12345")

Labels = dict[str, str]
UNCOUNTED = {
    *(Backlog, FoundUnchanged, PollsEnded),
    *(WithdrawalHeld, WithdrawalCleared, WithdrawnFilesChanged),
    *(Stopping, Stopped, Stalled, DayEnded, Resumed),
    *(RevisionsRemoved, RevisionsNotRemoved),
    *(DeliveryRecovered, SpaceChecked, WithdrawalHeld, WithdrawalCleared),
    *(
        DirectoriesNotSynced,
        GroupNotGiven,
        NarrowCones,
        PagesOpen,
        PagesServed,
        ToOQueueRead,
        TypeNotServed,
        FactsUpToDate,
    ),
}
"""The catalog, the process's start and the numbers themselves show these better."""
CHANGES = ("new", "changed", "returned", "withdrawn")
UNLOGGED = {Backlog, FileChecked, PollsEnded, Received, SpaceChecked}
"""Too many, or too small, for a log."""


class Page:
    """A page, read as Prometheus reads it."""

    def __init__(self, page: bytes) -> None:
        self.text = page.decode()
        self.families = {
            family.name: family for family in text_string_to_metric_families(self.text)
        }
        self._values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def get(self, name: str, **labels: str) -> float | None:
        """Return a value; None if it is not there."""
        return self._values.get((f"winter_sync_{name}", frozenset(labels.items())))

    def labels_of(self, name: str) -> set[frozenset[str]]:
        """Return the sets of labels that a metric was seen with."""
        return {frozenset(dict(labels)) for metric, labels in self._values if metric == name}


@asynccontextmanager
async def watched(directory: Path, *selections: Selection) -> AsyncIterator[Watched]:
    """Return a new catalog and a disk to look at."""
    async with CatalogThread(directory / CATALOG, lambda: NOW) as catalog:
        yield Watched(catalog, selections or (SELECTION,), directory, min_free=7)


@pytest.fixture
def metrics() -> Metrics:
    """Return metrics in which nothing has happened."""
    return Metrics(lambda: NOW)


async def page_of(metrics: Metrics, directory: Path, *selections: Selection) -> Page:
    """Return the page of metrics and an empty catalog."""
    async with watched(directory, *selections) as at:
        return Page(await metrics.page(replace(at, sinks={"chat": EventFilter()})))


# --- what happens --------------------------------------------------------------------------------


Moves = dict[str, tuple[Labels, float]]
MOVES: list[tuple[Event, Moves]] = [
    (
        Polled(QUERY, 20, new=3, changed=2, returned=1, withdrawn=4, seconds=0.3),
        {
            "polls_total": ({**SUBJECT, "result": "succeeded"}, 1),
            "listed_rows_total": (SUBJECT, 20),
            "listed_changes_total": ({**SUBJECT, "change": "withdrawn"}, 4),
            "poll_seconds_count": ({}, 1),
            "poll_seconds_sum": ({}, 0.3),
        },
    ),
    (WindowHalved(QUERY, "too long"), {"windows_halved_total": (SUBJECT, 1)}),
    (RowsLeftOut(QUERY, ("a", "b")), {"refused_rows_total": (SUBJECT, 2)}),
    (ProductsLeftOut((product(), product(1))), {"left_out_products_total": ({}, 2)}),
    (BatchStarted(BATCH), {"begun_downloads_total": ({}, 1)}),
    (Received(BATCH, 1234), {"received_bytes_total": (KIND, 1234)}),
    (
        BatchEnded(BATCH, 4.0),
        {
            "downloads_total": ({"result": "succeeded"}, 1),
            "download_seconds_count": ({}, 1),
            "download_seconds_sum": ({}, 4.0),
        },
    ),
    (
        BatchEnded(BATCH, 4.0, "cut", Cause.TRANSIENT),
        {"downloads_total": ({"result": "transient"}, 1)},
    ),
    (
        ProductFinished(Published(CANDIDATE, EVIDENCE)),
        {
            "settled_products_total": ({**KIND, "outcome": "published"}, 1),
            "published_bytes_total": (KIND, 5),
        },
    ),
    (
        ProductFinished(Unchanged(CANDIDATE, EVIDENCE)),
        {"settled_products_total": ({**KIND, "outcome": "unchanged"}, 1)},
    ),
    (
        ProductFinished(Missing(CANDIDATE)),
        {"settled_products_total": ({**KIND, "outcome": "missing"}, 1)},
    ),
    (
        ProductFinished(Failed(CANDIDATE, "no FITS", blamed=True, cause=Cause.DAMAGED)),
        {
            "settled_products_total": ({**KIND, "outcome": "failed"}, 1),
            "failed_products_total": ({"cause": "damaged"}, 1),
        },
    ),
    (Retrying("it broke", 1.5), {"retries_total": ({}, 1)}),
    (ConnectionsChanged(1, 4, "busy"), {"withheld_connections": ({}, 3)}),
    (
        ServerFailing("down", 15.0),
        {"server_unwell": ({}, 1), "server_unwell_times_total": ({}, 1)},
    ),
    (
        ProgramRefused(PROGRAM, "no", 60.0),
        {
            "program_refused": ({"program": PROGRAM}, 1),
            "program_refusals_total": ({"program": PROGRAM}, 1),
        },
    ),
    (DownloadsPaused("in vain", 60.0), {"download_rests_total": ({}, 1)}),
    (StorageFailing("full", "free some", 60.0), {"storage_troubles_total": ({}, 1)}),
    (FilesLost(3, 1, ("a",)), {"damaged_files_total": ({"damage": "missing"}, 3)}),
    (FilesChanged(2, ("a",), "cut"), {"damaged_files_total": ({"damage": "changed"}, 2)}),
    (FilesUnreadable(1, ("a",), "no"), {"damaged_files_total": ({"damage": "unreadable"}, 1)}),
    (FileChecked(1234), {"checked_files_total": ({}, 1), "checked_bytes_total": ({}, 1234)}),
    (FactsPaused("full", "free some", 60.0), {"facts_pauses_total": ({}, 1)}),
    (FactsRead(3, ("a",), 0), {"facts_total": ({"result": "complete"}, 2)}),
    (FactsRead(3, ("a", "b"), 0), {"facts_total": ({"result": "odd"}, 2)}),
    (
        ManifestWritten(PROGRAM, DEMO_NIGHT, True, False, 3, 3, 0),  # noqa: FBT003 - its fields
        {"manifests_total": ({"change": "settled"}, 1)},
    ),
    (
        ManifestWritten(PROGRAM, DEMO_NIGHT, False, True, 2, 3, 0),  # noqa: FBT003 - its fields
        {"manifests_total": ({"change": "changed"}, 1)},
    ),
    (ManifestsPaused("full", "free some", 60.0), {"manifest_pauses_total": ({}, 1)}),
    (DeliveryFailed("chat", "no", 5.0), {"delivery_failures_total": ({"sink": "chat"}, 1)}),
    (EventsLost("chat", 3), {"lost_events_total": ({"sink": "chat"}, 3)}),
    (CheckPaused("full", "free some", 60.0), {"check_pauses_total": ({}, 1)}),
    (ClockJumped(90.0), {"clock_jumps_total": ({}, 1)}),
    (ClocksDiffer(-9e9), {"clock_disagreements_total": ({}, 1)}),
    (Recovered(2, 0), {"recovered_products_total": ({"how": "adopted"}, 2)}),
    (Recovered(0, 3), {"recovered_products_total": ({"how": "released"}, 3)}),
    (Reloading(60.0), {"reloads_total": ({"result": "taken"}, 1)}),
    (ReloadRefused("wrong", "mend it"), {"reloads_total": ({"result": "refused"}, 1)}),
]


def _counts(cause: Cause) -> tuple[Event, Moves]:
    labels = {**SUBJECT, "result": cause.value}
    return PollFailed(QUERY, "it broke", cause), {"polls_total": (labels, 1)}


def _changes(change: str) -> tuple[Event, Moves]:
    labels = {**SUBJECT, "change": change}
    counts = {name: 3 if name == change else 0 for name in CHANGES}
    event = Polled(
        QUERY,
        listed=0,
        new=counts["new"],
        changed=counts["changed"],
        returned=counts["returned"],
        withdrawn=counts["withdrawn"],
        seconds=0.1,
    )
    return event, {"listed_changes_total": (labels, 3)}


MOVES += [_counts(cause) for cause in Cause]
MOVES += [_changes(change) for change in CHANGES]


@pytest.mark.parametrize(("event", "moves"), MOVES, ids=lambda one: type(one).__name__)
async def test_what_happens_is_counted(
    metrics: Metrics, tmp_path: Path, event: Event, moves: Moves
) -> None:
    """Each event moves its numbers, and a second one moves them again where they are counted."""
    before = await page_of(metrics, tmp_path)
    metrics.handle(event)
    after = await page_of(metrics, tmp_path)
    metrics.handle(event)
    twice = await page_of(metrics, tmp_path)
    for name, (labels, value) in moves.items():
        assert (before.get(name, **labels) or 0) == 0, name
        assert after.get(name, **labels) == pytest.approx(value), name
        counted = name.endswith(("_total", "_sum", "_count"))
        assert twice.get(name, **labels) == pytest.approx(2 * value if counted else value), name


def test_every_event_is_counted_or_left_out_on_purpose() -> None:
    """An event that is new must be thought of, here and in the log."""
    events = set(get_args(Event))
    told = {type(event) for event, _ in MOVES} | {ServerRecovered, Started}
    assert EFFECTS.kinds == told == events - UNCOUNTED
    assert LINES.kinds == events - UNLOGGED


@pytest.mark.parametrize("end", [ServerRecovered(90.0), Started("/data/winter", (PROGRAM,))])
async def test_a_server_that_is_well_again_is_shown_so(
    metrics: Metrics, tmp_path: Path, end: Event
) -> None:
    """The gauge goes back to 0, on a reload as well; how often it failed stays."""
    metrics.handle(ServerFailing("down", 15.0))
    metrics.handle(end)
    page = await page_of(metrics, tmp_path)
    assert (page.get("server_unwell"), page.get("server_unwell_times_total")) == (0, 1)


@pytest.mark.parametrize(
    "end", [ConnectionsChanged(4, 4, None), Started("/data/winter", (PROGRAM,))]
)
async def test_connections_that_are_used_again_are_shown_so(
    metrics: Metrics, tmp_path: Path, end: Event
) -> None:
    """One by one, or all of them after a reload."""
    metrics.handle(ConnectionsChanged(2, 4, "busy"))
    assert (await page_of(metrics, tmp_path)).get("withheld_connections") == 2
    metrics.handle(end)
    assert (await page_of(metrics, tmp_path)).get("withheld_connections") == 0


async def test_a_program_is_refused_until_it_is_listed(metrics: Metrics, tmp_path: Path) -> None:
    """Credentials that work again are shown so, and a program that is mirrored no more is not."""
    metrics.handle(ProgramRefused(PROGRAM, "no", 60.0))
    other = replace(SELECTION, program="2024B000")
    page = await page_of(metrics, tmp_path, other)
    assert page.get("program_refused", program=PROGRAM) is None
    assert page.get("program_refused", program="2024B000") == 0
    metrics.handle(Polled(QUERY, 0, 0, 0, 0, 0, 0.1))
    assert (await page_of(metrics, tmp_path)).get("program_refused", program=PROGRAM) == 0


# --- how the mirror stands -----------------------------------------------------------------------


async def test_an_empty_mirror_has_its_numbers(metrics: Metrics, tmp_path: Path) -> None:
    """What was never polled has the age of for ever, and there is no night: 0."""
    page = await page_of(metrics, tmp_path)
    assert page.get("last_successful_poll_timestamp_seconds", **SUBJECT) == 0
    assert page.get("last_successful_poll_age_seconds", **SUBJECT) == float("inf")
    assert page.get("last_night_listed") == page.get("last_night_complete") == 0
    states = ("wanted", "claimed", "missing", "published", "withdrawn")
    assert {page.get("products", state=state) for state in states} == {0}


async def test_of_several_regions_the_one_left_behind_counts(
    metrics: Metrics, tmp_path: Path
) -> None:
    """A target that cannot be listed any more is not hidden by one that can."""
    targets = (Target("one"), Target("two"))
    selection = replace(SELECTION, regions=targets)
    async with watched(tmp_path, selection) as at:

        async def polled(target: Target, ago: timedelta) -> float | None:
            subject = Subject(PROGRAM, Instrument.WINTER, ImageType.STACK, target)
            assert at.catalog is not None
            at.catalog._catalog.connection.clock = lambda: NOW - ago  # type: ignore[union-attr] # the past
            poll = Poll(Query(subject, NOW.date()), sweep=False)
            await at.catalog.listings(Listings.record_poll, poll)
            page = Page(await metrics.page(at))
            return page.get("last_successful_poll_age_seconds", **SUBJECT)

        assert await polled(targets[0], timedelta(minutes=30)) == float("inf")
        assert await polled(targets[1], timedelta(minutes=20)) == 30 * 60
        assert await polled(targets[0], timedelta(minutes=10)) == 20 * 60


async def test_what_cannot_be_read_is_absent_and_reported(metrics: Metrics, tmp_path: Path) -> None:
    """A broken catalog and a missing disk leave all that was counted on the page."""
    metrics.handle(Retrying("it broke", 1.0))
    async with watched(tmp_path) as at:
        assert at.catalog is not None
        well = Page(await metrics.page(at))
        unopened = Page(await metrics.page(replace(at, catalog=None)))
        assert unopened.get("unreadable", part="catalog") == 1
        await at.catalog(lambda catalog: catalog.connection.db.execute("DROP TABLE listings"))
        gone = replace(at, root=tmp_path / "absent")
        ill = Page(await metrics.page(gone))
    for part in ("catalog", "disk"):
        assert well.get("unreadable", part=part) == 0
        assert ill.get("unreadable", part=part) == 1
    assert well.get("free_bytes")
    assert well.get("min_free_bytes") == 7
    assert ill.get("free_bytes") is ill.get("last_night_listed") is None
    assert ill.get("retries_total") == 1


async def test_a_whole_sync_is_in_the_numbers(rig: Rig) -> None:
    """After a real sync they say what the archive had and the tree has."""
    metrics = Metrics(rig.observatory.clock.now)
    rig.listeners.append(metrics.handle)
    report = await rig.sync()
    selections = rig.settings().selections
    path = rig.root / ".winter-sync" / CATALOG
    async with CatalogThread(path, rig.observatory.clock.now, reading=True) as catalog:
        page = Page(await metrics.page(Watched(catalog, selections, rig.root, 0)))
    settled = "winter_sync_settled_products"
    assert _total(page, settled, "published") == report.published == len(rig.files()) > 0
    assert _total(page, settled, "missing") == report.missing
    assert _total(page, "winter_sync_listed_changes", "new") == report.new
    assert _total(page, "winter_sync_polls", "succeeded") == report.queries
    assert _total(page, "winter_sync_published_bytes") == report.size
    assert _total(page, "winter_sync_received_bytes") > 0
    assert page.get("products", state="published") == report.published
    assert page.get("products", state="missing") == report.missing
    assert page.get("products", state="wanted") == 0
    assert page.get("last_night_complete") == int(DEMO_NIGHT.name)
    calendar = last_night(rig.observatory.clock.now())
    assert page.get("last_night") == int(calendar.name)
    assert page.get("last_night_is_complete") == 0
    assert page.get("last_night_products", state="here") == 0
    for selection in selections:
        for subject in selection.subjects:
            labels = (subject.program, subject.instrument.value, subject.image_type.value)
            of = dict(zip(("program", "instrument", "image_type"), labels, strict=True))
            assert page.get("last_successful_poll_age_seconds", **of) == 0


async def test_the_last_night_is_in_the_numbers(rig: Rig) -> None:
    """As in the status: what is here of it, and science that is not kept apart."""
    clock = rig.observatory.clock
    await rig.sync()
    path = rig.root / ".winter-sync" / CATALOG
    metrics = Metrics(lambda: end_of(DEMO_NIGHT))
    async with CatalogThread(path, clock.now, reading=True) as catalog:
        selections = rig.settings().selections
        page = Page(await metrics.page(Watched(catalog, selections, rig.root, 0)))
        status = await read_status(catalog, selections, end_of(DEMO_NIGHT))
    assert page.get("last_night") == int(DEMO_NIGHT.name)
    assert page.get("last_night_is_complete") == status.last.is_complete == 1
    for state in ("here", "pending", "missing", "not_kept"):
        told = page.get("last_night_products", state=state)
        assert told == getattr(status.last.numbers, state)
    assert page.get("last_night_products", state="here") == len(rig.files())


@pytest.mark.parametrize(
    ("script", "name", "cause"),
    [
        ("500@*_mef_3_0_0_stack.fits", "failed_products", "transient"),
        ("html:x1@stack", "failed_products", "damaged"),
        ("left-out@*_mef_3_0_0_stack.fits", "failed_products", "bad_answer"),
        ("reset-body=200:x1@stack", "failed_products", "transient"),
        ("flip@*_mef_3_0_0_stack.fits", "failed_products", "damaged"),
        ("reset-body=20000:x1@stack", "downloads", "transient"),
        ("401:x1@stack", "downloads", "refused"),
        ("422:x1@stack", "downloads", "bad_answer"),
        ("401:x1@query", "polls", "refused"),
        ("422:x1@query", "polls", "bad_answer"),
    ],
)
async def test_what_fails_is_counted_by_its_cause(
    tmp_path: Path, script: str, name: str, cause: str
) -> None:
    """From the fault of a server to the number: what there is to do about it is not lost."""
    (tmp_path / "stage").mkdir()
    async with faulty_rig(tmp_path / "stage", script) as rig:
        metrics = Metrics(rig.observatory.clock.now)
        rig.listeners.append(metrics.handle)
        await rig.run()
    page = await page_of(metrics, tmp_path)
    family = page.families[f"winter_sync_{name}"].samples
    counted = {
        sample.labels.get("cause") or sample.labels["result"] for sample in family if sample.value
    }
    assert counted - {"succeeded"} == {cause}


def _total(page: Page, name: str, value: str = "") -> float:
    """Sum a metric up, where one of its labels has a value, if one is given."""
    return sum(
        sample.value
        for sample in page.families[name].samples
        if not value or value in sample.labels.values()
    )


# --- the page ------------------------------------------------------------------------------------


async def test_the_page_has_just_what_is_described(metrics: Metrics, tmp_path: Path) -> None:
    """Every metric has the labels, kind and words it is described with, and there is no other."""
    for event, _ in MOVES:
        metrics.handle(event)
    page = await page_of(metrics, tmp_path)
    ours = {name for name in page.families if not name.startswith("process_")}
    assert ours == {metric.full_name.removesuffix("_total") for metric in METRICS}
    for metric in METRICS:
        family = page.families[metric.full_name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.about)
        if metric.kind != "histogram":
            assert page.labels_of(metric.full_name) == {frozenset(metric.labels)}
    assert "_created" not in page.text


async def test_previews_are_counted_as_the_pages_say(metrics: Metrics, tmp_path: Path) -> None:
    """How many were drawn, how many could not be, and the bytes that are kept."""
    async with watched(tmp_path) as at:
        page = Page(await metrics.page(replace(at, previews=PreviewCounts(3, 1, 4096))))
    assert page.get("previews_total", result="drawn") == 3
    assert page.get("previews_total", result="failed") == 1
    assert page.get("preview_bytes") == 4096


async def test_the_page_does_not_grow_with_what_happens(metrics: Metrics, tmp_path: Path) -> None:
    """Other products, batches, reasons and nights make no other series."""
    for event, _ in MOVES:
        metrics.handle(event)
    before = len((await page_of(metrics, tmp_path)).text.splitlines())
    for number in range(50):
        other = product(number, night=product().night.plus(number))
        one = batch(candidate(other), identifier=f"b{number}")
        for event in (
            BatchStarted(one),
            Received(one, number),
            BatchEnded(one, number, f"reason {number}"),
            ProductFinished(Failed(candidate(other), f"reason {number}")),
            PollFailed(replace(QUERY, start=other.night.day), f"reason {number}"),
        ):
            metrics.handle(event)
    assert len((await page_of(metrics, tmp_path)).text.splitlines()) == before
