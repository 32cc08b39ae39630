from .accounts import (
    DEFAULT_PASSWORD,
    DEFAULT_PROGRAMS,
    DEFAULT_USER,
    Account,
    Accounts,
    key_of,
    program_record,
)
from .clock import SimulatedClock
from .fault_script import Script, Scripted, parse_script
from .faults import Answer, Call, Faults, Reset
from .misbehaviour import Circumstances
from .observatory import Observatory, settled
from .observing import Campaign
from .options import SimulatorOptions
from .running import serve, simulator_of
from .server import Simulator
from .universe import DEMO_NIGHT, Universe, demo_universe, sized_universe
from .zips import ZipStyle

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
