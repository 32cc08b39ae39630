"""Visits: whether all exposures of a dither set came, and the raw images of all boards."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some
from support.makers import product

from winter_sync.core.datasets import Dataset
from winter_sync.core.facts import Facts
from winter_sync.core.traits import ImageType
from winter_sync.science import visits


def image(
    number: int,
    dither: int | None,
    *,
    board: int | None = None,
    target: str = "SN2024wex",
    dithers: int | None = 8,
) -> Dataset:
    """Return an exposure, or the raw image of a board, begun that many minutes after midnight."""
    facts = Facts(dither=dither, dithers=dithers, board=board)
    kind = ImageType.EXPOSURE if board is None else ImageType.RAW
    return Dataset(
        product(number * 60, kind),
        "downloaded",
        programs=("2024A000",),
        target=target,
        filter="J",
        facts=facts,
    )


def test_a_visit_says_which_dithers_and_boards_were_seen() -> None:
    """Sets of one target one after the other are two visits; raws add boards, not exposures."""
    first = [image(number, number + 1) for number in range(5)]
    raws = [image(n, n + 1, board=board) for n in range(5) for board in range(1, 7)]
    raws.remove(image(2, 3, board=4))
    second = [image(5 + number, number + 1) for number in range(8)]
    other = [image(20, 1, target="M31", dithers=1)]
    found = visits([*second, *raws, *other, *first])
    assert [visit.says for visit in found] == [
        "5 of 8 dithers, boards 1-6, board 4 lacking in 1 of 5",
        "8 of 8 dithers",
        "1 of 1 dithers",
    ]
    assert [visit.has_all_dithers for visit in found] == [False, True, True]


def test_what_no_header_says_is_not_claimed() -> None:
    """Exposures that are not here yet have no headers: how many there should be is not known."""
    (visit,) = visits([image(0, None, dithers=None), image(1, None, dithers=None)])
    assert visit.says == "2 exposures, how many of the set is not known"
    assert visit.has_all_dithers is None
    raws = [image(0, 1, board=board) for board in (1, 2)]
    (some_raws,) = visits([image(0, 1), image(1, 2), *raws])
    assert some_raws.says == "2 of 8 dithers, boards 1-2 of 1 of 2 exposures"
    (boards,) = visits([image(0, 1, board=board) for board in (1, 2, 3, 5)])
    assert boards.says == "1 of 8 dithers, boards 1-3 5"


@given(
    some.lists(
        some.tuples(some.none() | some.integers(1, 8), some.none() | some.integers(0, 6)),
        max_size=12,
    )
)
def test_no_dither_is_claimed_that_was_not_seen(seen: list[tuple[int | None, int | None]]) -> None:
    """A set is complete only by its headers; each exposure is in one visit."""
    images = [image(number, dither, board=board) for number, (dither, board) in enumerate(seen)]
    found = visits(images)
    assert sum(visit.exposures for visit in found) == len(images)
    numbers = {dither for dither, _ in seen}
    assert not any(visit.has_all_dithers for visit in found) or numbers >= set(range(1, 9))
