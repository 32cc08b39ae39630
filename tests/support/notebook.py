"""What `simulate` serves without options, and settings for the notebooks' program in it."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from support.command import settings_file

from winter_sync.simulator import (
    DEFAULT_PASSWORD,
    DEFAULT_USER,
    Simulator,
    SimulatorOptions,
    key_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = "2024A000"


@contextmanager
def default_simulator() -> Iterator[Simulator]:
    """Serve what `simulate` serves without options."""
    simulator = Simulator(SimulatorOptions().observatory())
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(simulator.__aenter__(), loop).result()
        yield simulator
        asyncio.run_coroutine_threadsafe(simulator.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def notebook_settings(directory: Path, archive: Simulator, *, facts: bool = False) -> Path:
    """Write settings that mirror all types of the notebook's program."""
    return settings_file(
        directory,
        api={"base_url": archive.url, "user": DEFAULT_USER, "password": DEFAULT_PASSWORD},
        programs=(
            {
                "name": PROGRAM,
                "api_key": key_of(PROGRAM),
                "image_types": ["exposure", "raw", "science", "stack", "diff", "avro"],
            },
        ),
        facts={"enabled": facts},
    )
