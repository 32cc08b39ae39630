"""Scenes of a daemon's life, played on driven time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from daemon.scenes import MORNING, NIGHT, TYPES
from support.driven import DrivenTime
from support.keeper import Keeper, kept

from winter_sync.simulator import Faults, Universe

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import datetime
    from pathlib import Path

    Scene = Callable[[Keeper], Coroutine[Any, Any, None]]


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., None]:
    """Play a scene with an archive of one night, settled unless told otherwise."""

    def played(scene: Scene, *, start: datetime = MORNING, faults: Faults | None = None) -> None:
        time = DrivenTime(start)

        async def whole() -> None:
            universe = Universe(nights=(NIGHT,), gone_fraction=0)
            async with kept(time, universe, tmp_path, faults=faults) as keeper:
                keeper.changes["programs"] = [{"name": "2024A000", "image_types": TYPES}]
                await scene(keeper)

        time.run(whole())

    return played
