"""The daemon tells other programs what happens, and goes on whatever they do."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING

from daemon.scenarios import is_mirrored
from delivery.test_webhooks import TAKEN, Receiver
from support.wires import listening

from winter_sync.core import DeliveryFailed
from winter_sync.core.traits import ImageType

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from support.daemon_rig import DaemonRig


def test_events_are_delivered_once_as_they_happen(
    run_scenario: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In order and over restarts; a sink that nobody answers for blocks nothing."""

    async def scenario(rig: DaemonRig) -> None:
        receiver = Receiver(TAKEN)
        with socket.socket() as dead:
            dead.bind(("127.0.0.1", 0))
            async with listening(receiver.answer) as port:
                sinks = [
                    {"name": "well", "url": f"http://127.0.0.1:{port}/"},
                    {"name": "dead", "url": f"http://127.0.0.1:{dead.getsockname()[1]}/"},
                ]
                monkeypatch.setenv("WINTER_SYNC_SINKS", json.dumps(sinks))
                for _ in range(2):
                    async with rig.running():
                        await asyncio.sleep(900)
                        assert is_mirrored(rig, ImageType.STACK, ImageType.RAW)
        numbers = [number for numbers in receiver.numbers for number in numbers]
        assert len(numbers) >= len(rig.files())
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        failures = rig.emitted(DeliveryFailed)
        assert {event.sink for event in failures} == {"dead"}
        assert len(failures) > 5

    run_scenario(scenario)
