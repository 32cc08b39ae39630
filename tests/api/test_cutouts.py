"""Cutouts in Python: where they are from, what is skipped and why, and how they are written."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from support.images import HERE, SCALE, START, Image, make_mirror
from support.makers import path_of, product

from winter_sync import Mirror, __version__
from winter_sync.api import panel_of
from winter_sync.core.errors import StorageError, UsageError
from winter_sync.core.sphere import separation
from winter_sync.core.traits import ImageType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ONE, OTHER = Image(product(0), turn=30.0), Image(product(1), turn=200.0)
EXPOSURE = Image(product(2, ImageType.EXPOSURE), extensions=2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a mirror of three images of one place."""
    root = tmp_path / "winter"
    make_mirror(root, ONE, OTHER, EXPOSURE)
    return root


@pytest.fixture
def mirror(root: Path) -> Iterator[Mirror]:
    """Open it."""
    with Mirror.open(root) as mirror:
        yield mirror


def test_there_is_a_cutout_of_each_image(mirror: Mirror) -> None:
    """Around the place, with its WCS, from the extension that shows it."""
    cutouts = mirror.cutouts("SN2024wex", "30s")
    made = list(cutouts)
    assert [one.image.filename for one in made] == [
        image.product.filename for image in (ONE, OTHER, EXPOSURE)
    ]
    assert cutouts.skipped == []
    for one in made:
        assert one.data.shape == (27, 27)
        x, y = (float(value) for value in one.wcs.all_world2pix(*HERE, 0))
        assert abs(x - 13) <= 0.5
        assert abs(y - 13) <= 0.5


def test_a_cutout_says_where_it_is_from(mirror: Mirror, root: Path) -> None:
    """File, archive's path, digest, program, time, place, version; and its image's own cards."""
    *_, made = mirror.cutouts(HERE, 20)
    header = made.header
    path = root / path_of(EXPOSURE.product)
    assert (header["WSPATH"], header["WSSAVEP"]) == (str(path), EXPOSURE.product.savepath)
    assert header["WSSHA256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (header["WSHDU"], header["WSTYPE"], header["WSPROGS"]) == (1, "exposure", "2024A000")
    assert header["WSSTART"] == START.replace(day=2, month=2, tzinfo=None).isoformat(
        timespec="milliseconds"
    )
    assert (header["WSRA"], header["WSDEC"], header["WSSIZE"]) == (*HERE, 20.0)
    assert header["WSVERS"] == __version__
    assert header["TARGNAME"] == "SN2024wex"
    with fits.open(path) as hdus:
        x, y = header["WSX"] - 1, header["WSY"] - 1
        assert hdus[1].data[y, x] == made.data[0, 0]


def test_a_cutout_is_written_complete_and_read_again(mirror: Mirror, tmp_path: Path) -> None:
    """Its WCS in the file is that of the whole image, to a hundredth of a pixel."""
    made = next(iter(mirror.cutouts(HERE, "30s")))
    path = tmp_path / made.filename
    made.write(path)
    with fits.open(path) as (hdu,), made.image.open() as (whole,):
        there = WCS(hdu.header).all_pix2world(3, 5, 0)
        value = int(hdu.data[5, 3])
        y, x = divmod(value, whole.data.shape[1])
        judge = WCS(whole.header).all_pix2world(x, y, 0)
    assert separation(tuple(map(float, there)), tuple(map(float, judge))) < 0.01 * SCALE  # type: ignore[arg-type] # two numbers
    assert {entry.name for entry in tmp_path.iterdir()} == {made.filename, "winter"}


def test_an_existing_file_is_replaced_only_if_that_is_said(mirror: Mirror, tmp_path: Path) -> None:
    """Without a word it stays as it is, and no other file is left behind."""
    made = next(iter(mirror.cutouts(HERE)))
    path = tmp_path / "mine.fits"
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        made.write(path)
    assert path.read_bytes() == b"mine"
    made.write(path, overwrite=True)
    assert path.read_bytes().startswith(b"SIMPLE")
    assert {entry.name for entry in tmp_path.iterdir()} == {"mine.fits", "winter"}


def test_a_link_in_the_place_of_a_cutout_is_not_followed(mirror: Mirror, tmp_path: Path) -> None:
    """A name that leads nowhere is a name, too."""
    path = tmp_path / "link.fits"
    path.symlink_to(tmp_path / "elsewhere.fits")
    with pytest.raises(FileExistsError):
        next(iter(mirror.cutouts(HERE))).write(path)
    assert not (tmp_path / "elsewhere.fits").exists()


def test_no_two_cutouts_have_one_name(mirror: Mirror) -> None:
    """Of other images, places or sizes; the same cutout has the same name again."""
    wanted = [(HERE, 30), (HERE, 60), ((150.0, 17.001), 30)]
    names = [made.filename for where, size in wanted for made in mirror.cutouts(where, size)]
    assert len(set(names)) == len(names) == 9
    assert names[:3] == [made.filename for made in mirror.cutouts(HERE, "30s")]
    assert all(name == os.path.basename(name) and name.endswith(".fits") for name in names)  # noqa: PTH119 - a name


def changed(path: Path) -> None:
    """Change a file, leaving its size."""
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def shortened(path: Path) -> None:
    """Cut a file short."""
    path.write_bytes(path.read_bytes()[:-2880])


def linked(path: Path) -> None:
    """Put a link in the place of a file."""
    other = path.with_name("other.fits")
    path.rename(other)
    path.symlink_to(other)


def piped(path: Path) -> None:
    """Put a pipe in the place of a file."""
    path.unlink()
    os.mkfifo(path)


def forbidden(path: Path) -> None:
    """Make its directory a link."""
    path.parent.rename(path.parent.with_name("moved"))
    path.parent.symlink_to("moved")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (changed, "the file was changed after it was downloaded"),
        (shortened, "the file was changed after it was downloaded"),
        (os.unlink, "No such file"),
        (linked, "cannot be opened|symbolic link"),
        (piped, "there is a pipe in its place"),
    ],
)
def test_an_image_that_is_not_as_downloaded_is_skipped(
    mirror: Mirror, root: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    """And said why; the others are cut out."""
    spoil(root / path_of(OTHER.product))
    cutouts = mirror.cutouts(HERE)
    assert len(list(cutouts)) == 2
    (skipped,) = cutouts.skipped
    assert skipped.image.filename == OTHER.product.filename
    assert any(part in skipped.reason for part in reason.split("|"))


def test_links_to_directories_are_followed_only_if_allowed(root: Path) -> None:
    """As `mirror.follow_links` says of the rest of the program."""
    forbidden(root / path_of(ONE.product))
    with Mirror.open(root) as mirror:
        cutouts = mirror.cutouts(HERE, image_type="stack")
        assert list(cutouts) == []
        assert "is a symbolic link" in cutouts.skipped[0].reason
    with Mirror.open(root, follow_links=True) as mirror:
        assert len(list(mirror.cutouts(HERE, image_type="stack"))) == 2


def test_a_file_that_was_copied_without_its_time_is_cut_out(mirror: Mirror, root: Path) -> None:
    """Its content is what counts; it is read to make sure."""
    os.utime(root / path_of(ONE.product), (0, 0))
    assert len(list(mirror.cutouts(HERE))) == 3


@pytest.mark.parametrize("size", ["0s", "11d", "60 bananas", "-5s", "nan"])
def test_a_size_that_makes_no_sense_is_refused(mirror: Mirror, size: str) -> None:
    """The error has an example."""
    with pytest.raises(UsageError) as refused:
        mirror.cutouts(HERE, size)
    assert '"60s"' in refused.value.remedy


def test_a_cutout_where_nothing_can_be_written_is_an_error(mirror: Mirror, tmp_path: Path) -> None:
    """For a reader: what could not be written, and why."""
    made = next(iter(mirror.cutouts(HERE)))
    with pytest.raises((UsageError, StorageError), match="be written"):
        made.write(tmp_path / "nowhere" / "a.fits")


def test_a_cutout_may_be_read_by_others(mirror: Mirror, tmp_path: Path) -> None:
    """As the umask of the user has it."""
    before = os.umask(0o022)
    try:
        next(iter(mirror.cutouts(HERE))).write(tmp_path / "a.fits")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.fits").stat().st_mode) == 0o644


def test_pixels_outside_an_image_are_not_numbers(mirror: Mirror) -> None:
    """At the edge of an image the place is still in the middle."""
    corner = tuple(float(value) for value in ONE.wcs().all_pix2world(0, 0, 0))
    made = next(iter(mirror.cutouts((corner[0], corner[1]), "30s")))
    assert made.data.shape == (27, 27)
    assert np.isnan(made.data[:13]).all()
    assert made.data[13, 13] == 0.0


@pytest.mark.parametrize("size", [1, 2, 3, 10, 40])
def test_a_turned_cutout_is_whole_where_its_image_is(mirror: Mirror, size: int) -> None:
    """Its corners and edges too, however few pixels it has."""
    cutouts = mirror.cutouts((150.0001, 17.0001), size)
    panels = [panel_of(cutouts, cutout, upright=True) for cutout in cutouts]
    assert len(panels) == 3
    for panel in panels:
        assert np.isfinite(panel.data).all()
