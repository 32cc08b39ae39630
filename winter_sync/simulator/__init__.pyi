from .faults.hooks import Answer, Call, Faults, Reset
from .faults.kinds import Circumstances
from .faults.script import Script, Scripted, parse_script
from .http.server import Simulator
from .observatory.accounts import (
    DEFAULT_PASSWORD,
    DEFAULT_PROGRAMS,
    DEFAULT_USER,
    Account,
    Accounts,
    key_of,
    program_record,
)
from .observatory.clock import SimulatedClock
from .observatory.observatory import Observatory, settled
from .observatory.observing import Campaign
from .observatory.universe import DEMO_NIGHT, Universe, demo_universe, sized_universe
from .options import SimulatorOptions
from .packing.zips import ZipStyle
from .running import serve, simulator_of

__all__ = [
    "DEFAULT_PASSWORD",
    "DEFAULT_PROGRAMS",
    "DEFAULT_USER",
    "DEMO_NIGHT",
    "Account",
    "Accounts",
    "Answer",
    "Call",
    "Campaign",
    "Circumstances",
    "Faults",
    "Observatory",
    "Reset",
    "Script",
    "Scripted",
    "SimulatedClock",
    "Simulator",
    "SimulatorOptions",
    "Universe",
    "ZipStyle",
    "demo_universe",
    "key_of",
    "parse_script",
    "program_record",
    "serve",
    "settled",
    "simulator_of",
    "sized_universe",
]
