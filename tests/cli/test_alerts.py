"""`winter-sync alerts`: tables, light curves, files for other programs, cutouts."""

from __future__ import annotations

import csv
import io
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import fastavro
import pytest
from astropy.io import fits
from astropy.table import Table
from PIL import Image
from support.alerts import JD, alert_file, mirror_of, record
from support.answers import at, enter
from support.clock import Clock
from support.command import Said, run, run_on_terminal, served, settings_file
from support.makers import product

from winter_sync.catalog.catalog import Catalog
from winter_sync.core.traits import ImageType

HEADER = "UTC objectid"


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """Return settings of a mirror of three alerts in two files."""
    first = alert_file([record(0, rb=0.25), record(1, ra=10.0, dec=-60.0, fid=-99, magap=18.0)])
    mirror_of(tmp_path / "winter", first, alert_file([record(26, jd=JD + 1, isdiffpos=False)]))
    return settings_file(tmp_path)


def ask(settings: Path, *arguments: str) -> Said:
    """Run the command, with its output in files."""
    return run("--config", settings, "alerts", *arguments, home=settings.parent)


def drawn(settings: Path, *arguments: str) -> list[str]:
    """Return the lines that the command draws on a terminal of 80 columns."""
    said = run_on_terminal("--config", settings, "alerts", *arguments, home=settings.parent)
    assert said.code == 0, said.out
    return re.sub(r"\x1b\[[\d;]*m", "", said.out).splitlines()


def test_a_terminal_shows_a_line_for_each_alert(settings: Path) -> None:
    """In 80 columns, also with the separations of a cone; unknown is a dash."""
    heading, first, second, third, count = drawn(settings)
    assert heading.split() == ["UTC", "object", "RA", "Dec", "filter", "mag", "err", "rb"]
    assert first.split() == [
        *("2024-02-26", "15:07", "WNTR24aaaaa", "150.96000", "+17.83000"),
        *("J", "17.50", "0.12", "0.25"),
    ]
    assert second.split()[5] == "-"
    assert third.split()[0] == "2024-02-27"
    assert count == "3 alerts of 2 objects"
    cone = drawn(settings, "--cone", "150.96,17.83,30s")
    assert cone[1].split()[-1] == "0.0"
    assert cone[-1] == "2 alerts of 1 object; sep is in arcseconds"
    assert max(map(len, [heading, first, second, third, *cone])) <= 80


def test_an_object_is_shown_as_its_light_curve(settings: Path) -> None:
    """Time, filter, magnitude with its error, limit, score and sign of each detection."""
    headline, heading, first, second = drawn(settings, "--object", "WNTR24aaaaa")
    assert headline == (
        "WNTR24aaaaa at 150.96000 +17.83000: 2 detections, 2024-02-26 to 2024-02-27"
    )
    assert heading.split()[2:6] == ["mag", "err", "limit", "rb"]
    assert first.split() == [
        *("2024-02-26", "15:07:12", "J", "17.50", "0.12", "19.25", "0.25", "+", "4", "2024A000")
    ]
    assert second.split()[7] == "-"
    assert len(first) <= 80


def test_a_pipe_gets_csv(settings: Path) -> None:
    """With the names of the alert schema; what is unknown is empty."""
    said = ask(settings, "--min-rb", "0.5")
    assert said.code == 0
    first, second = csv.DictReader(io.StringIO(said.out))
    assert (first["objectid"], first["candid"], first["rb"]) == ("WNTR24aaaab", "1001", "0.75")
    assert (first["filter"], first["separation"]) == ("", "")
    assert second["path"].endswith(".avro")


@pytest.mark.parametrize("suffix", ["fits", "vot", "ecsv"])
def test_a_file_has_the_format_of_its_name(settings: Path, suffix: str) -> None:
    """And astropy reads it, with its units."""
    output = settings.parent / f"alerts.{suffix}"
    assert ask(settings, "--output", str(output)).code == 0
    table = Table.read(output)
    assert len(table) == 3
    assert str(table["ra"].unit) == "deg"


def test_paths_are_those_of_the_files(settings: Path) -> None:
    """Each once."""
    paths = ask(settings, "--paths").out.splitlines()
    assert len(paths) == 2
    assert all(path.startswith(str(settings.parent / "winter")) for path in paths)


def test_nothing_is_an_answer(settings: Path) -> None:
    """Said on standard error, exit code 0; csv still has its headings."""
    said = ask(settings, "--object", "WNTR99zzzzz")
    assert (said.code, said.err) == (0, "No alerts match.\n")
    assert said.out.startswith("objectid,")
    assert drawn(settings, "--object", "WNTR99zzzzz") == ["No alerts match."]


@pytest.mark.parametrize(
    ("files", "read", "pending", "what"),
    [
        (0, 0, 0, 'This mirror has no alert files: add "avro" to image_types.'),
        (0, 0, 1, "1 alert file is not downloaded yet."),
        (2, 2, 2, "2 alert files are not downloaded yet."),
        (
            2,
            1,
            0,
            "1 of 2 alert files were not read yet; `winter-sync sync` or the daemon does.",
        ),
    ],
)
def test_what_is_not_known_yet_is_told(
    tmp_path: Path, files: int, read: int, pending: int, what: str
) -> None:
    """An answer from half of the files does not look like one from all, whatever it has."""
    root = tmp_path / "winter"
    mirror_of(root, *(alert_file([record(n)]) for n in range(files)), read=read)
    with closing(Catalog(root / ".winter-sync" / "catalog.sqlite3", Clock())) as catalog:
        enter(catalog, (at(product(90 + n, ImageType.AVRO), 1.0, 2.0) for n in range(pending)))
    settings = settings_file(tmp_path)
    said = ask(settings, "--object", "WNTR99zzzzz")
    assert said.code == 0
    assert said.err.splitlines() == ["No alerts match.", what]
    if read:
        assert ask(settings).err.splitlines() == [what]


def test_paths_of_files_that_were_removed_are_not_printed(settings: Path) -> None:
    """How many there are is said."""
    first, second = ask(settings, "--paths").out.splitlines()
    Path(first).unlink()
    said = ask(settings, "--paths")
    assert (said.code, said.out.splitlines()) == (0, [second])
    assert "1 file is not here any more: run `winter-sync verify --repair`" in said.err


def test_alerts_are_of_a_span_of_nights(settings: Path) -> None:
    """Both ends belong to it."""
    rows = list(csv.DictReader(io.StringIO(ask(settings).out)))
    night = rows[0]["night"]
    within = ask(settings, "--from", night, "--to", night)
    assert len(list(csv.DictReader(io.StringIO(within.out)))) == sum(
        row["night"] == night for row in rows
    )
    later = ask(settings, "--from", str(int(night) + 1), "--to", "20991231").out
    assert len(later.splitlines()) == 1 + sum(row["night"] > night for row in rows)
    assert "is after the last" in ask(settings, "--from", "20240212", "--to", "20240211").err


def test_cutouts_are_saved(settings: Path) -> None:
    """As FITS, or as one picture of each alert; a file that is gone costs its own alerts."""
    directory = settings.parent / "cutouts"
    said = ask(settings, "--cutouts", str(directory))
    assert (said.code, said.err) == (0, "")
    assert said.out == f"9 files of 3 alerts saved in {directory}\n"
    for path in directory.iterdir():
        with fits.open(path) as hdus:
            assert hdus[0].data.shape == (9, 9)
    (settings.parent / "winter" / ask(settings, "--paths").out.splitlines()[1]).unlink()
    said = ask(settings, "--cutouts", str(directory), "--png")
    assert said.code == 5
    assert "is not on this machine any more" in said.err
    assert said.out == f"2 files of 2 alerts saved in {directory}\n"
    for path in directory.glob("*.png"):
        Image.open(path).verify()


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--png"], "--cutouts DIR"),
        (["--cone", "somewhere"], "150.96 17.82"),
        (["--since", "soon"], "-7d"),
        (["--min-rb", "2"], "less than or equal to 1"),
        (["--output", "alerts.doc"], "--format csv"),
    ],
)
def test_a_mistake_is_answered_by_how_to_write_it(
    settings: Path, arguments: list[str], what: str
) -> None:
    """Exit code 2, and an example."""
    said = ask(settings, *arguments)
    assert said.code == 2
    assert what in said.err


def test_alerts_of_a_simulated_night_are_there_after_a_sync(tmp_path: Path) -> None:
    """Downloaded, read and indexed: each record that fastavro finds in the files."""
    with served() as archive:
        settings = settings_file(
            tmp_path,
            programs=[{"image_types": ["avro"]}],
            api={"base_url": archive.url},
            facts={"enabled": True},
        )
        assert run("--config", settings, "sync", home=tmp_path).code == 0
    rows = list(csv.DictReader(io.StringIO(ask(settings).out)))
    expected = [
        {"path": str(path), "record": record, "number": number}
        for path in (tmp_path / "winter").rglob("*.avro")
        for number, record in enumerate(_records(path))
    ]
    assert {(row["path"], int(row["number"])) for row in rows} == {
        (given["path"], given["number"]) for given in expected
    }
    by_candid = {str(given["record"]["candid"]): given["record"] for given in expected}
    for row in rows:
        candidate = by_candid[row["candid"]]["candidate"]
        assert float(row["ra"]) == candidate["ra"]
        assert float(row["magpsf"]) == pytest.approx(candidate["magpsf"], rel=1e-6)
    (one,) = ask(settings, "--object", rows[0]["objectid"], "--limit", "1", "--paths").out.split()
    assert one in {row["path"] for row in rows}


def _records(path: Path) -> list[Any]:
    with path.open("rb") as file:
        return list(fastavro.reader(file))
