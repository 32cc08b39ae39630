"""What is written to the catalog: models as values of its columns and parameters."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from winter_sync.catalog.identities import identity_of, split_path
from winter_sync.catalog.packing import pack_day, pack_microseconds, pack_seconds
from winter_sync.core import (
    Cone,
    Damage,
    ImageType,
    Instrument,
    Marks,
    Product,
    Query,
    Rectangle,
    Region,
    Row,
    State,
    Subject,
    Target,
    date_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from winter_sync.catalog.records import (
        Check,
        Held,
        Poll,
    )


def region_name(region: Region | None) -> str:
    """Return a region as one readable text; empty for a whole program.

    Two regions never have the same text: numbers are written out as far as they differ.
    """
    match region:
        case None:
            return ""
        case Target(name):
            return f"target {name}"
        case Cone(ra, dec, radius):
            return f"cone {ra!r} {dec!r} {radius!r}"
        case Rectangle(ra_min, ra_max, dec_min, dec_max):
            return f"rectangle {ra_min!r} {ra_max!r} {dec_min!r} {dec_max!r}"


def format_instant(instant: datetime) -> str:
    """Return an instant as text: in UTC, to the millisecond, so that texts sort as times do."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds")


@lru_cache(256)
def milliseconds(instant: datetime | str) -> int:
    """Return an instant, or the text of one, as the catalog packs it: 0 for an empty text."""
    if not instant:
        return 0
    return whole_milliseconds(
        datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    )


def whole_milliseconds(instant: datetime) -> int:
    """Return an instant as the catalog packs it."""
    return (instant - _EPOCH) // _MILLISECOND


def digest_bytes(sha256: str) -> bytes | str:
    """Return a digest as the catalog packs it."""
    try:
        return bytes.fromhex(sha256)
    except ValueError:
        return sha256


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def plain(value: object) -> object:
    """Return a word of ours as the text it is, anything else as it is."""
    return str(value) if isinstance(value, Instrument | ImageType | State | Damage) else value


def identity_values(product: Product) -> dict[str, str]:
    """Return the values by which a statement finds a product."""
    return identity_of(product.instrument, product.savepath)


def group_values(product: Product) -> dict[str, str]:
    """Return the values of a product's camera, night and type."""
    return {
        "instrument": product.instrument.value,
        "night": product.night.name,
        "image_type": product.image_type.value,
    }


def product_values(product: Product, path: str, now: str) -> dict[str, Any]:
    """Return the values to enter a product with."""
    return {
        **identity_values(product),
        **group_values(product),
        "place": split_path(path)[0],
        "now": milliseconds(now),
    }


def subject_values(subject: Subject) -> dict[str, str]:
    """Return the values by which polls and listings belong to a subject."""
    return {
        "program": subject.program,
        "instrument": subject.instrument.value,
        "image_type": subject.image_type.value,
        "region": region_name(subject.region),
    }


def listing_values(query: Query, now: str) -> Callable[[Row], dict[str, object]]:
    """Return what returns the values to record a row of a query's answer with."""
    program, region = query.subject.program, region_name(query.subject.region)
    day = timedelta(days=1)
    first, last = query.start - day, min(query.end or date.max, date.max - day) + day
    earliest, latest = first.isoformat(), last.isoformat()
    packed = milliseconds(now)

    def values(row: Row) -> dict[str, object]:
        nightdate, extra = date_text(row.nightdate), row.extra
        if row.nightdate and nightdate is None:
            extra = {**extra, "nightdate": row.nightdate}
        # One date more at each end: that dates filter `nightdate` is inferred.
        is_asked_for = nightdate is not None and earliest <= nightdate <= latest
        return {
            "program": program,
            "region": region,
            "target": row.target,
            "nightdate_days": pack_day(nightdate),
            "ra": row.ra,
            "dec": row.dec,
            "fid": row.fid,
            "utctime_us": pack_microseconds(row.utctime),
            "fieldid": row.fieldid,
            "lastmodified_us": pack_microseconds(row.lastmodified),
            "pipeversion": row.pipeversion,
            "extra": json.dumps(dict(extra), default=str) if extra else None,
            "progname": row.program if row.program != program else None,
            "now": packed,
            "fingerprint": row.fingerprint,
            "listed_at": None if is_asked_for else now,
        }

    return values


def settled_mark_values(settled: Marks) -> dict[str, Any]:
    """Return the columns of the marks under which a product was fetched."""
    return {
        "settled_lastmodified_s": pack_seconds(settled.lastmodified),
        "settled_pipeversion": settled.pipeversion,
    }


def poll_values(poll: Poll, now: str) -> dict[str, Any]:
    """Return the columns of a poll."""
    query = poll.query
    return {
        "at": now,
        **subject_values(query.subject),
        "start": query.start.isoformat(),
        "end": query.end.isoformat() if query.end else None,
        "sweep": int(poll.sweep),
        "listed": poll.listed,
        "new": poll.new,
        "changed": poll.changed,
        "returned": poll.returned,
        "withdrawn": poll.withdrawn,
        "faults": poll.faults,
        "seconds": poll.seconds,
        "error": poll.error,
    }


def guard_values(held: Held) -> dict[str, object]:
    """Return the values by which a product is still the one that was read from the catalog."""
    return {
        **identity_values(held.product),
        "sha256": held.sha256,
        "published_at": held.published_at,
    }


def check_values(check: Check) -> dict[str, object]:
    """Return the values to record the result of a check with."""
    return {
        **guard_values(check.held),
        "damage": check.damage.value if check.damage else None,
        "reason": check.reason,
        "mtime_ns": check.mtime_ns,
    }
