"""All that the catalog knows of products, for tables: as it is now, or as it was once."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from winter_sync.catalog.found import FILTER, LISTING, state_of
from winter_sync.catalog.identities import HAS_NO_REVISION, PATH, PRODUCT
from winter_sync.catalog.rows import path_of, product_of
from winter_sync.catalog.scopes import parameters
from winter_sync.catalog.search_records import UserState
from winter_sync.catalog.values import format_instant
from winter_sync.core import Damage, Dataset, Facts, Footprint, position_on_sky

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from winter_sync.catalog.connection import Connection

_CHUNK = 500
"""Products that are read at a time."""
_FACTS = tuple(
    field.name for field in fields(Facts) if field.name not in {"footprints", "started_at"}
)
_FACTS_OF_CONTENT = (
    "facts f ON f.id = p.id AND coalesce(f.sha256, p.sha256) = coalesce(v.sha256, p.sha256)"
)
_REVISION = "LEFT JOIN revisions v ON v.product = p.id"
_NOW = f"{_REVISION} AND v.revision = p.revision"
_THEN = f"""{_REVISION} AND v.published_at <= :as_of
  AND (v.replaced_at IS NULL OR v.replaced_at > :as_of)"""
_HERE_THEN = f"""
WHERE v.product IS NOT NULL OR {HAS_NO_REVISION} AND p.published_at <= :as_of
"""


class Exports:
    """All that is known of products."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def datasets(
        self, numbers: Sequence[int], programs: Sequence[str] = (), as_of: datetime | None = None
    ) -> Iterator[Dataset]:
        """Yield what is known of products, in the order in which they are given.

        Parameters
        ----------
        numbers
            Their row numbers (`Searches.numbers`).
        programs
            Those whose listings count first where several list a product.
        as_of
            The instant whose contents are meant: products that were not here then are left out.
            Listings and facts are those of now, facts only where they are of that content.
        """
        names, values = parameters("program", programs)
        if as_of is not None:
            values["as_of"] = format_instant(as_of)
        sql = _SELECT.format(
            programs=names,
            revision=_NOW if as_of is None else _THEN,
            condition="" if as_of is None else _HERE_THEN,
        )
        read = _dataset_of if as_of is None else _former_dataset_of
        for at in range(0, len(numbers), _CHUNK):
            chunk = {"numbers": json.dumps(list(numbers[at : at + _CHUNK]))}
            yield from self._connection.read(read, sql, chunk | values)


_SELECT = f"""
SELECT {PRODUCT}, p.state, p.withdrawn_at, p.damage, {PATH},
  coalesce(v.size, p.size) AS size, coalesce(v.sha256, p.sha256) AS sha256,
  coalesce(v.revision, nullif(p.revision, 0)) AS revision,
  coalesce(v.published_at, p.published_at) AS published_at, v.replaced_at, v.kept,
  l.target AS listed_target, l.ra AS listed_ra, l.dec AS listed_dec, l.fieldid, l.lastmodified,
  l.pipeversion, {{FILTER}} AS filter_name, f.started_at, {", ".join(f"f.{c}" for c in _FACTS)},
  (SELECT json_group_array(json_array(
      s.extension, s.ra1, s.dec1, s.ra2, s.dec2, s.ra3, s.dec3, s.ra4, s.dec4))
    FROM footprints s WHERE s.facts = f.id) AS footprints,
  coalesce(
    (SELECT group_concat(o.program, ' ') FROM listings o WHERE o.product = p.id
      AND o.withdrawn_at IS NULL), l.program) AS programs
FROM json_each(:numbers) g CROSS JOIN products p ON p.id = g.value
{{revision}} LEFT JOIN {_FACTS_OF_CONTENT} LEFT JOIN {LISTING} {{condition}}
ORDER BY g.key
""".replace("{FILTER}", FILTER)  # noqa: S608 - our own texts


def _dataset_of(row: dict[str, Any]) -> Dataset:
    """Read a product as it is now."""
    has_file = row["sha256"] is not None and row["damage"] != Damage.MISSING
    return _dataset(row, state_of(row), path_of(row) if has_file else None)


def _former_dataset_of(row: dict[str, Any]) -> Dataset:
    """Read a product that was here, whatever became of it."""
    if row["replaced_at"] is not None:
        return _dataset(row, UserState.DOWNLOADED, row["kept"])
    has_file = row["damage"] != Damage.MISSING
    return _dataset(row, UserState.DOWNLOADED, path_of(row) if has_file else None)


def _dataset(row: dict[str, Any], state: UserState, file: str | None) -> Dataset:
    # As in `found_of`.
    ra, dec = position_on_sky(row["listed_ra"], row["listed_dec"])
    return Dataset(
        product=product_of(row),
        state=state.value,
        programs=tuple(sorted((row["programs"] or "").split())),
        target=row["listed_target"],
        ra=ra,
        dec=dec,
        field_id=row["fieldid"],
        filter=row["filter_name"],
        file=file,
        path=path_of(row),
        size=row["size"],
        sha256=row["sha256"],
        revision=row["revision"],
        downloaded_at=row["published_at"],
        pipeline_version=row["pipeversion"],
        last_modified=row["lastmodified"],
        facts=_facts_of(row),
    )


def _facts_of(row: dict[str, Any]) -> Facts:
    started = row["started_at"]
    return Facts(
        started_at=datetime.fromisoformat(started) if started else None,
        footprints=tuple(map(_footprint_of, json.loads(row["footprints"]))),
        **{name: row[name] for name in _FACTS},
    )


def _footprint_of(numbers: list[float]) -> Footprint:
    extension, *degrees = numbers
    corners = tuple(zip(degrees[::2], degrees[1::2], strict=True))
    return Footprint(corners, int(extension))
