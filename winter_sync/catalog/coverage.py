"""Questions of the sky: which images show a position, and what near it is not known."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

from winter_sync.catalog.areas import products_in
from winter_sync.catalog.coverage_records import FoundImage, Unseen
from winter_sync.catalog.found import DETAILS, FACTS, OF_FILE, found_of
from winter_sync.catalog.records import Scope
from winter_sync.catalog.scopes import Condition, in_scope, listed_ever
from winter_sync.catalog.values import format_instant
from winter_sync.core import (
    IMAGE_TYPES,
    NOT_KEPT,
    Cone,
    Footprint,
    area_of,
    names_of_filter,
    unit_vector,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from winter_sync.catalog.connection import Connection
    from winter_sync.catalog.coverage_records import Images
    from winter_sync.catalog.search_records import FoundProduct
    from winter_sync.core import ImageType, Position

_CHUNK = 500
"""Products that are read at a time."""


class Coverage:
    """Which images show a position, by their footprints."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def showing(self, position: Position, images: Images) -> list[FoundImage]:
        """Return the images whose file is here and whose footprint holds a position, by time.

        An image of several extensions counts once for each of them that shows the position.
        """
        footprints = self._footprints(position)
        shown = [
            FoundImage(found, footprint, sha256, mtime_ns)
            for facts, found, sha256, mtime_ns in self._products(list(footprints), images)
            for footprint in footprints[facts]
        ]
        return sorted(shown, key=_time)

    _AROUND = """
    SELECT n.facts, n.extension, n.ra1, n.dec1, n.ra2, n.dec2, n.ra3, n.dec3, n.ra4, n.dec4
    FROM footprint_index i CROSS JOIN footprints n ON n.id = i.id
    WHERE i.x1 <= :x AND i.x2 >= :x AND i.y1 <= :y AND i.y2 >= :y AND i.z1 <= :z AND i.z2 >= :z
    """

    def _footprints(self, position: Position) -> dict[int, list[Footprint]]:
        """Return the footprints that hold a position, by the facts that they belong to."""
        x, y, z = unit_vector(position)
        found = dict[int, list[Footprint]]()
        rows = self._connection.tuples(self._AROUND, {"x": x, "y": y, "z": z})
        for facts, extension, *at in rows:
            footprint = Footprint(tuple(zip(at[::2], at[1::2], strict=True)), extension)
            if footprint.contains(position):
                found.setdefault(facts, []).append(footprint)
        return found

    _HERE = f"""
    SELECT p.id, f.id, p.sha256, p.mtime_ns FROM json_each(:facts) g
    CROSS JOIN facts f ON f.id = g.value
    CROSS JOIN products p ON p.id = f.id
    WHERE {OF_FILE} AND p.damage IS NULL AND {{condition}}
    """  # noqa: S608 - our own texts

    def _products(self, facts: list[int], images: Images) -> Iterator[tuple[int, Any, str, Any]]:
        """Yield products whose facts are these and whose file is here, if they are asked for."""
        condition = _condition(images)
        values = {"facts": json.dumps(facts), **condition.values}
        sql = self._HERE.format(condition=condition.sql)
        rows = list(self._connection.tuples(sql, values))
        for at in range(0, len(rows), _CHUNK):
            chunk = rows[at : at + _CHUNK]
            numbers = json.dumps([number for number, *_ in chunk])
            details = self._connection.read(
                found_of, DETAILS.format(programs=""), {"numbers": numbers}
            )
            for found, (_, number, sha256, mtime_ns) in zip(details, chunk, strict=True):
                if _is_asked_for(found, images):
                    yield number, found, sha256, mtime_ns

    _UNSEEN = """
    SELECT CASE
        WHEN p.sha256 IS NULL AND p.state = 'wanted' THEN 'pending'
        WHEN p.sha256 IS NULL AND p.image_type IN ({not_kept}) THEN 'not_kept'
        WHEN p.sha256 IS NULL THEN 'missing'
        WHEN p.damage IS NOT NULL THEN 'damaged'
        WHEN f.id IS NULL THEN 'unread'
        WHEN NOT EXISTS (SELECT 1 FROM footprints n WHERE n.facts = f.id) THEN 'without_footprint'
      END AS why, count(*) AS products
    FROM json_each(:numbers) g CROSS JOIN products p ON p.id = g.value
    LEFT JOIN {facts}
    WHERE p.image_type IN ({images}) AND (p.sha256 IS NOT NULL OR p.withdrawn_at IS NULL)
      AND {condition}
    GROUP BY why
    """

    def unseen(self, position: Position, radius: float, images: Images) -> Unseen:
        """Count products that are listed within a radius, in degrees, and whose sky is not known.

        The filters and times of what was not read are not known either: all are counted. What is
        neither here nor listed any more counts for nothing.
        """
        numbers = products_in(self._connection, area_of(Cone(*position, radius)))
        condition = _part(images)
        sql = self._UNSEEN.format(
            not_kept=_words(NOT_KEPT),
            images=_words(IMAGE_TYPES),
            facts=FACTS,
            condition=condition.sql,
        )
        values = {"numbers": json.dumps(list(numbers)), **condition.values}
        rows = self._connection.rows(sql, values)
        counts = {row["why"]: row["products"] for row in rows}
        return Unseen(sum(counts.values()), **{why: n for why, n in counts.items() if why})


def _time(image: FoundImage) -> tuple[datetime, str, int]:
    product = image.found.product
    when = image.found.started_at or datetime.combine(product.night.day, time.max, UTC)
    return when, product.savepath, image.footprint.extension


def _is_asked_for(found: FoundProduct, images: Images) -> bool:
    """Return whether a product has a filter and a time that are asked for."""
    if images.filters:
        names = {name.lower() for given in images.filters for name in names_of_filter(given)}
        if (found.filter or "").lower() not in names:
            return False
    return not images.since or not found.started_at or found.started_at >= images.since


def _condition(images: Images) -> Condition:
    condition = _part(images)
    if images.since is not None:
        since = format_instant(images.since)
        condition &= Condition("(f.started_at IS NULL OR f.started_at >= :since)", {"since": since})
    return condition


def _part(images: Images) -> Condition:
    """Return the condition that a product is of the part of the mirror that is asked for."""
    scope = Scope(
        programs=images.programs,
        image_types=images.image_types,
        instruments=images.instruments,
        nights=images.nights,
        first_night=images.first_night,
        last_night=images.last_night,
    )
    condition = in_scope(scope)
    return condition & listed_ever(images.programs) if images.programs else condition


def _words(image_types: Iterable[ImageType]) -> str:
    return ", ".join(f"'{image_type}'" for image_type in image_types)
