from .alert_schema import UnreadableError
from .alerts import read_alerts, read_cutouts
from .astropy_parts import AstropyMissingError
from .card_texts import read_card_texts
from .check import check_file
from .facts import facts_without_file, read_facts
from .suffixes import unknown_suffix
from .zip_output import Limits, MemberEnd, MemberStart, Output
from .zip_stream import ZipReader

__all__ = [
    "AstropyMissingError",
    "Limits",
    "MemberEnd",
    "MemberStart",
    "Output",
    "UnreadableError",
    "ZipReader",
    "check_file",
    "facts_without_file",
    "read_alerts",
    "read_card_texts",
    "read_cutouts",
    "read_facts",
    "unknown_suffix",
]
