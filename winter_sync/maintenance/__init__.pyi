from .adoption import adopt
from .adoption_results import AdoptedFile, AdoptRequest, AdoptResult, Fate
from .after_run import finish_run
from .facts import FactsCatchUp
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
    "finish_run",
    "verify",
]
