"""`backfill` of less than whole nights: targets, cones, and what it would do before it does it."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from support.command import PROGRAM, Said, run, served, settings_file

from winter_sync.simulator import DEMO_NIGHT, Scripted, parse_script

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from winter_sync.simulator import Simulator

NIGHT = DEMO_NIGHT.name
TARGET = "SN2024wex"


@dataclass(frozen=True)
class Home:
    """The home of somebody who has a root that is empty yet."""

    directory: Path
    settings: Path
    archive: Simulator

    @property
    def files(self) -> set[str]:
        """The names of the files in the tree."""
        root = self.directory / "winter"
        return {path.name for path in root.rglob("*.fits") if ".winter-sync" not in path.parts}

    def ask(self, *arguments: str) -> Said:
        """Run the command."""
        return run("--config", self.settings, *arguments, home=self.directory)

    def listed(self, *arguments: str) -> list[dict[str, str]]:
        """Return what the archive lists."""
        said = self.ask("list", "--remote", "--format", "csv", "--night", NIGHT, *arguments)
        assert said.code == 0, said.err
        return list(csv.DictReader(io.StringIO(said.out)))


@pytest.fixture(scope="module")
def archive() -> Iterator[Simulator]:
    """Serve the demonstration night."""
    with served() as simulator:
        yield simulator


@pytest.fixture
def home(archive: Simulator, tmp_path: Path) -> Home:
    """Return a home of somebody who mirrors stacks and raws of a program."""
    settings = settings_file(
        tmp_path,
        api={"base_url": archive.url},
        programs=({"image_types": ["stack", "raw"]},),
    )
    return Home(tmp_path, settings, archive)


def names(rows: list[dict[str, str]]) -> set[str]:
    """Return the file names of products."""
    return {row["savepath"].rpartition("/")[2] for row in rows}


def test_only_the_target_is_fetched_and_nothing_is_claimed_of_the_rest(home: Home) -> None:
    """Its name in any case; the night is not said to be complete, and a sync fetches the rest."""
    whole = home.listed("--type", "stack")
    wanted = names([row for row in whole if row["target"] == TARGET])
    assert 0 < len(wanted) < len(whole)
    said = home.ask("backfill", NIGHT, "--type", "stack", "--target", TARGET.lower())
    assert said.code == 0, said.err
    assert home.files == wanted
    assert f"{len(whole)} rows listed, {len(wanted)} products asked for" in said.out
    status = json.loads(home.ask("status", "--json").out)
    assert status["archive"]["last_answer"] is None
    assert {kind["image_type"] for kind in status["programs"][0]["never_listed"]} == {
        *("stack", "raw"),
    }
    assert home.ask("backfill", NIGHT, "--type", "stack").code == 0
    assert home.files == names(whole)
    after = json.loads(home.ask("status", "--json").out)
    assert (after["totals"]["published"], after["totals"]["withdrawn"]) == (len(whole), 0)


def test_only_the_cone_is_fetched(home: Home) -> None:
    """The archive is asked for the cone; that boards may be missed is said of raws alone."""
    whole = home.listed("--type", "stack")
    ra, dec = whole[0]["ra"], whole[0]["dec"]
    inside = home.listed("--type", "stack", "--cone", f"{ra},{dec},0.7")
    assert 0 < len(inside) < len(whole)
    said = home.ask("backfill", NIGHT, "--type", "stack", "--cone", f"{ra},{dec},0.7")
    assert said.code == 0, said.err
    assert home.files == names(inside)
    assert "may miss boards" not in said.err
    again = home.ask("backfill", NIGHT, "--type", "raw,stack", "--cone", f"{ra},{dec},0.1")
    assert "lists raw images at the pointing" in again.err


def test_a_dry_run_says_what_the_real_one_does_and_does_nothing(home: Home) -> None:
    """By program, night and type; then a part is here, and is not to be fetched again."""
    before = len(home.archive.requests)
    said = home.ask("backfill", NIGHT, "--dry-run")
    assert said.code == 0, said.err
    assert not (home.directory / "winter").exists()
    assert not any("download" in asked.path for asked in home.archive.requests[before:])
    number = {kind: len(home.listed("--type", kind)) for kind in ("stack", "raw")}
    lines = [line.split() for line in said.out.splitlines()]
    for kind, count in number.items():
        assert [PROGRAM, NIGHT, "winter", kind, str(count), "-", str(count)] in [
            line[:7] for line in lines
        ]
    total = sum(number.values())
    assert f"{total} of {total} products would be fetched, about " in said.out
    done = home.ask("backfill", NIGHT, "--type", "stack", "--target", TARGET)
    assert done.code == 0, done.err
    here, state = len(home.files), tree_of(home)
    said = home.ask("backfill", NIGHT, "--type", "stack", "--dry-run")
    assert f"{number['stack'] - here} of {number['stack']} products would be fetched" in said.out
    part = home.ask("backfill", NIGHT, "--type", "stack", "--target", TARGET, "--dry-run")
    assert f"0 of {here} products would be fetched" in part.out
    assert tree_of(home) == state


def test_a_listing_that_is_cut_is_not_taken_for_all(tmp_path: Path) -> None:
    """What is found and not listed is said, and the number is only the least."""
    with served(Scripted(parse_script("capped=1"))) as archive:
        settings = settings_file(
            tmp_path,
            api={"base_url": archive.url},
            programs=({"image_types": ["stack"]},),
        )
        said = run("--config", settings, "backfill", NIGHT, "--dry-run", home=tmp_path)
    words = " ".join(said.out.split())
    assert said.code == 0, said.err
    assert "At least 1 of 1 products would be fetched" in words
    assert "The archive found 9 more images of these dates than it listed" in words


def tree_of(home: Home) -> dict[str, bytes]:
    """Return all files of the root but for the marks that readers leave: they have no content."""
    root = home.directory / "winter"
    return {
        str(path): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.stat().st_size and not path.name.endswith("-shm")
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--recheck", "--recheck-all"), "does the same and more"),
        (("--recheck", "--new-root"), "nothing here to recheck"),
        (("--dry-run", "--new-root"), "--dry-run writes nothing"),
        (("--cone", "150"), "150"),
        (("--target", ""), "was given nothing"),
    ],
)
def test_options_that_make_no_sense_are_refused_with_a_sentence(
    options: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    """Before anything is asked, and with a way out."""
    refused = run("backfill", NIGHT, *options, home=tmp_path)
    assert refused.code == 2
    assert said in refused.err
    assert len(refused.err.splitlines()) == 2
