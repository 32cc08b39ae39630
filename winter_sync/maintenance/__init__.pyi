from .results import Request, Result
from .verification import verify

__all__ = [
    "Request",
    "Result",
    "verify",
]
