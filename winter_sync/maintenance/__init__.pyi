from .facts import FactsCatchUp, take_facts
from .manifests import Manifests
from .results import Request, Result
from .verification import verify

__all__ = [
    "FactsCatchUp",
    "Manifests",
    "Request",
    "Result",
    "take_facts",
    "verify",
]
