"""Which images show a position: those that a look at each footprint finds, and no others."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from core.test_sphere import HEIGHT, WIDTH, tangential
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.answers import at, damage, enter, miss, publish, square, withdraw
from support.clock import Clock
from support.makers import candidate, evidence, product

from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.coverage_records import Images, Unseen
from winter_sync.core.downloads import Published
from winter_sync.core.facts import Facts
from winter_sync.core.sphere import Footprint, Position, position_of, unit_vector
from winter_sync.core.traits import ImageType, Instrument

if TYPE_CHECKING:
    from pathlib import Path

    from winter_sync.core.products import Product

HERE = (150.0, 17.0)
TIME = datetime(2024, 1, 31, 6, 14, tzinfo=UTC)
POLES = [(0.0, 90.0), (123.0, -90.0), (10.0, 89.9), (250.0, -89.95)]
ZERO = [(0.0, 0.0), (359.99, 40.0), (0.01, -3.0)]


@st.composite
def positions(draw: st.DrawFn) -> Position:
    """Draw a position, often one near a pole or right ascension 0, often near another one."""
    ra, dec = draw(
        st.one_of(
            st.sampled_from([*POLES, *ZERO, HERE]),
            st.tuples(st.floats(0, 360, exclude_max=True), st.floats(-90, 90)),
        )
    )
    x, y, z = unit_vector((ra, dec))
    step = st.floats(-0.01, 0.01)
    return position_of((x + draw(step), y + draw(step), z + draw(step)))


@st.composite
def footprints(draw: st.DrawFn) -> Footprint:
    """Draw the footprint of a rotated image, a tenth of a degree to a few degrees wide."""
    wcs = tangential(draw(positions()), draw(st.floats(1e-4, 2e-3)), draw(st.floats(0, 360)))
    corners = wcs.calc_footprint(axes=(WIDTH, HEIGHT))
    return Footprint(tuple((float(ra), float(dec)) for ra, dec in corners))


def shown(catalog: Catalog, position: Position, images: Images | None = None) -> list[Product]:
    """Return the products that show a position."""
    found = catalog.coverage.showing(position, images or Images())
    return [image.found.product for image in found]


@given(st.lists(footprints(), min_size=1, max_size=12), st.lists(positions(), max_size=6))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_index_finds_what_a_look_at_each_footprint_finds(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[Footprint], places: list[Position]
) -> None:
    """At the poles and over right ascension 0 too, for the middle of each and for other places."""
    path = tmp_path_factory.mktemp("catalog") / "catalog.sqlite3"
    products = [product(number) for number in range(len(drawn))]
    with closing(Catalog(path, Clock())) as catalog:
        enter(catalog, (at(one, 10.0, 10.0) for one in products))
        for one, footprint in zip(products, drawn, strict=True):
            publish(catalog, one, Facts(footprints=(footprint,)))
        for position in [*places, *(footprint.center for footprint in drawn)]:
            judge = {
                one
                for one, footprint in zip(products, drawn, strict=True)
                if footprint.contains(position)
            }
            assert set(shown(catalog, position)) == judge


def facts(**more: object) -> Facts:
    """Return facts of an image around the place."""
    return replace(Facts(started_at=TIME, footprints=(square(*HERE),)), **more)  # type: ignore[arg-type] # given by name


def test_an_image_has_what_is_known_of_it(catalog: Catalog) -> None:
    """Its product, the facts of its header, the extension that shows the place, its digest."""
    one = product(0, ImageType.EXPOSURE)
    enter(catalog, [at(one, *HERE, "SN2024wex")])
    board = replace(square(*HERE), extension=4)
    publish(catalog, one, facts(filter="J", seeing=1.5, footprints=(square(10, 10), board)))
    (image,) = catalog.coverage.showing(HERE, Images())
    assert (image.found.product, image.found.seeing, image.found.filter) == (one, 1.5, "J")
    assert image.footprint == board
    assert image.sha256 == evidence(one, one.savepath.encode()).sha256


def test_only_files_that_are_here_are_found(catalog: Catalog) -> None:
    """Not those that are damaged, nor those whose facts are of an earlier content."""
    here, damaged, remade, gone = (product(number) for number in range(4))
    enter(catalog, (at(one, *HERE) for one in (here, damaged, remade, gone)))
    damaged_first = (damaged, None), (here, facts()), (remade, facts()), (gone, facts())
    for one, what in damaged_first:
        publish(catalog, one, what)
    damage(catalog, damaged)
    proof = evidence(remade, b"remade")
    catalog.outcomes.commit([Published(candidate(remade), proof)], lambda *_: timedelta())
    withdraw(catalog, gone)
    assert shown(catalog, HERE) == [here, gone]


def test_a_damaged_file_is_not_found_though_its_facts_are_known(catalog: Catalog) -> None:
    """What stands in its header may be wrong by now, and it cannot be opened."""
    one = product(0)
    enter(catalog, [at(one, *HERE)])
    publish(catalog, one)
    (held,) = catalog.facts.due(10)
    damage(catalog, one)
    catalog.facts.record([(held, facts())])
    assert shown(catalog, HERE) == []
    assert catalog.coverage.unseen(HERE, 1.0, Images()).damaged == 1


def test_images_are_asked_for_by_type_camera_filter_and_time(catalog: Catalog) -> None:
    """Filters in upper or lower case, and where the header has none by the archive's number."""
    early, late, numbered = product(0), product(1), product(2)
    diff, spring = product(3, ImageType.DIFF), product(4, instrument=Instrument.SPRING)
    everything = [early, numbered, diff, spring, late]
    enter(catalog, (at(one, *HERE, fid=1) for one in everything))
    names = {early: "J", late: "Hs"}
    for day, one in enumerate(everything):
        started = TIME + timedelta(days=day)
        publish(catalog, one, facts(started_at=started, filter=names.get(one)))
    assert shown(catalog, HERE) == everything
    assert shown(catalog, HERE, Images(image_types=(ImageType.DIFF,))) == [diff]
    assert shown(catalog, HERE, Images(instruments=(Instrument.SPRING,))) == [spring]
    assert shown(catalog, HERE, Images(filters=("j",))) == [early]
    assert shown(catalog, HERE, Images(filters=("Y", "hs"))) == [numbered, diff, spring, late]
    assert shown(catalog, HERE, Images(since=TIME + timedelta(hours=1))) == everything[1:]
    assert shown(catalog, (10.0, 10.0)) == []


def test_what_nobody_knows_of_a_place_is_counted(catalog: Catalog) -> None:
    """By reason: not downloaded, missing, damaged, header not read, no footprint."""
    ones = [product(number) for number in range(9)]
    far, pending, missing, damaged, unread, bare, known, withdrawn, listed_only = ones
    science, alert = product(20, ImageType.SCIENCE), product(21, ImageType.AVRO)
    near = [one for one in (*ones, science, alert) if one is not far]
    enter(catalog, [at(far, 153.0, 17.0), *(at(one, 150.9, 17.2) for one in near)])
    publish(catalog, damaged)
    damage(catalog, damaged)
    for one, what in ((bare, Facts()), (known, Facts(footprints=(square(10, 10),))), (alert, None)):
        publish(catalog, one, what)
    publish(catalog, unread)
    for one in (missing, science):
        miss(catalog, one)
    withdraw(catalog, withdrawn)
    assert catalog.coverage.showing(HERE, Images()) == []
    assert catalog.coverage.unseen(HERE, 1.0, Images()) == Unseen(
        listed=8, pending=2, missing=1, damaged=1, unread=1, without_footprint=1, not_kept=1
    )
    assert {pending, listed_only} < set(near)
    stacks = Images(image_types=(ImageType.DIFF,))
    assert catalog.coverage.unseen(HERE, 1.0, stacks) == Unseen()


@pytest.mark.parametrize("place", [*POLES, *ZERO])
def test_what_nobody_knows_is_counted_at_the_poles_and_over_right_ascension_0(
    catalog: Catalog, place: Position, path: Path
) -> None:
    """Everything within the radius, and nothing further away."""
    assert path.exists()
    x, y, z = unit_vector(place)
    near = position_of((x + 0.004, y - 0.004, z + 0.004))
    far = position_of((x + 0.03, y - 0.03, z + 0.03))
    enter(catalog, [at(product(0), *near), at(product(1), *far), at(product(2), *place)])
    assert catalog.coverage.unseen(place, 1.0, Images()).pending == 2
