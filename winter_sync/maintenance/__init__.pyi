from .facts import FactsCatchUp, take_facts
from .results import Request, Result
from .verification import verify

__all__ = [
    "FactsCatchUp",
    "Request",
    "Result",
    "take_facts",
    "verify",
]
