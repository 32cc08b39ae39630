"""One night in numbers: of each program, camera and type, and whether it is settled."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.core import Numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winter_sync.catalog import Catalog, CatalogThread, KindOfNight, SettledNight
    from winter_sync.core import Night


@dataclass(frozen=True, slots=True)
class NightDetail:
    """A night: how many products of each kind each program lists, and for whom it is settled."""

    night: Night
    kinds: tuple[KindOfNight, ...]
    settled: tuple[SettledNight, ...]

    def json(self) -> str:
        """Return it as JSON: a list of `kinds`, and for which programs it is `settled` since when.

        A product of two programs counts in both. `last_change` is when it was last noticed that
        anything had changed; null for unknown.
        """
        return json.dumps(
            {
                "night": self.night.name,
                "settled": {
                    settled.program: settled.settled_at.isoformat(timespec="milliseconds")
                    for settled in self.settled
                },
                "kinds": [_kind_record(kind) for kind in self.kinds],
            },
            indent=2,
        )


def _kind_record(kind: KindOfNight) -> dict[str, object]:
    count, numbers = kind.count, Numbers.of([kind.count])
    changed = kind.changed_at
    return {
        "program": kind.program,
        "instrument": count.instrument.value,
        "image_type": count.image_type.value,
        "listed": numbers.listed,
        "here": numbers.here,
        "pending": numbers.pending,
        "failing": kind.failing,
        "missing": numbers.missing,
        "not_kept": numbers.not_kept,
        "damaged": numbers.damaged,
        "withdrawn": count.withdrawn,
        "last_change": changed.isoformat(timespec="milliseconds") if changed else None,
    }


async def read_night(catalog: CatalogThread, programs: Sequence[str], night: Night) -> NightDetail:
    """Read how a night stands.

    Raises
    ------
    StorageError
        If the catalog cannot be read.
    """

    def read(catalog: Catalog) -> NightDetail:
        with catalog.snapshot():
            settled = catalog.nights.settled(programs)
            return NightDetail(
                night,
                tuple(catalog.nights.kinds(night, programs)),
                tuple(found for found in settled if found.night == night),
            )

    return await catalog(read)
