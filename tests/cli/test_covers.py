"""`winter-sync covers`: places as people write them, answers in words, tables, paths."""

from __future__ import annotations

import csv
import io
import re
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from astropy.table import Table
from support.answers import at, enter
from support.clock import Clock
from support.command import Said, run, run_on_terminal, served, settings_file
from support.images import HERE, Image, make_mirror
from support.makers import path_of, product

from winter_sync.catalog.catalog import Catalog
from winter_sync.core.layout import CATALOG, STATE_DIR

if TYPE_CHECKING:
    from pathlib import Path

SOUTH = (150.9, -4.2)


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """Make a mirror of images of two places, and its settings."""
    make_mirror(
        tmp_path / "winter",
        Image(product(0), facts={"limiting_magnitude": 18.25, "seeing": 1.44}),
        Image(product(1), facts={"limiting_magnitude": 19.86, "exposure_time": 960.0}),
        Image(product(2), center=SOUTH, target="south of the equator"),
    )
    return settings_file(tmp_path)


def ask(settings: Path, *arguments: str) -> Said:
    """Run the command, with its output in files."""
    return run("--config", settings, "covers", *arguments, home=settings.parent)


def drawn(settings: Path, *arguments: str) -> list[str]:
    """Return the lines that the command draws on a terminal of 80 columns."""
    said = run_on_terminal("--config", settings, "covers", *arguments, home=settings.parent)
    assert said.code == 0, said.out
    return re.sub(r"\x1b\[[\d;]*m", "", said.out).splitlines()


@pytest.mark.parametrize(
    "place",
    [
        ("150.9", "-4.2"),
        ("150.9 -4.2",),
        ("150.9,-4.2",),
        ("10h03m36s", "-4d12m"),
        ("10:03:36", "-04:12:00"),
        ("south", "of", "the", "equator"),
        ("--", "150.9", "-4.2"),
    ],
)
def test_a_place_is_written_as_people_write_it(
    settings: Path, tmp_path: Path, place: tuple[str, ...]
) -> None:
    """With a negative declination too, without tricks; options before or after it."""
    path = str(tmp_path / "winter" / path_of(product(2)))
    said = ask(settings, "--paths", *place)
    assert (said.code, said.out.splitlines()) == (0, [path]), said.err
    assert "observed, 1 image on 2024-02-02, of unknown depth" in said.err
    if "--" not in place:
        assert ask(settings, *place, "--paths", "--since", "2024-02-01").out == said.out


def test_a_terminal_shows_the_answer_and_a_line_for_each_image(settings: Path) -> None:
    """In 80 columns; what is unknown is a dash."""
    answer, *more = drawn(settings, "SN2024wex")
    text = " ".join([answer, *more])
    assert text.startswith(
        "SN2024wex at 150.00000 +17.00000: observed, 2 images from 2024-01-31 to 2024-02-01, "
        "deepest J 19.8 on 2024-02-01"
    )
    heading, first, second = more[-3:]
    assert heading.split() == [
        *("UTC", "filter", "type", "HDU", "exp/s", "limit", 'seeing"', 'edge"', "programs"),
    ]
    assert first.split() == [
        *("2024-01-31", "06:14:25", "J", "stack", "0", "-", "18.25", "1.4", "50", "2024A000"),
    ]
    assert second.split()[5:8] == ["960", "19.86", "-"]
    assert max(map(len, more[-3:])) <= 80


def test_a_pipe_gets_csv_and_the_answer_is_said_beside_it(settings: Path) -> None:
    """So that both a program and its user know."""
    said = ask(settings, "SN2024wex")
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert [row["limiting_magnitude"] for row in rows] == ["18.25", "19.86"]
    assert said.err.startswith("SN2024wex at 150.00000 +17.00000: observed, 2 images")


@pytest.mark.parametrize("name", ["a.ecsv", "a.vot", "a.fits", "a.csv"])
def test_a_file_has_the_format_of_its_name(settings: Path, tmp_path: Path, name: str) -> None:
    """As for every other table."""
    assert ask(settings, "SN2024wex", "--output", name).code == 0
    assert len(Table.read(tmp_path / name)) == 2


def test_never_observed_is_an_answer(settings: Path) -> None:
    """With what is known of the neighbourhood; the exit code says that it was answered."""
    said = ask(settings, "30", "-30", "--format", "table")
    assert said.code == 0
    assert said.out.splitlines() == [
        "30.00000 -30.00000: never observed by any image on this machine",
        "No image is listed within 1 degree of it.",
    ]
    piped = ask(settings, "30", "-30")
    assert piped.out.count("\n") == 1
    assert "never observed" in piped.err


def test_too_shallow_is_an_answer(settings: Path) -> None:
    """With how deep it was observed."""
    said = ask(settings, "150", "17", "--deeper-than", "19.9", "--format", "table")
    assert said.out.splitlines()[0] == (
        "150.00000 +17.00000: observed, shallower than 19.9: 2 images from 2024-01-31 to "
        "2024-02-01, deepest J 19.8 on 2024-02-01"
    )
    deep = ask(settings, "150", "17", "--deeper-than", "19", "--paths")
    assert deep.out.splitlines()[0].endswith(product(1).filename)


def test_conditions_take_lists(settings: Path) -> None:
    """As those of `list`."""
    here = f"{HERE[0]} {HERE[1]}"
    assert len(ask(settings, here, "--filter", "Y,J", "--paths").out.splitlines()) == 2
    assert ask(settings, here, "--filter", "Y,Hs", "--paths").out == ""
    assert ask(settings, here, "--type", "diff", "--type", "exposure", "--paths").out == ""


@pytest.mark.parametrize(
    ("conditions", "images", "asked"),
    [
        (("--program", "2024A000"), 2, "(2024A000)"),
        (("--program", "2024B000"), 1, "(2024B000)"),
        (("--night", "20240130,20240131"), 2, "in the nights 20240130, 20240131"),
        (("--night", "20240131"), 0, "in the night 20240131"),
        (("--from", "20240101", "--to", "20240120"), 0, "up to the night 20240120"),
        (("--from", "20240101", "--to", "20240220"), 2, "from the night 20240101"),
    ],
)
def test_a_part_of_the_mirror_is_asked(
    settings: Path, conditions: tuple[str, ...], images: int, asked: str
) -> None:
    """By program and night; the answer claims no more than that part."""
    path = settings.parent / "winter" / STATE_DIR / CATALOG
    with closing(Catalog(path, Clock())) as catalog:
        enter(catalog, [at(product(1), *HERE, "SN2024wex")], "2024B000")
    said = ask(settings, f"{HERE[0]} {HERE[1]}", *conditions, "--paths")
    assert len(said.out.splitlines()) == images
    assert asked in said.err
    assert "never" not in said.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("150", "17", "--filtr", "J"), "no such option: --filtr; did you mean --filter?"),
        (("SN2024wax",), "did you mean SN2024wex?"),
        (("150", "-95"), "declination"),
        ((), "Missing argument"),
        (("150", "17", "--type", "stak"), "did you mean stack?"),
        (("150", "17", "--program", "2024A001"), "2024A000"),
        (("150", "17", "--since", "long ago"), "'long ago' is not a time"),
    ],
)
def test_what_makes_no_sense_is_refused(
    settings: Path, arguments: tuple[str, ...], message: str
) -> None:
    """With what was meant; nothing is on standard output."""
    said = ask(settings, *arguments)
    assert (said.code, said.out) == (2, "")
    assert message in " ".join(said.err.split()), said.err


def test_a_mirror_is_asked_without_settings(settings: Path, tmp_path: Path) -> None:
    """By its root alone."""
    said = run("covers", "150", "17", "--paths", "--root", "winter", home=tmp_path)
    assert len(said.out.splitlines()) == 2, said.err
    assert settings.exists()


def test_a_mirror_that_was_synced_is_asked(tmp_path: Path) -> None:
    """Of the boards that are listed for a target, the one that it is on shows it."""
    with served() as archive:
        settings = settings_file(tmp_path, api={"base_url": archive.url}, facts={"enabled": True})
        assert run("--config", settings, "sync", home=tmp_path).code == 0
    listed = run("--config", settings, "list", "--type", "stack", "--format", "csv", home=tmp_path)
    stacks = list(csv.DictReader(io.StringIO(listed.out)))
    target = stacks[0]["target"]
    boards = [stack["path"] for stack in stacks if stack["target"] == target]
    found = ask(settings, target, "--type", "stack", "--paths")
    assert found.out.splitlines() == [path for path in boards if "_mef_2_" in path]
    assert len(found.out.splitlines()) < len(boards)
    made = run("--config", settings, "cutout", target, "--size", "10m", home=tmp_path)
    assert (made.code, len(made.out.splitlines())) == (0, len(found.out.splitlines())), made.err
