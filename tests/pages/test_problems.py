"""What is wrong is said once, with what to do about it; what mends itself comes last."""

from __future__ import annotations

from datetime import UTC, datetime

from support.makers import product

from winter_sync.catalog.records import Damaged, Trouble
from winter_sync.core import Damage, State
from winter_sync.pages.problems import MOST_READ, Condition, find_problems

NOW = datetime(2024, 2, 1, 12, tzinfo=UTC)


def failed(number: int, reason: str) -> Trouble:
    """Return a product that could not be downloaded."""
    return Trouble(product(number), State.WANTED, 1, "2024-02-01T13:00:00+00:00", reason)


def test_nothing_is_wrong_with_a_mirror_at_which_all_is_well() -> None:
    """There is no problem then; a disk with less than must be free is one."""
    assert find_problems(Condition(NOW, free=5, min_free=5)) == ()
    (full,) = find_problems(Condition(NOW, free=4, min_free=5))
    assert "min_free" in full.said
    assert not full.mends_itself


def test_failures_that_differ_in_numbers_only_are_one_problem() -> None:
    """The commonest reasons are named, the others counted; nobody takes the first 200 for all."""
    alike = [
        failed(number, f"CRC-32 is a{number:04}f where 02279a7f was promised") for number in (1, 2)
    ]
    (one,) = find_problems(Condition(NOW, failed=tuple(alike)))
    assert one.said.startswith("2 products could not be downloaded: CRC-32 is a0001f")
    assert "and the like" in one.said
    assert "13:00 UTC" in one.remedy
    kinds = "abcdefgh"
    many = tuple(failed(n, f"reason {kinds[n % 8]}{kinds[n % 8]}x") for n in range(MOST_READ))
    problems = find_problems(Condition(NOW, failed=many))
    assert len(problems) == 6
    assert all(problem.said.startswith("At least ") for problem in problems)
    assert all(problem.mends_itself for problem in problems)


def test_the_name_of_a_product_stands_once() -> None:
    """A reason that begins with it is said without: the names are listed below."""
    troubles = tuple(failed(n, f"{product(n).filename}: 3 extensions") for n in range(2))
    (one,) = find_problems(Condition(NOW, failed=troubles))
    assert one.said == "2 products could not be downloaded: 3 extensions"
    assert one.examples == tuple(product(n).filename for n in range(2))


def test_what_needs_a_person_comes_first_with_its_command() -> None:
    """Deleted and changed files are two problems, each with the files and the command."""
    damaged = tuple(
        Damaged(product(n), f"winter/{n}", kind, "why", State.PUBLISHED, False, "", None, ())  # noqa: FBT003 - as a row has it
        for n, kind in enumerate((Damage.MISSING, Damage.CHANGED, Damage.CHANGED))
    )
    problems = find_problems(
        Condition(NOW, failed=(failed(1, "why"),), damaged=damaged, missing=3, daemon=("stuck",))
    )
    assert [problem.mends_itself for problem in problems] == [False, False, False, True, True]
    assert problems[0].said == "stuck"
    assert "1 file deleted here" in problems[1].said
    assert problems[2].examples == ("winter/1", "winter/2")
    assert "`winter-sync verify --repair`" in problems[2].remedy
