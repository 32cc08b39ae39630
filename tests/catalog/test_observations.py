"""Which images may answer a question of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.answers import at, enter, publish
from support.makers import product

from winter_sync.catalog.observations import ObservationQuery
from winter_sync.core import Facts

if TYPE_CHECKING:
    from winter_sync.catalog import Catalog


def test_a_star_in_a_name_is_a_star(catalog: Catalog) -> None:
    """As SIA2 has it: nobody makes the catalog read the names of all targets."""
    images = [product(number) for number in range(2)]
    enter(catalog, [at(image, 150.0, 17.0) for image in images])
    for image, name in zip(images, ("SN*", "SN1"), strict=True):
        publish(catalog, image, Facts(target=name))
    query = ObservationQuery(image_types=(images[0].image_type,), targets=("sn*",))
    (number,) = catalog.observations.numbers(query, 9)
    (found,) = catalog.searches.found([number])
    assert found.product == images[0]
