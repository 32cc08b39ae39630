"""The simulated archive itself: what it lists and holds now, and how that can be changed."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from winter_sync.core import COMBINED, ImageType, Instrument, Night, Product
from winter_sync.simulator.observatory.accounts import Accounts, default_accounts
from winter_sync.simulator.observatory.clock import SimulatedClock
from winter_sync.simulator.observatory.detectors import place_of
from winter_sync.simulator.observatory.holdings import Holding, savepath
from winter_sync.simulator.observatory.universe import Universe
from winter_sync.simulator.sky.ephemeris import pacific_offset

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

TINY_SCALE = 1 / 64
"""Image edges for tests: files of a few kB, up to 40 kB for an exposure."""
REAL_SCALE = 1.0
"""Image edges of the real detectors: exposures of 52 MB."""

_FIRST_VERSION = (0, 19, 0)
_SETTLED = timedelta(days=5)
_CONTENT_GENERATION = 3
"""To be raised when the writers change, so that what is cached is made anew."""
_REDUCED = (ImageType.SCIENCE, ImageType.STACK, ImageType.DIFF, ImageType.AVRO)


@dataclass(frozen=True, slots=True)
class Digest:
    """The size in bytes and the SHA-256 (hexadecimal) of a product's content."""

    size: int
    sha256: str


@dataclass(slots=True)
class Entry:
    """A product in the archive: its planned history, and what was changed since."""

    holding: Holding
    program: str
    target: str | None
    also_under: set[str] = field(default_factory=set)
    revision: int = 0
    withdrawn: bool = False
    removed: bool | None = None
    lastmodified: datetime | None = None
    pipeversion: str | None = None

    @property
    def product(self) -> Product:
        """What is listed."""
        return self.holding.product

    def listed(self, now: datetime) -> bool:
        """Return whether the listing has it."""
        return not self.withdrawn and self.holding.listed_at <= now

    def gone(self, now: datetime) -> bool:
        """Return whether its file is deleted, though it may be listed."""
        if self.removed is not None:
            return self.removed
        return self.holding.gone_at is not None and self.holding.gone_at <= now

    def readable_by(self, program: str) -> bool:
        """Return whether it is listed under a program."""
        return program == self.program or program in self.also_under


class Observatory:
    """An archive of synthetic products that appear, change and vanish by its own clock.

    Parameters
    ----------
    universe
        What was observed.
    clock
        The simulated time; stands still five days after the last night when not given.
    scale
        Of the image edges: `TINY_SCALE` for tests, `REAL_SCALE` for real sizes.
    accounts
        Who may ask; one user with all programs when not given.
    """

    def __init__(
        self,
        universe: Universe | None = None,
        *,
        clock: SimulatedClock | None = None,
        scale: float = TINY_SCALE,
        accounts: Accounts | None = None,
    ) -> None:
        self.universe = universe or Universe()
        self.clock = clock or SimulatedClock(settled(self.universe.all_nights))
        self.scale = scale
        self.accounts = accounts or _accounts_for(self.universe)
        self._entries: dict[tuple[Instrument, str], Entry] = {}
        self._shelves: defaultdict[tuple[Instrument, ImageType], list[Entry]] = defaultdict(list)
        self._digests: dict[tuple[Instrument, str, int], Digest] = {}
        for holding in self.universe.holdings():
            self._shelve(Entry(holding, holding.visit.program, holding.visit.target))

    def entry(self, instrument: Instrument, savepath: str) -> Entry:
        """Return a product's entry, listed or not yet.

        Raises
        ------
        KeyError
            If the archive never holds such a product.
        """
        return self._entries[instrument, savepath]

    def entries(
        self,
        program: str | None = None,
        instrument: Instrument | None = None,
        image_type: ImageType | None = None,
    ) -> list[Entry]:
        """Return what is listed now, of one program, camera and type or of all."""
        now = self.clock.now()
        return [
            entry
            for (camera, kind), shelf in self._shelves.items()
            if instrument in (None, camera) and image_type in (None, kind)
            for entry in shelf
            if entry.listed(now) and (program is None or entry.readable_by(program))
        ]

    def all_entries(self) -> list[Entry]:
        """Return everything that the archive will ever hold, listed or not yet."""
        return list(self._entries.values())

    def products(
        self,
        program: str | None = None,
        instrument: Instrument | None = None,
        image_type: ImageType | None = None,
    ) -> list[Product]:
        """Return the products listed now, of one program, camera and type or of all."""
        return [entry.product for entry in self.entries(program, instrument, image_type)]

    def available(
        self, program: str, instrument: Instrument, image_type: ImageType, savepath: str
    ) -> Entry | None:
        """Return the entry if it is listed under program and type and its file is there."""
        entry = self._entries.get((instrument, savepath))
        now = self.clock.now()
        if entry is None or not entry.listed(now) or entry.gone(now):
            return None
        fits = entry.readable_by(program) and entry.product.image_type is image_type
        return entry if fits else None

    def row(self, entry: Entry, program: str) -> dict[str, object]:
        """Return the columns the listing shows of a product (winter-api.md, "Endpoints")."""
        visit, start = entry.holding.visit, entry.holding.dither.start
        modified, version = self._ingested(entry)
        ra, dec = place_of(entry.holding)
        return {
            "progname": program,
            "nightdate": start.date().isoformat(),
            "targname": entry.target,
            "ra": ra,
            "dec": dec,
            "fid": visit.fid,
            # Wrong by the Pacific offset, as the archive's is (winter-api.md, "Nights and times").
            "utctime": (start + pacific_offset(start)).isoformat(),
            "fieldid": visit.field_id,
            "image_type": entry.product.image_type.value,
            "savepath": entry.product.savepath,
            "lastmodified": None if modified is None else modified.isoformat(),
            "pipeversion": version,
        }

    def content(
        self, instrument: Instrument | str, savepath: str, revision: int | None = None
    ) -> bytes:
        """Return the bytes of a product: a pure function of seed, scale, product and revision.

        Takes a fraction of a second at full scale; safe to call from any thread. The present
        revision when none is given.

        Raises
        ------
        KeyError
            If the archive never holds such a product.
        """
        # Not at the top: numpy and astropy take a second, and most users only list.
        from winter_sync.simulator.observatory.contents import content_of  # noqa: PLC0415

        entry = self.entry(Instrument(instrument), savepath)
        number = entry.revision if revision is None else revision
        content = content_of(entry.holding, self.universe.seed, self.scale, number)
        self._note(entry, number, content)
        return content

    def content_key(self, entry: Entry, revision: int) -> tuple[object, ...]:
        """Return all that the content of a product depends on."""
        return _CONTENT_GENERATION, self.universe.seed, self.scale, entry.holding, revision

    def digest(self, instrument: Instrument | str, savepath: str) -> Digest:
        """Return size and SHA-256 of a product's present content; made at most once a revision."""
        entry = self.entry(Instrument(instrument), savepath)
        known = self._digests.get((*entry.product.identity, entry.revision))
        return known or self._note(entry, entry.revision, self.content(instrument, savepath))

    def reprocess(
        self, night: Night | str, image_types: Collection[ImageType] = _REDUCED
    ) -> list[Product]:
        """Run the pipeline again on a night, and return the products with a new content.

        Every row of the night gets a new `lastmodified` and `pipeversion`, as these belong to
        the exposure (winter-api.md, "What changes after it was listed").
        """
        now = self.clock.now()
        listed = [each for each in self.entries() if str(each.product.night) == str(night)]
        for entry in listed:
            _, version = self._ingested(entry)
            entry.lastmodified, entry.pipeversion = now, _next_version(version)
        remade = [each for each in listed if each.product.image_type in image_types]
        return [self.rerun(each.product) for each in remade]

    def rerun(self, product: Product) -> Product:
        """Make one product anew without a change of its row, as a stack's rerun does."""
        entry = self.entry(*product.identity)
        entry.revision += 1
        return product

    def withdraw(self, product: Product) -> None:
        """Take a product out of the listing, and its file with it."""
        self.entry(*product.identity).withdrawn = True

    def relist(self, product: Product) -> None:
        """Bring a withdrawn product back."""
        self.entry(*product.identity).withdrawn = False

    def remove_file(self, product: Product) -> None:
        """Delete a product's file; the listing keeps it."""
        self.entry(*product.identity).removed = True

    def restore_file(self, product: Product) -> None:
        """Put a deleted file back."""
        self.entry(*product.identity).removed = False

    def rename(self, product: Product) -> Product:
        """Name a combined product after the next contributing dither: the old row vanishes.

        Raises
        ------
        ValueError
            If it is no stack, diff or alert file, or one of a single exposure.
        """
        entry = self.entry(*product.identity)
        holding = entry.holding
        contributing = holding.visit.dithers[holding.dither.number :]
        if product.image_type not in COMBINED or not contributing:
            raise ValueError(f"{product.filename} cannot be named after another exposure")
        subdir = product.savepath.split("/")[-2]
        path = savepath(
            holding.visit, product.image_type, contributing[0].start, holding.board, subdir
        )
        renamed = replace(product, savepath=path)
        history = replace(
            holding, product=renamed, dither=contributing[0], listed_at=self.clock.now()
        )
        self._shelve(replace(entry, holding=history, revision=0))
        entry.withdrawn = True
        return renamed

    def list_also_under(self, product: Product, program: str) -> None:
        """List a product under a second program too."""
        self.entry(*product.identity).also_under.add(program)

    def correct(self, product: Product, *, program: str, target: str | None) -> None:
        """Correct the program and target of a product's row."""
        entry = self.entry(*product.identity)
        entry.program, entry.target = program, target

    def _note(self, entry: Entry, revision: int, content: bytes) -> Digest:
        """Remember the digest of a content that was made."""
        key = (*entry.product.identity, revision)
        if key not in self._digests:
            self._digests[key] = Digest(len(content), hashlib.sha256(content).hexdigest())
        return self._digests[key]

    def _shelve(self, entry: Entry) -> None:
        product = entry.product
        self._entries[product.identity] = entry
        self._shelves[product.instrument, product.image_type].append(entry)

    def _ingested(self, entry: Entry) -> tuple[datetime | None, str | None]:
        if entry.lastmodified is not None:
            return entry.lastmodified, entry.pipeversion
        ingested = entry.holding.ingested_at
        if ingested is None or ingested > self.clock.now():
            return None, None
        return ingested, _version(_FIRST_VERSION)


def settled(nights: Iterable[Night]) -> datetime:
    """Return a time by which everything of these nights is in the archive."""
    last = max(night.day for night in nights)
    return datetime.combine(last, time(12), UTC) + _SETTLED


def _accounts_for(universe: Universe) -> Accounts:
    return default_accounts(universe.programs, universe.all_nights)


def _next_version(version: str | None) -> str:
    if version is None:
        return _version(_FIRST_VERSION)
    major, minor, patch = (int(part) for part in version.split("."))
    return _version((major, minor, patch + 1))


def _version(parts: tuple[int, int, int]) -> str:
    return ".".join(str(part) for part in parts)
