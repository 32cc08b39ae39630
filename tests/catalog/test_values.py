"""Columns: the words that the catalog knows regions by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from winter_sync.catalog.values import region_name
from winter_sync.core.queries import Cone, Rectangle, Target

if TYPE_CHECKING:
    from winter_sync.core.queries import Region

degrees = st.floats(0, 90, allow_nan=False)
regions = st.one_of(
    st.none(),
    st.builds(Target, st.text(max_size=30)),
    st.builds(Cone, degrees, degrees, degrees),
    st.builds(Rectangle, degrees, degrees, degrees, degrees),
)


@given(regions, regions)
def test_two_regions_never_have_one_name(one: Region | None, other: Region | None) -> None:
    """The names of two regions are the same only where the regions are."""
    assert (region_name(one) == region_name(other)) == (one == other)


def test_near_regions_have_names_of_their_own() -> None:
    """Two cones that differ in the seventh digit are two."""
    assert region_name(Cone(123.4567, 0.0)) != region_name(Cone(123.45671, 0.0))
