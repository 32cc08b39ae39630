"""Questions of the whole sky: what the images here show of it, summed up, or of a part of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from winter_sync.catalog.areas import BOX, box_values
from winter_sync.catalog.found import DETAILS, OF_FILE, found_of
from winter_sync.catalog.sky_records import ImagesInArea, SkyCell, SkyField
from winter_sync.core import Footprint, Night

if TYPE_CHECKING:
    from winter_sync.catalog.connection import Connection
    from winter_sync.core import Area

_READ_FOR_ONE = 8
"""Entries of the index that are read for each image that is asked for: others do not touch."""


class Sky:
    """What the images here show of the sky; needs their headers to have been read.

    The sums also count what was deleted or changed here since.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    _CELLS = """
    SELECT cell, filter, sum(images), max(deepest), max(last_night) FROM sky_fields
    WHERE :filter = '' OR filter = :filter GROUP BY cell, filter ORDER BY cell, filter
    """

    def cells(self, filter_name: str | None = None) -> list[SkyCell]:
        """Return the cells in which there are images, in one filter or in each."""
        rows = self._connection.tuples(self._CELLS, {"filter": filter_name or ""})
        return [
            SkyCell(cell, name or None, images, deepest, Night(night))
            for cell, name, images, deepest, night in rows
        ]

    _FILTERS = "SELECT DISTINCT filter FROM sky_fields WHERE filter != '' ORDER BY filter"

    def filters(self) -> list[str]:
        """Return the names of the filters of all images."""
        return [name for (name,) in self._connection.tuples(self._FILTERS)]

    _COUNT = """
    SELECT count(DISTINCT target COLLATE NOCASE) FROM sky_fields
    WHERE :filter = '' OR filter = :filter
    """

    def count_fields(self, filter_name: str | None = None) -> int:
        """Count the targets of images in one filter, or in any."""
        ((count,),) = self._connection.tuples(self._COUNT, {"filter": filter_name or ""})
        return int(count)

    _FIELDS = """
    SELECT target, json_group_array(DISTINCT filter), sum(images), max(deepest), ra, dec,
      max(last_night) AS night
    FROM sky_fields WHERE :filter = '' OR filter = :filter
    GROUP BY target COLLATE NOCASE ORDER BY night DESC, target COLLATE NOCASE
    LIMIT :limit OFFSET :begin
    """

    def fields(self, filter_name: str | None, begin: int, limit: int) -> list[SkyField]:
        """Return a part of the targets, those that were observed last first."""
        values = {"filter": filter_name or "", "begin": begin, "limit": limit}
        rows = self._connection.tuples(self._FIELDS, values)
        return [
            SkyField(
                target=target or None,
                filters=tuple(sorted(filter(None, json.loads(filters)))),
                images=images,
                deepest=deepest,
                last_night=Night(night),
                position=(ra, dec),
            )
            for target, filters, images, deepest, ra, dec, night in rows
        ]

    _NEWEST = f"""
    SELECT p.id, n.extension, n.ra1, n.dec1, n.ra2, n.dec2, n.ra3, n.dec3, n.ra4, n.dec4
    FROM (SELECT i.id FROM footprint_index i WHERE {BOX} ORDER BY i.id DESC LIMIT :entries) g
    CROSS JOIN footprints n ON n.id = g.id CROSS JOIN facts f ON f.id = n.facts
    CROSS JOIN products p ON p.id = f.id
    WHERE {OF_FILE} AND p.damage IS NULL AND (:filter = '' OR f.filter = :filter)
      AND (:image_type = '' OR p.image_type = :image_type)
    ORDER BY g.id DESC
    """  # noqa: S608 - our own condition

    def images_in(
        self,
        area: Area,
        *,
        limit: int,
        filter_name: str | None = None,
        image_type: str | None = None,
    ) -> ImagesInArea:
        """Return the images whose footprints touch an area and whose headers were read last."""
        values = {
            **box_values(area),
            "entries": limit * _READ_FOR_ONE,
            "filter": filter_name or "",
            "image_type": image_type or "",
        }
        touching: list[tuple[int, Footprint]] = []
        for number, extension, *at in self._connection.tuples(self._NEWEST, values):
            footprint = Footprint(tuple(zip(at[::2], at[1::2], strict=True)), extension)
            if area.touches(footprint):
                touching.append((number, footprint))
                if len(touching) > limit:
                    break
        chosen = touching[:limit][::-1]
        found = self._found([number for number, _ in chosen])
        images = tuple((found[number], footprint) for number, footprint in chosen)
        return ImagesInArea(images, len(touching) <= limit and self._were_all_read(values))

    _MORE = f"""
    SELECT count(*) FROM (SELECT 1 FROM footprint_index i WHERE {BOX} LIMIT :entries + 1)
    """  # noqa: S608 - our own condition

    def _were_all_read(self, values: dict[str, Any]) -> bool:
        """Return whether the index has no more entries than were read."""
        ((count,),) = self._connection.tuples(self._MORE, values)
        return bool(count <= values["entries"])

    def _found(self, numbers: list[int]) -> dict[int, Any]:
        every = list(dict.fromkeys(numbers))
        sql = DETAILS.format(programs="")
        rows = self._connection.read(found_of, sql, {"numbers": json.dumps(every)})
        return dict(zip(every, rows, strict=True))
