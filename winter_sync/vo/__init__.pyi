from .answers import begin_answer, end_answer, error_answer, read_images
from .descriptions import availability, capabilities, tables
from .matching import may_answer
from .parameters import ImageQuery, parse_query

__all__ = [
    "ImageQuery",
    "availability",
    "begin_answer",
    "capabilities",
    "end_answer",
    "error_answer",
    "may_answer",
    "parse_query",
    "read_images",
    "tables",
]
