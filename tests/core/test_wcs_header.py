"""What of a header may reach wcslib."""

from __future__ import annotations

import pytest
from astropy.io.fits import Header
from hypothesis import given
from hypothesis import strategies as st
from support.headers import wcs_cards

from winter_sync.core.wcs_header import CostlyWcsError, wcs_header

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@given(
    st.lists(
        st.sampled_from(("CRPIX", "CRVAL", "CTYPE", "PV1_", "PC1_", "CD1_", "DP", "CQDIS")).flatmap(
            lambda name: st.builds(
                lambda axis, letter: f"{name}{axis}{letter}"[:8],
                st.integers(10, 999),
                st.sampled_from(LETTERS),
            )
        )
    )
)
def test_only_one_wcs_of_few_axes_passes(keywords: list[str]) -> None:
    """Alternative ones, and axes beyond the ninth, are left out; the primary one is as it was."""
    header = Header({**wcs_cards(), "OBSERVER": "me", **dict.fromkeys(keywords, 1.0)})
    assert dict(wcs_header(header)) == wcs_cards()


@pytest.mark.parametrize(
    "cards",
    [
        {"A_ORDER": 10},
        {"BP_ORDER": -1},
        {"WCSAXES": 10},
        {"CTYPE3": "x" * 200},
        {f"PV{axis}_{number}": 1.0 for axis in (1, 2) for number in range(65)},
    ],
    ids=["order", "negative", "axes", "text", "parameters"],
)
def test_what_would_cost_minutes_or_the_process_is_refused(cards: dict[str, object]) -> None:
    """In words that quote nothing of the header."""
    with pytest.raises(CostlyWcsError, match=r"WCS|SIP"):
        wcs_header(Header({**wcs_cards(), **cards}))
