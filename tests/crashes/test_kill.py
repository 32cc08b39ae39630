"""A mirror killed at any instant loses nothing, leaves nothing, and fetches nothing twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from crashes.nursery import STEPS
from crashes.sweep import kill_and_restart, random_instants

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from crashes.sweep import Nursery, Observatory

INSTANTS = 200
INSTANTS_IN_SHORT = 12


# Steps that a first, healthy run does not come to; they have tests of their own below.
OF_A_RECOVERY = ("adopt", "bury")
OF_A_REVISION = ("keep",)
OF_TROUBLE = ("release",)


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    "step", [step for step in STEPS if step not in OF_A_RECOVERY + OF_A_REVISION + OF_TROUBLE]
)
@pytest.mark.fault(
    kind="SIGKILL before and after each step from claim to commit",
    injected="(a process that kills itself there)",
    outcome="the next run takes over what was leased and adopts what was published",
    kept="what was published, and fetched no more; nothing else is left",
)
def test_killed_at_a_step(  # noqa: PLR0917 - fixtures
    observatory: Observatory,
    nursery: Nursery,
    truth: Mapping[str, str],
    tmp_path: Path,
    step: str,
    moment: str,
    times: int,
) -> None:
    """Before and after each step between listing and commit, early and late in a run."""
    once = {"prepare", "recover"}
    killed = kill_and_restart(
        observatory, nursery, tmp_path / "winter", truth, step=step, moment=moment, times=times
    )
    assert killed or (times > 1 and step in once), "the step was never come to"


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", OF_A_RECOVERY)
@pytest.mark.fault(
    kind="SIGKILL in the recovery itself",
    injected="(a process that kills itself there)",
    outcome="the run after that puts it in order",
    kept="what was published, and fetched no more; nothing else is left",
)
def test_killed_in_a_recovery(  # noqa: PLR0917 - fixtures
    observatory: Observatory,
    nursery: Nursery,
    truth: Mapping[str, str],
    tmp_path: Path,
    step: str,
    moment: str,
) -> None:
    """A recovery that is killed itself is done again by the next start."""
    root = tmp_path / "winter"
    assert nursery.run(root, step="commit", moment="before", times=2)
    killed = kill_and_restart(observatory, nursery, root, truth, step=step, moment=moment, times=1)
    assert killed


def _sweep(
    observatory: Observatory,
    nursery: Nursery,
    truth: Mapping[str, str],
    place: Path,
    count: int,
) -> int:
    """Kill so many mirrors at random instants of their life; gives how many died of it."""
    return sum(
        kill_and_restart(observatory, nursery, place / str(number), truth, after=instant)
        for number, instant in enumerate(random_instants(nursery, place / "whole", count))
    )


def test_killed_at_random_instants(
    observatory: Observatory, nursery: Nursery, truth: Mapping[str, str], tmp_path: Path
) -> None:
    """At instants that nobody chose; a short form of the sweep."""
    assert _sweep(observatory, nursery, truth, tmp_path, INSTANTS_IN_SHORT) > 0


@pytest.mark.slow
@pytest.mark.fault(
    kind="SIGKILL at 200 random instants",
    injected="(kill -9)",
    outcome="as above",
    kept="what was published, and fetched no more; nothing else is left",
)
def test_killed_at_many_random_instants(
    observatory: Observatory, nursery: Nursery, truth: Mapping[str, str], tmp_path: Path
) -> None:
    """The whole sweep, of two hundred instants."""
    assert _sweep(observatory, nursery, truth, tmp_path, INSTANTS) > INSTANTS // 2
