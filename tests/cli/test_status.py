"""`winter-sync status` of a part of the mirror: some programs, some types, one night."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.answers import enter, publish
from support.catalogs import OTHER, query, subject
from support.clock import Clock
from support.command import PROGRAM, Said, run, settings_file
from support.makers import NIGHT, path_of, product, row

from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.records import Poll
from winter_sync.core.layout import CATALOG, STATE_DIR
from winter_sync.core.traits import ImageType

if TYPE_CHECKING:
    from pathlib import Path

SHARED = product(0)
"""Listed by both programs, and here."""
LONG = "a target whose name is longer than a line of eighty columns would have any room for"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a catalog of two programs, who list two stacks and share one of them, and a diff."""
    home = tmp_path_factory.mktemp("home")
    state = home / "winter" / STATE_DIR
    state.mkdir(parents=True)
    diff = product(7, ImageType.DIFF)
    with closing(Catalog(state / CATALOG, Clock())) as catalog:
        enter(catalog, [row(SHARED), replace(row(product(1)), target=LONG)])
        enter(catalog, [row(SHARED, program=OTHER)], OTHER)
        catalog.listings.record_poll(
            Poll(query(subject(OTHER, ImageType.DIFF)), sweep=False, listed=1),
            listed=[(row(diff, program=OTHER), path_of(diff))],
        )
        publish(catalog, SHARED)
    place = home / "winter" / path_of(SHARED)
    place.parent.mkdir(parents=True)
    place.write_bytes(SHARED.savepath.encode())
    types = ["stack", "diff"]
    programs = [{"name": name, "image_types": types} for name in (PROGRAM, OTHER)]
    return settings_file(home, programs=programs)


def ask(settings: Path, *arguments: str) -> Said:
    """Run the command."""
    return run("--config", settings, "status", *arguments, home=settings.parent)


def read(settings: Path, *arguments: str) -> dict[str, Any]:
    """Return what the command says to a machine."""
    said = ask(settings, *arguments, "--json")
    assert said.code == 0, said.err
    found: dict[str, Any] = json.loads(said.out)
    return found


@pytest.mark.parametrize(
    ("options", "here", "pending", "programs"),
    [
        ((), 1, 2, [PROGRAM, OTHER]),
        (("--program", PROGRAM), 1, 1, [PROGRAM]),
        (("--program", OTHER), 1, 1, [OTHER]),
        (("--program", f"{PROGRAM},{OTHER}", "--type", "diff"), 0, 1, [PROGRAM, OTHER]),
        (("--program", PROGRAM, "--type", "diff"), 0, 0, [PROGRAM]),
        (("--type", "stack,diff", "--program", OTHER), 1, 1, [OTHER]),
    ],
)
def test_all_that_is_said_is_of_the_part_that_was_asked_for(
    settings: Path, options: tuple[str, ...], here: int, pending: int, programs: list[str]
) -> None:
    """The totals, the programs and the polls, for a machine; each product counts once."""
    found = read(settings, *options)
    totals = found["totals"]
    assert (totals["published"], totals["wanted"]) == (here, pending)
    assert [program["program"] for program in found["programs"]] == programs
    assert {poll["program"] for poll in found["polls"]} <= set(programs)
    if "diff" in options:
        assert {night["image_type"] for night in found["nights"]} <= {"diff"}
        assert {poll["image_type"] for poll in found["polls"]} <= {"diff"}
        assert sum(program["totals"]["listed"] for program in found["programs"]) == pending
        assert found["only"]["image_types"] == ["diff"]


def test_a_night_of_a_part(settings: Path) -> None:
    """For a person and for a machine; without a part of that night a sentence says so."""
    found = read(settings, "--night", NIGHT.name, "--program", OTHER, "--type", "diff")
    assert [(kind["program"], kind["listed"]) for kind in found["kinds"]] == [(OTHER, 1)]
    assert found["together"]["listed"] == 1
    said = ask(settings, "--night", NIGHT.name, "--program", PROGRAM, "--type", "diff").out
    assert said == f"Nothing is listed of {NIGHT} ({PROGRAM}; diff).\n"


def test_a_product_of_two_programs_counts_once_together(settings: Path) -> None:
    """The lines of the programs add up to more, and a sentence below says why."""
    found = read(settings, "--night", NIGHT.name)
    assert sum(kind["listed"] for kind in found["kinds"]) == 4
    assert found["together"] == {
        "listed": 3,
        "here": 1,
        "pending": 2,
        "missing": 0,
        "not_kept": 0,
        "damaged": 0,
        "failing": 0,
    }
    whole, night = ask(settings).out, ask(settings, "--night", NIGHT.name).out
    for said in (whole, night):
        assert "counts for each of them, and once in together." in " ".join(said.split())
    (line,) = [line for line in night.splitlines() if line.startswith("together")]
    assert line.split()[1:3] == ["1/3", "2"]
    alone = ask(settings, "--night", NIGHT.name, "--program", PROGRAM).out
    assert "together" not in alone


def test_an_unknown_program_is_named_with_the_known_ones(settings: Path) -> None:
    """As everywhere, and it is a fault of usage."""
    said = ask(settings, "--program", f"{PROGRAM},2030Z999")
    assert said.code == 2
    assert "program 2030Z999 is not in the settings" in said.err
    assert f"configured programs: {PROGRAM}, {OTHER}" in said.err


def test_a_type_that_no_program_polls_is_said(settings: Path) -> None:
    """Nothing is claimed of it; nobody asks for it."""
    said = ask(settings, "--type", "exposure")
    assert said.code == 0
    assert said.out.splitlines()[0] == "Not polled by the settings: exposure."
    assert read(settings, "--type", "exposure")["last_night_complete"] is False


def test_what_goes_into_a_pipe_is_whole(settings: Path) -> None:
    """No column is cut and no sentence is broken, as on a terminal of eighty columns."""
    listed = run("--config", settings, "list", "--format", "table", home=settings.parent)
    assert listed.code == 0, listed.err
    assert LONG in listed.out
    said = ask(settings).out.splitlines()
    assert said[0].startswith("Last night (")
    assert said[0].endswith(".")
    narrow = run(
        *("--config", settings, "status"), home=settings.parent, environment={"COLUMNS": "40"}
    )
    assert max(map(len, narrow.out.splitlines()[:2])) <= 40
