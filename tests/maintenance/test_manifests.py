"""Manifests of settled nights: of what was seen, as the tree is, and before they are reported."""

from __future__ import annotations

import asyncio
import csv
import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as some
from support.catalogs import ALL, OTHER, candidates, commit, query, subject
from support.clock import Clock
from support.disks import fill, fill_inodes, mounted
from support.makers import PROGRAM, evidence, path_of, product, row, sha256
from support.tables import in_words, set_path

from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.records import Check, Poll
from winter_sync.catalog.thread import CatalogThread
from winter_sync.core import EventKind, ManifestsPaused, ManifestWritten
from winter_sync.core.clocks import Time
from winter_sync.core.downloads import Failed, Missing, Published
from winter_sync.core.layout import CATALOG, STATE_DIR
from winter_sync.core.nights import USUAL_DELAY, end_of
from winter_sync.core.products import Damage, Night, Product
from winter_sync.core.queries import Selection
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.maintenance.manifests import Manifests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from winter_sync.core import Event

NIGHTS = (Night("20240130"), Night("20240131"))
TYPES = (ImageType.STACK, ImageType.DIFF)
PROGRAMS = (PROGRAM, OTHER)
PRODUCTS = tuple(
    product(number, kind, night=night) for night in NIGHTS for kind in TYPES for number in range(2)
)
SETTLE_AFTER = timedelta(days=2)
SELECTIONS = [Selection(program, TYPES, (Instrument.WINTER,)) for program in PROGRAMS]


def _refuse_records(catalog: Catalog) -> None:
    catalog.connection.sqlite.execute(
        "CREATE TEMP TRIGGER refuse BEFORE UPDATE OF changes ON settled_nights"
        " BEGIN SELECT RAISE(ABORT, 'the disk fails'); END"
    )


@dataclass
class Mirror:
    """A mirror without an archive: what the archive lists is what a test says."""

    root: Path
    clock: Clock = field(default_factory=Clock)
    listed: dict[str, set[Product]] = field(default_factory=lambda: {p: set() for p in PROGRAMS})
    changed: dict[tuple[str, Night], datetime] = field(default_factory=dict)
    answered: dict[tuple[str, ImageType], datetime] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    contents: int = 0
    manifests_in: Path | None = None
    """Another directory of the manifests than that of the catalog."""

    def __post_init__(self) -> None:
        self.state.mkdir(parents=True)
        self.catalog = Catalog(self.state / CATALOG, self.clock)

    @property
    def state(self) -> Path:
        """The directory of the state."""
        return self.root / STATE_DIR

    # --- what happens ----------------------------------------------------------------------------

    def poll(self, program: str, kind: ImageType, error: str | None = None) -> None:
        """List what the archive has of a type, completely or not at all."""
        asked = query(subject(program, kind))
        now = {entry for entry in self.listed[program] if entry.image_type is kind}
        if error is None:
            known = {entry for entry in PRODUCTS if self._is_listed(program, entry)}
            gone = [entry for entry in known - now if entry.image_type is kind]
            rows = [(row(entry, program=program), path_of(entry)) for entry in now]
            self._change(program, *(now - known), *gone)
            found = Poll(asked, sweep=False, listed=len(rows))
            self.catalog.listings.record_poll(found, listed=rows, withdrawn=gone)
        else:
            self.catalog.listings.record_poll(Poll(asked, sweep=False, error=error))
        if error is None:
            self.answered[program, kind] = self.clock()

    def _is_listed(self, program: str, entry: Product) -> bool:
        (known,) = self.catalog.connection.rows(
            f"SELECT count(*) AS found FROM ({in_words('listings')}) WHERE program = :program"  # noqa: S608 - our own words
            " AND savepath = :savepath AND withdrawn_at IS NULL",
            {"program": program, "savepath": entry.savepath},
        )
        return bool(known["found"])

    def poll_all(self) -> None:
        """List everything."""
        for program in PROGRAMS:
            for kind in TYPES:
                self.poll(program, kind)

    def download(self, entry: Product | None = None) -> None:
        """Download a product that is wanted, or all that are."""
        for candidate in candidates(self.catalog):
            if entry in (None, candidate.product):
                self.contents += 1
                content = f"content {self.contents}".encode()
                place = self.root / candidate.path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
                commit(self.catalog, Published(candidate, evidence(candidate.product, content)))
                self._change_product(candidate.product)

    def fail(self, entry: Product, *, missing: bool) -> None:
        """Fail to download a product, because the archive has no file, or for another reason."""
        for candidate in candidates(self.catalog):
            if candidate.product == entry:
                outcome = Missing(candidate) if missing else Failed(candidate, "broken")
                commit(self.catalog, outcome)
                if missing:
                    self._change_product(entry)

    def reprocess(self, entry: Product) -> None:
        """Learn that a product that was downloaded has other content by now."""
        for program in PROGRAMS:
            if entry in self.listed[program] and self._is_listed(program, entry):
                asked = query(subject(program, entry.image_type))
                again = row(entry, program=program)
                self.catalog.listings.record_poll(
                    Poll(asked, sweep=False, error="only a part"),
                    listed=[(again, path_of(entry))],
                    wanted=[again],
                )
                self._change_product(entry)

    def lose(self, entry: Product) -> None:
        """Delete a file by hand, and find out."""
        for held in self.catalog.files.held(ALL, entry.night):
            if held.product == entry:
                (self.root / held.path).unlink()
                self.catalog.checks.want_lost([Check(held, Damage.MISSING, "gone")])
                self._change_product(entry)

    def _change(self, program: str, *entries: Product) -> None:
        for entry in entries:
            self.changed[program, entry.night] = self.clock()

    def _change_product(self, entry: Product) -> None:
        rows = self.catalog.connection.rows(
            f"SELECT program FROM ({in_words('listings')}) WHERE savepath = :savepath",  # noqa: S608 - our own words
            {"savepath": entry.savepath},
        )
        for found in rows:
            self._change(found["program"], entry)

    # --- manifests -------------------------------------------------------------------------------

    def update(self) -> None:
        """Bring the manifests up to date, as a process that starts anew."""
        asyncio.run(self._update(lambda _: None))

    def update_without_commit(self) -> None:
        """Do the same, while SQLite refuses to record any manifest that was written."""
        asyncio.run(self._update(_refuse_records))

    async def _update(self, prepare: Callable[[Catalog], object]) -> None:
        async with (
            CatalogThread(self.state / CATALOG, self.clock) as catalog,
            self.manifests(catalog) as manifests,
        ):
            await catalog(prepare)
            await manifests.update_once()

    def manifests(self, catalog: CatalogThread) -> Manifests:
        """Return what writes manifests."""
        return Manifests(
            catalog=catalog,
            state=self.manifests_in or self.state,
            selections=SELECTIONS,
            settle_after=SETTLE_AFTER,
            emit=self.events.append,
            time=Time(self.clock),
        )

    def manifest(self, program: str, night: Night) -> Path:
        """Return where the table of a night is."""
        return (self.manifests_in or self.state) / "manifests" / program / f"{night}.ecsv"

    def sums(self, program: str, night: Night) -> dict[str, str]:
        """Return the SHA-256 of each path that the sums of a night have."""
        path = self.manifest(program, night).with_suffix(".SHA256SUMS")
        if not path.exists():
            return {}
        return {line[66:]: line[:64] for line in path.read_text().splitlines()}

    def table(self, program: str, night: Night) -> list[dict[str, str]]:
        """Return the rows of a table, read as CSV."""
        text = self.manifest(program, night).read_text()
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        return list(csv.DictReader(io.StringIO("\n".join(lines))))

    def told(self) -> list[dict[str, Any]]:
        """Return the events of nights in the outbox."""
        kinds = {EventKind.NIGHT_SETTLED, EventKind.NIGHT_CHANGED}
        found = self.catalog.outbox.since(0, 10_000)
        return [{"kind": e.kind, **e.fields} for e in found if e.kind in kinds]

    def settled(self) -> set[tuple[str, Night]]:
        """Return the nights that are settled."""
        return {(each.program, each.night) for each in self.catalog.nights.settled(PROGRAMS)}

    # --- what must hold --------------------------------------------------------------------------

    def check(self) -> None:
        """Check all claims against what was seen and what is on the disk."""
        told = self.told()
        for program in PROGRAMS:
            for night in NIGHTS:
                about = [
                    event
                    for event in told
                    if (event["program"], event["night"]) == (program, night.name)
                ]
                kinds = [event["kind"] for event in about]
                assert kinds[:1] in ([], [EventKind.NIGHT_SETTLED])
                assert set(kinds[1:]) <= {EventKind.NIGHT_CHANGED}
                assert self.manifest(program, night).exists() == bool(kinds)
                if about:
                    self._check_manifest(program, night, about[-1])
                if (program, night) in self.settled():
                    self._check_settled(program, night)

    def _check_manifest(self, program: str, night: Night, last: dict[str, Any]) -> None:
        """Check that a manifest shows the tree, byte for byte."""
        ours = self._of_program(program, night)
        there = {
            path_of(entry): sha256((self.root / path_of(entry)).read_bytes())
            for entry in ours
            if (self.root / path_of(entry)).exists()
        }
        assert self.sums(program, night) == there
        table = self.table(program, night)
        assert {line["path"]: line["sha256"] for line in table if line["sha256"]} == there
        assert {line["path"] for line in table} >= {
            path_of(entry) for entry in ours if self._is_listed(program, entry)
        }
        assert last["manifest"] == f"manifests/{program}/{night}.ecsv"

    def _of_program(self, program: str, night: Night) -> list[Product]:
        rows = self.catalog.connection.rows(
            f"SELECT savepath FROM ({in_words('listings')}) WHERE program = :program",  # noqa: S608 - our own words
            {"program": program},
        )
        known = {found["savepath"] for found in rows}
        return [entry for entry in PRODUCTS if entry.night == night and entry.savepath in known]

    def _check_settled(self, program: str, night: Night) -> None:
        """Check that a settled night is what it is said to be."""
        quiet = max(self.changed[program, night], end_of(night) + USUAL_DELAY)
        answers = [self.answered[program, kind] for kind in TYPES]
        assert all(at >= quiet + SETTLE_AFTER for at in answers)
        rows = self.catalog.connection.rows(
            "SELECT p.state, p.damage FROM products p JOIN listings l ON l.product = p.id"
            " WHERE l.program = :program AND l.withdrawn_at IS NULL AND p.night = :night",
            {"program": program, "night": night.name},
        )
        assert rows
        assert all(found["state"] in ("published", "missing") for found in rows)
        assert not any(found["damage"] for found in rows if found["state"] == "published")
        for line in self.table(program, night):
            assert line["state"] in {"downloaded", "missing", "withdrawn"}


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    """Return a mirror whose archive has everything."""
    made = Mirror(tmp_path / "mirror")
    made.listed = {program: set(PRODUCTS) for program in PROGRAMS}
    with closing(made.catalog):
        yield made


def settle(mirror: Mirror) -> None:
    """Do what settles all nights."""
    mirror.poll_all()
    mirror.download()
    mirror.update()
    mirror.clock.advance(days=4)
    mirror.poll_all()
    mirror.update()


# --- any sequence --------------------------------------------------------------------------------

ENTRIES = some.sampled_from(PRODUCTS)
STEPS = some.one_of(
    some.tuples(some.just("advance"), some.sampled_from([1, 20, 60])),
    some.tuples(some.just("poll"), some.sampled_from(PROGRAMS), some.sampled_from(TYPES)),
    some.tuples(some.just("poll all")),
    some.tuples(some.just("fail to poll"), some.sampled_from(PROGRAMS), some.sampled_from(TYPES)),
    some.tuples(some.just("list"), some.sampled_from(PROGRAMS), ENTRIES),
    some.tuples(some.just("unlist"), some.sampled_from(PROGRAMS), ENTRIES),
    some.tuples(some.just("download"), some.none() | ENTRIES),
    some.tuples(some.just("fail"), ENTRIES),
    some.tuples(some.just("miss"), ENTRIES),
    some.tuples(some.just("reprocess"), ENTRIES),
    some.tuples(some.just("lose"), ENTRIES),
    some.tuples(some.just("update")),
    some.tuples(some.just("settle")),
    some.tuples(some.just("break")),
)


DO: dict[str, Callable[..., object]] = {
    "advance": lambda mirror, hours: mirror.clock.advance(hours=hours),
    "poll": lambda mirror, program, kind: mirror.poll(program, kind),
    "poll all": lambda mirror: mirror.poll_all(),
    "fail to poll": lambda mirror, program, kind: mirror.poll(program, kind, error="down"),
    "list": lambda mirror, program, entry: mirror.listed[program].add(entry),
    "unlist": lambda mirror, program, entry: mirror.listed[program].discard(entry),
    "download": lambda mirror, entry: mirror.download(entry),
    "fail": lambda mirror, entry: mirror.fail(entry, missing=False),
    "miss": lambda mirror, entry: mirror.fail(entry, missing=True),
    "reprocess": lambda mirror, entry: mirror.reprocess(entry),
    "lose": lambda mirror, entry: mirror.lose(entry),
    "update": lambda mirror: mirror.update(),
    "settle": settle,
    "break": lambda mirror: mirror.update_without_commit(),
}
"""What each step does; after an update all claims are checked."""


@settings(max_examples=40, deadline=None)
@given(some.lists(STEPS, min_size=1, max_size=25))
def test_a_night_is_settled_only_if_it_is_so(steps: list[tuple[Any, ...]]) -> None:
    """Whatever happens, in any order: claims are backed by what was seen, manifests by the tree.

    Updates may break off after any manifest is written. In the end, when all is downloaded, quiet
    and listed, every night of which anything is listed is settled.
    """
    with tempfile.TemporaryDirectory() as directory:
        mirror = Mirror(Path(directory) / "mirror")
        mirror.listed = {PROGRAM: set(PRODUCTS[:6]), OTHER: set(PRODUCTS[2:])}
        with closing(mirror.catalog):
            for step in steps:
                DO[step[0]](mirror, *step[1:])
                if step[0] in {"update", "settle"}:
                    mirror.check()
            mirror.clock.advance(days=30)
            settle(mirror)
            mirror.check()
            assert mirror.settled() == {
                (program, entry.night) for program in PROGRAMS for entry in mirror.listed[program]
            }


# --- one after the other -------------------------------------------------------------------------


def test_a_settled_night_has_a_manifest_that_others_read(mirror: Mirror) -> None:
    """Table, units and metadata by astropy, the sums by `sha256sum -c` in the root."""
    settle(mirror)
    night = NIGHTS[0]
    table = Table.read(mirror.manifest(PROGRAM, night), format="ascii.ecsv")
    assert len(table) == 4
    assert str(table["size"].unit) == "byte"
    assert table.meta["program"] == PROGRAM
    assert table.meta["night"] == night.name
    assert table.meta["settled_at"] == mirror.clock().isoformat(timespec="milliseconds")
    assert (table.meta["listed"], table.meta["downloaded"], table.meta["missing"]) == (4, 4, 0)
    assert set(table["state"]) == {"downloaded"}
    assert set(table["target"]) == {"SN2024wex"}
    assert check_sums(mirror, PROGRAM, night) == 0
    (mirror.root / table["path"][0]).write_bytes(b"other")
    assert check_sums(mirror, PROGRAM, night) != 0


def check_sums(mirror: Mirror, program: str, night: Night) -> int:
    """Return the exit code of `sha256sum -c` in the root, which must check every line."""
    sums = mirror.manifest(program, night).with_suffix(".SHA256SUMS")
    command = ["sha256sum", "--check", "--strict", "--quiet", str(sums)]
    return subprocess.run(command, cwd=mirror.root, check=False, capture_output=True).returncode  # noqa: S603 - coreutils


@pytest.mark.parametrize("name", ["with space", "back\\slash", "new\nline", "'quo\"te'", "#,é"])
def test_odd_names_are_written_as_sha256sum_wants_them(mirror: Mirror, name: str) -> None:
    """A catalog of any edition may have any path: the real tool and astropy find its file."""
    path = f"winter/20240130/{name}/{PRODUCTS[0].filename}"
    mirror.listed = {PROGRAM: {PRODUCTS[0]}, OTHER: set()}
    mirror.poll_all()
    with mirror.catalog.connection.writing():
        set_path(mirror.catalog.connection.sqlite, path)
    settle(mirror)
    night = PRODUCTS[0].night
    (content,) = candidates_content(mirror, path)
    assert content
    assert check_sums(mirror, PROGRAM, night) == 0
    table = Table.read(mirror.manifest(PROGRAM, night), format="ascii.ecsv")
    assert list(table["path"]) == [path]


def candidates_content(mirror: Mirror, path: str) -> list[bytes]:
    """Return the content of a file, with evidence of its path committed."""
    return [(mirror.root / path).read_bytes()]


def test_each_settled_night_is_an_event_once_and_each_change_another(mirror: Mirror) -> None:
    """Nothing is reported again for a poll, a restart, or while content is fetched once more."""
    settle(mirror)
    told = mirror.told()
    assert [event["kind"] for event in told] == ["night_settled"] * 4
    first = next(event for event in told if event["program"] == PROGRAM)
    files = [mirror.root / path for path in mirror.sums(PROGRAM, Night(first["night"]))]
    assert first["size"] == sum(file.stat().st_size for file in files)
    assert (first["listed"], first["downloaded"], first["pending"], first["settled"]) == (
        4,
        4,
        0,
        True,
    )
    for _ in range(2):
        mirror.clock.advance(hours=12)
        mirror.poll_all()
        mirror.update()
    assert mirror.told() == told
    mirror.reprocess(PRODUCTS[0])
    mirror.update()
    assert mirror.told() == told
    assert (PROGRAM, PRODUCTS[0].night) not in mirror.settled()
    mirror.download()
    mirror.update()
    changed = mirror.told()[len(told) :]
    assert {(event["kind"], event["program"], event["settled"]) for event in changed} == {
        ("night_changed", program, False) for program in PROGRAMS
    }
    mirror.check()
    settle(mirror)
    again = mirror.told()[len(told) + len(changed) :]
    assert {(event["kind"], event["program"], event["settled"]) for event in again} == {
        ("night_changed", program, True) for program in PROGRAMS
    }
    logged = [event for event in mirror.events if isinstance(event, ManifestWritten)]
    assert len(logged) == len(mirror.told())


def test_a_night_of_an_old_poll_or_of_a_program_never_polled_is_not_settled(
    mirror: Mirror,
) -> None:
    """Time alone settles nothing, nor does an answer of one type only."""
    mirror.poll_all()
    mirror.download()
    mirror.update()
    mirror.clock.advance(days=40)
    mirror.update()
    assert not mirror.settled()
    mirror.poll(PROGRAM, TYPES[0])
    mirror.update()
    assert not mirror.settled()
    mirror.poll(PROGRAM, TYPES[1])
    mirror.update()
    assert {program for program, _ in mirror.settled()} == {PROGRAM}


def test_what_was_removed_by_hand_is_written_again(mirror: Mirror) -> None:
    """By the next process, as it was, and without an event."""
    settle(mirror)
    path, told = mirror.manifest(PROGRAM, NIGHTS[0]), mirror.told()
    content = path.read_bytes()
    path.unlink()
    mirror.update()
    assert path.read_bytes() == content
    assert mirror.told() == told


def test_a_night_without_any_file_has_no_sums(mirror: Mirror) -> None:
    """All that is listed is known to be missing: an empty file is none that `sha256sum` takes."""
    mirror.poll_all()
    for entry in PRODUCTS:
        mirror.fail(entry, missing=True)
    mirror.update()
    mirror.clock.advance(days=4)
    mirror.poll_all()
    mirror.update()
    (*_, last) = mirror.told()
    assert (last["downloaded"], last["missing"]) == (0, 4)
    assert last.get("sums") is None
    path = mirror.manifest(PROGRAM, NIGHTS[0])
    assert path.exists()
    assert not path.with_suffix(".SHA256SUMS").exists()


# --- interrupted ---------------------------------------------------------------------------------


def test_a_first_manifest_without_a_commit_is_reported_or_removed(mirror: Mirror) -> None:
    """The next run reports it if the night is still settled, and removes it if it is not."""
    mirror.poll_all()
    mirror.download()
    mirror.update()
    mirror.clock.advance(days=4)
    mirror.poll_all()
    mirror.update_without_commit()
    path = mirror.manifest(OTHER, NIGHTS[1])
    assert path.exists() or mirror.manifest(PROGRAM, NIGHTS[1]).exists()
    assert not mirror.told()
    mirror.reprocess(product(0, night=NIGHTS[1]))
    mirror.poll_all()
    mirror.update()
    mirror.check()
    assert not path.exists()
    assert {night for _, night in mirror.settled()} == {NIGHTS[0]}


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from support.clock import Clock
from maintenance.test_manifests import SELECTIONS, SETTLE_AFTER
from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.thread import CatalogThread
from winter_sync.core.clocks import Time
from winter_sync.maintenance.manifests import Manifests

state, days, statement = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
clock = Clock()
clock.advance(days=days)

def die(sql):
    if statement in sql:
        os.kill(os.getpid(), signal.SIGKILL)

async def run():
    async with CatalogThread(state / "catalog.sqlite3", clock) as catalog, Manifests(
        catalog=catalog, state=state, selections=SELECTIONS, settle_after=SETTLE_AFTER,
        emit=lambda _: None, time=Time(clock),
    ) as manifests:
        await catalog(lambda c: c.connection.sqlite.set_trace_callback(die))
        await manifests.update_once()

asyncio.run(run())
"""


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO settled_nights",
        "UPDATE settled_nights SET settled_at = '",
        "INSERT INTO events",
        "COMMIT",
    ],
)
def test_a_kill_leaves_no_event_without_its_manifest(mirror: Mirror, statement: str) -> None:
    """Killed before, between and after: the next run reports each night once."""
    mirror.poll_all()
    mirror.download()
    mirror.update()
    mirror.clock.advance(days=4)
    mirror.poll_all()
    days = str((mirror.clock() - Clock()()) / timedelta(days=1))
    tests = Path(__file__).parents[1]
    killed = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", KILLED, str(mirror.state), days, statement],
        env={**os.environ, "PYTHONPATH": f"{tests.parent}:{tests}"},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    for event in mirror.told():
        assert (mirror.state / event["manifest"]).exists()
    mirror.update()
    assert [event["kind"] for event in mirror.told()] == ["night_settled"] * 4
    mirror.check()


@pytest.mark.parametrize("exhaust", [fill, fill_inodes], ids=["no block", "no inode"])
def test_a_full_disk_leaves_nothing_half_written(
    tmp_path: Path, mirror: Mirror, exhaust: Callable[[Path], object]
) -> None:
    """No event without its manifest, the one before stays whole, and later both follow."""
    with mounted("ext4", tmp_path) as disk:
        mirror.manifests_in = disk
        settle(mirror)
        (night, later), first = NIGHTS, PRODUCTS[0]
        before = contents(disk)
        told = mirror.told()
        assert len(told) == 4
        mirror.clock.advance(days=1)
        mirror.reprocess(first)
        mirror.download()
        exhaust(disk)
        mirror.update()
        (paused,) = [event for event in mirror.events if isinstance(event, ManifestsPaused)]
        assert "no space" in paused.reason.lower()
        assert paused.remedy
        assert mirror.told() == told
        assert contents(disk) == before
        assert (PROGRAM, night) not in mirror.settled()
        assert (PROGRAM, later) in mirror.settled()
        free(disk)
        mirror.update()
        changed = mirror.told()[len(told) :]
        assert [event["kind"] for event in changed] == ["night_changed"] * 2
        assert mirror.sums(PROGRAM, night)[path_of(first)] == sha256(
            (mirror.root / path_of(first)).read_bytes()
        )


def contents(disk: Path) -> dict[str, bytes]:
    """Return the content of each file of the manifests, whatever its name."""
    files = (path for path in (disk / "manifests").rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files}


def free(disk: Path) -> None:
    """Remove what fills a disk."""
    (disk / "ballast").unlink(missing_ok=True)
    shutil.rmtree(disk / "many", ignore_errors=True)


def test_two_processes_do_not_disturb_each_other(mirror: Mirror) -> None:
    """While one writes manifests the other leaves them to it, and none is lost."""
    mirror.poll_all()
    mirror.download()
    mirror.update()
    mirror.clock.advance(days=4)
    mirror.poll_all()

    async def both() -> None:
        async with (
            CatalogThread(mirror.state / CATALOG, mirror.clock) as one,
            CatalogThread(mirror.state / CATALOG, mirror.clock) as two,
            mirror.manifests(one) as first,
            mirror.manifests(two) as second,
        ):
            await asyncio.gather(first.update(), second.update())

    asyncio.run(both())
    mirror.update()
    assert len(mirror.told()) == len(mirror.settled()) == 4
    mirror.check()


# --- the disk ------------------------------------------------------------------------------------


def test_a_link_in_the_place_of_a_directory_is_not_followed(mirror: Mirror, tmp_path: Path) -> None:
    """Nothing is written elsewhere; what blocks it is reported, and later it goes on."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (mirror.state / "manifests").mkdir(exist_ok=True)
    (mirror.state / "manifests" / PROGRAM).symlink_to(elsewhere)
    settle(mirror)
    assert not list(elsewhere.iterdir())
    (paused,) = (event for event in mirror.events if isinstance(event, ManifestsPaused))
    assert str(mirror.state / "manifests" / PROGRAM) in paused.reason
    assert (PROGRAM, NIGHTS[0]) not in mirror.settled()
    (mirror.state / "manifests" / PROGRAM).unlink()
    mirror.update()
    mirror.check()
    assert len(mirror.settled()) == 4


def test_a_link_in_the_place_of_a_manifest_is_replaced(mirror: Mirror, tmp_path: Path) -> None:
    """And what it leads to stays as it is."""
    other = tmp_path / "other"
    other.write_text("not ours")
    path = mirror.manifest(PROGRAM, NIGHTS[0])
    path.parent.mkdir(parents=True)
    path.symlink_to(other)
    settle(mirror)
    assert other.read_text() == "not ours"
    assert not path.is_symlink()
    mirror.check()
