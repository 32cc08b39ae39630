"""What reading a zip brings, and the bounds on what it may ask of us."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

Data = bytes | memoryview


@dataclass(frozen=True, slots=True)
class MemberStart:
    """A member begins; `size` is what its header claims, None where only its end will show it."""

    name: str
    size: int | None


@dataclass(frozen=True, slots=True)
class MemberEnd:
    """A member has ended: complete and checked if `fault` is None; otherwise discard it."""

    name: str
    size: int
    fault: str | None


Output = MemberStart | Data | MemberEnd
"""What reading an archive brings, in the order of its bytes."""
Steps = Generator[Output | None, None, None]
Verdict = Generator[Output | None, None, str | None]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what an archive may ask of us; sizes in bytes."""

    member_size: int = 4 * 1024**3
    """One member, packed or inflated. The largest real product has 52 MB."""
    name_length: int = 1024
    """One member's name."""
    archive_size: int = 16 * 1024**3
    """A whole archive, packed, so that one that never ends is given up."""
    inflated_size: int = 16 * 1024**3
    """All that comes out of an archive, stored and inflated, whatever becomes of it."""
    members: int = 100_000
    """Members of an archive, whatever their names."""
