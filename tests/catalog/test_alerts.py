"""Alerts in the catalog: replaced with the content of their file, found by object, time and sky."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING

import pytest
from catalog.test_facts import table
from catalog.test_files import listed, publish
from hypothesis import given, settings
from hypothesis import strategies as st
from support.catalogs import poll
from support.makers import NIGHT, PROGRAM, product

from winter_sync.catalog import AlertQuery, Catalog
from winter_sync.core.alerts import Alert, AlertFile, instant_of_jd
from winter_sync.core.clocks import utc_now
from winter_sync.core.facts import Facts
from winter_sync.core.queries import Cone
from winter_sync.core.sphere import separation
from winter_sync.core.traits import ImageType

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from winter_sync.catalog import FoundAlert
    from winter_sync.catalog.records import Held
    from winter_sync.core.products import Product

JD = 2460367.125
EVERYTHING = AlertQuery()


def avro(number: int = 0) -> Product:
    """Return a product of alerts."""
    return product(number, ImageType.AVRO)


def alert(number: int = 0, **values: object) -> Alert:
    """Return an alert."""
    given = {
        "objectid": f"WNTR24aaaa{number}",
        "candid": number,
        "jd": JD + number,
        "ra": 10.0 * number,
        "dec": 1.0 * number,
        "fid": 2,
        "magpsf": 17.5,
        "rb": 0.25,
        **values,
    }
    return Alert(**given)  # type: ignore[arg-type] # each of the field's type


def due(catalog: Catalog, one: Product) -> Held:
    """Return a product whose alerts are to be read."""
    (held,) = (each for each in catalog.facts.due(99) if each.product == one)
    return held


def record(catalog: Catalog, one: Product, alerts: Sequence[Alert], content: bytes = b"x") -> Held:
    """Publish a content of a product, and record its alerts."""
    publish(catalog, one, content)
    held = due(catalog, one)
    assert catalog.alerts.record([(held, AlertFile(tuple(alerts), Facts(filter="J")))]) == 1
    return held


def candids(found: Iterable[FoundAlert]) -> list[int | None]:
    """Return which alerts were found."""
    return [each.alert.candid for each in found]


@pytest.fixture
def files(catalog: Catalog) -> Catalog:
    """Return a catalog that lists three files of alerts."""
    listed(catalog, *(avro(number) for number in range(3)))
    return catalog


def test_alerts_are_found_with_the_file_that_they_are_in(files: Catalog) -> None:
    """Each with all that its record says, its place in the file, and the path of the file."""
    whole = alert(
        1,
        sigmapsf=0.5,
        diffmaglim=19.0,
        isdiffpos=False,
        scorr=7.0,
        fwhm=3.0,
        exptime=960.0,
        magap=18.0,
        sigmagap=0.5,
        ndethist=2,
        boardid=4,
        fieldid=7,
        progname=PROGRAM,
        ztfname="ZTF24a",
        distztf=0.5,
        sgscore1=0.5,
        distpsnr1=2.0,
        ssnamenr="Ceres",
        deprecated=True,
    )
    held = record(files, avro(), [alert(0), Alert(), whole])
    first, second = files.alerts.find(EVERYTHING)
    assert (first.alert, first.number) == (alert(0), 0)
    assert (second.alert, second.number) == (whole, 2)
    assert (second.product, second.path) == (avro(), held.path)


def test_a_file_whose_alerts_were_read_is_not_due_again(files: Catalog, path: Path) -> None:
    """Not even one without alerts; its facts are recorded like those of an image."""
    record(files, avro(), [])
    assert files.facts.count_due() == 0
    (facts,) = table(path, "facts")
    assert facts["filter"] == "J"


def test_alerts_of_a_new_content_replace_the_old(files: Catalog, path: Path) -> None:
    """A reprocessed file leaves no alert, and no point on the sky, of its earlier content."""
    record(files, avro(0), [alert(0), alert(1)])
    record(files, avro(1), [alert(2)])
    record(files, avro(0), [alert(3)], b"remade")
    assert candids(files.alerts.find(EVERYTHING)) == [2, 3]
    ids = {row["id"] for row in table(path, "alerts")}
    assert ids == {row["id"] for row in table(path, "alert_index")}
    assert len(ids) == 2


def test_alerts_of_a_content_that_was_replaced_meanwhile_are_dropped(files: Catalog) -> None:
    """Whoever read the old file is late: the alerts of the new one stay due."""
    publish(files, avro(), b"old")
    held = due(files, avro())
    publish(files, avro(), b"new")
    assert files.alerts.record([(held, AlertFile((alert(),), Facts()))]) == 0
    assert list(files.alerts.find(EVERYTHING)) == []
    assert files.facts.count_due() == 1


def test_an_alert_that_two_files_have_counts_once(files: Catalog) -> None:
    """From the file that is listed; among several of those, from the one that was read last."""
    record(files, avro(0), [alert(5, rb=0.1)])
    record(files, avro(1), [alert(5, rb=0.2), alert(6, objectid=None), alert(6, objectid=None)])
    assert [each.alert.rb for each in files.alerts.find(AlertQuery(objectid="WNTR24aaaa5"))] == [
        0.2
    ]
    assert candids(files.alerts.find(EVERYTHING)) == [5, 6, 6]
    poll(files, [avro(0)], withdrawn=[avro(1)])
    assert [each.alert.rb for each in files.alerts.find(AlertQuery(objectid="WNTR24aaaa5"))] == [
        0.1
    ]


def test_alerts_are_found_by_object_time_score_night_and_program(files: Catalog) -> None:
    """All conditions hold at once; a limit keeps the newest; the oldest comes first."""
    record(files, avro(0), [alert(number, rb=number / 10) for number in range(4)])
    record(files, avro(1), [alert(4, objectid="WNTR24aaaa1"), alert(5, rb=None, jd=None)])

    def find(**conditions: object) -> list[int | None]:
        return candids(files.alerts.find(AlertQuery(**conditions)))  # type: ignore[arg-type]

    assert find(objectid="WNTR24aaaa1") == [1, 4]
    assert find(since=instant_of_jd(JD + 2)) == [2, 3, 4]
    assert find(until=instant_of_jd(JD + 2)) == [0, 1]
    assert find(since=instant_of_jd(JD + 1), until=instant_of_jd(JD + 2)) == [1]
    assert find(min_rb=0.2) == [2, 3, 4]
    assert find(min_rb=0.2, objectid="WNTR24aaaa1") == [4]
    assert find(limit=2) == [3, 4]
    assert find(nights=(NIGHT,)) == [5, 0, 1, 2, 3, 4]
    assert find(nights=(NIGHT.plus(1),)) == []
    assert find(programs=(PROGRAM,), targets=("sn2024*", "x"), min_rb=0.3) == [3]
    assert find(programs=("2025B000",)) == []
    assert find(targets=("M31",)) == []
    assert find(cone=Cone(10.0, 1.0, 11.0), targets=("sn2024*", "x")) == [0, 1, 2]
    assert find(cone=Cone(10.0, 1.0, 11.0), limit=1) == [2]
    assert find(cone=Cone(20.0, 2.0, 0.1), objectid="WNTR24aaaa1") == []


POSITIONS = st.tuples(st.floats(0, 360, exclude_max=True), st.floats(-90, 90))


@st.composite
def skies(draw: st.DrawFn) -> tuple[list[tuple[float, float]], Cone]:
    """Draw positions, many of them near a cone's edge, also at the poles and over RA 0."""
    ra, dec = draw(POSITIONS | st.sampled_from([(0.0, 0.0), (0.0, 90.0), (180.0, -90.0)]))
    radius = draw(st.floats(1e-4, 90.0) | st.just(1e-3))
    near = st.tuples(st.floats(-2, 2), st.floats(-2, 2)).map(
        lambda offset: (
            (ra + offset[0] * radius) % 360.0 % 360.0,
            max(-90.0, min(90.0, dec + offset[1] * radius)),
        )
    )
    return draw(st.lists(POSITIONS | near, max_size=20)), Cone(ra, dec, radius)


_names = count()


@settings(deadline=timedelta(seconds=2))
@given(skies())
def test_a_cone_finds_exactly_what_is_in_it(
    tmp_path_factory: pytest.TempPathFactory, sky: tuple[list[tuple[float, float]], Cone]
) -> None:
    """Anywhere on the sky: what a look at every alert finds, with its separation."""
    positions, cone = sky
    middle = (cone.ra, cone.dec)
    catalog = Catalog(tmp_path_factory.getbasetemp() / f"{next(_names)}.sqlite3", utc_now)
    catalog.connection.sqlite.execute("PRAGMA synchronous=OFF")
    try:
        listed(catalog, avro())
        record(catalog, avro(), [alert(n, ra=p[0], dec=p[1]) for n, p in enumerate(positions)])
        found = list(catalog.alerts.find(AlertQuery(cone=cone)))
    finally:
        catalog.close()
    distances = [separation(middle, position) for position in positions]
    assert candids(found) == [n for n, each in enumerate(distances) if each <= cone.radius]
    assert all(each.separation == distances[each.number] for each in found)


def test_an_alert_without_a_position_is_found_by_its_object(files: Catalog) -> None:
    """A schema that changed costs what it costs, and no more."""
    record(files, avro(), [alert(1, ra=None, dec=None)])
    assert candids(files.alerts.find(AlertQuery(objectid="WNTR24aaaa1"))) == [1]
    assert list(files.alerts.find(AlertQuery(cone=Cone(0.0, 0.0, 90.0)))) == []


@settings(deadline=timedelta(seconds=2))
@given(st.floats(2_459_000, 2_462_000))
def test_the_time_of_an_alert_finds_it(tmp_path_factory: pytest.TempPathFactory, jd: float) -> None:
    """A Julian date is no exact number of milliseconds, and times are shown in milliseconds."""
    catalog = Catalog(tmp_path_factory.getbasetemp() / f"{next(_names)}.sqlite3", utc_now)
    catalog.connection.sqlite.execute("PRAGMA synchronous=OFF")
    try:
        listed(catalog, avro())
        record(catalog, avro(), [alert(1, jd=jd)])
        (found,) = catalog.alerts.find(EVERYTHING)
        assert found.alert.time is not None
        assert list(catalog.alerts.find(AlertQuery(since=found.alert.time))) == [found]
        assert list(catalog.alerts.find(AlertQuery(until=found.alert.time))) == []
    finally:
        catalog.close()
