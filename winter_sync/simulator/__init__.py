"""An observatory of our own: the WINTER archive's API over synthetic nights, by seed.

For tests, demonstrations and benchmarks. Importing this package is cheap; the server and the
image writers are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from winter_sync.simulator.accounts import (
        DEFAULT_PASSWORD,
        DEFAULT_PROGRAMS,
        DEFAULT_USER,
        Account,
        Accounts,
        ProgramRecord,
        default_accounts,
        key_of,
        program_record,
    )
    from winter_sync.simulator.clock import SimulatedClock
    from winter_sync.simulator.fault_script import Script, Scripted, parse_script
    from winter_sync.simulator.faults import Answer, Call, Faults, Reset
    from winter_sync.simulator.misbehaviour import Circumstances
    from winter_sync.simulator.observatory import (
        REAL_SCALE,
        TINY_SCALE,
        Observatory,
        settled,
    )
    from winter_sync.simulator.observing import Campaign
    from winter_sync.simulator.options import SimulatorOptions
    from winter_sync.simulator.records import RequestRecord
    from winter_sync.simulator.running import serve, simulator_of
    from winter_sync.simulator.server import Simulator
    from winter_sync.simulator.universe import (
        DEFAULT_NIGHTS,
        DEFAULT_SEED,
        DEMO_NIGHT,
        Universe,
        demo_universe,
        sized_universe,
    )
    from winter_sync.simulator.zips import ZipStyle

__all__ = [
    "DEFAULT_NIGHTS",
    "DEFAULT_PASSWORD",
    "DEFAULT_PROGRAMS",
    "DEFAULT_SEED",
    "DEFAULT_USER",
    "DEMO_NIGHT",
    "REAL_SCALE",
    "TINY_SCALE",
    "Account",
    "Accounts",
    "Answer",
    "Call",
    "Campaign",
    "Circumstances",
    "Faults",
    "Observatory",
    "ProgramRecord",
    "RequestRecord",
    "Reset",
    "Script",
    "Scripted",
    "SimulatedClock",
    "Simulator",
    "SimulatorOptions",
    "Universe",
    "ZipStyle",
    "default_accounts",
    "demo_universe",
    "key_of",
    "parse_script",
    "program_record",
    "serve",
    "settled",
    "simulator_of",
    "sized_universe",
]

_HOMES = {
    "accounts": (
        "DEFAULT_PASSWORD",
        "DEFAULT_PROGRAMS",
        "DEFAULT_USER",
        "Account",
        "Accounts",
        "ProgramRecord",
        "default_accounts",
        "key_of",
        "program_record",
    ),
    "clock": ("SimulatedClock",),
    "fault_script": ("Script", "Scripted", "parse_script"),
    "faults": ("Answer", "Call", "Faults", "Reset"),
    "misbehaviour": ("Circumstances",),
    "observatory": ("REAL_SCALE", "TINY_SCALE", "Observatory", "settled"),
    "observing": ("Campaign",),
    "options": ("SimulatorOptions",),
    "records": ("RequestRecord",),
    "running": ("serve", "simulator_of"),
    "server": ("Simulator",),
    "universe": (
        "DEFAULT_NIGHTS",
        "DEFAULT_SEED",
        "DEMO_NIGHT",
        "Universe",
        "demo_universe",
        "sized_universe",
    ),
    "zips": ("ZipStyle",),
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    """Import what is asked for from the module it lives in."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
