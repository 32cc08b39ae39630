"""`winter-sync cutout`: files with names of their own, a picture, and nothing overwritten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image as Picture
from support.command import Said, run, settings_file
from support.images import HERE, Image, make_mirror
from support.makers import path_of, product

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """Make a mirror of three images of one place, and its settings."""
    images = (Image(product(number), turn=50.0 * number) for number in range(3))
    make_mirror(tmp_path / "winter", *images)
    return settings_file(tmp_path)


def ask(settings: Path, *arguments: str) -> Said:
    """Run the command."""
    return run("--config", settings, "cutout", *arguments, home=settings.parent)


def test_each_image_becomes_a_file(settings: Path, tmp_path: Path) -> None:
    """Whose names are printed; the place is in the middle of each."""
    said = ask(settings, "SN2024wex", "--size", "30s")
    assert said.code == 0, said.err
    assert "3 cutouts written to cutouts" in said.err
    paths = [tmp_path / line for line in said.out.splitlines()]
    assert sorted(paths) == sorted((tmp_path / "cutouts").iterdir())
    for path in paths:
        with fits.open(path) as (hdu,):
            x, y = (float(value) for value in WCS(hdu.header).all_world2pix(*HERE, 0))
            assert hdu.data.shape == (27, 27)
        assert max(abs(x - 13), abs(y - 13)) <= 0.5


def test_files_that_exist_are_kept(settings: Path, tmp_path: Path) -> None:
    """Unless they may be replaced; a second run is quick and says so."""
    first = ask(settings, "150", "17", "--output", "mine")
    path = tmp_path / first.out.splitlines()[1]
    path.write_bytes(b"mine")
    again = ask(settings, "150", "17", "--output", "mine")
    assert (again.code, again.out) == (0, first.out)
    assert "0 cutouts written to mine; 3 were there already and are kept" in again.err
    assert path.read_bytes() == b"mine"
    assert ask(settings, "150", "17", "--output", "mine", "--overwrite").code == 0
    assert path.read_bytes().startswith(b"SIMPLE")


@pytest.mark.parametrize("more", [(), ("--north-up",)])
def test_a_picture_shows_them_side_by_side(
    settings: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    """Alone, without FITS files; one that exists is kept."""
    said = ask(settings, "150", "17", "--png", "strip.png", *more)
    assert (said.code, said.out) == (0, "")
    assert "3 cutouts drawn in strip.png" in said.err
    with Picture.open(tmp_path / "strip.png") as picture:
        assert picture.size[0] == 3 * 188 + 8
    assert not (tmp_path / "cutouts").exists()
    refused = ask(settings, "150", "17", "--png", "strip.png")
    assert refused.code == 2
    assert "strip.png exists already" in refused.err
    assert "--overwrite" in refused.err
    both = ask(settings, "150", "17", "--png", "strip.png", "--overwrite", "--output", "both")
    assert len(both.out.splitlines()) == 3


@pytest.mark.parametrize("option", ["--output", "--png"])
@pytest.mark.parametrize("place", ["winter", "winter/winter/20240130/final", "link/new"])
def test_nothing_is_written_inside_the_mirror(
    settings: Path, tmp_path: Path, option: str, place: str
) -> None:
    """Through a link neither: what is there is what was downloaded."""
    (tmp_path / "link").symlink_to(tmp_path / "winter")
    before = sorted((tmp_path / "winter" / "winter").rglob("*"))
    said = ask(settings, "150", "17", option, f"{place}/a.png" if option == "--png" else place)
    assert said.code == 2
    assert "is inside the mirror" in said.err
    assert sorted((tmp_path / "winter" / "winter").rglob("*")) == before


def test_an_image_that_cannot_be_cut_out_is_named(settings: Path, tmp_path: Path) -> None:
    """The others are written; the exit code and a command to repair it say the rest."""
    (tmp_path / "winter" / path_of(product(1))).write_bytes(b"spoilt")
    said = ask(settings, "150", "17")
    assert said.code == 5
    assert len(said.out.splitlines()) == 2
    assert f"{product(1).filename}: the file was changed after it was downloaded" in said.err
    assert "winter-sync verify --repair" in said.err


def test_a_place_that_no_image_shows_has_no_cutouts(settings: Path, tmp_path: Path) -> None:
    """Which is an answer, said on standard error."""
    said = ask(settings, "30", "-30")
    assert (said.code, said.out) == (0, "")
    assert "never observed" in said.err
    assert not (tmp_path / "cutouts").exists()


def test_a_directory_that_cannot_be_made_is_an_error(settings: Path, tmp_path: Path) -> None:
    """With the option that names another."""
    (tmp_path / "file").write_bytes(b"")
    said = ask(settings, "150", "17", "--output", "file/cutouts")
    assert said.code == 6
    assert "--output DIR" in said.err
