"""Products of the mirror in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.answers import at
from support.makers import fits, path_of, product

from winter_sync.api import MirrorProduct, Products, listed_row
from winter_sync.catalog import FoundProduct, UserState
from winter_sync.core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def found(number: int = 0, state: UserState = UserState.DOWNLOADED) -> FoundProduct:
    """Return what the catalog says of a product of which nothing but its state is special."""
    return FoundProduct(
        product=product(number),
        state=state,
        path=path_of(product(number)),
        has_file=state is UserState.DOWNLOADED,
        size=5760,
        programs=("2024A000",),
        started_at=None,
        target="SN2024wex",
        ra=326.1,
        dec=50.8,
        filter="Y",
        exposure_time=None,
        seeing=None,
        limiting_magnitude=None,
        downloaded_at=None,
    )


def test_products_are_a_sequence(tmp_path: Path) -> None:
    """Counted, indexed, sliced and iterated; a slice has paths as well."""
    some = Products(MirrorProduct(found(number), tmp_path) for number in range(5))
    assert len(some) == 5
    assert some[1].path == tmp_path / path_of(product(1))
    assert [entry.filename for entry in some[1:3]] == [product(1).filename, product(2).filename]
    assert some[3:].paths == [tmp_path / path_of(product(number)) for number in (3, 4)]
    assert repr(some) == "<5 products, 5 on this machine>"


def test_only_files_that_are_here_have_paths(tmp_path: Path) -> None:
    """What is pending cannot be opened by another program."""
    some = Products(
        MirrorProduct(found(number, state), tmp_path) for number, state in enumerate(UserState)
    )
    assert some.paths == [entry.path for entry in some if entry.state == "downloaded"]


def test_a_product_is_opened_with_astropy(tmp_path: Path) -> None:
    """From wherever the root is."""
    one = MirrorProduct(found(), tmp_path)
    one.path.parent.mkdir(parents=True)
    one.path.write_bytes(fits())
    with one.open() as hdus:
        assert hdus[0].header["BITPIX"] == 8


@pytest.mark.parametrize(
    ("state", "remedy"),
    [(UserState.PENDING, "winter-sync sync"), (UserState.DAMAGED, "winter-sync verify --repair")],
)
def test_what_is_not_here_is_not_opened(tmp_path: Path, state: UserState, remedy: str) -> None:
    """The error has a command that fetches it."""
    with pytest.raises(UsageError, match=f"is not on this machine: {state}") as refused:
        MirrorProduct(found(state=state), tmp_path).open()
    assert remedy in refused.value.remedy


def test_a_file_deleted_by_hand_is_not_opened(tmp_path: Path) -> None:
    """The catalog does not know yet; the error has a command that fetches it again."""
    with pytest.raises(UsageError, match="was removed after it was downloaded") as refused:
        MirrorProduct(found(), tmp_path).open()
    assert "winter-sync verify --repair" in refused.value.remedy


def test_what_is_listed_says_what_is_known_here_too(tmp_path: Path) -> None:
    """What the listing leaves open, as a filter without a number, is known by the header."""
    listed = at(product(), 326.2, 50.8, target=None, fid=99)
    row = listed_row(listed, MirrorProduct(found(), tmp_path))
    assert (row["filter"], row["target"], row["ra"]) == ("Y", "SN2024wex", 326.2)
    assert listed_row(listed, None)["filter"] is None
