"""The accounts of the simulated archive: users, programs and their keys."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from winter_sync.core import Night

DEFAULT_USER = "observer"
DEFAULT_PASSWORD = "simulated-password-of-observer"  # noqa: S105 - opens nothing but the simulator
DEFAULT_PROGRAMS = ("2024A000", "2025B001")

_AFTER = timedelta(days=90)


def key_of(program: str) -> str:
    """Return the key of a program of the simulated archive: it opens nothing else."""
    return f"simulated-key-{program}-{hashlib.sha256(program.encode()).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the archive; `programs` is None when all are open to this user."""

    user: str
    password: str = field(repr=False)
    programs: tuple[str, ...] | None = None

    def may_read(self, program: str) -> bool:
        """Return whether the program is open to this user."""
        return self.programs is None or program in self.programs


@dataclass(frozen=True, slots=True)
class ProgramRecord:
    """A program as the archive's database knows it (winter-api.md, "Endpoints")."""

    name: str
    api_key: str = field(repr=False)
    start: date
    end: date
    puid: int = 1
    pi_name: str = "Hubble"
    pi_email: str = "hubble@example.org"
    title: str = "Transients of the infrared sky"
    hours_allocated: float = 40.0
    hours_used: float = 12.5
    max_priority: float = 100.0

    def body(self) -> dict[str, object]:
        """Return the `body` of `/validation/program`, with exactly the columns clients allow."""
        return {
            "puid": self.puid,
            "progid": self.puid,
            "progname": self.name,
            # The real archive only has the key's hash, and answers with that.
            "prog_key": "$2b$12$" + hashlib.sha256(self.api_key.encode()).hexdigest()[:53],
            "pi_name": self.pi_name,
            "pi_email": self.pi_email,
            "startdate": self.start.isoformat(),
            "enddate": self.end.isoformat(),
            "hours_allocated": self.hours_allocated,
            "hours_used": self.hours_used,
            "maxpriority": self.max_priority,
            "progtitle": self.title,
        }


@dataclass(frozen=True, slots=True)
class Accounts:
    """All users and programs of the archive."""

    users: tuple[Account, ...]
    programs: tuple[ProgramRecord, ...]

    def user(self, name: str, password: str) -> Account | None:
        """Return the account these credentials open, or None."""
        for account in self.users:
            same_name = secrets.compare_digest(account.user.encode(), name.encode())
            same_word = secrets.compare_digest(account.password.encode(), password.encode())
            if same_name and same_word:
                return account
        return None

    def program(self, name: str, api_key: str) -> ProgramRecord | None:
        """Return the program this name and key open, or None."""
        for record in self.programs:
            same_key = secrets.compare_digest(record.api_key.encode(), api_key.encode())
            if record.name == name and same_key:
                return record
        return None


def default_accounts(
    programs: Iterable[str] = DEFAULT_PROGRAMS, nights: Iterable[Night] = ()
) -> Accounts:
    """Return one user who may read all programs; their spans contain all nights."""
    records = tuple(
        program_record(name, nights=tuple(nights), puid=number)
        for number, name in enumerate(programs, start=1)
    )
    return Accounts(users=(Account(DEFAULT_USER, DEFAULT_PASSWORD),), programs=records)


def program_record(name: str, nights: tuple[Night, ...] = (), puid: int = 1) -> ProgramRecord:
    """Return a program with the span of its semester, widened until it holds the nights.

    A name is a year, `A` (from February) or `B` (from August), and a number.
    """
    year, second_half = int(name[:4]), name[4] == "B"
    start = date(year, 8, 1) if second_half else date(year, 2, 1)
    end = date(year + 1, 1, 31) if second_half else date(year, 7, 31)
    days = [night.day for night in nights]
    return ProgramRecord(
        name=name,
        api_key=key_of(name),
        start=min([start, *days]),
        end=max([end, *(day + _AFTER for day in days)]),
        puid=puid,
    )
