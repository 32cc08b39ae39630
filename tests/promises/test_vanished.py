"""Products that vanish from a listing: renamed, listed elsewhere, withdrawn, or held in doubt."""

from __future__ import annotations

import asyncio
import io
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console
from support.rig import DownloadLog, Rig, path_of

from winter_sync.api.history import restore_revision
from winter_sync.catalog import CatalogThread
from winter_sync.cli.views.history import place_of, show_history
from winter_sync.cli.views.status import show
from winter_sync.core import CATALOG, Polled, PollsEnded, WithdrawalCleared, WithdrawalHeld
from winter_sync.core.errors import ExitCode
from winter_sync.core.filesystem import sha256_of_file
from winter_sync.core.outbox import EventKind
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.monitoring.status import read_status
from winter_sync.monitoring.status_json import status_as_json
from winter_sync.simulator import (
    DEMO_NIGHT,
    Answer,
    Call,
    Observatory,
    SimulatedClock,
    Simulator,
    Universe,
)
from winter_sync.simulator.observatory.universe import campaigns_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from winter_sync.core import Event
    from winter_sync.core.products import Product

NIGHTS = tuple(DEMO_NIGHT.plus(days) for days in range(-3, 1))
PROGRAM, OTHER = "2024A000", "2024B001"
TYPES = (ImageType.STACK, ImageType.DIFF, ImageType.AVRO)


class Archive(DownloadLog):
    """An archive that refuses or fails the queries of a program, as a test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.status: dict[str, int] = {}

    async def before(self, call: Call) -> Answer | None:
        """Answer with a status."""
        if call.path == "/images/query" and call.program in self.status:
            return Answer(self.status[call.program])
        return None


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """Return a mirror of two programs whose catalog and tree are filled."""
    universe = Universe(
        nights=NIGHTS, campaigns=campaigns_of((PROGRAM, OTHER)), products_a_night=300
    )
    clock = SimulatedClock(datetime(2025, 10, 28, 12, tzinfo=UTC))
    async with Simulator(Observatory(universe, clock=clock), faults=Archive()) as simulator:
        rig = Rig(simulator, tmp_path / "winter")
        for program in rig.programs:
            program["image_types"] = list(TYPES)
            program["instruments"] = ["winter"]
        await rig.sync()
        rig.events.clear()
        yield rig


def archive(rig: Rig) -> Archive:
    """Return what happens to the answers."""
    assert isinstance(rig.simulator.faults, Archive)
    return rig.simulator.faults


def listed(rig: Rig, kind: ImageType = ImageType.STACK, program: str = PROGRAM) -> list[Product]:
    """Return what a program lists of a type."""
    return rig.observatory.products(program, Instrument.WINTER, kind)


async def sync(rig: Rig, **later: float) -> Any:  # noqa: ANN401 - a Report
    """Sync after a time, ten minutes if not told otherwise."""
    rig.observatory.clock.advance(timedelta(**later) if later else timedelta(minutes=10))
    return await rig.sync()


def withdrawn(rig: Rig) -> int:
    """Return how many products polls withdrew so far."""
    return sum(event.withdrawn for event in rig.emitted(Polled))


def told(rig: Rig, *kinds: EventKind) -> list[Any]:
    """Return the fields of events for other programs."""
    return [event.fields for event in rig.outbox(*kinds)]


# --- many at once --------------------------------------------------------------------------------


async def test_a_mass_withdrawal_is_held_until_it_is_confirmed(rig: Rig) -> None:
    """Nothing is withdrawn at once; after a day and three answers without them all is."""
    gone = [product for product in listed(rig) if product.night in NIGHTS[-2:]]
    assert len(gone) > 10
    for product in gone:
        rig.observatory.withdraw(product)
    expected = len(listed(rig)) + len(gone)
    assert (await sync(rig)).exit_code is ExitCode.DONE
    (held,) = rig.emitted(WithdrawalHeld)
    assert (held.products, withdrawn(rig)) == (len(gone), 0)
    assert held.subject.program == PROGRAM, "the last query was put to the other program"
    (event,) = told(rig, EventKind.WITHDRAWAL_HELD)
    assert (event["program"], event["products"]) == (PROGRAM, len(gone))
    with rig.catalog() as catalog:
        (record,) = catalog.withdrawals.held()
    assert (record.products, record.answers) == (len(gone), 1)
    assert record.expected <= expected
    await sync(rig, hours=12)
    assert withdrawn(rig) == 0
    await sync(rig, hours=12)
    assert withdrawn(rig) == len(gone)
    assert {each.lost_by.program for each in rig.emitted(Polled) if each.withdrawn} == {PROGRAM}
    assert len(rig.emitted(WithdrawalHeld)) == len(told(rig, EventKind.WITHDRAWAL_HELD)) == 1
    with rig.catalog() as catalog:
        assert catalog.withdrawals.held() == []
    assert rig.truth(gone).items() <= rig.files().items()


async def test_a_partial_return_clears_what_is_held(rig: Rig) -> None:
    """One of them listed again says that the archive was wrong: the others begin anew."""
    gone = listed(rig)[: len(listed(rig)) // 2]
    for product in gone:
        rig.observatory.withdraw(product)
    await sync(rig)
    await sync(rig, hours=12)
    for product in gone[: len(gone) // 2]:
        rig.observatory.relist(product)
    await sync(rig, hours=12)
    (cleared,) = rig.emitted(WithdrawalCleared)
    assert cleared.products == len(gone)
    assert told(rig, EventKind.WITHDRAWAL_CLEARED)
    assert not told(rig, EventKind.RETURNED)
    still = len(gone) - len(gone) // 2
    assert withdrawn(rig) == (0 if still > 10 else still)


async def test_a_user_accepts_what_is_held(rig: Rig) -> None:
    """`sync --accept-withdrawals` believes at once what the archive does not list then."""
    for product in (gone := listed(rig)[: len(listed(rig)) // 2]):
        rig.observatory.withdraw(product)
    await sync(rig)
    rig.observatory.relist(gone[0])
    rig.accept_withdrawals = True
    await sync(rig)
    assert withdrawn(rig) == len(gone) - 1
    assert len(told(rig, EventKind.WITHDRAWN)) == len(gone) - 1


async def test_the_setting_says_what_is_too_much(rig: Rig) -> None:
    """With `max_withdrawn = 1` everything is believed."""
    rig.changes["mirror"] = {"max_withdrawn": 1}
    gone = listed(rig)
    for product in gone:
        rig.observatory.withdraw(product)
    await sync(rig)
    assert withdrawn(rig) == len(gone)


async def test_a_few_are_withdrawn_at_once(rig: Rig) -> None:
    """Whatever part of a small program they are."""
    few = listed(rig)[:10]
    for product in few:
        rig.observatory.withdraw(product)
    await sync(rig)
    assert withdrawn(rig) == len(few)
    assert rig.emitted(WithdrawalHeld) == []


# --- renamed -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TYPES)
async def test_a_renamed_product_is_linked_to_its_successor(rig: Rig, kind: ImageType) -> None:
    """The old row vanishes and the new one appears: one event says that they belong together."""
    old = listed(rig, kind)[0]
    new = rig.observatory.rename(old)
    await sync(rig)
    (event,) = told(rig, EventKind.RENAMED)
    assert (event["savepath"], event["successor"]) == (old.savepath, new.savepath)
    assert event["successor_path"].endswith(new.filename)
    assert [fields["savepath"] for fields in told(rig, EventKind.WITHDRAWN)] == [old.savepath]
    with rig.catalog() as catalog:
        history = catalog.history.of(old)
    text = io.StringIO()
    show_history(Console(file=text, width=400), history, rig.root)
    assert f"renamed to {event['successor_path']}" in text.getvalue()
    with rig.catalog() as catalog:
        assert catalog.renames.successor(old) == new
        assert catalog.renames.successor(new) is None


async def test_what_two_programs_withdraw_at_once_moved_to_neither(rig: Rig) -> None:
    """Each was asked about what the other lost, and had lost it too: one withdrawal is all."""
    product = listed(rig)[0]
    rig.observatory.list_also_under(product, OTHER)
    await sync(rig)
    rig.observatory.withdraw(product)
    await sync(rig)
    kinds = (EventKind.CORRECTED, EventKind.WITHDRAWN)
    assert [event.kind for event in rig.outbox(*kinds)] == [EventKind.WITHDRAWN]


async def test_a_whole_program_that_is_renamed_is_no_mass_withdrawal(rig: Rig) -> None:
    """A reprocessed archive names every stack anew: all are linked, nothing is held."""
    olds = listed(rig)
    news = [rig.observatory.rename(old) for old in olds]
    await sync(rig)
    assert rig.emitted(WithdrawalHeld) == []
    linked = {event["savepath"]: event["successor"] for event in told(rig, EventKind.RENAMED)}
    assert linked == {old.savepath: new.savepath for old, new in zip(olds, news, strict=True)}


async def test_a_successor_that_appears_later_is_linked(rig: Rig) -> None:
    """The old row may vanish some polls before the new one appears."""
    old = listed(rig)[0]
    new = rig.observatory.rename(old)
    rig.observatory.withdraw(new)
    await sync(rig)
    assert not told(rig, EventKind.RENAMED)
    rig.observatory.relist(new)
    await sync(rig, hours=5)
    assert [event["successor"] for event in told(rig, EventKind.RENAMED)] == [new.savepath]


async def test_a_product_that_comes_back_has_no_successor(rig: Rig) -> None:
    """It was not renamed after all."""
    old = listed(rig)[0]
    rig.observatory.rename(old)
    await sync(rig)
    rig.observatory.relist(old)
    await sync(rig)
    assert [event["savepath"] for event in told(rig, EventKind.RETURNED)] == [old.savepath]
    with rig.catalog() as catalog:
        assert catalog.renames.successor(old) is None


# --- two programs --------------------------------------------------------------------------------


async def test_a_product_under_two_programs_is_fetched_once(rig: Rig) -> None:
    """It is shown under both, and withdrawn only when neither lists it."""
    shared = listed(rig)[0]
    rig.observatory.list_also_under(shared, OTHER)
    report = await sync(rig)
    assert (report.published, report.unchanged) == (0, 0)
    with rig.catalog() as catalog:
        (found,) = catalog.searches.products([shared.identity])
    assert found.programs == (PROGRAM, OTHER)
    rig.observatory.correct(shared, program=OTHER, target="a star")
    await sync(rig)
    assert (withdrawn(rig), told(rig, EventKind.WITHDRAWN)) == (0, [])
    rig.observatory.withdraw(shared)
    await sync(rig)
    assert [event["savepath"] for event in told(rig, EventKind.WITHDRAWN)] == [shared.savepath]
    assert archive(rig).asked[shared.savepath] == 1


async def test_a_product_moves_to_another_program(rig: Rig) -> None:
    """Nothing is withdrawn or fetched again, whichever of the two is polled first."""
    there, back = listed(rig)[0], listed(rig, program=OTHER)[0]
    target = rig.observatory.entry(*there.identity).target
    rig.observatory.correct(there, program=OTHER, target=target)
    rig.observatory.correct(
        back, program=PROGRAM, target=rig.observatory.entry(*back.identity).target
    )
    report = await sync(rig)
    assert (report.published, report.unchanged, withdrawn(rig)) == (0, 0, 0)
    assert not told(rig, EventKind.WITHDRAWN, EventKind.RETURNED)
    moved = {
        event["savepath"]: (event["program_was"], event["program"])
        for event in told(rig, EventKind.CORRECTED)
    }
    assert moved == {there.savepath: (PROGRAM, OTHER), back.savepath: (OTHER, PROGRAM)}
    queries = rig.requests["/images/query"]
    await sync(rig)
    usual = rig.requests["/images/query"] - queries
    assert usual == 2 * len(TYPES), "another program is asked once"


@pytest.mark.parametrize("status", [401, 422, 503])
async def test_another_program_that_does_not_answer_is_no_fault(rig: Rig, status: int) -> None:
    """Nothing is withdrawn while it may list the product; then the product is."""
    rig.observatory.withdraw(listed(rig)[0])
    archive(rig).status = {OTHER: status}
    rig.programs = rig.programs[::-1] if rig.programs[0]["name"] == OTHER else rig.programs
    await sync(rig)
    assert withdrawn(rig) == 0
    archive(rig).status = {}
    await sync(rig, hours=3)
    assert withdrawn(rig) == 1


# --- corrected targets ---------------------------------------------------------------------------


async def test_a_corrected_target_follows(rig: Rig) -> None:
    """The catalog has the new one at the next poll, and one event both; marks are no correction."""
    product = listed(rig)[0]
    before = rig.observatory.entry(*product.identity).target
    rig.observatory.correct(product, program=PROGRAM, target="SN2099abc")
    rig.observatory.reprocess(product.night, ())
    await sync(rig)
    (event,) = told(rig, EventKind.CORRECTED)
    assert (event["savepath"], event["target_was"], event["target"]) == (
        *(product.savepath, before, "SN2099abc"),
    )
    assert "program_was" not in event
    await sync(rig)
    assert len(told(rig, EventKind.CORRECTED)) == 1
    with rig.catalog() as catalog:
        (found,) = catalog.searches.products([product.identity])
    assert found.target == "SN2099abc"


# --- files of withdrawn products -----------------------------------------------------------------

ASIDE = ".winter-sync/withdrawn"


def kept_files(rig: Rig) -> set[str]:
    """Return the files that were set aside, by the paths that they had in the tree."""
    place = rig.root / ASIDE
    return {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}


def states(rig: Rig, *products: Product) -> list[tuple[str, bool]]:
    """Return the state of products as `list` has it, and whether it says that a file is here."""
    with rig.catalog() as catalog:
        found = catalog.searches.products([product.identity for product in products])
    return [(product.state.value, product.has_file) for product in found]


async def withdraw(rig: Rig, policy: str, count: int = 3) -> list[Product]:
    """Withdraw some products, and poll with this setting."""
    rig.changes["mirror"] = {"on_withdrawn": policy}
    gone = listed(rig)[:count]
    for product in gone:
        rig.observatory.withdraw(product)
    await sync(rig)
    return gone


async def test_files_are_kept_unless_the_settings_say_otherwise(rig: Rig) -> None:
    """A withdrawn product's file stays where it is."""
    before = rig.files()
    gone = await withdraw(rig, "keep")
    assert (rig.files(), kept_files(rig)) == (before, set())
    assert states(rig, *gone) == [("withdrawn", True)] * 3
    assert told(rig, EventKind.REMOVED) == []


async def test_files_are_moved_and_come_back(rig: Rig, tmp_path: Path) -> None:
    """They leave the tree in one step, `list` and `verify` know, and nothing is fetched again."""
    before = rig.files()
    gone = await withdraw(rig, "move")
    paths = rig.truth(gone).keys()
    assert kept_files(rig) == paths
    assert rig.files() == {path: before[path] for path in before.keys() - paths}
    assert states(rig, *gone) == [("withdrawn", False)] * 3
    assert [event["kept"] for event in told(rig, EventKind.REMOVED)] == [
        f"{ASIDE}/{path}" for path in sorted(paths)
    ]
    with rig.catalog() as catalog:
        assert len(catalog.files.known_kept([f"{ASIDE}/{path}" for path in paths])) == 3
        history = catalog.history.of(gone[0])
    assert place_of(history, history.revisions[0], rig.root) == "kept"
    restored = restore_revision(rig.root, history, 1, tmp_path / "restored.fits")
    assert sha256_of_file(restored) == before[history.path]
    asked = archive(rig).asked.copy()
    for product in gone:
        rig.observatory.relist(product)
    report = await sync(rig)
    assert (report.published, report.left, kept_files(rig)) == (0, 0, set())
    assert (rig.files(), archive(rig).asked) == (before, asked)
    assert states(rig, *gone) == [("downloaded", True)] * 3


class InTheMiddle(Archive):
    """An archive that withdraws a product while it is being downloaded, and sends it afterwards."""

    def __init__(self, rig: Rig) -> None:
        super().__init__()
        self._observatory = rig.observatory
        self.gone: list[Product] = []
        self._asked, self._listed = asyncio.Event(), asyncio.Event()
        rig.listeners.append(self._see)

    def _see(self, event: Event) -> None:
        if isinstance(event, PollsEnded):
            self._listed.set()

    async def before(self, call: Call) -> Answer | None:
        """Hold queries until a download is under way."""
        if call.path == "/images/query":
            await self._asked.wait()
        return await super().before(call)

    async def before_zip(self, call: Call) -> Answer | None:
        """Withdraw the first product of the first download; hold all until all is listed."""
        if not self.gone:
            products = self._observatory.products()
            self.gone = [each for each in products if each.savepath == call.savepaths[0]]
        for product in self.gone:
            self._observatory.withdraw(product)
        self._asked.set()
        await self._listed.wait()
        return await super().before_zip(call)


class NoDownloads(Archive):
    """An archive that fails all downloads."""

    async def before_zip(self, call: Call) -> Answer | None:
        """Fail a download."""
        await super().before_zip(call)
        return Answer(500)


@pytest.mark.parametrize("policy", ["move", "delete"])
async def test_what_is_withdrawn_while_it_is_downloaded_is_set_aside(rig: Rig, policy: str) -> None:
    """By the same run: the file of what is being fetched again stays only until that has ended."""
    rig.changes["mirror"] = {"on_withdrawn": policy}
    rig.observatory.reprocess(NIGHTS[-1], ())
    rig.simulator.faults = NoDownloads()
    await sync(rig)
    rig.simulator.faults = in_the_middle = InTheMiddle(rig)
    await sync(rig, hours=2)
    (gone,) = in_the_middle.gone
    assert path_of(gone) not in rig.files()
    assert states(rig, gone) == [("withdrawn", False)]


async def test_what_was_moved_and_is_not_right_any_more_is_fetched(rig: Rig) -> None:
    """Whoever changes or deletes a file that was set aside costs a download, and no wrong file."""
    before = rig.files()
    gone = await withdraw(rig, "move")
    changed, deleted, _ = sorted(kept_files(rig))
    (rig.root / ASIDE / changed).write_bytes(b"somebody's")
    (rig.root / ASIDE / deleted).unlink()
    for product in gone:
        rig.observatory.relist(product)
    report = await sync(rig)
    assert (report.published + report.unchanged, report.left) == (2, 0)
    assert rig.files() == before
    assert kept_files(rig) == {changed}
    with rig.catalog() as catalog:
        assert catalog.files.known_kept([f"{ASIDE}/{changed}"])


async def test_files_are_deleted_and_fetched_again(rig: Rig) -> None:
    """With `on_withdrawn = "delete"`; also those that were withdrawn before."""
    before = rig.files()
    await withdraw(rig, "keep", 1)
    gone = await withdraw(rig, "delete")
    paths = rig.truth(gone).keys()
    assert rig.files().keys() <= before.keys() - paths
    assert len(rig.files()) == len(before) - 4
    assert states(rig, *gone) == [("withdrawn", False)] * 3
    for product in gone:
        rig.observatory.relist(product)
    await sync(rig)
    assert rig.truth(gone).items() <= rig.files().items()


@pytest.mark.parametrize("policy", ["move", "delete"])
async def test_a_file_that_somebody_changed_is_theirs(rig: Rig, policy: str) -> None:
    """It is neither moved nor deleted."""
    path = next(iter(rig.truth(listed(rig)[:1])))
    (rig.root / path).write_bytes(b"somebody's")
    await withdraw(rig, policy)
    assert (rig.root / path).read_bytes() == b"somebody's"


async def test_nothing_is_removed_while_it_is_held(rig: Rig) -> None:
    """A mass withdrawal deletes no file before it is confirmed."""
    before = rig.files()
    await withdraw(rig, "delete", len(listed(rig)))
    assert rig.files() == before


@pytest.mark.parametrize("policy", ["move", "delete"])
@pytest.mark.parametrize("returns", [True, False])
@pytest.mark.parametrize("step", ["begin", "finish"])
async def test_a_kill_between_the_steps_is_finished(
    rig: Rig, policy: str, step: str, *, returns: bool
) -> None:
    """Whether the file had been moved or not, the next run comes to what the archive lists."""
    before = rig.files()
    (gone,) = await withdraw(rig, "keep", 1)
    (path,) = rig.truth([gone])
    kept = f"{ASIDE}/{path}" if policy == "move" else None
    with rig.catalog() as catalog:
        (held,) = catalog.set_aside.candidates("", 9)
        assert catalog.set_aside.begin(held, kept)
    if step == "finish":
        place = rig.root / ASIDE / path
        place.parent.mkdir(parents=True)
        (rig.root / path).rename(place)
        if kept is None:
            place.unlink()
    if returns:
        rig.observatory.relist(gone)
    rig.changes["mirror"] = {"on_withdrawn": policy}
    await sync(rig)
    await sync(rig)
    assert rig.files() == (before if returns else {p: before[p] for p in before if p != path})
    assert kept_files(rig) == ({path} if policy == "move" and not returns else set())
    assert states(rig, gone) == [("downloaded", True) if returns else ("withdrawn", False)]


# --- what people and programs see ----------------------------------------------------------------


async def test_the_status_says_what_is_held(rig: Rig) -> None:
    """As a sentence with the command that believes it, and as JSON."""
    for product in (gone := listed(rig)[: len(listed(rig)) // 2]):
        rig.observatory.withdraw(product)
    await sync(rig)
    settings = rig.settings()
    now = rig.observatory.clock.now()
    async with CatalogThread(settings.state / CATALOG, lambda: now) as catalog:
        status = await read_status(catalog, settings.selections, now)
    (record,) = json.loads(status_as_json(status))["held_withdrawals"]
    assert (record["program"], record["products"]) == (PROGRAM, len(gone))
    text = io.StringIO()
    show(Console(file=text, width=400), status)
    assert f"Held: {len(gone)} products ({PROGRAM}, winter stack)" in text.getvalue()
    assert "if 2 more complete answers do not list them, the last after" in text.getvalue()
    assert "winter-sync sync --accept-withdrawals" in text.getvalue()


async def test_list_shows_the_successor(rig: Rig) -> None:
    """Of a renamed product, the path of what took its place; of no other."""
    old = listed(rig)[0]
    new = rig.observatory.rename(old)
    await sync(rig)
    with rig.catalog() as catalog:
        found = {
            each.product: each.successor
            for each in catalog.searches.products([old.identity, new.identity])
        }
    assert found == {old: next(iter(rig.truth([new]))), new: None}
