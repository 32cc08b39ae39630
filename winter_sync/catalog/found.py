"""What is read of products that answer a question: their rows, joined with listing and facts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from winter_sync.catalog.identities import PATH, PRODUCT, path_sql
from winter_sync.catalog.rows import path_of, product_of
from winter_sync.catalog.search_records import FoundProduct, UserState
from winter_sync.core import (
    CAMERA_FILTER_NAMES,
    FILTER_NAMES,
    UNKNOWN_FILTERS,
    Damage,
    State,
    exposure_time,
    position_on_sky,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

OF_FILE = "coalesce(f.digest, p.digest) = p.digest"
"""Whether facts are of the file that is here; not of one that was replaced."""
FACTS = f"facts f ON f.id = p.id AND {OF_FILE}"
LISTING = """
listings l ON l.product = p.id AND l.program = (
  SELECT o.program FROM listings o WHERE o.product = p.id
  ORDER BY o.program NOT IN ({programs}), o.withdrawn_at IS NOT NULL, o.program LIMIT 1)
"""
"""One listing of each product: of a program that is asked for, otherwise of one that lists it."""


def _names(column: str, names: Mapping[int, str], otherwise: str) -> str:
    if not names:
        return otherwise
    cases = " ".join(f"WHEN {number} THEN '{name}'" for number, name in names.items())
    return f"CASE {column} {cases} ELSE {otherwise} END"


_BY_NUMBER = _names("l.fid", FILTER_NAMES, "CAST(l.fid AS TEXT)")
_BY_CAMERA = " ".join(
    f"WHEN '{camera}' THEN {_names('l.fid', names, _BY_NUMBER)}"
    for camera, names in CAMERA_FILTER_NAMES.items()
)
_UNKNOWN = ", ".join(map(str, sorted(UNKNOWN_FILTERS)))
FILTER = (
    f"coalesce(f.filter, CASE WHEN l.fid NOT IN ({_UNKNOWN})"
    f" THEN CASE p.instrument {_BY_CAMERA} END END)"
)
"""The name of the filter, as `winter_sync.core.filter_name` has it."""

DETAILS = f"""
SELECT {PRODUCT}, p.state, p.withdrawn_at, p.damage, {PATH},
  p.size, p.sha256, p.published_at, f.started_at, {FILTER} AS filter, f.exposure_time, f.seeing,
  f.limiting_magnitude, coalesce(l.target, f.target) AS target,
  coalesce(l.ra, f.ra) AS ra, coalesce(l.dec, f.dec) AS dec,
  coalesce(
    (SELECT group_concat(o.program, ' ') FROM listings o WHERE o.product = p.id
      AND o.withdrawn_at IS NULL), l.program) AS programs,
  (SELECT {path_sql("n")} FROM successors s JOIN products n ON n.id = s.successor
    WHERE s.product = p.id) AS successor
FROM json_each(:numbers) g CROSS JOIN products p ON p.id = g.value
LEFT JOIN {FACTS} LEFT JOIN {LISTING}
ORDER BY g.key
"""  # noqa: S608 - our own texts
"""Needs the programs that are asked for, as names of parameters."""


def found_of(row: dict[str, Any]) -> FoundProduct:
    """Read a product that answers a question."""
    product = product_of(row)
    # Earlier versions recorded any two numbers that an archive listed.
    ra, dec = position_on_sky(row["ra"], row["dec"])
    return FoundProduct(
        product=product,
        state=state_of(row),
        path=path_of(row),
        has_file=row["sha256"] is not None and row["damage"] != Damage.MISSING,
        size=row["size"],
        programs=tuple(sorted((row["programs"] or "").split())),
        started_at=_instant_of(row["started_at"]) or exposure_time(product.filename),
        target=row["target"],
        ra=ra,
        dec=dec,
        filter=row["filter"],
        exposure_time=row["exposure_time"],
        seeing=row["seeing"],
        limiting_magnitude=row["limiting_magnitude"],
        downloaded_at=_instant_of(row["published_at"]),
        successor=row["successor"],
    )


def _instant_of(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def state_of(row: dict[str, Any]) -> UserState:
    """Read where a product stands, in the words of its user."""
    if row["withdrawn_at"] is not None:
        return UserState.WITHDRAWN
    match State(row["state"]):
        case State.WANTED:
            return UserState.PENDING
        case State.MISSING:
            return UserState.MISSING
        case State.PUBLISHED:
            return UserState.DAMAGED if row["damage"] else UserState.DOWNLOADED
