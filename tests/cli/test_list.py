"""`list`: what is here, what the archive has, what is fetched of it."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from astropy.coordinates import SkyCoord
from astropy.table import QTable
from support.command import (
    OTHER_PROGRAM,
    PROGRAM,
    Said,
    run,
    run_on_terminal,
    served,
    settings_file,
)

from winter_sync import Mirror
from winter_sync.catalog.catalog import Catalog
from winter_sync.core import CATALOG, STATE_DIR, EventKind, ExitCode, utc_now

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from winter_sync.simulator import Simulator


@dataclass(frozen=True)
class Home:
    """The home of somebody who mirrors stacks and differences of a program."""

    directory: Path
    settings: Path
    archive: Simulator

    @property
    def root(self) -> Path:
        """Where the mirror is."""
        return self.directory / "winter"

    def ask(self, *arguments: str | Path) -> Said:
        """Run the command."""
        return run("--config", self.settings, "list", *arguments, home=self.directory)

    def rows(self, *arguments: str | Path) -> list[dict[str, str]]:
        """Run the command into a pipe; return what it wrote."""
        said = self.ask(*arguments)
        assert said.code == 0, said.err
        return list(csv.DictReader(io.StringIO(said.out)))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Return a home whose mirror is filled, and not written to by the tests that use it."""
    directory = tmp_path_factory.mktemp("home")
    with served() as archive:
        settings = settings_file(
            directory,
            api={"base_url": archive.url},
            programs=({"image_types": ["stack", "diff"]},),
        )
        assert run("--config", settings, "sync", home=directory).code == 0
        yield Home(directory, settings, archive)


@pytest.fixture
def own(home: Home, tmp_path: Path) -> Home:
    """Return a home of its own for a test, with files of its own."""
    shutil.copytree(home.root, tmp_path / "winter")
    settings = settings_file(
        tmp_path,
        api={"base_url": home.archive.url},
        programs=({"image_types": ["stack", "diff"]},),
    )
    return Home(tmp_path, settings, home.archive)


def test_a_name_that_is_not_utf8_is_nobodys(home: Home) -> None:
    """Nothing is listed under it, as under any other name that nothing has."""
    said = home.ask("--target", os.fsdecode(b"\xff"))
    assert said.code == home.ask("--target", "nobody").code == ExitCode.USAGE
    assert "no target" in said.err


def test_a_pipe_gets_csv(home: Home) -> None:
    """All columns, in the order of the exposures; comma lists and repeated options are the same."""
    rows = home.rows("--type", "stack,diff", "--program", PROGRAM)
    assert len(rows) == 20
    assert rows == home.rows("--type", "diff", "--type", "stack")
    assert rows == sorted(rows, key=lambda row: row["started_at"])
    assert {row["state"] for row in rows} == {"downloaded"}
    assert all(row["path"].startswith(f"{home.root}/winter/20251023/") for row in rows)


def test_every_condition_narrows(home: Home) -> None:
    """All of them together, as people write them."""
    one = next(row for row in home.rows("--type", "stack") if row["filter"] == "Y")
    ra, dec = float(one["ra"]), float(one["dec"])
    written = SkyCoord(ra, dec, unit="deg").to_string("hmsdms", precision=1)
    (row,) = home.rows(
        *("--program", PROGRAM, "--target", "sn2024*", "--type", "stack"),
        *("--instrument", "winter", "--night", "2025-10-23", "--from", "20251020"),
        *("--to", "yesterday", "--filter", "y,j", "--state", "downloaded"),
        *("--cone", f"{written},1m", "--rectangle", f"{ra - 1},{ra + 1},{dec - 1},{dec + 1}"),
        *("--new-since", "-1d", "--newest", "--limit", "1"),
    )
    assert (row["filter"], row["ra"], row["dec"]) == ("Y", one["ra"], one["dec"])


def test_a_terminal_gets_a_table(home: Home) -> None:
    """Eighty columns wide, with a line that adds up."""
    said = run_on_terminal(
        *("--config", home.settings, "list", "--type", "stack"), home=home.directory
    )
    heading, *lines, summary = said.out.splitlines()
    assert (said.code, len(lines)) == (0, 10)
    assert heading.split()[:3] == ["night", "UTC", "target"]
    assert max(map(len, lines)) <= 80
    assert summary == "10 products: 10 downloaded; 144 kB here."


def test_paths_are_printed_for_other_programs(own: Home) -> None:
    """Those of files that are here, and nothing else on standard output."""
    paths = own.ask("--type", "stack", "--paths").out.splitlines()
    assert len(paths) == 10
    shown = {path.split("/")[-1] for path in paths}
    assert all(name.endswith("_stack.fits") for name in shown)
    (own.root / paths[0]).unlink()
    said = own.ask("--type", "stack", "--paths")
    assert said.out.splitlines() == paths[1:]
    assert "1 of 10 products have no file here" in said.err


@pytest.mark.parametrize("suffix", ["json", "vot", "fits"])
def test_the_name_of_a_file_says_its_format(home: Home, tmp_path: Path, suffix: str) -> None:
    """And astropy reads the same rows of it."""
    file = tmp_path / f"stacks.{suffix}"
    said = home.ask("--type", "stack", "--output", file)
    assert (said.code, said.out) == (0, "")
    assert said.err == f"winter-sync: 10 products written to {file}\n"
    if suffix == "json":
        names = [row["savepath"] for row in json.loads(file.read_text())]
    else:
        names = [str(name) for name in QTable.read(file)["savepath"]]
    assert names == [row["savepath"] for row in home.rows("--type", "stack")]


def test_no_settings_are_needed_with_a_root(home: Home, tmp_path: Path) -> None:
    """Anybody who can read the files can ask."""
    said = run("list", "--root", home.root, "--limit", "2", home=tmp_path)
    assert (said.code, len(said.out.splitlines())) == (0, 3)


def test_without_settings_the_root_is_asked_for(tmp_path: Path) -> None:
    """The error names the option that needs no settings at all."""
    said = run("list", home=tmp_path)
    assert said.code == 2
    assert "no directory of a mirror is set" in said.err
    assert "--root DIR" in said.err


def test_nothing_that_matches_is_an_answer(home: Home) -> None:
    """Exit code 0, said on standard error."""
    for more in ((), ("--paths",)):
        said = home.ask("--night", "20240101", *more)
        assert said.code == 0
        assert "no product matches" in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--program", "2020X999"), f"Programs in this mirror: {PROGRAM}"),
        (("--state", "here"), "Use one or several of"),
        (("--format", "xml"), "'xml' is not known"),
        (("--remote", "--download"), "--remote asks the archive and downloads nothing"),
        (("--remote", "--new-since", "-1d"), "--new-since is about downloads"),
        (("--root", ".", "--download"), "Leave out --root"),
        (("--output", "list.xyz"), "does not say which format"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_makes_no_sense_is_refused(home: Home, arguments: tuple[str, ...], words: str) -> None:
    """With exit code 2, and what to write instead."""
    said = home.ask(*arguments)
    assert said.code == 2
    assert words in said.err
    assert said.out == ""


# --- downloads -----------------------------------------------------------------------------------


def test_what_is_shown_and_pending_is_downloaded(own: Home) -> None:
    """Only that; the answer shows it as it is then, and paths can be handed on at once."""
    paths = own.ask("--paths").out.splitlines()
    stack, diff = (next(path for path in paths if kind in path) for kind in ("/final/", "/diffs/"))
    for path in (stack, diff):
        (own.root / path).unlink()
    assert len(own.rows("--state", "damaged")) == 2
    said = own.ask("--type", "stack", "--download", "--paths")
    assert said.code == 0
    assert stack in said.out.splitlines()
    assert "1 downloaded, 14.4 kB" in said.err
    (left,) = own.rows("--state", "damaged,pending")
    assert left["savepath"].endswith(diff.rpartition("/")[2])


def test_the_answer_shows_what_was_downloaded_though_it_is_pending_no_more(own: Home) -> None:
    """What was asked for is shown, as it is now."""
    (path,) = own.ask("--limit", "1", "--paths").out.splitlines()
    (own.root / path).unlink()
    assert run("--config", own.settings, "verify", "--quick", home=own.directory).code == 5
    (row,) = own.rows("--state", "damaged,pending", "--download")
    assert (row["path"], row["state"]) == (path, "downloaded")
    said = own.ask("--state", "pending", "--download")
    assert said.code == 0
    assert "nothing to download" in said.err


def test_downloads_are_followed_by_all_that_follows_a_sync(own: Home) -> None:
    """Events are delivered: nothing else may run for days."""
    with closing(Catalog(own.root / STATE_DIR / CATALOG, utc_now)) as catalog:
        catalog.sinks.register(["file"])
        catalog.outbox.append_change("server", "down", "up", EventKind.SERVER_DOWN, reason="503")
    (path,) = own.ask("--limit", "1", "--paths").out.splitlines()
    (own.root / path).unlink()
    sinks = [{"name": "file", "command": ["tee", "told"]}]
    said = run(
        *("--config", own.settings, "list", "--limit", "1", "--download"),
        home=own.directory,
        environment={"WINTER_SYNC_SINKS": json.dumps(sinks)},
    )
    assert said.code == 0, said.err
    assert '"event": "server_down"' in (own.root / "told").read_text()


def test_what_could_not_be_downloaded_fails_the_command(own: Home) -> None:
    """The exit code is that of sync, and the answer is shown all the same."""
    (path,) = own.ask("--limit", "1", "--paths").out.splitlines()
    (own.root / path).unlink()
    with Mirror.open(own.root) as mirror:
        assert len(mirror.find()) == 20
    settings = settings_file(own.directory, api={"base_url": own.archive.url, "password": "wrong"})
    assert settings == own.settings
    said = own.ask("--limit", "1", "--download")
    assert said.code == 3
    assert len(said.out.splitlines()) == 2


# --- the archive ---------------------------------------------------------------------------------


def test_the_archive_is_asked_and_compared_with_the_mirror(home: Home) -> None:
    """What it lists beyond the mirror is new; nothing is downloaded."""
    files = sorted(home.root.rglob("*.fits"))
    rows = home.rows("--remote", "--type", "stack,science")
    states = {row["image_type"]: row["state"] for row in rows}
    assert states == {"stack": "downloaded", "science": "new"}
    stacks = [row for row in rows if row["image_type"] == "stack"]
    assert stacks == home.rows("--type", "stack")
    assert sorted(home.root.rglob("*.fits")) == files
    assert home.rows("--remote", "--type", "stack", "--state", "new") == []


def test_the_archive_asks_for_what_the_settings_mirror(home: Home) -> None:
    """Without types: stacks and differences here, not the eight hundred others."""
    rows = home.rows("--remote", "--newest", "--limit", "3")
    assert len(rows) == 3
    assert {row["image_type"] for row in rows} <= {"stack", "diff"}
    assert rows == sorted(rows, key=lambda row: row["started_at"], reverse=True)


def test_the_archive_is_asked_by_place_night_and_filter(home: Home) -> None:
    """The same conditions, and the same answer as of the mirror that holds all of it."""
    conditions = ("--type", "stack", "--night", "20251023", "--filter", "Y")
    one = next(row for row in home.rows(*conditions) if row["target"])
    ra, dec = float(one["ra"]), float(one["dec"])
    for place in (
        ("--cone", f"{ra},{dec},0.1"),
        ("--rectangle", f"{ra - 0.1},{ra + 0.1},{dec - 0.1},{dec + 0.1}"),
        ("--target", one["target"]),
        ("--target", f"{one['target'][:5]}*"),
    ):
        remote = home.rows("--remote", *conditions, *place)
        assert remote
        here = {row["savepath"] for row in home.rows(*conditions, *place)}
        assert {row["savepath"] for row in remote} <= here
    assert home.rows("--remote", "--type", "stack", "--night", "20251022") == []


def test_a_small_cone_on_pointings_is_warned_of(home: Home) -> None:
    """All boards are listed where the telescope points."""
    said = home.ask("--remote", "--type", "raw", "--cone", "325.6,51.2,0.2")
    assert "may miss boards" in said.err


def test_the_archive_can_be_asked_before_there_is_a_mirror(home: Home, tmp_path: Path) -> None:
    """Everything is new then."""
    settings = settings_file(tmp_path, api={"base_url": home.archive.url})
    said = run("--config", settings, "list", "--remote", "--type", "stack", home=tmp_path)
    assert said.code == 0, said.err
    assert said.out.count(",new,") == 10


def test_a_program_of_others_cannot_be_asked_for(home: Home) -> None:
    """There is no key of it; the secrets of ours are not told."""
    said = home.ask("--remote", "--program", OTHER_PROGRAM)
    assert said.code == 2
    assert f"program {OTHER_PROGRAM} has no API key here" in said.err
