"""Tables: the same in every format, with nulls that are null, and files that are whole."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import tracemalloc
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from hypothesis import given, settings
from hypothesis import strategies as some
from support.disks import mounted

from winter_sync.core import StorageError, UsageError
from winter_sync.science import (
    Column,
    Kind,
    TableFormat,
    format_of,
    make_table,
    write_rows,
    write_table,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    Row = Mapping[str, object]

COLUMNS = (
    Column("target_name", Kind.TEXT, None, "meta.id;src", "Whatever an observer typed, <&\"'>"),
    Column("access_estsize", Kind.INTEGER, "kbyte", "phys.size;meta.file"),
    Column("s_ra", Kind.REAL, "deg", "pos.eq.ra", "Right ascension", "obscore:x.y"),
    Column("started", Kind.TIME, None, "time.start"),
    Column("coadds", Kind.INTEGER),
    Column("airmass", Kind.REAL),
)
ODD_TEXTS = ("a,b", 'say "x"', "two\nlines", "#1", "NA", "nan", "0012", "ngc 1", "é☃𝄞", "<&>", "'")
TIMES = some.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001 - UTC has none here
    lambda instant: instant.isoformat(timespec="milliseconds")
)
VALUES = {
    Kind.TEXT: some.text() | some.sampled_from(ODD_TEXTS),
    Kind.INTEGER: some.integers(-(2**63) + 1, 2**63 - 1),
    Kind.REAL: some.floats(),
    Kind.TIME: TIMES,
}
ROWS = some.lists(
    some.fixed_dictionaries(
        {}, optional={column.name: some.none() | VALUES[column.kind] for column in COLUMNS}
    ),
    max_size=5,
)
READERS = {
    TableFormat.TABLE: "ascii.fixed_width_two_line",
    TableFormat.CSV: "ascii.csv",
    TableFormat.ECSV: "ascii.ecsv",
    TableFormat.VOTABLE: "votable",
    TableFormat.FITS: "fits",
}


def written(rows: list[Row], form: TableFormat, columns: tuple[Column, ...] = COLUMNS) -> bytes:
    """Write rows to a stream."""
    output = io.BytesIO()
    write_rows(columns, rows, output, form)
    return output.getvalue()


def read(content: bytes, form: TableFormat, columns: tuple[Column, ...] = COLUMNS) -> list[Any]:
    """Read a table with astropy, JSON with Python; return its rows, with None for null."""
    if form is TableFormat.JSON:
        return [list(row.values()) for row in json.loads(content)]
    text = {TableFormat.CSV, TableFormat.TABLE}
    source: Any = content.decode() if form in text else io.BytesIO(content)
    types = {column.name: [_TYPES[column.kind]] for column in columns}
    options: dict[str, Any] = {"converters": types} if form in text else {}
    if form in text:
        options |= {"fill_values": [(NULLS[form], "0")], "guess": False, "comment": "no such"}
    return rows_of(Table.read(source, format=READERS[form], **options))


NULLS = {TableFormat.CSV: "", TableFormat.TABLE: "--"}
_TYPES = {Kind.TEXT: str, Kind.TIME: str, Kind.INTEGER: np.int64, Kind.REAL: np.float64}


def rows_of(table: Table) -> list[Any]:
    """Return the rows of a table, with None for null."""
    cells = []
    for name in table.colnames:
        data = MaskedColumn(table[name])
        mask = np.ma.getmaskarray(data)
        values = [value.decode() if isinstance(value, bytes) else value for value in data.tolist()]
        null = [flag or value in ("", None) for flag, value in zip(mask, values, strict=True)]
        cells.append([None if no else value for no, value in zip(null, values, strict=True)])
    return [list(row) for row in zip(*cells, strict=True)]


def expected(rows: list[Row], form: TableFormat) -> list[Any]:
    """Return what rows should be read as: what they are, as far as a format has the characters."""
    return [
        [_expected(column.value(row.get(column.name)), form) for column in COLUMNS] for row in rows
    ]


def _expected(value: object, form: TableFormat) -> object:
    if not isinstance(value, str) or form not in {TableFormat.FITS, TableFormat.TABLE}:
        return value
    shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in value)
    if form is TableFormat.FITS:
        return shown.encode("ascii", "backslashreplace").decode()
    return None if shown == "--" else shown


@pytest.mark.parametrize("form", TableFormat)
@settings(max_examples=40, deadline=None)
@given(rows=ROWS)
def test_what_is_written_is_what_is_read(form: TableFormat, rows: list[Row]) -> None:
    """Any text, number, time and null comes back from every format as it was."""
    assert read(written(rows, form), form) == expected(rows, form)


@pytest.mark.parametrize("form", TableFormat)
@settings(max_examples=40, deadline=None)
@given(rows=ROWS)
def test_a_table_is_written_as_its_rows_are(form: TableFormat, rows: list[Row]) -> None:
    """An astropy table holds all that its columns said: the bytes are the same."""
    output = io.BytesIO()
    write_table(make_table(rows, COLUMNS), output, form)
    assert output.getvalue() == written(rows, form)


UNITS = {"access_estsize": "kbyte", "s_ra": "deg"}


@pytest.mark.parametrize("form", [TableFormat.ECSV, TableFormat.VOTABLE, TableFormat.FITS])
def test_units_and_types_are_read_again(form: TableFormat) -> None:
    """Also of a table without a row."""
    table = Table.read(io.BytesIO(written([], form)), format=READERS[form])
    assert {name: str(table[name].unit) for name in table.colnames if table[name].unit} == UNITS
    assert [table[name].dtype.kind for name in ("access_estsize", "s_ra", "airmass")] == [*"iff"]


@pytest.mark.parametrize("form", [TableFormat.ECSV, TableFormat.VOTABLE])
def test_what_columns_mean_is_read_again(form: TableFormat) -> None:
    """UCDs and descriptions go with the columns."""
    column = Table.read(io.BytesIO(written([], form)), format=READERS[form])["s_ra"]
    info = column.info
    assert info.description == "Right ascension"
    assert info.meta["ucd"] == "pos.eq.ra"
    assert info.meta["utype"] == "obscore:x.y"


def test_a_table_has_units_times_and_masks() -> None:
    """A quantity where there is a unit, a time where there is a time, and a mask where needed."""
    rows: list[Row] = [
        {"s_ra": 150.0, "started": "2024-02-12T04:00:00+02:00", "coadds": 8},
        {"s_ra": 10.0},
    ]
    table = make_table(rows, COLUMNS)
    assert table["s_ra"].to_string() == "[150.  10.] deg"
    assert table["started"][0].isot == "2024-02-12T02:00:00.000"
    assert table["started"].mask.tolist() == table["coadds"].mask.tolist() == [False, True]
    assert not hasattr(table["s_ra"], "mask")


@pytest.mark.parametrize(
    ("name", "value"), [("coadds", 2**63), ("coadds", 1.5), ("s_ra", "far"), ("started", "today")]
)
def test_what_a_column_cannot_hold_is_refused(name: str, value: object) -> None:
    """The error names the column; nothing is rounded or cut off."""
    with pytest.raises(ValueError, match=f"in column {name} is no "):
        make_table([{name: value}], COLUMNS)


@pytest.mark.parametrize("form", TableFormat)
def test_a_file_gets_its_name_when_it_is_complete(tmp_path: Path, form: TableFormat) -> None:
    """While it is written, and when that fails, the file that was there stays, and no other."""
    path = tmp_path / "nights"
    path.write_text("yesterday")

    def rows() -> Iterator[Row]:
        for number in range(10_000):
            yield {"coadds": number}
            assert path.read_text() == "yesterday"
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write_rows(COLUMNS, rows(), path, form)
    assert [file.name for file in tmp_path.iterdir()] == ["nights"]
    assert path.read_text() == "yesterday"
    write_rows(COLUMNS, [{"coadds": 1}], path, form)
    assert path.read_bytes() == written([{"coadds": 1}], form)
    assert [file.name for file in tmp_path.iterdir()] == ["nights"]


def test_a_file_keeps_its_mode_and_a_link_its_place(tmp_path: Path) -> None:
    """Who may read the answer does not change when it is renewed; a new one follows the umask."""
    path, link = tmp_path / "answer.csv", tmp_path / "latest.csv"
    path.touch(0o640)
    link.symlink_to(path.name)
    write_rows(COLUMNS, [], link, TableFormat.CSV)
    assert link.is_symlink()
    assert path.read_text().startswith("target_name,")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    umask = os.umask(0o027)
    try:
        write_rows(COLUMNS, [], tmp_path / "new.csv", TableFormat.CSV)
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "new.csv").stat().st_mode) == 0o640


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    """As `--output >(gzip > x.gz)` needs it: what is no regular file is not replaced."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_rows(COLUMNS, [], pipe, TableFormat.CSV)
    assert os.read(reader, 100).startswith(b"target_name,")
    os.close(reader)
    assert pipe.is_fifo()


@pytest.mark.parametrize("form", TableFormat)
def test_a_full_disk_is_reported_as_such(tmp_path: Path, form: TableFormat) -> None:
    """The error says where; the file of before is still there, and nothing else."""
    with mounted("tmpfs", tmp_path) as disk:
        _fill(disk, form)


def _fill(disk: Path, form: TableFormat) -> None:
    path = disk / "nights"
    path.write_text("yesterday")
    rows = ({"target_name": "x" * 1000} for _ in range(10_000))
    with pytest.raises(StorageError, match=rf"{disk}.* could not be written: No space left"):
        write_rows(COLUMNS, rows, path, form)
    assert list(disk.iterdir()) == [path]
    assert path.read_text() == "yesterday"


def test_a_directory_that_is_not_there_is_reported(tmp_path: Path) -> None:
    """With the command that makes it."""
    with pytest.raises(UsageError, match="No such file or directory") as error:
        write_rows(COLUMNS, [], tmp_path / "my tables" / "x.csv", TableFormat.CSV)
    assert error.value.remedy == f"Create its directory: mkdir -p '{tmp_path}/my tables'"
    with pytest.raises(UsageError, match=f"{tmp_path} cannot be written: Is a directory"):
        write_rows(COLUMNS, [], tmp_path, TableFormat.CSV)


def test_the_name_of_a_file_tells_the_format(tmp_path: Path) -> None:
    """In any case of letters; a name that has none is refused with those that do."""
    assert format_of(tmp_path / "a.b.VOT") is TableFormat.VOTABLE
    assert format_of(tmp_path / "night.csv") is TableFormat.CSV
    with pytest.raises(UsageError, match="does not say which format") as error:
        format_of(tmp_path / "night.dat")
    assert "--format csv" in error.value.remedy


@pytest.mark.parametrize("form", TableFormat)
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, form: TableFormat) -> None:
    """Tens of megabytes are written with a few in memory: also where all widths come first."""
    rows: Iterator[Row] = ({"target_name": "x" * 1000} for _ in range(30_000))
    write_rows(COLUMNS, [{"target_name": "x"}], tmp_path / "first", form)
    tracemalloc.start()
    try:
        assert write_rows(COLUMNS, rows, tmp_path / "nights", form) == 30_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "nights").stat().st_size > 30_000_000
    assert peak < 22_000_000


_KILLED_HALF_WAY = """
import os, sys
from pathlib import Path
from winter_sync.science import Column, Kind, TableFormat, write_rows

def rows():
    for number in range(100_000):
        if number == 50_000:
            os.kill(os.getpid(), 9)
        yield {"number": number}

write_rows([Column("number", Kind.INTEGER)], rows(), Path(sys.argv[1]), TableFormat(sys.argv[2]))
"""


@pytest.mark.parametrize("form", [TableFormat.CSV, TableFormat.FITS])
def test_a_kill_leaves_the_file_of_before(tmp_path: Path, form: TableFormat) -> None:
    """Whole, and the next export replaces it, whatever the killed one left aside."""
    path = tmp_path / "nights"
    path.write_text("yesterday")
    command = [sys.executable, "-c", _KILLED_HALF_WAY, str(path), form]
    assert subprocess.run(command, check=False).returncode == -9  # noqa: S603 - our own code
    assert path.read_text() == "yesterday"
    (tmp_path / f".nights.{os.getpid()}.tmp").touch()
    write_rows(COLUMNS, [], path, form)
    assert path.read_bytes() == written([], form)


def test_the_longest_names_are_written(tmp_path: Path) -> None:
    """A name as long as the file system takes leaves room for the one that is written first."""
    for letter in ("x", "\u00e9", "\U0001d11e"):
        path = tmp_path / (letter * (251 // len(letter.encode())) + ".csv")
        write_rows(COLUMNS, [], path, TableFormat.CSV)
        assert path.exists()
