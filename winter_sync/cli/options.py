"""The options that commands share, and the parsers of their values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from winter_sync.core import ErrorCode, ImageType, Instrument, Night, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

T = TypeVar("T")
W = TypeVar("W", bound=str)

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("auto", "human", "json")
LISTS = "repeatable, or a list: a,b"
"""How an option that takes several values says so."""
TABLE_FORMATS = ("table", "csv", "json", "ecsv", "votable", "fits")


@dataclass(frozen=True, slots=True)
class CommonOptions:
    """The options before the command."""

    config: Path | None
    log_level: str | None
    log_format: str


def parse_night(text: str) -> Night:
    """Read a night such as 20240211 or 2024-02-11.

    Raises
    ------
    typer.BadParameter
        If the text is not a night.
    """
    try:
        return Night(text.replace("-", ""))
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong)) from None


def choice_of(words: Iterable[W]) -> Callable[[str], W]:
    """Return a parser that accepts these words and suggests the nearest for any other."""
    known = {str(word): word for word in words}

    def parse(text: str) -> W:
        if text in known:
            return known[text]
        from winter_sync.config import nearest

        raise typer.BadParameter(f"{text!r} is not known{nearest(text, list(known))}")

    return parse


def split_words(given: list[str] | None) -> list[str]:
    """Return the words of an option that takes lists, "a,b", and may be repeated.

    Raises
    ------
    UsageError
        If one has no word, as where a variable of a shell is empty: that would mean everything.
    """
    words = list[str]()
    for text in given or ():
        parts = [part for part in map(str.strip, text.split(",")) if part]
        if not parts:
            raise UsageError(
                f"an option that takes a list was given nothing: {text!r}",
                remedy="Write a value, or leave the option out for no condition.",
                code=ErrorCode.USE_OPTION,
            )
        words += parts
    return words


def lists_of(parse: Callable[[str], T]) -> Callable[[list[str] | None], list[T] | None]:
    """Return what reads the values of an option that takes lists, "a,b", and may be repeated."""

    def read(given: list[str] | None) -> list[T] | None:
        return [parse(word) for word in split_words(given)] or None

    return read


def _words(option: str, words: tuple[str, ...], about: str) -> Any:  # noqa: ANN401 - Typer's is Any too
    return typer.Option(
        option,
        parser=str,
        callback=lists_of(choice_of(words)),
        autocompletion=lambda: list(words),
        metavar=option.strip("-").upper(),
        help=f"Only {about} ({LISTS}): {', '.join(words)}.",
    )


Programs = Annotated[
    list[str] | None,
    typer.Option(
        "--program",
        metavar="PROGRAM",
        callback=lists_of(str),
        help=f"Only this program ({LISTS}).",
    ),
]
Types = Annotated[list[ImageType] | None, _words("--type", tuple(ImageType), "this image type")]
Instruments = Annotated[
    list[Instrument] | None, _words("--instrument", tuple(Instrument), "this instrument")
]
Nights = Annotated[
    list[Night] | None,
    typer.Option(
        "--night",
        parser=str,
        callback=lists_of(parse_night),
        metavar="YYYYMMDD",
        help=f"Only this night ({LISTS}).",
    ),
]
TableForm = Annotated[
    str | None,
    typer.Option(
        "--format",
        parser=choice_of(TABLE_FORMATS),
        metavar="FORMAT",
        help=f"{', '.join(TABLE_FORMATS)}. Default: by the name of the file; without one a table "
        "on a terminal, otherwise csv.",
    ),
]
OutputFile = Annotated[
    Path | None,
    typer.Option("--output", metavar="FILE", help="Write a table to this file."),
]
AsPaths = Annotated[bool, typer.Option("--paths", help="Print only the paths of the files.")]
RootDirectory = Annotated[
    Path | None,
    typer.Option(
        "--root", metavar="DIR", help="The root of the mirror; by default that of the settings."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
AcceptWithdrawals = Annotated[
    bool,
    typer.Option(
        "--accept-withdrawals",
        help="Poll the whole span, and believe all that the archive withdraws, however much.",
    ),
]
NewRoot = Annotated[
    bool,
    typer.Option(
        "--new-root",
        help="The root was emptied on purpose: start afresh in it and download everything again.",
    ),
]
