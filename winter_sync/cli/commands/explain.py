"""`winter-sync explain`: what a code of an error means; without settings and without a network."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Annotated

import typer

from winter_sync.cli.process import console, say
from winter_sync.core import ErrorCode, UsageError

if TYPE_CHECKING:
    from winter_sync.cli.explanations import Explanation

Code = Annotated[
    str | None,
    typer.Argument(
        metavar="CODE",
        help="As a message has it, in [brackets]: WS-NET-TLS. Without it all codes are listed.",
        show_default=False,
    ),
]


def explain(code: Code = None) -> None:
    """Say what the code of an error means, and what to do.

    It says why it happens and what is kept, too.

    Needs neither settings nor a network.
    """
    from winter_sync.cli.explanations import EXPLANATIONS

    if code is None:
        _list_all()
        return
    found = _find(code)
    _show(found, EXPLANATIONS[found])


def _find(text: str) -> ErrorCode:
    """Return the code that is meant; in any case of letters, with or without WS- and brackets.

    Raises
    ------
    UsageError
        If there is none.
    """
    word = text.strip("[] ").upper()
    for code in ErrorCode:
        if word in (code.value, code.value.removeprefix("WS-")):
            return code
    close = difflib.get_close_matches(word, [code.value for code in ErrorCode], n=1)
    meant = f"; did you mean {close[0]}?" if close else ""
    raise UsageError(
        f"{text!r} is not the code of an error{meant}",
        remedy="`winter-sync explain` lists all codes.",
        code=ErrorCode.USE_OPTION,
    )


def _list_all() -> None:
    from winter_sync.cli.explanations import EXPLANATIONS

    width = max(map(len, ErrorCode))
    for code in ErrorCode:
        explained = EXPLANATIONS[code]
        say(f"{code:{width}}  {explained.exit_code:d}  {explained.what}")


def _show(code: ErrorCode, explained: Explanation) -> None:
    from winter_sync.cli.views.sentences import print_sentence
    from winter_sync.core import EXIT_CODES

    screen = console()
    print_sentence(screen, f"{code}: {explained.what}", "bold")
    for heading, text in (
        ("Why", explained.why),
        ("What is kept", explained.kept),
        ("What to do", explained.do),
        ("Exit code", f"{explained.exit_code:d}, {EXIT_CODES[explained.exit_code].meaning}"),
    ):
        print_sentence(screen, f"{heading}: {text}")
