"""The page on exports: it has every column, with its unit, every format and every suffix."""

from __future__ import annotations

import re
from pathlib import Path

from winter_sync.science import NIGHTLOG_COLUMNS, OBSCORE_COLUMNS, TableFormat, format_of

PAGE = (Path(__file__).parent.parent.parent / "docs" / "export.md").read_text()


def rows() -> list[list[str]]:
    """Return the rows of all tables of the page."""
    lines = [line for line in PAGE.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_column_is_on_the_page() -> None:
    """By name; those of a night's log, too."""
    named = set(re.findall(r"`([\w-]+)`", PAGE))
    assert {column.name for column in (*OBSCORE_COLUMNS, *NIGHTLOG_COLUMNS)} <= named


def test_units_are_those_of_the_page() -> None:
    """A row of the page has the unit of its columns, as far as they have any."""
    units = {column.name: column.unit for column in OBSCORE_COLUMNS}
    for cells in rows():
        names = [name for name in re.findall(r"`(\w+)`", cells[0]) if name in units]
        if names:
            assert {units[name] for name in names} - {None} == ({cells[1]} if cells[1] else set())


def test_formats_and_suffixes_are_on_the_page() -> None:
    """Each suffix means the format that it stands beside."""
    names = set(map(str, TableFormat))
    formats = {cells[0].strip("`"): cells[1] for cells in rows() if cells[0].strip("`") in names}
    assert set(formats) == names
    for name, suffixes in formats.items():
        for suffix in re.findall(r"`(\.\w+)`", suffixes):
            assert format_of(Path(f"x{suffix}")) is TableFormat(name)
