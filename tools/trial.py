"""What the trials of the container and of the service share: promises held, and waiting.

Needs nothing but Python itself: a trial runs on a machine that has no winter-sync.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_LOOK_EVERY_SECONDS = 0.1


class TrialError(Exception):
    """What is tried does not do what it promises."""


def hold(promise: bool, otherwise: str) -> None:  # noqa: FBT001 - it reads as a sentence
    """Check a promise.

    Raises
    ------
    TrialError
        If it does not hold.
    """
    if not promise:
        raise TrialError(otherwise)


def wait_for(look: Callable[[], T | None], in_vain: Callable[[], str], patience: float) -> T:
    """Look until there is something, and give it.

    Parameters
    ----------
    look
        Returns what is waited for; nothing, or something false, while it is not there.
    in_vain
        Says what is wrong if it does not come.
    patience
        Seconds to wait at most.

    Raises
    ------
    TrialError
        If it does not come in time.
    """
    until = time.monotonic() + patience
    while not (found := look()):
        if time.monotonic() >= until:
            raise TrialError(in_vain())
        time.sleep(_LOOK_EVERY_SECONDS)
    return found
