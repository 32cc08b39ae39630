"""The events of the life of the daemon."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Started:
    """The daemon starts, or continues after a reload of its settings."""

    root: str
    programs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stopping:
    """The daemon was asked to stop; downloads under way have `grace` seconds left."""

    grace: float


@dataclass(frozen=True, slots=True)
class Stopped:
    """The daemon stopped as asked; `published` and `size` count since its start."""

    published: int
    size: int


@dataclass(frozen=True, slots=True)
class Reloading:
    """The settings were reloaded and are valid; downloads under way have `grace` seconds left."""

    grace: float


@dataclass(frozen=True, slots=True)
class ReloadRefused:
    """The settings were reloaded and are invalid: the old ones stay in use."""

    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Stalled:
    """Some work makes no progress any more."""

    troubles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DayEnded:
    """What a UTC day brought."""

    day: str
    polls: int
    failed_polls: int
    new: int
    published: int
    size: int
    failed: int
    missing: int
    troubled_seconds: float
    """How long requests to the server were paused."""
    last_night: str | None = None
    """The archive's own last night by the calendar; None, as all below, where the catalog could
    not be read."""
    last_night_listed: int | None = None
    last_night_here: int | None = None
    last_night_complete: bool | None = None
    last_answer: str | None = None
    """When the archive last listed something, ISO 8601, UTC; None also if it never did."""


@dataclass(frozen=True, slots=True)
class ClockJumped:
    """The clock went further than time did, by `seconds`: it was set, or the machine slept."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Resumed:
    """The process was suspended for `seconds`, by a signal or with its container."""

    seconds: float


@dataclass(frozen=True, slots=True)
class NarrowCones:
    """Cones of a program may miss boards that show the place, as these types are listed."""

    program: str
    image_types: tuple[str, ...]

    @property
    def said(self) -> str:
        """What is wrong."""
        return (
            f"the archive lists {', '.join(self.image_types)} images at the pointing, the same for "
            "all boards; a cone under 1 degree may miss boards that show it"
        )

    @property
    def remedy(self) -> str:
        """What to do."""
        return f"Set radius = 1.0 in the cones of program {self.program}, or name targets instead."


@dataclass(frozen=True, slots=True)
class PagesServed:
    """The pages are served at an address, to whoever gives the token if one `needs_token`."""

    address: str
    needs_token: bool = False


@dataclass(frozen=True, slots=True)
class PagesOpen:
    """The pages are served at an address that other machines may reach, and ask for no token."""

    listen: str

    @property
    def remedy(self) -> str:
        """What to do."""
        return "Make sure that only a reverse proxy can reach it, or set token_file under [http]."
