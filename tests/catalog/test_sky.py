"""The sums over the sky: whatever is recorded and replaced, they are those of what is recorded."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from catalog.test_files import changed, held, listed, publish
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.answers import square
from support.clock import Clock
from support.makers import NIGHT, product

from winter_sync.catalog.catalog import Catalog
from winter_sync.core import Cone, Facts, ImageType, area_of, bounds_of_cell, sky_cell

if TYPE_CHECKING:
    import pytest

PRODUCTS = [
    replace(product(number, kind), night=NIGHT.plus(number % 2))
    for number, kind in enumerate([ImageType.STACK, ImageType.STACK, ImageType.RAW, ImageType.AVRO])
]
FACTS = st.builds(
    Facts,
    target=st.sampled_from([None, "SN1", "sn1", "M31"]),
    filter=st.sampled_from([None, "J", "Y", "dark"]),
    limiting_magnitude=st.sampled_from([None, 18.0, 19.5]),
    ra=st.sampled_from([None, 10.0, 359.9]),
    dec=st.sampled_from([None, -90.0, 10.0]),
)


@given(st.floats(0, 359.999999), st.floats(-90, 90))
def test_every_position_is_in_its_cell(ra: float, dec: float) -> None:
    """Also at the poles and where right ascension begins."""
    west, east, south, north = bounds_of_cell(sky_cell(ra, dec))
    assert west - 1e-9 <= ra <= east + 1e-9
    assert south - 1e-9 <= dec <= north + 1e-9


def sums(catalog: Catalog) -> list[tuple[object, ...]]:
    """Read the sums, but for the place of an example."""
    return list(
        catalog.connection.tuples(
            "SELECT target, filter, cell, images, deepest, last_night FROM sky_fields"
            " ORDER BY 1, 2, 3"
        )
    )


def expected(recorded: dict[int, Facts]) -> list[tuple[object, ...]]:
    """Sum up facts by themselves."""
    groups: dict[tuple[str, str, int], list[tuple[int, Facts]]] = {}
    for number, facts in recorded.items():
        if facts.ra is None or facts.dec is None or facts.filter == "dark":
            continue
        if PRODUCTS[number].image_type is not ImageType.AVRO:
            key = facts.target or "", facts.filter or "", sky_cell(facts.ra, facts.dec)
            groups.setdefault(key, []).append((number, facts))
    return [
        (
            *key,
            len(group),
            max((f.limiting_magnitude for _, f in group if f.limiting_magnitude), default=None),
            max(PRODUCTS[number].night.name for number, _ in group),
        )
        for key, group in sorted(groups.items())
    ]


def shown(depth: float | None, **other: object) -> Facts:
    """Return facts of an image of one target, filter and place, unless others are given."""
    given = {"target": "SN1", "filter": "J", "ra": 10.0, "dec": 10.0, **other}
    return Facts(limiting_magnitude=depth, **given)  # type: ignore[arg-type]


@example([(0, shown(19.5)), (1, shown(18.0)), (2, shown(None)), (0, shown(None))])
@example([(0, shown(19.5)), (1, shown(18.0)), (1, shown(18.0, filter="Y"))])
@example([(0, shown(19.5)), (1, shown(18.0)), (0, shown(18.0)), (1, shown(19.5))])
@example([(0, shown(19.5)), (1, shown(18.0, filter="dark")), (2, shown(18.0, target="sn1"))])
@settings(max_examples=6)
@given(st.lists(st.tuples(st.integers(0, 3), FACTS), min_size=3, max_size=10))
def test_the_sums_are_those_of_the_facts(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, Facts]]
) -> None:
    """After each content of each product, and the same as the migration makes of them."""
    path = tmp_path_factory.mktemp("sky") / "catalog.sqlite3"
    with closing(Catalog(path, Clock())) as catalog:
        listed(catalog, *PRODUCTS)
        recorded: dict[int, Facts] = {}
        for step, (number, facts) in enumerate(changes):
            publish(catalog, PRODUCTS[number], b"%d" % step)
            (due,) = catalog.facts.due(9)
            assert catalog.facts.record([(due, facts)]) == 1
            recorded[number] = facts
            assert sums(catalog) == expected(recorded)
        kept = sums(catalog)
        catalog.connection.execute("DROP TABLE sky_fields", {})
        catalog.connection.execute(
            "DELETE FROM _sqlite_migrations WHERE name = 'sum_up_the_sky'", {}
        )
    with closing(Catalog(path, Clock())) as catalog:
        assert sums(catalog) == kept


def test_images_of_an_area_are_those_read_last(catalog: Catalog) -> None:
    """As many as are asked for, none that is damaged or does not touch, and whether that is all.

    Nor one whose header was read before its content was replaced.
    """
    images = [product(number) for number in range(8)]
    listed(catalog, *images)
    places = {4: (152.0, 17.0), 5: (150.7, 17.7)}
    for number, image in enumerate(images):
        publish(catalog, image, b"%d" % number)
        (due,) = catalog.facts.due(9)
        where = square(*places.get(number, (150.0, 17.0)))
        catalog.facts.record([(due, Facts(ra=150.0, dec=17.0, footprints=(where,)))])
    catalog.checks.record([changed(held(catalog, images[6]))])
    publish(catalog, images[7], b"another")
    area = area_of(Cone(150.0, 17.0, 0.5))
    all_of_it = catalog.sky.images_in(area, limit=4)
    assert [found.product for found, _ in all_of_it.images] == images[:4]
    assert all_of_it.is_all
    some = catalog.sky.images_in(area, limit=3)
    assert [found.product for found, _ in some.images] == images[1:4]
    assert not some.is_all


def test_an_area_with_more_images_than_are_read_is_not_shown_whole(catalog: Catalog) -> None:
    """Although all that were read and are asked for are shown."""
    images = [product(number) for number in range(9)]
    listed(catalog, *images)
    for number, image in enumerate(images):
        publish(catalog, image, b"%d" % number)
        (due,) = catalog.facts.due(9)
        facts = Facts(filter="J" if number == 8 else "Y", footprints=(square(150.0, 17.0),))
        catalog.facts.record([(due, facts)])
    area = area_of(Cone(150.0, 17.0, 0.5))
    (found,) = (some := catalog.sky.images_in(area, limit=1, filter_name="J")).images
    assert (found[0].product, some.is_all) == (images[8], False)
