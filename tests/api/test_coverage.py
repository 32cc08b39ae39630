"""Which images show a position, in Python: found, counted, and said no more than was seen."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from support.answers import at, enter, miss, withdraw
from support.clock import Clock
from support.images import HERE, START, Image, make_mirror
from support.makers import path_of, product

from winter_sync import Mirror
from winter_sync.catalog.catalog import Catalog
from winter_sync.core.errors import UsageError
from winter_sync.core.traits import ImageType

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a mirror of four images of one place, and one of another."""
    root = tmp_path / "winter"
    make_mirror(
        root,
        Image(product(0), facts={"limiting_magnitude": 18.2, "seeing": 1.4}),
        Image(product(1), facts={"limiting_magnitude": 19.86}),
        Image(product(2), facts={"limiting_magnitude": 17.5, "filter": "Y"}, turn=30.0),
        Image(product(3, ImageType.EXPOSURE), extensions=3),
        Image(product(4), center=(10.0, -20.0), target="elsewhere"),
    )
    return root


@pytest.fixture
def mirror(root: Path) -> Iterator[Mirror]:
    """Open it."""
    with Mirror.open(root) as mirror:
        yield mirror


def test_a_target_is_found_by_its_images(mirror: Mirror, root: Path) -> None:
    """By its name in any case, its position in any notation, and as astropy has it."""
    paths = [root / path_of(product(number)) for number in range(3)]
    paths.append(root / path_of(product(3, ImageType.EXPOSURE)))
    places = ["SN2024wex", "sn2024WEX", "150.0 17.0", "10h00m00s +17d00m", HERE]
    for where in (*places, SkyCoord(*HERE, unit="deg"), SkyCoord(*HERE, unit="deg").galactic):
        assert mirror.covers(where).paths == paths
    assert mirror.covers("elsewhere").paths == [root / path_of(product(4))]


def test_an_image_says_what_is_known_of_it(mirror: Mirror) -> None:
    """Its facts, the extension that shows the place, and how far that is from the edge."""
    first, *_, exposure = mirror.covers(HERE)
    assert (first.started_at, first.filter, first.limiting_magnitude) == (START, "J", 18.2)
    assert (first.extension, exposure.extension) == (0, 1)
    assert first.edge_distance == pytest.approx(44.5 * 1.13, abs=0.01)
    with first.open() as hdus:
        assert hdus[0].header["TARGNAME"] == "SN2024wex"
    beside = mirror.covers((150.0, 17.1))
    assert [image.extension for image in beside] == [2]


def test_the_deepest_image_of_each_filter_is_known(mirror: Mirror) -> None:
    """The deepest filter first; images of unknown depth are left out."""
    deepest = mirror.covers(HERE).deepest
    assert [(name, image.limiting_magnitude) for name, image in deepest.items()] == [
        ("J", 19.86),
        ("Y", 17.5),
    ]


def test_the_answer_is_said_in_words(mirror: Mirror) -> None:
    """How many images, when, and how deep; a depth is never rounded up."""
    assert mirror.covers("SN2024wex").summary == (
        "SN2024wex at 150.00000 +17.00000: observed, 4 images from 2024-01-31 to 2024-02-03, "
        "deepest J 19.8 on 2024-02-01, Y 17.5 on 2024-02-02"
    )
    assert mirror.covers(HERE, filter="Y").summary == (
        "150.00000 +17.00000: observed in Y, 1 image on 2024-02-02, deepest Y 17.5 on 2024-02-02"
    )


def test_a_place_that_was_observed_may_be_too_shallow(mirror: Mirror) -> None:
    """Then what there is is said, and of how many the depth is unknown."""
    deep = mirror.covers(HERE, deeper_than=19)
    assert [image.limiting_magnitude for image in deep] == [19.86]
    deeper = mirror.covers(HERE, deeper_than=19.9)
    assert len(deeper) == 0
    assert len(deeper.shallower) == 4
    assert deeper.summary == (
        "150.00000 +17.00000: observed, shallower than 19.9 (1 of unknown depth): "
        "4 images from 2024-01-31 to 2024-02-03, deepest J 19.8 on 2024-02-01, Y 17.5 on 2024-02-02"
    )


def test_a_place_that_no_image_shows_was_never_observed(mirror: Mirror) -> None:
    """As far as is known: conditions are named, and the images near it that may show it."""
    never = mirror.covers((30.0, 30.0))
    assert never.summary == "30.00000 +30.00000: never observed by any image on this machine"
    assert never.caveat == "No image is listed within 1 degree of it."
    near = mirror.covers((150.5, 17.0))
    assert near.caveat == (
        "All images listed within 1 degree of it were downloaded and their sky is known."
    )
    condition = mirror.covers(HERE, filter=["Hs", "Y"], since="2024-02-20", image_type="stack")
    assert condition.summary == (
        "150.00000 +17.00000: not observed in Hs or Y since 2024-02-20 00:00 (stack) "
        "by any image on this machine"
    )


def test_what_is_not_known_of_a_place_is_said(root: Path) -> None:
    """A place is not called unobserved without a word of what is pending near it."""
    with closing(Catalog(root / ".winter-sync" / "catalog.sqlite3", Clock())) as catalog:
        enter(catalog, (at(product(number), 30.2, 30.0) for number in (10, 11)))
    with Mirror.open(root) as mirror:
        assert mirror.covers((30.0, 30.0)).caveat == (
            "Unknown are images listed within 1 degree of it: 2 not downloaded yet."
        )
        assert mirror.covers(HERE).caveat == ""


def test_an_image_whose_file_was_removed_shows_nothing_any_more(root: Path, mirror: Mirror) -> None:
    """Nor does it count; that there was one is said, and how to have it again."""
    (root / path_of(product(1))).unlink()
    after = mirror.covers(HERE)
    assert [image.filename for image in after] == [
        product(0).filename,
        product(2).filename,
        product(3, ImageType.EXPOSURE).filename,
    ]
    assert after.caveat == (
        "1 file of an image of it was removed from this machine: "
        "`winter-sync verify --repair` downloads it again."
    )
    assert mirror.covers(HERE, deeper_than=19).summary.startswith(
        "150.00000 +17.00000: observed, shallower than 19 (1 of unknown depth): 3 images"
    )
    assert mirror.covers(HERE, deeper_than=25).caveat.startswith("1 file of an image of it was")
    (root / path_of(product(4))).unlink()
    gone = mirror.covers("elsewhere")
    assert (len(gone), gone.paths) == (0, [])
    assert gone.summary.endswith("never observed by any image on this machine")
    assert gone.caveat.startswith("1 file of an image of it was removed")
    assert "All images" not in gone.caveat


AS_NOBODY = """
import os, sys
import astropy.io.fits  # nobody may not load it
from winter_sync import Mirror
from winter_sync.api import Question
from winter_sync.core import UsageError
def ask():
    with Mirror.open(sys.argv[1]) as mirror:
        print([product.state.value for product in mirror.find(image_type="stack")])
        print([row["winter_state"] for row in mirror.export_rows(Question(image_type="stack"))])
        print(mirror.covers((150.0, 17.0)).summary)
        return mirror.find(image_type="stack")[0]
ask()  # as above
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
first = ask()
try:
    first.open()
except UsageError as refused:
    print(refused, refused.remedy)
"""


def test_what_this_user_may_not_see_is_not_called_removed() -> None:
    """A directory without permission is none without files; the error asks for the permission."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name, "winter")
        make_mirror(root, Image(product(0)), Image(product(1)))
        Path(name).chmod(0o755)
        (root / "winter").chmod(0)
        done = subprocess.run(  # noqa: S603 - ourselves
            [sys.executable, "-c", AS_NOBODY, str(root)],
            check=False,
            capture_output=True,
            text=True,
        )
        (root / "winter").chmod(0o755)
    assert done.returncode == 0, done.stderr
    *_, found, exported, summary, refused = done.stdout.splitlines()
    assert "damaged" not in found + exported
    assert "observed, 2 images" in summary
    assert "may not be read by this user" in refused
    assert "chmod -R a+rX" in refused


def test_images_that_the_archive_lacks_are_not_said_to_be_here(root: Path) -> None:
    """Science images that are listed and not kept are named; what is not listed any more is not."""
    science = product(10, ImageType.SCIENCE)
    with closing(Catalog(root / ".winter-sync" / "catalog.sqlite3", Clock())) as catalog:
        enter(catalog, [at(science, 149.5, 17.0)])
        miss(catalog, science)
        enter(catalog, [at(product(11), 30.0, 30.0)])
        withdraw(catalog, product(11))
    with Mirror.open(root) as mirror:
        assert mirror.covers((149.5, 17.0)).caveat == (
            "All images listed within 1 degree of it were downloaded and their sky is known, "
            "but for 1 science image that the archive lacks."
        )
        assert mirror.covers((30.0, 30.0)).caveat == "No image is listed within 1 degree of it."


def test_a_name_of_several_places_is_refused(root: Path) -> None:
    """Their middle is none of them: nothing is claimed of it."""
    with closing(Catalog(root / ".winter-sync" / "catalog.sqlite3", Clock())) as catalog:
        enter(catalog, [at(product(10), 30.0, 30.0, "field"), at(product(11), 34.0, 30.0, "field")])
        enter(catalog, [at(product(12), 60.0, 30.0, "set"), at(product(13), 60.9, 30.0, "set")])
    with Mirror.open(root) as mirror:
        with pytest.raises(UsageError, match=r"places more than 1\.5 degrees apart") as refused:
            mirror.covers("field")
        assert "winter-sync list --target field" in refused.value.remedy
        assert mirror.covers("set").summary.startswith("set at 60.45000 +30.00")


def test_the_images_are_a_table(mirror: Mirror) -> None:
    """With units; what is unknown is masked."""
    table = mirror.covers(HERE).table()
    assert list(table["filter"]) == ["J", "J", "Y", "J"]
    assert table["edge_distance"][0].to_value(u.arcsec) == pytest.approx(44.5 * 1.13, abs=0.01)
    assert table["limiting_magnitude"].mask.tolist() == [False, False, False, True]
    frame = mirror.covers(HERE).to_pandas()
    assert frame["extension"].tolist() == [0, 0, 0, 1]


def test_a_name_that_is_not_known_is_refused(mirror: Mirror) -> None:
    """The error says which names are like it, and how to write a position."""
    with pytest.raises(UsageError, match="did you mean SN2024wex") as refused:
        mirror.covers("SN2024wax")
    assert "150.96 17.82" in refused.value.remedy


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"image_type": "stacks"}, "did you mean stack"),
        ({"image_type": ["stack", "avro"]}, "are not images"),
        ({"deeper_than": float("nan")}, "nan is not a magnitude"),
        ({"instrument": "WIRC"}, "not a known instrument"),
        ({"since": "long ago"}, "is not a time"),
    ],
)
def test_a_word_that_is_not_known_is_refused(
    mirror: Mirror, conditions: dict[str, str], message: str
) -> None:
    """As everywhere."""
    with pytest.raises(UsageError, match=message):
        mirror.covers(HERE, **conditions)  # type: ignore[arg-type] # one of several options
