from .check import check_file, unknown_suffix
from .reader import Fault
from .zip_stream import Limits, MemberEnd, MemberStart, Output, Unzipper

__all__ = [
    "Fault",
    "Limits",
    "MemberEnd",
    "MemberStart",
    "Output",
    "Unzipper",
    "check_file",
    "unknown_suffix",
]
