"""The search for cyclic garbage, kept out of the start and the end of a process.

A command makes some 150,000 objects before it does anything, and nearly all of them stay until it
ends. Looking through them for cycles again and again took a fifth of the CPU of a command that
finds nothing to do, and looking through them once more at its end another tenth.
"""

from __future__ import annotations

import gc

_MADE_BY_A_START = 200_000
"""Objects that are alive; a start makes fewer, so none is looked at before it is over."""


def put_off_search() -> None:
    """Look for cyclic garbage only once there are more objects than a start makes.

    From then on it is looked for as Python does by itself, but no more among what was there by
    then: that is what the start made.
    """
    usual = gc.get_threshold()

    def is_over(phase: str, _: dict[str, int]) -> None:
        if phase == "stop":
            gc.callbacks.remove(is_over)
            gc.freeze()
            gc.set_threshold(*usual)

    gc.callbacks.append(is_over)
    gc.set_threshold(_MADE_BY_A_START, *usual[1:])


def skip_last_search() -> None:
    """End the process without looking for cycles: all its memory goes back at once."""
    gc.freeze()
