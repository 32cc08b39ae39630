"""The table of image types: complete, without contradictions, and as winter-api.md has it."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from winter_sync.core.traits import (
    DIRECTORIES,
    FETCH_ORDER,
    NOT_KEPT,
    SUFFIXES,
    FileFormat,
    ImageType,
    Instrument,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

API = Path(__file__).parents[2] / "docs/winter-api.md"


def documented() -> Iterator[tuple[str, str, str]]:
    """Read type, directory and file name of each row of the table of products."""
    for line in API.read_text().splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        if len(cells) > 2 and cells[0] in list(ImageType):
            yield cells[0], cells[1], cells[2]


@pytest.mark.parametrize(("instrument", "image_type"), list(product(Instrument, ImageType)))
def test_each_type_of_each_camera_has_a_row(instrument: Instrument, image_type: ImageType) -> None:
    """Nothing can be listed of which the mirror does not know where it lies."""
    camera = image_type.for_camera(instrument)
    directories = {camera.directory, *camera.other_directories}
    assert directories <= DIRECTORIES
    assert all(name and "/" not in name and not name.startswith(".") for name in directories)
    assert camera.extensions is None or camera.extensions > 0


@pytest.mark.parametrize("instrument", Instrument)
def test_a_camera_has_a_directory_for_each_type(instrument: Instrument) -> None:
    """Two types of one camera never share a directory, where their names could collide."""
    directories = [kind.for_camera(instrument).directory for kind in ImageType]
    assert len(set(directories)) == len(directories)


def test_the_traits_are_those_of_the_documentation() -> None:
    """WINTER's directories and formats are those of the table in docs/winter-api.md."""
    rows = {name: (directory, file) for name, directory, file in documented()}
    assert set(rows) == set(ImageType)
    for image_type in ImageType:
        directory, file = rows[image_type]
        assert image_type.for_camera(Instrument.WINTER).directory == directory
        assert file.endswith(image_type.traits.file_format.suffixes)


def test_the_order_of_fetching_is_a_total_order() -> None:
    """No two types have one place in the queue, and each has one."""
    places = [image_type.traits.fetch_order for image_type in FETCH_ORDER]
    assert places == sorted(set(places))
    assert set(FETCH_ORDER) == set(ImageType)


def test_every_suffix_belongs_to_one_format() -> None:
    """A file name shows its format, and a type's traits are ones that can be acted upon."""
    assert len(set(SUFFIXES)) == len(SUFFIXES)
    assert set(SUFFIXES) == {suffix for kind in FileFormat for suffix in kind.suffixes}
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in SUFFIXES)
    assert all(image_type.traits.typical_size > 0 for image_type in ImageType)


def test_what_is_particular_is_said_of_the_right_types() -> None:
    """Science images are not kept, exposures are never reprocessed, SPRING has three types."""
    assert NOT_KEPT == (ImageType.SCIENCE,)
    never = [kind for kind in ImageType if not kind.traits.may_be_reprocessed]
    assert never == [ImageType.EXPOSURE]
    spring = {kind for kind in ImageType if kind.for_camera(Instrument.SPRING).is_in_pipeline}
    assert spring == {ImageType.RAW, ImageType.STACK, ImageType.DIFF}
