"""Exports as the tools of astronomers read them: equal tables, and nothing to complain of."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from astropy.io import votable
from astropy.table import Table
from pyvo.dal.sia2 import SIA2Results
from science.test_obscore import FACTS, FILES, ROOT
from science.test_writers import READERS, rows_of
from support.makers import product

from winter_sync.core.datasets import Dataset
from winter_sync.core.traits import ImageType
from winter_sync.science import OBSCORE_COLUMNS, Kind, TableFormat, describe, write_rows

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [column.name for column in OBSCORE_COLUMNS]
TARGETS = ("SN2024wex", "NGC 1, #2", 'the "é" galaxy <&>', None, "NA", "0012")


def rows() -> list[dict[str, object]]:
    """Return a row of each type, once with all that may be known and once with nothing."""
    known = [
        Dataset(
            replace(product(1, image_type), savepath=FILES[image_type]),
            "downloaded",
            programs=("2024A000", "2024B001"),
            target=target,
            ra=150.96,
            dec=17.82,
            field_id=4321,
            file="winter/x.fits",
            size=2**40 + number,
            revision=1,
            downloaded_at=datetime(2024, 2, 12, 20, tzinfo=UTC).isoformat(),
            facts=replace(FACTS, airmass=1.1 + number / 7, coadds=number),
        )
        for number, (image_type, target) in enumerate(zip(ImageType, TARGETS, strict=True))
    ]
    bare = [Dataset(product(2, image_type), "pending") for image_type in ImageType]
    return [describe(dataset, ROOT) for dataset in (*known, *bare)]


def expected(rows: list[dict[str, object]]) -> list[list[object]]:
    """Return the rows as lists, with None for null."""
    return [[column.value(row.get(column.name)) for column in OBSCORE_COLUMNS] for row in rows]


@pytest.fixture
def export(tmp_path: Path) -> dict[TableFormat, Path]:
    """Write an export in every format."""
    paths = {form: tmp_path / f"export.{form}" for form in TableFormat}
    for form, path in paths.items():
        write_rows(OBSCORE_COLUMNS, rows(), path, form)
    return paths


def in_ascii(table: list[list[Any]]) -> list[list[Any]]:
    """Return a table with other characters as FITS files have them."""
    return [
        [cell.replace("é", "\\xe9") if isinstance(cell, str) else cell for cell in row]
        for row in table
    ]


@pytest.mark.parametrize("form", [TableFormat.ECSV, TableFormat.VOTABLE, TableFormat.FITS])
def test_astropy_reads_the_rows(export: dict[TableFormat, Path], form: TableFormat) -> None:
    """Without options: names, values, nulls, units."""
    table = Table.read(export[form], format=READERS[form])
    assert table.colnames == NAMES
    assert rows_of(table) == (in_ascii if form is TableFormat.FITS else list)(expected(rows()))
    assert str(table["s_ra"].unit) == "deg"


@pytest.mark.parametrize(
    ("form", "options"), [(TableFormat.CSV, {}), (TableFormat.ECSV, {"comment": "#"})]
)
def test_pandas_reads_the_rows(
    export: dict[TableFormat, Path], form: TableFormat, options: dict[str, Any]
) -> None:
    """CSV as it is, ECSV with `comment="#"`; a target called NA is told from no target."""
    types = {column.name: _DTYPES[column.kind] for column in OBSCORE_COLUMNS}
    frame = pd.read_csv(export[form], dtype=types, keep_default_na=False, na_values=[""], **options)
    assert _of_frame(frame) == expected(rows())


def test_pandas_reads_json(export: dict[TableFormat, Path]) -> None:
    """As records."""
    frame = pd.read_json(export[TableFormat.JSON], dtype=False, precise_float=True)
    assert _of_frame(frame[NAMES]) == expected(rows())


_DTYPES = {Kind.TEXT: "str", Kind.TIME: "str", Kind.INTEGER: "Int64", Kind.REAL: "float64"}


def _of_frame(frame: Any) -> list[list[object]]:  # noqa: ANN401 - pandas has no types
    cells = [
        [None if pd.isna(value) else value for value in frame[name].tolist()] for name in NAMES
    ]
    return [list(row) for row in zip(*cells, strict=True)]


def test_pyvo_reads_observations(export: dict[TableFormat, Path]) -> None:
    """Each row is an ObsCore record to it, with the standard's attributes."""
    results = SIA2Results(votable.parse(export[TableFormat.VOTABLE]))
    wanted = rows()
    assert len(results) == len(wanted)
    for record, row in zip(results, wanted, strict=True):
        assert record.calib_level == row["calib_level"]
        assert record.obs_id == row["obs_id"]
        assert record.obs_publisher_did == row["obs_publisher_did"]
    assert results[0].s_region == wanted[0]["s_region"]
    assert results[0].access_estsize.to_value("kbyte") == wanted[0]["access_estsize"]
    assert results[0].t_exptime.to_value("s") == 864.0


def test_a_strict_parser_has_nothing_to_say(export: dict[TableFormat, Path]) -> None:
    """Warnings of astropy's parser are errors here."""
    parsed = votable.parse(export[TableFormat.VOTABLE], verify="exception")
    (table,) = parsed.iter_tables()
    assert len(table.array) == len(rows())
    assert {str(coosys.system) for coosys in parsed.iter_coosys()} == {"ICRS"}


def stilts(*arguments: str | Path) -> str:
    """Run STILTS, the library of TOPCAT; return all that it says."""
    if shutil.which("stilts") is None:
        pytest.skip("needs stilts: apt install stilts")
    ended = subprocess.run(  # noqa: S603 - the system's
        ["stilts", *arguments],  # noqa: S607 - as above
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.stdout + ended.stderr


def test_votlint_is_silent(export: dict[TableFormat, Path]) -> None:
    """Schema, types, UCDs and units are all right."""
    assert stilts("votlint", "ucd=true", "unit=true", export[TableFormat.VOTABLE]) == ""


@pytest.mark.parametrize("form", [TableFormat.VOTABLE, TableFormat.FITS])
def test_topcats_library_reads_the_rows(
    export: dict[TableFormat, Path], form: TableFormat, tmp_path: Path
) -> None:
    """What it read and wrote again is what we wrote."""
    copy = tmp_path / "copy.vot"
    assert (
        stilts("tcopy", f"in={export[form]}", f"ifmt={form}", f"out={copy}", "ofmt=votable") == ""
    )
    read = rows_of(Table.read(copy, format="votable"))
    assert read == (in_ascii if form is TableFormat.FITS else list)(expected(rows()))
