"""`export` and `nightlog`: the real command on a mirror of a night."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import pytest
from astropy.table import Table
from support.command import (
    command,
    environment_of,
    run,
    run_on_terminal,
    served,
    settings_file,
)

from winter_sync import Mirror
from winter_sync.core import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from support.command import Said


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home with settings, and a mirror of the demonstration night."""
    home = tmp_path_factory.mktemp("home")
    with served() as archive:
        programs = [{"image_types": ["exposure", "stack", "diff"]}]
        settings = settings_file(home, programs=programs, api={"base_url": archive.url})
        assert run("--config", settings, "sync", home=home).code == 0
    return home


def asked(home: Path, *arguments: str | Path) -> Said:
    """Run a command on the mirror."""
    return run("--config", home / "settings.toml", *arguments, home=home)


def listed(home: Path, *arguments: str) -> list[dict[str, Any]]:
    """Return the rows of an export, as JSON has them."""
    said = asked(home, "export", *arguments, "--format", "json")
    assert said.code == 0, said.err
    rows: list[dict[str, Any]] = json.loads(said.out)
    return rows


def files(home: Path) -> set[str]:
    """Return the files of the tree as URLs."""
    return {
        path.as_uri()
        for path in (home / "winter").rglob("*")
        if path.is_file() and ".winter-sync" not in path.parts
    }


def test_the_whole_mirror_is_exported(home: Path) -> None:
    """Each downloaded file once, with its URL; to a pipe as CSV."""
    rows = listed(home)
    assert {row["access_url"] for row in rows if row["access_url"]} == files(home)
    assert {row["winter_state"] for row in rows if row["access_url"]} == {"downloaded"}
    said = asked(home, "export")
    assert said.out.startswith("dataproduct_type,calib_level,obs_collection,")
    assert len(said.out.splitlines()) == 1 + len(rows)


def test_an_export_is_of_what_was_asked_for(home: Path) -> None:
    """Conditions are those of `list`; an answer that is empty is an answer."""
    stacks = listed(home, "--type", "stack")
    assert stacks
    assert {row["winter_image_type"] for row in stacks} == {"stack"}
    newest = listed(home, "--type", "stack", "--new-since", "-1d", "--newest", "--limit", "2")
    assert newest == sorted(stacks, key=lambda row: row["winter_savepath"])[:-3:-1]
    said = asked(home, "export", "--night", "19990101")
    assert (said.code, said.err) == (0, "No products match.\n")
    assert len(said.out.splitlines()) == 1


def test_a_file_is_written_in_the_format_of_its_name(home: Path) -> None:
    """How many there are is said; astropy reads it."""
    path = home / "night.vot"
    said = asked(home, "export", "--type", "stack", "--output", path)
    table = Table.read(path)
    assert said.code == 0
    assert said.out == ""
    assert said.err == f"winter-sync: {len(table)} products written to {path}\n"
    assert set(table["access_format"]) == {"image/fits"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "xls"), "'xls' is not known"),
        (("--output", "night.dat"), "does not say which format"),
        (("--program", "1999A000"), "no product of program 1999A000 was ever listed"),
        (("--as-of", "someday"), "'someday' is not a time"),
        (("--as-of", "2999-01-01"), "2999-01-01 00:00 UTC is in the future"),
        (("--target", ""), "was given nothing: ''"),
        (("--type", "stack", "--type", ","), "was given nothing: ','"),
        (("--as-of", "2024-02-11", "--state", "pending"), "has no state"),
    ],
)
def test_what_makes_no_sense_is_refused(
    home: Path, arguments: tuple[str, ...], message: str
) -> None:
    """With exit code 2, and no file."""
    said = asked(home, "export", *arguments)
    assert (said.code, said.out) == (2, "")
    assert message in said.err


def test_the_mirror_is_told_as_it_was(home: Path) -> None:
    """Nothing was here long ago; all is here now."""
    assert listed(home, "--as-of", "2020-01-01") == []
    then, now = listed(home, "--as-of", "now"), listed(home)
    urls = {row["access_url"] for row in now if row["access_url"]}
    assert {row["access_url"] for row in then} == urls


def test_a_file_that_was_removed_is_not_offered(home: Path) -> None:
    """Also before `verify` has noticed: there is no URL, and the state says why."""
    (first, *_) = sorted((home / "winter").rglob("*stack.fits"))
    aside = first.with_name("aside")
    first.rename(aside)
    try:
        (row,) = (row for row in listed(home) if row["winter_path"].endswith(first.name))
        assert (row["access_url"], row["winter_state"]) == (None, "damaged")
        damaged = listed(home, "--state", "damaged")
        assert [each["winter_path"] for each in damaged] == [row["winter_path"]]
    finally:
        aside.rename(first)


def test_a_reader_that_has_seen_enough_ends_the_export(home: Path) -> None:
    """As `export | head` does: quietly, with exit code 0."""
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(  # noqa: S603 - our own code
        command("--config", home / "settings.toml", "export"),
        env=environment_of(home),
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_a_terminal_gets_text_and_no_fits(home: Path) -> None:
    """Those columns of each row that fit, and how many do; a pipe gets all."""
    config = home / "settings.toml"
    rows = listed(home)
    shown = run_on_terminal("--config", config, "export", home=home)
    heading, *lines, more = shown.out.splitlines()
    assert (shown.code, len(lines)) == (0, len(rows))
    assert heading.split()[:3] == ["target_name", "s_ra", "s_dec"]
    assert f"{len(heading.split())} of {len(rows[0])} columns" in more
    assert max(map(len, (heading, *lines, more))) <= 80
    night = rows[0]["winter_night"]
    log = run_on_terminal("--config", config, "nightlog", night, home=home).out.splitlines()
    assert log[0].split()[:3] == ["UTCTIME", "TARGNAME", "FILTER"]
    visits = [line for line in log if ": " in line and " exposures" in line]
    assert visits
    assert all("how many of the set is not known" in line for line in visits)
    assert max(map(len, log[: -len(visits)])) <= 80
    assert "winter_savepath" in asked(home, "export", "--format", "table").out.splitlines()[0]
    refused = run_on_terminal("--config", config, "export", "--format", "fits", home=home)
    assert refused.code == 2
    assert "not text for a terminal" in refused.out


def test_a_night_is_logged(home: Path) -> None:
    """Each exposure once, in the order of time, from the command line as from Python."""
    night = listed(home, "--type", "exposure")[0]["winter_night"]
    said = asked(home, "nightlog", night)
    log = Table.read(said.out, format="ascii.csv")
    exposures = listed(home, "--type", "exposure", "--night", night)
    assert sorted(log["BASENAME"]) == sorted(
        row["winter_savepath"].rpartition("/")[2] for row in exposures
    )
    assert list(log["UTCTIME"]) == sorted(log["UTCTIME"])
    with Mirror.open(home / "winter") as mirror:
        table = mirror.nightlog(night)
    assert list(table["BASENAME"]) == list(log["BASENAME"])
    assert list(table["UTCTIME"].isot) == list(log["UTCTIME"])


def test_rows_that_nobody_takes_are_no_fault(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """An export whose output fails half-way leaves the catalog in order, and says nothing else."""

    class Full(io.RawIOBase):
        def write(self, data: Any) -> int:  # noqa: ANN401 - whatever is written
            if b"Palomar" in data:
                raise OSError(errno.ENOSPC, "full")
            return len(data)

    with Mirror.open(home / "winter") as mirror:
        with pytest.raises(OSError, match="full"):
            mirror.export(cast("BinaryIO", Full()), format="csv")
        assert mirror.export(io.BytesIO(), format="csv") == len(listed(home))
    assert "ignored" not in capfd.readouterr().err


def test_python_writes_the_same_file(home: Path) -> None:
    """By the name of the file, or by a format."""
    path = home / "python.csv"
    with Mirror.open(home / "winter") as mirror:
        assert mirror.export(path, image_type="stack") == len(listed(home, "--type", "stack"))
        stream = io.BytesIO()
        mirror.export(stream, format="csv", image_type="stack")
        with pytest.raises(UsageError, match="no format was chosen"):
            mirror.export(stream)
    assert path.read_bytes() == stream.getvalue()
    assert path.read_text() == asked(home, "export", "--type", "stack").out
