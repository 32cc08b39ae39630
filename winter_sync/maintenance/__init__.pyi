from .adoption import adopt
from .adoption_results import AdoptedFile, AdoptRequest, AdoptResult, Fate
from .facts import FactsCatchUp, record_facts
from .manifests import Manifests
from .results import Request, Result
from .verification import verify

__all__ = [
    "AdoptRequest",
    "AdoptResult",
    "AdoptedFile",
    "FactsCatchUp",
    "Fate",
    "Manifests",
    "Request",
    "Result",
    "adopt",
    "record_facts",
    "verify",
]
