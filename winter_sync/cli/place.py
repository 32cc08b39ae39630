"""Places on the command line: two coordinates, the second often negative, or a target's name."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

PLACE_SETTINGS = {"ignore_unknown_options": True}
"""Of commands that take a place: they get what begins with a dash as part of it."""

_NEGATIVE = re.compile(r"-[\d.]")

PlaceWords = Annotated[
    list[str],
    typer.Argument(
        metavar="RA DEC|TARGET",
        help='Degrees, hours and degrees ("10h03m50s +17d49m") or the name of a target.',
        show_default=False,
    ),
]


def place_of(context: typer.Context, words: Sequence[str]) -> str:
    """Return the place that the words of a command line name.

    Raises
    ------
    typer.BadParameter
        If one of them was meant as an option that there is not.
    """
    for word in words:
        if word.startswith("-") and not _NEGATIVE.match(word):
            raise typer.BadParameter(f"no such option: {word}{_nearest(context, word)}")
    return " ".join(words)


def _nearest(context: typer.Context, word: str) -> str:
    known = [option for parameter in context.command.params for option in parameter.opts]
    close = difflib.get_close_matches(word.partition("=")[0], known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
