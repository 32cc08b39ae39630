"""A mirror killed at any instant loses nothing, leaves nothing, and fetches nothing twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from promises.killable import STEPS
from promises.kills import ArchiveProcess, KillableMirrors, kill_and_restart, look, random_instants

from winter_sync.core.filesystem import sha256_of_file
from winter_sync.core.layout import STATE_DIR

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

INSTANTS = 200
INSTANTS_IN_SHORT = 4


# Steps that a first, healthy run does not come to; they have tests of their own below.
OF_A_RECOVERY = ("adopt", "bury")
OF_A_REVISION = ("keep",)
OF_TROUBLE = ("release",)


@pytest.mark.parametrize("times", [1, pytest.param(3, marks=pytest.mark.slow)])
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
    archive: ArchiveProcess,
    mirrors: KillableMirrors,
    truth: Mapping[str, str],
    tmp_path: Path,
    step: str,
    moment: str,
    times: int,
) -> None:
    """Before and after each step between listing and commit, early and late in a run."""
    once = {"prepare", "recover"}
    killed = kill_and_restart(
        archive, mirrors, tmp_path / "winter", truth, step=step, moment=moment, times=times
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
    archive: ArchiveProcess,
    mirrors: KillableMirrors,
    truth: Mapping[str, str],
    tmp_path: Path,
    step: str,
    moment: str,
) -> None:
    """A recovery that is killed itself is done again by the next start."""
    root = tmp_path / "winter"
    assert mirrors.run(root, step="commit", moment="before", times=2)
    killed = kill_and_restart(archive, mirrors, root, truth, step=step, moment=moment, times=1)
    assert killed


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.fault(
    kind="SIGKILL while the rest of a download that broke is given back",
    injected="(a process that kills itself there)",
    outcome="the next run asks for that rest",
    kept="what was published, and fetched no more; nothing else is left",
)
def test_killed_after_a_salvage(tmp_path: Path, moment: str) -> None:
    """Products of an interrupted download stay, and the others are under no lease."""
    # On a busy machine the download that breaks may be of one product, which leaves no rest.
    assert any(_was_killed_after_a_salvage(tmp_path / str(n), moment) for n in range(5))


def _was_killed_after_a_salvage(directory: Path, moment: str) -> bool:
    directory.mkdir()
    with (
        ArchiveProcess(faults="end-between:x1@raw") as broken,
        KillableMirrors(broken.url) as mirrors,
    ):
        root, truth = directory / "winter", broken.truth()
        return kill_and_restart(
            broken, mirrors, root, truth, step="release", moment=moment, times=1
        )


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.fault(
    kind="SIGKILL while an older file of the same name is kept",
    injected="(a process that kills itself there)",
    outcome="the next run publishes what was to take its place",
    kept="the older file, once",
)
def test_killed_while_keeping(
    mirrors: KillableMirrors, truth: Mapping[str, str], tmp_path: Path, moment: str, times: int
) -> None:
    """Each file that was there first is found once: in its place, or among the revisions."""
    root = tmp_path / "winter"
    for path in truth:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(f"mine: {path}")
    mine = look(root).digests
    assert mirrors.run(root, step="keep", moment=moment, times=times)
    for path, found in look(root).digests.items():
        assert found in (truth[path], mine[path]), f"{path} is neither"
    mirrors.run(root)
    assert look(root).digests == dict(truth)
    kept = [
        sha256_of_file(path)
        for path in (root / STATE_DIR / "revisions").rglob("*")
        if path.is_file()
    ]
    assert sorted(kept) == sorted(mine.values())
    assert not [path for path in (root / STATE_DIR / "staging").rglob("*") if path.is_file()]


def _sweep(
    archive: ArchiveProcess,
    mirrors: KillableMirrors,
    truth: Mapping[str, str],
    place: Path,
    count: int,
) -> int:
    """Kill mirrors at random instants of their life; return how many were killed."""
    return sum(
        kill_and_restart(archive, mirrors, place / str(number), truth, after=instant)
        for number, instant in enumerate(random_instants(mirrors, place / "whole", count))
    )


def test_killed_at_random_instants(
    archive: ArchiveProcess, mirrors: KillableMirrors, truth: Mapping[str, str], tmp_path: Path
) -> None:
    """At random instants; a short form of the sweep."""
    assert _sweep(archive, mirrors, truth, tmp_path, INSTANTS_IN_SHORT) > 0


@pytest.mark.slow
@pytest.mark.fault(
    kind="SIGKILL at 200 random instants",
    injected="(kill -9)",
    outcome="as above",
    kept="what was published, and fetched no more; nothing else is left",
)
def test_killed_at_many_random_instants(
    archive: ArchiveProcess, mirrors: KillableMirrors, truth: Mapping[str, str], tmp_path: Path
) -> None:
    """The whole sweep, of two hundred instants."""
    assert _sweep(archive, mirrors, truth, tmp_path, INSTANTS) > INSTANTS // 2
