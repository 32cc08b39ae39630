"""The sums over the sky: whatever is recorded and replaced, they are those of what is recorded."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from catalog.test_files import listed, publish
from hypothesis import given, settings
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
            (held,) = catalog.facts.due(9)
            assert catalog.facts.record([(held, facts)]) == 1
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
    """As many as are asked for, none that is damaged or does not touch, and whether that is all."""
    images = [product(number) for number in range(5)]
    listed(catalog, *images)
    for number, image in enumerate(images):
        publish(catalog, image, b"%d" % number)
        (held,) = catalog.facts.due(9)
        where = square(150.0 if number < 4 else 152.0, 17.0)
        catalog.facts.record([(held, Facts(ra=150.0, dec=17.0, footprints=(where,)))])
    area = area_of(Cone(150.0, 17.0, 0.5))
    all_of_it = catalog.sky.images_in(area, limit=4)
    assert [found.product for found, _ in all_of_it.images] == images[:4]
    assert all_of_it.is_all
    some = catalog.sky.images_in(area, limit=3)
    assert [found.product for found, _ in some.images] == images[1:4]
    assert not some.is_all
