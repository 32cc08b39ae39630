from .bands import BANDS
from .columns import Column, Kind, make_table
from .cutouts import Cutout, NoCutoutError, cut_out
from .dates import parse_instant, parse_night
from .nightlog import NIGHTLOG_COLUMNS, log_entry, logged
from .obscore import CALIBRATION_LEVELS, FACILITY, describe
from .obscore_columns import MANDATORY_COLUMNS, OBSCORE_COLUMNS
from .output import creating, replacing
from .pictures import NoPictureError, draw_picture
from .positions import parse_angle, parse_cone, parse_position, parse_rectangle, split_cone
from .samp import SampMessage, SampType, message_for, send
from .strips import Panel, draw_strip, north_up
from .text_tables import write_ecsv
from .visits import Visit, visits
from .votable import VOTABLE_TYPES, begin_votable, end_votable, votable_error, votable_row
from .writers import TableFormat, choose_format, format_of, write_rows, write_table

__all__ = [
    "BANDS",
    "CALIBRATION_LEVELS",
    "FACILITY",
    "MANDATORY_COLUMNS",
    "NIGHTLOG_COLUMNS",
    "OBSCORE_COLUMNS",
    "VOTABLE_TYPES",
    "Column",
    "Cutout",
    "Kind",
    "NoCutoutError",
    "NoPictureError",
    "Panel",
    "SampMessage",
    "SampType",
    "TableFormat",
    "Visit",
    "begin_votable",
    "choose_format",
    "creating",
    "cut_out",
    "describe",
    "draw_picture",
    "draw_strip",
    "end_votable",
    "format_of",
    "log_entry",
    "logged",
    "make_table",
    "message_for",
    "north_up",
    "parse_angle",
    "parse_cone",
    "parse_instant",
    "parse_night",
    "parse_position",
    "parse_rectangle",
    "replacing",
    "send",
    "split_cone",
    "visits",
    "votable_error",
    "votable_row",
    "write_ecsv",
    "write_rows",
    "write_table",
]
