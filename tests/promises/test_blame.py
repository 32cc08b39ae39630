"""Products requested alone, to tell a dead server from products that cannot be downloaded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from winter_sync.core.downloads import Candidate
from winter_sync.core.marks import Marks
from winter_sync.core.products import Night, Product
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.sync.batching import choose_alone

KINDS = st.tuples(
    st.sampled_from(("2024A000", "2025B001")),
    st.sampled_from(tuple(Instrument)),
    st.sampled_from(tuple(ImageType)),
)


def candidate(kind: tuple[str, Instrument, ImageType], number: int) -> Candidate:
    """Return a candidate of a program, camera and type."""
    program, instrument, image_type = kind
    directory = image_type.for_camera(instrument).directory
    savepath = f"/data/loki/data/{instrument}/20251023/{directory}/{number}.fits"
    product = Product(instrument, savepath, image_type, Night("20251023"))
    return Candidate(product, program, savepath, attempts=0, marks=Marks(), expected_size=1)


@given(st.lists(KINDS, max_size=12), st.sets(KINDS, max_size=4))
def test_something_else_is_tried_if_there_is_something_else(
    kinds: list[tuple[str, Instrument, ImageType]],
    doubtful: set[tuple[str, Instrument, ImageType]],
) -> None:
    """One product: the first of a kind that is not in doubt, else the first of all."""
    candidates = [candidate(kind, number) for number, kind in enumerate(kinds)]
    undoubted = [
        queued for queued, kind in zip(candidates, kinds, strict=True) if kind not in doubtful
    ]
    assert choose_alone(candidates, doubtful) == tuple((undoubted or candidates)[:1])
