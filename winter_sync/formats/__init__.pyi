from .check import check_file, unknown_suffix
from .zip_members import Limits, MemberEnd, MemberStart, Output
from .zip_stream import ZipReader

__all__ = [
    "Limits",
    "MemberEnd",
    "MemberStart",
    "Output",
    "ZipReader",
    "check_file",
    "unknown_suffix",
]
