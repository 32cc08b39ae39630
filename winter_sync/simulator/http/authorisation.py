"""Checks who may make a request: user and password, program and key."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from winter_sync.simulator.http.errors import (
    BAD_PROGRAM,
    BAD_USER,
    FOREIGN_PROGRAM,
    NO_CREDENTIALS,
    unauthorised,
    unprocessable,
)
from winter_sync.simulator.http.requests import read_parameters

if TYPE_CHECKING:
    from aiohttp import web

    from winter_sync.simulator.http.requests import Asked, Parameters
    from winter_sync.simulator.observatory.accounts import Account, Accounts, ProgramRecord


def authenticate(accounts: Accounts, request: web.Request) -> Account:
    """Return the account whose user and password a request has.

    Raises
    ------
    Refusal
        401, if there are none, or they open no account.
    """
    user, password = _basic(request.headers.get("Authorization"))
    account = accounts.user(user, password)
    if account is None:
        raise unauthorised(BAD_USER)
    return account


def authorise(
    accounts: Accounts, request: web.Request, problems: list[Any], *, with_type: bool = False
) -> tuple[ProgramRecord, Parameters]:
    """Check a request in FastAPI's order: the user, what is missing, the program, the rest.

    Raises
    ------
    Refusal
        401 or 422, if something is wrong; `problems` are those of the body.
    """
    account = authenticate(accounts, request)
    parameters, wrong = read_parameters(request.query, with_type=with_type)
    if parameters is None:
        raise unprocessable([*wrong, *problems])
    record = accounts.program(parameters.program, parameters.api_key)
    if record is None:
        raise unauthorised(BAD_PROGRAM)
    if not account.may_read(record.name):
        raise unauthorised(FOREIGN_PROGRAM)
    if problems:
        raise unprocessable(problems)
    return record, parameters


def check_same_program(queries: list[Asked], parameters: Parameters) -> None:
    """Refuse queries of another program than the one the key opens.

    Raises
    ------
    Refusal
        401, if there is one.
    """
    if any(asked.program != parameters.program for asked in queries):
        raise unauthorised(BAD_PROGRAM)


def _basic(header: str | None) -> tuple[str, str]:
    """Return user and password of an Authorization header.

    Raises
    ------
    Refusal
        401, if there is none or it cannot be read.
    """
    scheme, _, word = (header or "").partition(" ")
    if scheme.lower() != "basic":
        raise unauthorised(NO_CREDENTIALS)
    try:
        user, colon, password = base64.b64decode(word).decode("latin-1").partition(":")
    except binascii.Error:
        raise unauthorised("Invalid authentication credentials") from None
    if not colon:
        raise unauthorised("Invalid authentication credentials")
    return user, password
