"""Scenarios of a daemon, run on driven time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from daemon.scenarios import MORNING, NIGHT, TYPES
from support.daemon_rig import DaemonRig, daemon_rig
from support.driven import DrivenTime

from winter_sync.simulator import Faults, Universe

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import datetime
    from pathlib import Path

    Scenario = Callable[[DaemonRig], Coroutine[Any, Any, None]]


@pytest.fixture
def run_scenario(tmp_path: Path) -> Callable[..., None]:
    """Return a function that runs a scenario with an archive of one night, by default settled."""

    def run(scenario: Scenario, *, start: datetime = MORNING, faults: Faults | None = None) -> None:
        time = DrivenTime(start)

        async def live() -> None:
            universe = Universe(nights=(NIGHT,), gone_fraction=0)
            async with daemon_rig(time, universe, tmp_path, faults=faults) as rig:
                rig.programs = [{"name": "2024A000", "image_types": TYPES}]
                await scenario(rig)

        time.run(live())

    return run
