"""What is read from the catalog: each row checked, then converted to a model or a record."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from datetime import MAXYEAR, MINYEAR, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from winter_sync.catalog.records import (
    Damaged,
    Held,
    LastPoll,
    NightCount,
    Trouble,
    Waiting,
)
from winter_sync.core import (
    STATE_DIR,
    Alert,
    Candidate,
    Damage,
    ImageType,
    Instrument,
    KnownProduct,
    Marks,
    Night,
    Product,
    Refetch,
    Row,
    Share,
    State,
    parse_marks,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from enum import StrEnum

_ODD_PARTS = frozenset({"", ".", ".."})
"""No part of a path below the root is one of these."""


def check_rows(rows: Sequence[dict[str, Any]], columns: Iterable[str]) -> None:
    """Make sure that rows of the catalog have only what a version of this program writes.

    SQLite lets any column hold anything: anyone who can write the file decides its content.

    Raises
    ------
    ValueError
        If not; the message names the column.
    """
    for name in columns:
        check = _CHECKS.get(name)
        if check is not None:
            _check_column(name, check, (row[name] for row in rows))


def _check_column(name: str, check: Callable[[Any], bool], values: Iterable[Any]) -> None:
    for value in values:
        try:
            right = value is None or check(value)
        except (ValueError, TypeError):
            right = False
        if not right:
            raise ValueError(f"{name} is {_shown(value)}")


_DIGEST = re.compile(r"[0-9a-f]{64}")
_BEYOND_COUNTING = 2**60
"""No size or number of anything is as large; what is added to it must stay a number of SQLite's."""


def _shown(value: object) -> str:
    return repr(value)[:60].encode("ascii", "backslashreplace").decode()


def _is_word(words: type[StrEnum]) -> Callable[[Any], bool]:
    known = frozenset(word.value for word in words)
    return lambda value: value in known


def _is_night(value: Any) -> bool:  # noqa: ANN401 - whatever SQLite holds
    return bool(night_of(value))


def _is_path(value: Any) -> bool:  # noqa: ANN401 - as above
    return "\0" not in value and _ODD_PARTS.isdisjoint(value.split("/"))


def _is_text(value: Any) -> bool:  # noqa: ANN401 - as above
    return type(value) is str


def _is_digest(value: Any) -> bool:  # noqa: ANN401 - as above
    return _DIGEST.fullmatch(value) is not None


def _is_count(value: Any) -> bool:  # noqa: ANN401 - as above
    return type(value) is int and 0 <= value < _BEYOND_COUNTING


def _is_instant(value: Any) -> bool:  # noqa: ANN401 - as above
    if value == "":
        return True
    instant = datetime.fromisoformat(value)
    # In the first and the last year another time zone may be out of all time.
    return instant.tzinfo is not None and MINYEAR < instant.year < MAXYEAR


def _is_number(value: Any) -> bool:  # noqa: ANN401 - as above
    return type(value) in {int, float}


night_of = lru_cache(4096)(Night)
"""Reads a night; there are few, and each in many rows."""

_CHECKS: dict[str, Callable[[Any], bool]] = {
    "instrument": _is_word(Instrument),
    "image_type": _is_word(ImageType),
    "state": _is_word(State),
    "damage": _is_word(Damage),
    "refetch": _is_word(Refetch),
    "night": _is_night,
    "sha256": _is_digest,
    **dict.fromkeys(("path", "kept"), _is_path),
    **dict.fromkeys(
        (
            *("at", "soonest", "begins", "ends", "seen_at", "held_at", "since"),
            *("last_success", "failing_since", "settled_at", "first_settled_at", "changed_at"),
        ),
        _is_instant,
    ),
    **dict.fromkeys(
        (
            *("size", "attempts", "listed", "products", "files", "faults", "revision", "answers"),
            *("cursor", "failures", "lost", "noticed", "polls_seen", "expected", "changes"),
        ),
        _is_count,
    ),
    **dict.fromkeys(
        (
            *("savepath", "program", "programs", "lastmodified", "pipeversion"),
            *("settled_lastmodified", "settled_pipeversion", "published_at", "checked_at"),
            *("not_before", "last_error", "damage_reason", "claimed_by", "started_at", "error"),
            *("start", "end", "withdrawn_at", "retried_at", "asked_at"),
            *("first_listed", "last_listed", "successor", "begun_at", "kind", "details", "ahead"),
            *("target_was", "program_was", "progname_was"),
            *("objectid", "progname", "ztfname", "ssnamenr"),
        ),
        _is_text,
    ),
    **dict.fromkeys(
        (
            *("jd", "ra", "dec", "magpsf", "sigmapsf", "diffmaglim", "rb", "scorr", "fwhm"),
            *("exptime", "magap", "sigmagap", "distztf", "sgscore1", "distpsnr1"),
            *("candid", "fid", "isdiffpos", "ndethist", "boardid", "fieldid", "deprecated"),
        ),
        _is_number,
    ),
    **dict.fromkeys(("target", "filter"), _is_text),
    **dict.fromkeys(
        ("exposure_time", "seeing", "limiting_magnitude", "coadds", "dithers"), _is_number
    ),
}
"""What each column may hold, where that is not NULL; a name means the same in all queries."""


def product_of(row: dict[str, Any]) -> Product:
    """Read a product."""
    return Product(
        instrument=Instrument(row["instrument"]),
        savepath=row["savepath"],
        image_type=ImageType(row["image_type"]),
        night=night_of(row["night"]),
    )


def path_of(row: dict[str, Any]) -> str:
    """Read the path of a product, which is never in our own directory."""
    path: str = row["path"]
    if path.split("/", 1)[0] == STATE_DIR:
        raise ValueError(f"path is {_shown(path)}")
    return path


def known_of(row: dict[str, Any]) -> KnownProduct:
    """Read what is known of a product."""
    return KnownProduct(
        product=product_of(row),
        state=State(row["state"]),
        settled_marks=settled_marks_of(row),
        withdrawn=row["withdrawn_at"] is not None,
        number=row["number"],
    )


def listed_row_of(row: dict[str, Any]) -> Row:
    """Read a row of the archive as it was listed last, up to how its date was written."""
    extra = json.loads(row["extra"]) if row["extra"] else {}
    return Row(
        product=product_of(row),
        program=row["progname"] or row["program"],
        nightdate=row["nightdate"] or extra.pop("nightdate", None),
        **{name: row[name] for name in _AS_LISTED},
        extra=MappingProxyType(extra),
        fingerprint=row["fingerprint"],
    )


_AS_LISTED = (
    *("target", "ra", "dec", "fid", "utctime", "fieldid"),
    *("lastmodified", "pipeversion"),
)


def settled_marks_of(row: dict[str, Any]) -> Marks:
    """Read the marks under which a product was fetched; earlier versions kept them as listed."""
    return parse_marks(row["settled_lastmodified"], row["settled_pipeversion"])


def candidate_of(row: dict[str, Any]) -> Candidate:
    """Read a product that may be fetched, and all that fetching it needs."""
    product = product_of(row)
    return Candidate(
        product=product,
        program=row["program"],
        attempts=row["attempts"],
        marks=parse_marks(row["lastmodified"], row["pipeversion"]),
        expected_size=int(
            row["size"] or row["usual_size"] or product.image_type.traits.typical_size
        ),
        path=path_of(row),
        published_sha256=row["sha256"],
        refused_sha256=row["refused_long_ago"],
        state=State(row["state"]),
        refetch=Refetch(row["refetch"]),
    )


def night_count_of(row: dict[str, Any]) -> NightCount:
    """Read the counts of a night."""
    return NightCount(
        night=night_of(row["night"]),
        instrument=Instrument(row["instrument"]),
        image_type=ImageType(row["image_type"]),
        published=row["published"],
        wanted=row["wanted"],
        missing=row["missing"],
        withdrawn=row["withdrawn"],
        size=row["size"],
        withdrawn_here=row["withdrawn_here"],
        withdrawn_size=row["withdrawn_size"],
        damaged=row["damaged"],
    )


def share_of(row: dict[str, Any]) -> Share:
    """Read how much of a kind is wanted of a night."""
    return Share(
        night=night_of(row["night"]),
        instrument=Instrument(row["instrument"]),
        image_type=ImageType(row["image_type"]),
        products=row["products"],
        failed=row["failed"],
    )


def trouble_of(row: dict[str, Any]) -> Trouble:
    """Read a product that could not be downloaded yet."""
    return Trouble(
        product=product_of(row),
        state=State(row["state"]),
        attempts=row["attempts"],
        not_before=row["not_before"],
        last_error=row["last_error"],
    )


def waiting_of(row: dict[str, Any]) -> Waiting:
    """Read how many products wait, and until when."""
    return Waiting(State(row["state"]), row["products"], datetime.fromisoformat(row["soonest"]))


def covers(row: dict[str, Any], day: str) -> bool:
    """Return whether a poll was for a date, written as the catalog has it."""
    return bool(row["start"] <= day and (row["end"] is None or row["end"] >= day))


def last_poll_of(row: dict[str, Any]) -> LastPoll:
    """Read when a type of a program was last polled."""
    return LastPoll(
        program=row["program"],
        instrument=Instrument(row["instrument"]),
        image_type=ImageType(row["image_type"]),
        at=row["at"],
        listed=row["listed"],
        error=row["error"],
    )


def held_of(row: dict[str, Any]) -> Held:
    """Read a product that is in the tree."""
    if row["size"] is None or row["sha256"] is None:
        raise ValueError("a product that is here has no size or no digest")
    return Held(
        product=product_of(row),
        path=path_of(row),
        size=row["size"],
        sha256=row["sha256"],
        mtime_ns=row["mtime_ns"],
        published_at=row["published_at"],
        checked_at=row["checked_at"],
        damage=Damage(row["damage"]) if row["damage"] else None,
        withdrawn=row["withdrawn_at"] is not None,
    )


def damaged_of(row: dict[str, Any]) -> Damaged:
    """Read a product whose file is missing or changed."""
    return Damaged(
        product=product_of(row),
        path=path_of(row),
        damage=Damage(row["damage"]),
        reason=row["damage_reason"] or "",
        state=State(row["state"]),
        withdrawn=row["withdrawn_at"] is not None,
        not_before=row["not_before"],
        last_error=row["last_error"],
        programs=tuple((row["programs"] or "").split()),
        size=row["size"] or 0,
    )


_ALERT_COLUMNS = tuple(field.name for field in fields(Alert))


def alert_of(row: dict[str, Any]) -> Alert:
    """Read an alert."""
    values = {name: row[name] for name in _ALERT_COLUMNS}
    for name in ("isdiffpos", "deprecated"):
        values[name] = None if values[name] is None else bool(values[name])
    return Alert(**values)
