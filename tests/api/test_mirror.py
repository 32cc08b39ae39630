"""A mirror opened in Python, without settings."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.time import Time
from support.answers import at, enter, publish, used
from support.catalogs import OTHER
from support.clock import NOON, Clock
from support.command import run, served, settings_file
from support.makers import NIGHT, candidate, evidence, fits, path_of, product

from winter_sync import Mirror
from winter_sync.api import Question
from winter_sync.catalog import Catalog
from winter_sync.core import STATE_DIR, utc_now
from winter_sync.core.downloads import Published
from winter_sync.core.errors import UsageError
from winter_sync.core.layout import CATALOG
from winter_sync.core.queries import Cone, Rectangle
from winter_sync.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from winter_sync.api import MirrorProduct
    from winter_sync.core.products import Product


@pytest.fixture
def clock() -> Clock:
    """Return a clock."""
    return Clock()


def test_a_directory_without_a_mirror_is_refused(tmp_path: Path) -> None:
    """The error names the directory and what to run."""
    with pytest.raises(UsageError, match=f"there is no mirror in {tmp_path}"):
        Mirror.open(tmp_path)


def test_a_mirror_is_opened_by_its_root(tmp_path: Path) -> None:
    """No settings are needed."""
    with served() as archive:
        settings = settings_file(tmp_path, api={"base_url": archive.url})
        assert run("--config", settings, "sync", home=tmp_path).code == 0
    with Mirror.open(tmp_path / "winter") as mirror:
        assert mirror.root == tmp_path / "winter"


# --- asking --------------------------------------------------------------------------------------


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    """Return a mirror that was used for a while: states, programs, files deleted by hand."""
    with closing(Catalog(made(tmp_path), utc_now)) as catalog:
        by_state = used(catalog)
        far = [product(number, night=NIGHT.plus(30)) for number in range(10, 13)]
        enter(catalog, (at(one, 0.02, 5.0, "ZTF24aaahxwr", 1) for one in far), OTHER)
        for one in (by_state["downloaded"], by_state["withdrawn"], *far[:2]):
            write(tmp_path, one)
        for one in far:
            publish(catalog, one)
    with Mirror.open(tmp_path) as opened:
        yield opened


def made(root: Path) -> Path:
    """Make the directory of a mirror; return the path of its catalog."""
    Tree(root).prepare("mirror")
    return root / STATE_DIR / CATALOG


def write(root: Path, one: Product) -> None:
    """Write a file of a product into the tree."""
    file = root / path_of(one)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(fits())


def numbers(products: Iterable[MirrorProduct]) -> list[str]:
    """Return the seconds that products are named after: what distinguishes those of these tests."""
    return [one.filename.split("_")[1][13:15] for one in products]


def test_everything_is_found_with_its_file(mirror: Mirror) -> None:
    """Oldest first; a file that was deleted by hand shows at once."""
    found = mirror.find()
    assert numbers(found) == ["00", "01", "02", "03", "04", "10", "11", "12"]
    assert [one.state for one in found] == [
        *("downloaded", "pending", "missing", "withdrawn", "damaged"),
        *("downloaded", "downloaded", "damaged"),
    ]
    assert all(path.is_file() for path in found.paths)
    assert len(found.paths) == 4


def test_states_are_those_of_the_files_as_they_are(mirror: Mirror) -> None:
    """A deleted file is not downloaded, whatever the catalog still says; the limit counts after."""
    assert numbers(mirror.find(state="downloaded", limit=5)) == ["00", "10", "11"]
    assert numbers(mirror.find(state="damaged")) == ["04", "12"]
    assert numbers(mirror.find(state=["damaged", "missing"], newest_first=True, limit=2)) == [
        "12",
        "04",
    ]
    assert numbers(mirror.find(state="withdrawn")) == ["03"]


@pytest.mark.parametrize(
    "night", [NIGHT.plus(30), NIGHT.plus(30).day, "20240229", "2024-02-29", 20240229]
)
def test_a_night_is_given_in_any_way(mirror: Mirror, night: Any) -> None:  # noqa: ANN401 - any way
    """As the archive names it, as a date, as a number."""
    assert numbers(mirror.night(night)) == ["10", "11", "12"]
    assert numbers(mirror.find(first_night=night)) == ["10", "11", "12"]
    assert numbers(mirror.find(night=[night, NIGHT], program=OTHER)) == ["00", "10", "11", "12"]
    assert len(mirror.night(night, limit=1)) == 1


@pytest.mark.parametrize(
    "cone",
    [
        "0.02,5,0.1",
        "0h +5d,6m",
        "359.98,5,0.1",
        "ztf24AAAHXWR,1s",
        (0.00001, 5.0, 0.1),
        (np.float64(0.02), np.float64(5.0), np.float64(0.001)),
        ("ZTF24aaahxwr", 0.1),
        (SkyCoord(0.02, 5.0, unit="deg"), 0.1),
        ((0.02, 5.0), 0.1),
        Cone(0.02, 5.0, 0.1),
        ["10,10,1", (0.02, 5.0, 0.1)],
    ],
)
def test_a_cone_is_given_in_any_way(mirror: Mirror, cone: Any) -> None:  # noqa: ANN401 - any way
    """As text, numbers, a target's name, an astropy position; over right ascension 0."""
    assert numbers(mirror.find(cone=cone)) == ["10", "11", "12"]


@pytest.mark.parametrize("rectangle", ["359,1,4,6", (359, 1, 4, 6), Rectangle(359, 1, 4, 6)])
def test_a_rectangle_is_given_in_any_way(
    mirror: Mirror,
    rectangle: Any,  # noqa: ANN401 - any way
) -> None:
    """Over right ascension 0 as well."""
    assert numbers(mirror.find(rectangle=rectangle)) == ["10", "11", "12"]
    assert numbers(mirror.find(rectangle=[rectangle, (149, 151, 16, 18)], limit=6))[-1] == "10"


@pytest.mark.parametrize(
    ("conditions", "message", "remedy"),
    [
        ({"program": "2020X999"}, "program 2020X999", "2024A000, 2024B000"),
        ({"target": "SN2024wxe"}, "did you mean SN2024wex", "cone"),
        ({"image_type": "stak"}, "did you mean stack", "exposure, raw"),
        ({"instrument": "wirc"}, "not a known instrument", "winter, spring"),
        ({"state": "here"}, "not a known state", "downloaded"),
        ({"cone": (0.0, 91.0, 1.0)}, "not a declination", "150.96,17.82,1"),
        ({"cone": "nothing,1"}, "neither a position nor a target", "10h03m50s"),
        ({"rectangle": "1,2,3"}, "not a rectangle", "146,147,-5,-4"),
        ({"night": "20240230"}, "not a valid date", "20240211"),
        ({"new_since": "soon"}, "not a time", "2024-02-11T05:30"),
        ({"first_night": "20240301", "last_night": "20240201"}, "is after", "Swap"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_remedy(
    mirror: Mirror, conditions: dict[str, Any], message: str, remedy: str
) -> None:
    """Names that are not known, too: an empty answer would be misleading."""
    with pytest.raises(UsageError, match=message) as refused:
        mirror.find(**conditions)
    assert remedy in refused.value.remedy


def test_nothing_found_is_an_answer(mirror: Mirror) -> None:
    """No error, and a table without rows."""
    found = mirror.find(program=OTHER, filter="Hs")
    assert len(found) == len(found.table()) == len(found.paths) == 0
    assert len(found.coordinates) == 0


def test_an_answer_is_an_astropy_table(mirror: Mirror) -> None:
    """Units, times, masked where nothing is known; the path only where there is a file."""
    table = mirror.find().table()
    assert len(table) == 8
    assert table["ra"].unit == table["dec"].unit == u.deg
    assert table["size"].unit == u.byte
    assert table["started_at"][0] == Time("2024-01-31T00:00:00")
    assert list(table["filter"]) == ["J"] * 5 + ["Y"] * 3
    assert list(table["path"].mask) == [False, True, True, False, True, False, False, True]
    assert table["programs"][0] == "2024A000 2024B000"


def test_an_answer_is_a_data_frame(mirror: Mirror) -> None:
    """Numbers, times and nulls are those of pandas."""
    frame = mirror.find().to_pandas()
    assert list(frame["target"]) == ["SN2024wex"] * 5 + ["ZTF24aaahxwr"] * 3
    assert frame["started_at"].dt.year.unique().tolist() == [2024]
    assert frame["path"].isna().tolist() == [False, True, True, False, True, False, False, True]
    assert frame["ra"].max() == 150.0


def test_positions_are_skycoords(mirror: Mirror) -> None:
    """They can be matched and converted."""
    target = SkyCoord(150.0, 17.0, unit="deg")
    assert mirror.night(NIGHT).coordinates.separation(target).max() < 1 * u.arcsec


def test_products_are_streamed(mirror: Mirror) -> None:
    """One at a time, for answers that are larger than the memory."""
    stream = mirror.stream(Question(night=NIGHT))
    assert next(stream).filename == product(0).filename
    assert len(list(stream)) == 4


# --- new products --------------------------------------------------------------------------------


def test_new_products_come_in_the_order_of_arrival(tmp_path: Path, clock: Clock) -> None:
    """Those since the instant, each once, whatever night they are of; then the iteration ends."""
    with closing(Catalog(made(tmp_path), clock)) as catalog:
        arrive(tmp_path, catalog, clock, 5, 3)
        since = clock.time
        for numbers_of_batch in ((4,), (1, 2)):
            arrive(tmp_path, catalog, clock, *numbers_of_batch)
        with Mirror.open(tmp_path) as mirror:
            assert numbers(mirror.new(since)) == ["04", "01", "02"]
            assert numbers(mirror.new(since, target="SN2024*", limit=9)) == ["04", "01", "02"]


def test_following_yields_what_arrives_while_one_waits(tmp_path: Path, clock: Clock) -> None:
    """Each arrival once, even after a clock was set back a little; reprocessed ones again."""
    with closing(Catalog(made(tmp_path), clock)) as catalog:
        arrive(tmp_path, catalog, clock, 0)
        waits: list[float] = []
        arrivals = iter([(1, 2), (), (3,), (4,), (0,)])

        def wait(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 4:
                clock.advance(minutes=-3)
            arrive(tmp_path, catalog, clock, *next(arrivals), content=b"%d" % len(waits))

        with Mirror.open(tmp_path) as mirror:
            products = mirror.new(NOON, follow=True, every=30.0, sleep=wait)
            assert numbers(islice(products, 6)) == ["00", "01", "02", "03", "04", "00"]
        assert waits == [30.0] * 5


def arrive(
    root: Path, catalog: Catalog, clock: Clock, *numbers: int, content: bytes = b"first"
) -> None:
    """Download products together, a minute before the next."""
    for number in numbers:
        one = product(number)
        enter(catalog, [at(one, 150.0, 17.0, "SN2024wex")])
        write(root, one)
        outcome = Published(candidate(one), evidence(one, content))
        catalog.outcomes.commit([outcome], lambda *_: timedelta())
    clock.advance(minutes=1)
