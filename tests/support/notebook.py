"""What `simulate` serves without options, and settings for the notebooks' program in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.command import on_a_thread, settings_file

from winter_sync.simulator import (
    DEFAULT_PASSWORD,
    DEFAULT_USER,
    Simulator,
    SimulatorOptions,
    key_of,
)

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

PROGRAM = "2024A000"


def default_simulator() -> AbstractContextManager[Simulator]:
    """Serve what `simulate` serves without options."""
    return on_a_thread(Simulator(SimulatorOptions().observatory()))


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
