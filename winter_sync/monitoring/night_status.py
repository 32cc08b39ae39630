"""One night in numbers: of each program, camera and type, and whether it is settled."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.catalog import Scope
from winter_sync.core import Numbers
from winter_sync.monitoring.status import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winter_sync.catalog import (
        Catalog,
        CatalogThread,
        KindOfNight,
        NightCount,
        SettledNight,
    )
    from winter_sync.core import Night
    from winter_sync.monitoring.status import Only


@dataclass(frozen=True, slots=True)
class NightDetail:
    """A night: how many products of each kind each program lists, and for whom it is settled."""

    night: Night
    kinds: tuple[KindOfNight, ...]
    settled: tuple[SettledNight, ...]
    counts: tuple[NightCount, ...] = ()
    """The same, each product once whichever programs list it."""
    failing: int = 0
    """How many failed to download, each counted once."""

    @property
    def together(self) -> Numbers:
        """The numbers of all programs together, each product counted once."""
        return Numbers.of(self.counts)

    @property
    def shared(self) -> int:
        """How often a listed product is counted again because another program lists it, too."""
        return Numbers.of(kind.count for kind in self.kinds).listed - self.together.listed

    def json(self) -> str:
        """Return it as JSON: a list of `kinds`, and for which programs it is `settled` since when.

        A product of two programs counts in both; in `together` each counts once. `last_change`
        is when it was last noticed that anything had changed; null for unknown.
        """
        return json.dumps(
            {
                "night": self.night.name,
                "settled": {
                    settled.program: settled.settled_at.isoformat(timespec="milliseconds")
                    for settled in self.settled
                },
                "kinds": [_kind_record(kind) for kind in self.kinds],
                "together": {**_numbers_record(self.together), "failing": self.failing},
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
        **_numbers_record(numbers),
        "failing": kind.failing,
        "withdrawn": count.withdrawn,
        "last_change": changed.isoformat(timespec="milliseconds") if changed else None,
    }


def _numbers_record(numbers: Numbers) -> dict[str, int]:
    return {
        "listed": numbers.listed,
        "here": numbers.here,
        "pending": numbers.pending,
        "missing": numbers.missing,
        "not_kept": numbers.not_kept,
        "damaged": numbers.damaged,
    }


async def read_night(
    catalog: CatalogThread, programs: Sequence[str], night: Night, only: Only = EVERYTHING
) -> NightDetail:
    """Read how a night stands, of these programs and of the types that it is narrowed to.

    Raises
    ------
    StorageError
        If the catalog cannot be read.
    """
    scope = Scope(tuple(programs), image_types=only.image_types, nights=(night,))

    def read(catalog: Catalog) -> NightDetail:
        with catalog.snapshot():
            kinds = catalog.nights.kinds(night, programs)
            settled = catalog.nights.settled(programs)
            return NightDetail(
                night,
                tuple(kind for kind in kinds if only.includes(kind.count.image_type)),
                tuple(found for found in settled if found.night == night),
                tuple(catalog.views.night_counts(scope)),
                catalog.views.queue_count(programs, night, only.image_types).failed,
            )

    return await catalog(read)
