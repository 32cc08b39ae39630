"""The archive's refusals, in the shapes FastAPI and pydantic give them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Problem = dict[str, Any]
"""One entry of a 422's `detail`: `type`, `loc`, `msg`, `input` and sometimes `ctx`."""

BAD_USER = "Incorrect email or password"
"""The `detail` of a 401 for a wrong user or password (winter-api.md, "Endpoints")."""
BAD_PROGRAM = "Program credentials not found in database"
"""The `detail` of a 401 for a wrong program or key (the words of wintertoo 1.10.1)."""
FOREIGN_PROGRAM = "User does not have access to this program"
"""The `detail` of a 401 for a right key of a program that is not open to the user."""
NO_CREDENTIALS = "Not authenticated"

_CHALLENGE = {"WWW-Authenticate": "Basic"}


@dataclass(eq=False)
class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault of the program
    """An answer other than 200; `detail` is what the client is told."""

    status: int
    detail: str | list[Problem]
    headers: Mapping[str, str] = field(default_factory=dict)


def unauthorised(detail: str) -> Refusal:
    """Return the 401 with a reason."""
    return Refusal(401, detail, _CHALLENGE)


def unprocessable(problems: list[Problem]) -> Refusal:
    """Return the 422 that lists what is wrong with a request."""
    return Refusal(422, problems)


def problem(
    kind: str, loc: tuple[str | int, ...], msg: str, given: object, **ctx: object
) -> Problem:
    """Return one entry of a 422's list."""
    entry: Problem = {"type": kind, "loc": list(loc), "msg": msg, "input": given}
    return entry | {"ctx": ctx} if ctx else entry


def missing(loc: tuple[str | int, ...], given: object) -> Problem:
    """Return the entry for a missing field."""
    return problem("missing", loc, "Field required", given)
