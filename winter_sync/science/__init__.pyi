from .dates import parse_instant, parse_night
from .positions import parse_angle, parse_cone, parse_position, parse_rectangle, split_cone

__all__ = [
    "parse_angle",
    "parse_cone",
    "parse_instant",
    "parse_night",
    "parse_position",
    "parse_rectangle",
    "split_cone",
]
