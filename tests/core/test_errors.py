"""Exit codes: one table, from which precedence, help and documentation follow."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winter_sync.core.errors import EXIT_CODES, ExitCode, describe_exit_codes, gravest

PAGE = Path(__file__).parents[2] / "docs" / "commands-at-a-glance.md"
codes = st.lists(st.sampled_from(ExitCode))


def test_the_table_has_every_code_once() -> None:
    """Each code has a meaning of its own, and no two are equally grave."""
    assert list(EXIT_CODES) == list(ExitCode)
    assert len({told.meaning for told in EXIT_CODES.values()}) == len(ExitCode)
    assert len({told.gravity for told in EXIT_CODES.values()}) == len(ExitCode)


@given(codes)
def test_a_fault_never_counts_as_done(found: list[ExitCode]) -> None:
    """Several codes make one of them; it is done only where nothing else happened."""
    told = gravest(found)
    assert told in {*found, ExitCode.DONE}
    assert (told is ExitCode.DONE) == (set(found) <= {ExitCode.DONE})


@given(codes, codes)
def test_the_gravest_does_not_depend_on_order_or_company(
    some: list[ExitCode], others: list[ExitCode]
) -> None:
    """The gravest of all is the gravest of the gravest."""
    assert gravest(some + others) is gravest(others + some)
    assert gravest(some + others) is gravest([gravest(some), gravest(others)])


@given(codes)
def test_a_code_that_the_table_lacks_is_an_error(found: list[ExitCode]) -> None:
    """A new code without a meaning cannot pass for another one."""
    with pytest.raises(KeyError):
        gravest([*found, cast("ExitCode", 7)])


def test_the_documentation_says_the_codes_of_the_table() -> None:
    """The sentence of the page on commands is the table's, word for word."""
    words = " ".join(PAGE.read_text().split())
    assert f"Exit codes: {describe_exit_codes(' · ')}." in words
