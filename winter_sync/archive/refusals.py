"""Refused credentials, said which: user and password, or the key of a program."""

from __future__ import annotations

from winter_sync.archive.responses import WHATEVER_REFUSED
from winter_sync.core import CredentialsRefusedError, ErrorCode


def user_refused(refused: CredentialsRefusedError) -> CredentialsRefusedError:
    """Return the refusal as one of user and password."""
    return CredentialsRefusedError(
        refused.message.replace(WHATEVER_REFUSED, "the user and password", 1),
        remedy="Check api.user and the password: they are those of the web page of the archive.",
        code=ErrorCode.LOGIN_USER,
    )


def key_refused(refused: CredentialsRefusedError, program: str) -> CredentialsRefusedError:
    """Return the refusal as one of a program's key, where user and password are accepted."""
    return CredentialsRefusedError(
        refused.message.replace(WHATEVER_REFUSED, f"the key of program {program}", 1),
        remedy=f"User and password are accepted. Check the API key of {program}, and whether this "
        "user may see that program; `winter-sync check` asks for each program alone.",
        code=ErrorCode.LOGIN_PROGRAM,
    )
