"""The report of a run, built from the results of its polls and downloads."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from support.makers import candidate, evidence, product

from winter_sync.core.downloads import Failed, Missing, Published, Unchanged
from winter_sync.core.errors import BadAnswerError, ExitCode, TransientError
from winter_sync.sync.quick_check import CheckedFiles
from winter_sync.sync.report import Report
from winter_sync.sync.results import PollResult

if TYPE_CHECKING:
    from winter_sync.core.downloads import Outcome

ONE = candidate(product(0))
EVIDENCE = evidence(ONE.product, b"twelve bytes")
OUTCOMES: tuple[Outcome, ...] = (
    Published(ONE, EVIDENCE),
    Published(ONE, replace(EVIDENCE, kept="a file of a person.1")),
    Unchanged(ONE, EVIDENCE),
    Missing(ONE),
    Failed(ONE, "its CRC is wrong"),
)

batches = st.lists(st.lists(st.sampled_from(OUTCOMES), max_size=6), max_size=6)
polls = st.lists(
    st.tuples(
        st.sampled_from(("2024A000", "2025B001")),
        st.builds(
            PollResult,
            *(st.integers(0, 9),) * 4,
            not_asked=st.none() | st.sampled_from(("not begun", "ended")),
        ),
    ),
    max_size=6,
)


@given(batches)
def test_it_makes_no_difference_in_which_batches_products_arrive(
    outcomes: list[list[Outcome]],
) -> None:
    """Every outcome counts once, whatever travelled together."""
    folded = reduce(Report.with_outcomes, outcomes, Report())
    every = [outcome for batch in outcomes for outcome in batch]
    assert folded == Report().with_outcomes(every)
    counted = folded.published + folded.unchanged + folded.missing + folded.failed
    assert counted == len(every)
    assert folded.size == folded.published * EVIDENCE.size
    assert len(folded.kept) == every.count(OUTCOMES[1])


@given(polls)
def test_every_poll_counts(results: list[tuple[str, PollResult]]) -> None:
    """Numbers add up, and the last reason why a program was not asked is kept."""
    report = reduce(lambda sofar, poll: sofar.with_poll(*poll), results, Report())
    for name in ("queries", "listed", "new", "changed"):
        assert getattr(report, name) == sum(getattr(result, name) for _, result in results)
    assert report.not_asked == {
        program: result.not_asked for program, result in results if result.not_asked is not None
    }


def test_the_gravest_error_decides_the_exit_code() -> None:
    """Whatever else went wrong, in whatever order; a run that asked nothing did nothing."""
    asked = Report().with_poll("2024A000", PollResult(queries=1))
    assert asked.exit_code is ExitCode.DONE
    assert replace(asked, left=1).exit_code is ExitCode.INCOMPLETE
    unwell, bad = TransientError("it is away"), BadAnswerError("no list")
    assert asked.with_error(bad).with_error(unwell).errors == (bad, unwell)
    assert replace(asked, left=1).with_error(unwell).exit_code is ExitCode.SERVER_FAILING
    assert Report().exit_code is ExitCode.USAGE


def test_what_was_found_of_the_files_is_reported() -> None:
    """Deleted, deleted and no longer listed, and changed files, beside whatever else was done."""
    asked = Report().with_poll("2024A000", PollResult(queries=1))
    found = asked.with_files(CheckedFiles(lost=1, unlisted=2, changed=3))
    assert found == replace(asked, lost=1, unlisted=2, altered=3)
