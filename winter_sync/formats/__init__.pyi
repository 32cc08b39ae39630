from .check import check_file, unknown_suffix
from .zip_stream import Limits, MemberEnd, MemberStart, Output, Unzipper

__all__ = [
    "Limits",
    "MemberEnd",
    "MemberStart",
    "Output",
    "Unzipper",
    "check_file",
    "unknown_suffix",
]
