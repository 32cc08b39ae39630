"""astropy, loaded where it is needed: it takes a third of a second."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from winter_sync.core import alarm_held


class AstropyMissingError(BaseException):
    """astropy cannot be loaded. No file is to blame: what is caught of odd files is not this."""


def astropy_module(name: str) -> Any:  # noqa: ANN401 - astropy has no types
    """Return a module of astropy.

    Raises
    ------
    AstropyMissingError
        If it cannot be loaded, for whatever reason.
    """
    try:
        with alarm_held():
            return import_module(name)
    except Exception as failed:
        raise AstropyMissingError(name) from failed
