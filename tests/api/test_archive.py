"""The archive, asked from Python: in a script, in a coroutine, inside a running loop."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING

import pytest
from support.command import KEYS, PASSWORD, PROGRAM, USER, leaked, served, settings_file

from winter_sync import Archive, AsyncArchive, IncompleteListingWarning
from winter_sync.core.errors import CredentialsRefusedError, UsageError
from winter_sync.simulator import (
    DEFAULT_PASSWORD,
    DEFAULT_PROGRAMS,
    DEFAULT_USER,
    Scripted,
    SimulatorOptions,
    key_of,
    parse_script,
    simulator_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from winter_sync.simulator import Simulator

START = "2024-01-01"


@pytest.fixture
def served_archive() -> Iterator[Simulator]:
    """Return an archive with the demonstration night."""
    with served() as simulator:
        yield simulator


@pytest.fixture
def archive(served_archive: Simulator) -> Iterator[Archive]:
    """Return the archive as a script opens it, without any settings file."""
    keys = {PROGRAM: KEYS[PROGRAM]}
    with Archive(user=USER, password=PASSWORD, keys=keys, base_url=served_archive.url) as opened:
        yield opened


def test_the_four_questions_of_winterapi_are_answered(archive: Archive) -> None:
    """By program, target, cone and rectangle, with winterapi's names of arguments."""
    images = archive.query_images_by_program(program_name=PROGRAM, start_date=START)
    assert images
    first = images[0]
    assert first.target is not None
    assert first.ra is not None
    assert first.dec is not None
    by_target = archive.query_images_by_target_name(
        program_name=PROGRAM, target_name=first.target, start_date=START, image_type="stack"
    )
    assert {row.target for row in by_target} == {first.target}
    by_cone = archive.query_images_by_cone(
        program_name=PROGRAM, ra_deg=first.ra, dec_deg=first.dec, radius_deg=0.5, start_date=START
    )
    assert first.product in [row.product for row in by_cone]
    by_rectangle = archive.query_images_by_rectangle(
        program_name=PROGRAM,
        ra_min_deg=first.ra - 0.1,
        ra_max_deg=first.ra + 0.1,
        dec_min_deg=first.dec - 0.1,
        dec_max_deg=first.dec + 0.1,
        start_date=START,
    )
    assert first.product in [row.product for row in by_rectangle]


def test_a_rectangle_over_right_ascension_0_is_the_two_beside_it(archive: Archive) -> None:
    """From 90 over 0 to 80 degrees is all but what is between; no image appears twice."""
    everything = archive.query_images_by_program(PROGRAM, START)
    found = archive.query_images_by_rectangle(PROGRAM, 90, 80, -90, 90, START)
    beyond = archive.query_images_by_rectangle(PROGRAM, 80, 90, -90, 90, START)
    assert len(found) == len(set(found.savepaths))
    assert set(found.savepaths) | set(beyond.savepaths) == set(everything.savepaths)


def test_a_rectangle_up_to_right_ascension_0_has_no_second_part(archive: Archive) -> None:
    """The archive refuses a part without width; one that has no area is refused here."""
    everything = archive.query_images_by_program(PROGRAM, START)
    western = archive.query_images_by_rectangle(PROGRAM, 180, 0, -90, 90, START)
    eastern = archive.query_images_by_rectangle(PROGRAM, 0, 180, -90, 90, START)
    assert set(western.savepaths) | set(eastern.savepaths) == set(everything.savepaths)
    with pytest.raises(UsageError, match="no area"):
        archive.query_images_by_rectangle(PROGRAM, 10, 10, -90, 90, START)


def test_a_table_has_the_columns_of_winterapi_and_units(archive: Archive) -> None:
    """The archive's own names come first; positions are quantities, unknown values are masked."""
    images = archive.query_images_by_program(PROGRAM, START)
    table = images.table()
    assert table.colnames[:5] == ["progname", "nightdate", "targname", "ra", "dec"]
    assert str(table["ra"].unit) == "deg"
    assert len(table) == len(images)
    assert list(table["savepath"]) == list(images.savepaths)


def test_it_is_asked_inside_a_running_loop(served_archive: Simulator) -> None:
    """As in a notebook, where a loop runs already: the plain call answers."""

    async def cell() -> int:
        with Archive(
            user=USER, password=PASSWORD, keys={PROGRAM: KEYS[PROGRAM]}, base_url=served_archive.url
        ) as archive:
            return len(archive.query_images_by_program(PROGRAM, START))

    assert asyncio.run(cell()) > 0


async def test_coroutines_ask_at_once(served_archive: Simulator, tmp_path: Path) -> None:
    """Several questions run beside each other; the settings file gives the account."""
    settings = settings_file(tmp_path, api={"base_url": served_archive.url})
    async with AsyncArchive(settings) as archive:
        stacks, diffs = await asyncio.gather(
            archive.query_images_by_program(PROGRAM, START, image_type="stack"),
            archive.query_images_by_program(PROGRAM, START, image_type="diff"),
        )
        program = await archive.program(PROGRAM)
    assert {row.product.image_type.value for row in (*stacks, *diffs)} == {"stack", "diff"}
    assert program.title == "Infrared transients"


async def test_without_dates_the_last_month_is_asked_for() -> None:
    """As winterapi does: the recent nights are listed, those of two years ago are not."""
    keys = {name: key_of(name) for name in DEFAULT_PROGRAMS}
    async with (
        simulator_of(SimulatorOptions(port=0)) as simulator,
        AsyncArchive(
            user=DEFAULT_USER, password=DEFAULT_PASSWORD, keys=keys, base_url=simulator.url
        ) as archive,
    ):
        old, recent = DEFAULT_PROGRAMS
        listed = await archive.query_images_by_program(recent)
        # The third of its nights is listed, or is not yet: that is for the hour of the day.
        assert 2 <= len({row.product.night for row in listed}) <= 3
        assert len(await archive.query_images_by_program(old)) == 0
        assert len(await archive.query_images_by_program(old, START)) > 0


def test_what_makes_no_sense_is_refused_before_anything_is_asked(archive: Archive) -> None:
    """An unknown program, type, instrument or date is named, with what may be written."""
    with pytest.raises(UsageError, match="2023B999") as unknown:
        archive.query_images_by_program("2023B999")
    assert PROGRAM in str(unknown.value)
    with pytest.raises(UsageError, match="'stacks' is not an image type"):
        archive.query_images_by_program(PROGRAM, image_type="stacks")
    with pytest.raises(UsageError, match="instrument"):
        archive.query_images_by_program(PROGRAM, instrument="summer")
    with pytest.raises(UsageError, match="start_date"):
        archive.query_images_by_program(PROGRAM, "2024-02-30")


def test_a_wrong_password_is_refused_and_not_repeated(served_archive: Simulator) -> None:
    """The error is the command line's, and shows no secret."""
    wrong = "not my p@ssword"
    with (
        Archive(
            user=USER, password=wrong, keys={PROGRAM: KEYS[PROGRAM]}, base_url=served_archive.url
        ) as archive,
        pytest.raises(CredentialsRefusedError) as refused,
    ):
        archive.query_images_by_program(PROGRAM)
    assert leaked(f"{refused.value} {refused.value!r}", wrong) == []


def test_an_answer_that_is_cut_short_is_said_to_be() -> None:
    """Rows that the archive found and did not list are never silently absent."""
    with (
        served(Scripted(parse_script("capped=9"))) as simulator,
        Archive(
            user=USER, password=PASSWORD, keys={PROGRAM: KEYS[PROGRAM]}, base_url=simulator.url
        ) as archive,
        pytest.warns(IncompleteListingWarning, match="the archive found"),
    ):
        assert archive.query_images_by_program(PROGRAM, START)


def test_a_whole_answer_gives_no_warning(archive: Archive) -> None:
    """Warnings mean something."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert archive.query_images_by_program(PROGRAM, START)


def test_a_closed_archive_says_so(archive: Archive) -> None:
    """It may be closed twice; afterwards a question is an error, not a wait for ever."""
    archive.close()
    archive.close()
    with pytest.raises(UsageError, match="closed"):
        archive.query_images_by_program(PROGRAM)
