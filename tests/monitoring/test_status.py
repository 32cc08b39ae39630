"""The status: first whether the last night is here, then what is not, short enough to be read."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from winter_sync.catalog.night_records import SettledNight
from winter_sync.catalog.records import (
    Damaged,
    LastPoll,
    NightCount,
    PollState,
    QueueCount,
    Trouble,
)
from winter_sync.cli.views.status import show
from winter_sync.core import Numbers
from winter_sync.core.products import Damage, Night, Product, State
from winter_sync.core.queries import Subject
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.factory import open_existing_catalog
from winter_sync.monitoring.completeness import ArchiveState, by_program
from winter_sync.monitoring.status import Status, read_status, with_damaged
from winter_sync.monitoring.status_json import status_as_json
from winter_sync.monitoring.status_text import headline, remainder
from winter_sync.simulator.faults.script import parse_script

if TYPE_CHECKING:
    from support.rig import Rig

WINTER, SPRING = Instrument
NIGHT = Night("20251023")
NOW = datetime(2025, 10, 24, 18, tzinfo=UTC)
"""Two hours after that night ended."""
POLLED = datetime(2025, 10, 24, 17, 55, 35, tzinfo=UTC)
RETRY = "2025-10-24T18:55:34.636+00:00"
TOTALS = {"published", "wanted", "missing", "withdrawn", "size", "damaged"}


def count(night: Night = NIGHT, **changes: Any) -> NightCount:  # noqa: ANN401 - its fields
    """Make the count of a night's stacks: ten, all here, but for the changes."""
    usual = {
        "instrument": WINTER,
        "image_type": ImageType.STACK,
        "published": 10,
        "wanted": 0,
        "missing": 0,
        "withdrawn": 0,
        "size": 86_400,
    }
    return NightCount(night, **{**usual, **changes})


def trouble(number: int, reason: str | None = None) -> Trouble:
    """Make a product that failed for a reason, or, without one, is missing."""
    product = Product(
        WINTER,
        f"/data/loki/data/winter/20251023/final/WINTERcamera_{number:04}_stack.fits",
        ImageType.STACK,
        NIGHT,
    )
    state = State.WANTED if reason else State.MISSING
    return Trouble(product, state, 3, RETRY, reason)


def gone(product: Product) -> Damaged:
    """Make a product whose file was found missing."""
    return Damaged(
        product=product,
        path=product.savepath,
        damage=Damage.MISSING,
        reason="gone",
        state=State.PUBLISHED,
        withdrawn=False,
        not_before="",
        last_error=None,
        programs=("2024A000",),
    )


def poll(image_type: ImageType = ImageType.STACK, error: str | None = None) -> LastPoll:
    """Make a poll."""
    return LastPoll("2024A000", WINTER, image_type, "2025-10-24T17:55:35.057+00:00", 20, error)


def state(
    image_type: ImageType = ImageType.STACK,
    program: str = "2024A000",
    *,
    answered: datetime | None = POLLED,
    failing: datetime | None = None,
    error: str = "it is down",
) -> PollState:
    """Make how the polls of a type stand: listed five minutes ago, but for what is given."""
    subject = Subject(program, WINTER, image_type)
    return PollState(
        subject, answered, answered, failing, error if failing else None, down_since=failing
    )


def status_of(*counts: NightCount, now: datetime = NOW, **others: tuple[Any, ...]) -> Status:
    """Make the status of one program, whose counts these are."""

    def queue(program: str | None, some: list[NightCount]) -> QueueCount:
        numbers = Numbers.of(some)
        listed = numbers.listed + numbers.not_kept
        lacking = (numbers.pending, 0, numbers.missing, numbers.not_kept)
        return QueueCount(program, listed, *lacking, asked_at=RETRY)

    of_last = [night_count for night_count in counts if night_count.night == Status(now).last_night]
    return Status(
        now=now,
        counts=counts,
        troubles=others.get("troubles", ()),
        polls=others.get("polls", ()),
        states=others.get("states", (state(),)),
        queue=queue(None, list(counts)),
        queue_of_last_night=queue(None, of_last),
        programs=(queue("2024A000", list(counts)),),
        programs_of_last_night=(queue("2024A000", of_last),),
    )


def drawn(status: Status, width: int = 80) -> str:
    """Return what a person is shown where output is piped."""
    stream = io.StringIO()
    show(Console(file=stream, highlight=False, soft_wrap=True, width=width), status)
    return stream.getvalue()


def shown(*counts: NightCount, **others: Any) -> str:  # noqa: ANN401 - parts of a status
    """Return what a person is shown of counts."""
    return drawn(status_of(*counts, **others))


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ([], "nothing listed yet"),
        ([count()], "all 10 listed are here (86.4 kB)"),
        ([count(), count(published=5, size=1)], "all 15 listed are here (86.4 kB)"),
        (
            [count(missing=3)],
            "10 of 13 listed are here (86.4 kB), 3 missing on the server, next asked 18:55 UTC",
        ),
        ([count(), count(wanted=2)], "20 of 22 listed are here (173 kB), 2 pending"),
        (
            [count(), count(image_type=ImageType.SCIENCE, published=0, missing=4, size=0)],
            "all 10 listed are here (86.4 kB), 4 science listed, not kept by the archive",
        ),
        (
            [count(published=12, withdrawn=2, withdrawn_here=2, withdrawn_size=6400)],
            "all 10 listed are here (80 kB)",
        ),
    ],
)
def test_the_verdict(counts: list[NightCount], said: str) -> None:
    """Of what is listed now it says how much is here; science that is not kept is apart."""
    status = status_of(*counts)
    first = headline(status.last.numbers, may_say_all=status.last.is_all_here)
    rest = remainder(status.last.numbers, status.queue_of_last_night, NOW)
    assert ", ".join([first, *rest]) == said


def test_the_verdict_of_the_last_night_comes_first() -> None:
    """Whoever asks whether last night is here reads it in the first line."""
    earlier = count(NIGHT.plus(-1), wanted=7)
    first, *_ = shown(count(), earlier, polls=(poll(),)).splitlines()
    assert first == "Last night (20251023): all 10 listed are here (86.4 kB)."


def test_an_empty_mirror_says_so() -> None:
    """Before anything is listed there are two lines, and no empty table."""
    text = shown(states=(state(answered=None),))
    assert text.splitlines() == [
        "Last night (20251023): nothing listed yet.",
        "The archive has not answered yet: no listing was ever read.",
        "Never polled yet: 2024A000 winter stack.",
    ]


def test_a_last_night_without_data_is_the_last_night() -> None:
    """After cloudy nights the newest night with data is not taken for the last one."""
    first, *lines = shown(count(NIGHT.plus(-4))).splitlines()
    assert first == "Last night (20251023): nothing listed yet; latest with data 20251019."
    assert "Night 20251019: all 10 listed are here (86.4 kB)." in lines


def test_tonight_is_shown_separately() -> None:
    """While a night is under way what came of it so far is not what last night is judged by."""
    now = datetime(2025, 10, 25, 9, tzinfo=UTC)
    lines = shown(count(NIGHT.plus(1), wanted=3), count(), now=now).splitlines()
    assert lines[0] == "Last night (20251023): all 10 listed are here (86.4 kB)."
    assert lines[1] == "Tonight (20251024) so far: 10 of 13 listed are here (86.4 kB), 3 pending."
    by_day = shown(count(), now=datetime(2025, 10, 24, 23, 59, tzinfo=UTC))
    assert "Tonight" not in by_day


def test_the_last_night_is_reported_by_camera_and_type() -> None:
    """Its lines stand in the order of the cameras and of the pipeline, whatever order was read."""
    kinds = [ImageType.AVRO, ImageType.RAW]
    counts = [
        count(instrument=product, image_type=kind) for product in (SPRING, WINTER) for kind in kinds
    ]
    lines = [line.split()[:2] for line in shown(*counts).splitlines()[3:7]]
    assert lines == [["winter", "raw"], ["avro", "10"], ["spring", "raw"], ["avro", "10"]]


def test_earlier_nights_have_a_line_each_and_older_ones_one_together() -> None:
    """A mirror of a year fits on a screen, and says how many old nights are incomplete."""
    nights = [count(NIGHT.plus(-number), wanted=int(number > 360)) for number in range(365)]
    text = shown(*nights)
    assert len(text.splitlines()) < 24
    assert "20251009" in text
    assert "20251008" not in text
    assert "And 350 older nights, 30.2 MB: of 4 not all listed is here." in text
    assert "All 365 nights: 3650 of 3654 listed are here (31.5 MB), 4 pending." in text


@pytest.mark.parametrize("width", [60, 70, 80])
def test_it_fits_narrow_terminals(width: int) -> None:
    """No line is too long and no word cut; a pipe gets the very same lines, uncoloured."""
    big = count(
        instrument=SPRING,
        image_type=ImageType.EXPOSURE,
        published=12_345,
        wanted=9999,
        missing=9999,
        withdrawn=12_345,
        size=999_000_000_000,
    )
    science = count(image_type=ImageType.SCIENCE, missing=1234)
    some = tuple(trouble(number, "it was cut") for number in range(3))
    states = (state(), state(ImageType.DIFF, failing=POLLED, error="the server answered 503"))
    status = status_of(big, science, count(NIGHT.plus(-1)), troubles=some, states=states)
    other = replace(status.programs[0], program="2025B001")
    both = replace(
        status,
        programs=(*status.programs, other),
        programs_of_last_night=(*status.programs_of_last_night, other),
    )
    text = drawn(both, width)
    assert max(len(line) for line in text.splitlines() if "camera_" not in line) <= width
    assert text.isascii()
    assert "\x1b" not in text
    wide = drawn(both, 500)
    assert set(text.split()) == set(wide.split())
    assert "999 GB" in text


def test_a_few_troubles_are_named_and_many_are_counted() -> None:
    """Three missing products are named; three thousand are a number, the catalog's own."""
    few = shown(count(missing=2), troubles=(trouble(1), trouble(2)))
    assert "Missing on the server, retried periodically (next 18:55 UTC): 2\n" in few
    assert "  20251023 WINTERcamera_0001_stack.fits\n" in few
    many = shown(count(missing=3456), troubles=tuple(map(trouble, range(3000))))
    assert "retried periodically (next 18:55 UTC): 3456\n" in many
    assert "WINTERcamera" not in many


def test_failures_are_reported_by_reason() -> None:
    """Products that failed for one reason are one entry, the commonest first, with their time."""
    cut = tuple(trouble(number, "it was cut") for number in range(7))
    text = shown(count(wanted=8), troubles=(trouble(99, "no [red]FITS[/red] at all"), *cut))
    told = text.partition("Failed")[2]
    assert told.splitlines() == [
        ", next retried 18:55 UTC: 7",
        "  it was cut",
        "Failed, next retried 18:55 UTC: 1",
        "  no [red]FITS[/red] at all",
        "  20251023 WINTERcamera_0099_stack.fits",
    ]


def test_rare_reasons_are_counted_together() -> None:
    """When each product fails in words of its own, the list of reasons still ends."""
    text = shown(
        count(), troubles=tuple(trouble(number, f"reason {number}") for number in range(50))
    )
    assert text.count("reason ") == 5
    assert "Failed for 45 other reasons: 45" in text


def test_an_archive_that_does_not_answer_is_reported_once() -> None:
    """A server that is down for all types is one line, with the time of the first failure."""
    since = POLLED + timedelta(minutes=1)
    states = tuple(state(kind, failing=since) for kind in ImageType)
    lines = shown(count(), states=states, now=NOW + timedelta(hours=3)).splitlines()
    assert lines[:3] == [
        "Last night (20251023): 10 of 10 listed are here (86.4 kB).",
        "The archive last answered 2025-10-24 17:55 UTC (3 h 4 min ago).",
        "Every poll has failed since 2025-10-24 17:56 UTC: it is down",
    ]


def test_what_fails_beside_others_is_reported_by_program() -> None:
    """One program that is refused and one type that fails are shown, each with its reason."""
    states = (
        state(),
        state(ImageType.AVRO, answered=None, failing=POLLED, error="the answer is no list"),
        state(ImageType.DIFF, answered=None),
        *(
            state(kind, "2024B000", failing=POLLED, error="the credentials were refused")
            for kind in (ImageType.STACK, ImageType.DIFF)
        ),
    )
    lines = shown(count(), states=states).splitlines()
    assert lines[0] == "Last night (20251023): 10 of 10 listed are here (86.4 kB)."
    assert " ".join(" ".join(lines[2:7]).split()) == (
        "Polls of 2024A000 winter avro have failed since 2025-10-24 17:55 UTC: the answer is no "
        "list "
        "Polls of 2024B000 winter stack and 1 more have failed since 2025-10-24 17:55 UTC: the "
        "credentials were refused Never polled yet: 2024A000 winter diff."
    )


def test_a_night_that_was_not_listed_since_it_ended_may_grow() -> None:
    """What is here of an earlier listing is all of that listing, and is not said to be all."""
    before = datetime(2025, 10, 24, 15, 10, tzinfo=UTC)
    status = status_of(count(), states=(state(answered=before),))
    assert "not listed again since that night ended (16:00 UTC)" in drawn(status)
    assert status.last.is_complete is False


def test_the_machines_status_has_stable_keys() -> None:
    """Scripts can rely on these keys, and on what each of them holds."""
    troubles = (trouble(1), trouble(2, "it was cut"))
    status = status_of(
        count(wanted=1), count(NIGHT.plus(-1)), troubles=troubles, polls=(poll(error="down"),)
    )
    told = json.loads(status_as_json(status))
    assert told["last_night"] == "20251023"
    assert told["last_night_complete"] is False
    assert set(told) == {
        "last_night",
        "last_night_complete",
        "as_of",
        "last_night_numbers",
        "latest_night_with_data",
        "only",
        "tonight",
        "archive",
        "programs",
        "totals",
        "nights",
        "troubles",
        "polls",
        "damaged",
        "settled",
        "refetches",
        "held_withdrawals",
        "sinks",
        "too",
    }
    assert told["totals"] == {
        "published": 20,
        "wanted": 1,
        "missing": 0,
        "withdrawn": 0,
        "size": 172_800,
        "damaged": 0,
    }
    assert set(told["nights"][0]) == {"night", "instrument", "image_type", *TOTALS}
    assert told["troubles"][0] == {
        "instrument": "winter",
        "savepath": troubles[0].product.savepath,
        "night": "20251023",
        "state": "missing",
        "attempts": 3,
        "not_before": "2025-10-24T18:55:34.636+00:00",
        "last_error": None,
    }
    assert told["polls"] == [
        {
            "program": "2024A000",
            "instrument": "winter",
            "image_type": "stack",
            "at": "2025-10-24T17:55:35.057+00:00",
            "listed": 20,
            "error": "down",
        }
    ]


def test_the_machines_status_shows_the_archive_and_each_program() -> None:
    """When it last answered, since when it fails, and what each program lists and lacks."""
    since = POLLED + timedelta(minutes=5)
    status = status_of(count(missing=3), states=(state(failing=since),))
    told = json.loads(status_as_json(status))
    reach = {
        "last_answer": "2025-10-24T17:55:35.000+00:00",
        "failing_since": "2025-10-24T18:00:35.000+00:00",
        "error": "it is down",
    }
    numbers = {
        "listed": 13,
        "here": 10,
        "pending": 0,
        "missing": 3,
        "not_kept": 0,
        "damaged": 0,
        "next_asked": RETRY,
        "next_retry": None,
    }
    kind = {"instrument": "winter", "image_type": "stack"}
    assert told["archive"] == reach
    assert told["last_night_numbers"] == {**numbers, "size": 86_400}
    assert told["programs"] == [
        {
            "program": "2024A000",
            **reach,
            "never_listed": [],
            "failing": [{**kind, "since": reach["failing_since"], "error": "it is down"}],
            "totals": numbers,
            "last_night": numbers,
        }
    ]


def test_the_machines_status_of_an_empty_mirror() -> None:
    """An empty mirror has a last night as the archive has, no night with data, none complete."""
    told = json.loads(status_as_json(status_of(states=())))
    assert told["last_night"] == "20251023"
    assert told["latest_night_with_data"] is None
    assert told["archive"] == {"last_answer": None, "failing_since": None, "error": None}
    assert told["last_night_complete"] is False
    assert told["totals"]["published"] == 0


@pytest.mark.parametrize(
    ("kind", "complete"), [(ImageType.STACK, False), (ImageType.SCIENCE, True)]
)
def test_a_complete_night_is_complete_for_a_machine(kind: ImageType, *, complete: bool) -> None:
    """What is missing on the server is not here; science that is not kept does not count."""
    status = status_of(count(), count(image_type=kind, missing=3))
    assert json.loads(status_as_json(status))["last_night_complete"] is complete


async def test_it_is_read_from_the_catalog(rig: Rig) -> None:
    """After a real run the counts are the tree's, and only of the programs asked for."""
    rig.programs = [{**program, "image_types": ["stack", "science"]} for program in rig.programs]
    await rig.sync()
    names = [program["name"] for program in rig.programs]
    now = datetime(2025, 10, 24, 18, tzinfo=UTC)
    selections = rig.settings().selections
    async with open_existing_catalog(rig.settings()) as catalog:
        whole = await read_status(catalog, selections, now)
        part = await read_status(catalog, selections[:1], now)
    files = rig.files()
    told = json.loads(status_as_json(whole))
    assert told["totals"]["published"] == len(files)
    assert told["totals"]["size"] == sum((rig.root / path).stat().st_size for path in files)
    assert told["totals"]["missing"] == len(told["troubles"]) == 3
    assert {record["program"] for record in told["polls"]} == set(names)
    assert {record.program for record in part.polls} == {names[0]}
    assert 0 < sum(night_count.published for night_count in part.counts) < len(files)
    assert told["last_night_complete"] is True
    assert [program["program"] for program in told["programs"]] == names
    assert sum(program["totals"]["here"] for program in told["programs"]) == len(files)
    assert sum(program["last_night"]["not_kept"] for program in told["programs"]) == 3


async def test_a_refused_program_and_a_server_that_is_away_are_reported(rig: Rig) -> None:
    """After runs that ended at once for such a reason the status says so, of every type."""
    rig.programs = [{**program, "image_types": ["stack", "diff"]} for program in rig.programs]
    await rig.sync()
    first, second = rig.programs

    async def read() -> Status:
        async with open_existing_catalog(rig.settings()) as catalog:
            return await read_status(
                catalog, rig.settings().selections, rig.observatory.clock.now()
            )

    assert (await read()).last.is_all_here is False  # of that night, days later, nothing is listed
    assert all(subject.failing_since is None for subject in (await read()).states)
    rig.programs = [first, {**second, "api_key": "wrong"}]
    rig.observatory.clock.advance(timedelta(hours=1))
    refused_at = rig.observatory.clock.now()
    await rig.sync()
    states = by_program((await read()).states)
    assert ArchiveState.of(states[first["name"]]).failing_since is None
    reach = ArchiveState.of(states[second["name"]])
    assert reach.failing_since == refused_at
    assert f"refuses the key of program {second['name']}" in str(reach.error)
    rig.programs = [first, second]
    rig.simulator.faults = parse_script("503").faults()
    rig.observatory.clock.advance(timedelta(hours=1))
    await rig.sync()
    text = drawn(await read())
    assert f"Every poll has failed since {refused_at + timedelta(hours=1):%Y-%m-%d %H:%M}" in text
    assert "503" in text


def test_settled_nights_are_shown_until_a_file_is_found_missing() -> None:
    """By program, with the newest; a night whose file is gone is not claimed to be settled."""
    settled = tuple(
        SettledNight(program, night, NOW)
        for program, night in (("2024A000", NIGHT), ("2024A000", NIGHT.plus(-1)))
    )
    status = replace(status_of(count(), count(NIGHT.plus(-1))), settled=settled)
    assert "Settled nights: 2024A000 2, newest 20251023." in drawn(status)
    (first, _) = json.loads(status_as_json(status))["settled"]
    assert (first["night"], first["manifest"]) == ("20251023", "manifests/2024A000/20251023.ecsv")
    lost = gone(trouble(1).product)
    assert [night.night for night in with_damaged(status, [lost]).settled] == [NIGHT.plus(-1)]
    assert "Settled" not in drawn(status_of(count()))


class LookedAt(Night):
    """A night that counts how often any is compared or looked up."""

    looks = 0

    def __eq__(self, other: object) -> bool:
        """Compare it as any night."""
        LookedAt.looks += 1
        return str(self) == str(other)

    def __hash__(self) -> int:
        """Look it up as any night."""
        LookedAt.looks += 1
        return hash(str(self))


def test_a_status_of_ten_times_the_nights_is_no_more_than_ten_times_the_work() -> None:
    """Whoever has years of nights, and lost a file of each, does not wait for ever."""
    looks = []
    for number in (40, 400):
        names = [NIGHT.plus(-ago).name for ago in range(number)]
        counts = [count(LookedAt(name)) for name in names]
        settled = tuple(SettledNight("2024A000", LookedAt(name), NOW) for name in names)
        status = replace(status_of(*counts), settled=settled)
        lost = [
            gone(replace(trouble(1).product, night=LookedAt(name), savepath=name)) for name in names
        ]
        LookedAt.looks = 0
        found = with_damaged(status, lost)
        assert (found.settled, found.numbers.damaged) == ((), number)
        assert f"All {number} nights" in drawn(found)
        assert status_as_json(found)
        looks.append(LookedAt.looks)
    assert 0 < looks[1] <= 10 * looks[0]
