from .columns import Column, Kind, make_table
from .dates import parse_instant, parse_night
from .nightlog import NIGHTLOG_COLUMNS, log_entry, logged
from .obscore import describe
from .obscore_columns import MANDATORY_COLUMNS, OBSCORE_COLUMNS
from .positions import parse_angle, parse_cone, parse_position, parse_rectangle, split_cone
from .writers import TableFormat, format_of, write_rows, write_table

__all__ = [
    "MANDATORY_COLUMNS",
    "NIGHTLOG_COLUMNS",
    "OBSCORE_COLUMNS",
    "Column",
    "Kind",
    "TableFormat",
    "describe",
    "format_of",
    "log_entry",
    "logged",
    "make_table",
    "parse_angle",
    "parse_cone",
    "parse_instant",
    "parse_night",
    "parse_position",
    "parse_rectangle",
    "split_cone",
    "write_rows",
    "write_table",
]
