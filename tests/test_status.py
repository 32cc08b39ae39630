"""The status: first whether the last night is here, then what is not, short enough to be read."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from winter_sync.factory import open_existing_catalog
from winter_sync.models import ImageType, Instrument, Night, Product, State
from winter_sync.records import LastPoll, NightCount, Scope, Trouble
from winter_sync.status import Status, as_json, look, show, verdict

if TYPE_CHECKING:
    from support.rig import Rig

WINTER, SPRING = Instrument
NIGHT = Night("20251023")
TOTALS = {"published", "wanted", "missing", "withdrawn", "size"}


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
    return Trouble(product, state, 3, "2025-10-24T18:55:34.636+00:00", reason)


def poll(image_type: ImageType = ImageType.STACK, error: str | None = None) -> LastPoll:
    """Make a poll."""
    return LastPoll("2024A000", WINTER, image_type, "2025-10-24T17:55:35.057+00:00", 20, error)


def shown(*counts: NightCount, **others: tuple[Any, ...]) -> str:
    """Give what a person is shown where output is piped."""
    status = Status(counts, others.get("troubles", ()), others.get("polls", ()))
    stream = io.StringIO()
    show(Console(file=stream, highlight=False, soft_wrap=True), status)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ([], "nothing is listed yet"),
        ([count()], "complete, 10 here (86.4 kB)"),
        ([count(), count(published=5, size=1)], "complete, 15 here (86.4 kB)"),
        ([count(missing=3)], "complete, 10 here (86.4 kB), 3 missing on the server"),
        ([count(), count(wanted=2)], "2 to come, 20 here (173 kB)"),
    ],
)
def test_the_verdict(counts: list[NightCount], said: str) -> None:
    """A night is complete when all that is listed, and is not missing, is here."""
    assert verdict(counts) == said


def test_the_verdict_of_the_last_night_comes_first() -> None:
    """Whoever asks whether last night is here reads it in the first line."""
    earlier = count(NIGHT.plus(-1), wanted=7)
    first, *_ = shown(count(), earlier, polls=(poll(),)).splitlines()
    assert first == "Night 20251023: complete, 10 here (86.4 kB)."


def test_an_empty_mirror_says_so() -> None:
    """Before anything is listed there is one line, and no empty table."""
    assert shown() == "Nothing is listed yet.\n"


def test_the_last_night_is_told_by_camera_and_type() -> None:
    """Its lines stand in the order of the cameras and of the pipeline, whatever order was read."""
    kinds = [ImageType.AVRO, ImageType.RAW]
    counts = [count(instrument=one, image_type=kind) for one in (SPRING, WINTER) for kind in kinds]
    lines = [line.split()[:2] for line in shown(*counts).splitlines()[2:6]]
    assert lines == [["winter", "raw"], ["avro", "10"], ["spring", "raw"], ["avro", "10"]]


def test_earlier_nights_have_a_line_each_and_older_ones_one_together() -> None:
    """A mirror of a year fits on a screen, and says how many old nights are incomplete."""
    nights = [count(NIGHT.plus(-number), wanted=int(number > 360)) for number in range(365)]
    text = shown(*nights)
    assert len(text.splitlines()) < 24
    assert "20251009" in text
    assert "20251008" not in text
    assert "And 350 older nights, 30.2 MB, 4 of them incomplete." in text
    assert "All 365 nights: 4 to come" in text


def test_it_fits_eighty_columns() -> None:
    """No line wraps on an ordinary terminal, and a pipe gets the very same lines, uncoloured."""
    big = count(
        instrument=SPRING,
        image_type=ImageType.EXPOSURE,
        published=123_456,
        wanted=9999,
        missing=9999,
        withdrawn=12_345,
        size=999_000_000_000,
    )
    some = tuple(trouble(number, "it was cut") for number in range(3))
    text = shown(big, count(NIGHT.plus(-1)), troubles=some, polls=(poll(),))
    assert max(map(len, text.splitlines())) <= 80
    assert text.isascii()
    assert "\x1b" not in text
    assert "999 GB" in text


def test_a_few_troubles_are_named_and_many_are_counted() -> None:
    """Three missing products are named; three thousand are a number, the catalog's own."""
    few = shown(count(missing=2), troubles=(trouble(1), trouble(2)))
    assert "asked for again now and then: 2\n" in few
    assert "  20251023 WINTERcamera_0001_stack.fits\n" in few
    many = shown(count(missing=3456), troubles=tuple(map(trouble, range(3000))))
    assert "asked for again now and then: 3456\n" in many
    assert "WINTERcamera" not in many


def test_failures_are_told_by_reason() -> None:
    """Products that failed for one reason are one entry, the commonest first, with their time."""
    cut = tuple(trouble(number, "it was cut") for number in range(7))
    text = shown(count(wanted=8), troubles=(trouble(99, "no [red]FITS[/red] at all"), *cut))
    told = text.partition("Failed")[2]
    assert told.splitlines() == [
        ", tried again from 2025-10-24 18:55 UTC: 7",
        "  it was cut",
        "Failed, tried again from 2025-10-24 18:55 UTC: 1",
        "  no [red]FITS[/red] at all",
        "  20251023 WINTERcamera_0099_stack.fits",
    ]


def test_rare_reasons_are_counted_together() -> None:
    """When each product fails in words of its own, the list of reasons still ends."""
    text = shown(count(), troubles=tuple(trouble(one, f"reason {one}") for one in range(50)))
    assert text.count("reason ") == 5
    assert "Failed for 45 other reasons: 45" in text


def test_failed_polls_are_told_once() -> None:
    """A server that was down for all selections is one line, after the time of the last poll."""
    polls = tuple(poll(kind, "it is down") for kind in ImageType)
    lines = shown(count(), polls=polls).splitlines()
    assert lines[-2:] == [
        "Last poll: 2025-10-24 17:55 UTC.",
        "The last poll of 2024A000 winter exposure and 5 more failed: it is down",
    ]


def test_the_machines_status_has_stable_keys() -> None:
    """Scripts can rely on these keys, and on what each of them holds."""
    troubles = (trouble(1), trouble(2, "it was cut"))
    status = Status((count(wanted=1), count(NIGHT.plus(-1))), troubles, (poll(error="down"),))
    told = json.loads(as_json(status))
    assert told["last_night"] == "20251023"
    assert told["last_night_complete"] is False
    assert set(told) == {
        "last_night",
        "last_night_complete",
        "totals",
        "nights",
        "troubles",
        "polls",
    }
    assert told["totals"] == {
        "published": 20,
        "wanted": 1,
        "missing": 0,
        "withdrawn": 0,
        "size": 172_800,
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


def test_the_machines_status_of_an_empty_mirror() -> None:
    """An empty mirror has no last night, and none is complete."""
    told = json.loads(as_json(Status((), (), ())))
    assert told["last_night"] is None
    assert told["last_night_complete"] is False
    assert told["totals"]["published"] == 0


def test_a_complete_night_is_complete_for_a_machine() -> None:
    """What is missing on the server does not keep a night from being complete."""
    told = json.loads(as_json(Status((count(missing=3),), (), ())))
    assert told["last_night_complete"] is True


async def test_it_is_read_from_the_catalog(rig: Rig) -> None:
    """After a real run the counts are the tree's, and only of the programs asked for."""
    rig.programs = [{**one, "image_types": ["stack", "science"]} for one in rig.programs]
    await rig.sync()
    names = [one["name"] for one in rig.programs]
    async with open_existing_catalog(rig.settings()) as catalog:
        whole = await look(catalog, Scope(programs=tuple(names)))
        part = await look(catalog, Scope(programs=(names[0],)))
    files = rig.files()
    told = json.loads(as_json(whole))
    assert told["totals"]["published"] == len(files)
    assert told["totals"]["size"] == sum((rig.root / path).stat().st_size for path in files)
    assert told["totals"]["missing"] == len(told["troubles"]) == 3
    assert {one["program"] for one in told["polls"]} == set(names)
    assert {one.program for one in part.polls} == {names[0]}
    assert 0 < sum(one.published for one in part.counts) < len(files)
