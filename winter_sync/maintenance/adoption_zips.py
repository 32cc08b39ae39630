"""Adopt the members of zips."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.catalog import Adoptions
from winter_sync.core import (
    DamagedError,
)
from winter_sync.formats import read_card_texts
from winter_sync.maintenance.adoption_matching import TELLING_CARDS, by_directories, by_header
from winter_sync.maintenance.adoption_recording import Adoption, why_unknown
from winter_sync.maintenance.adoption_results import Fate
from winter_sync.sync import largest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from winter_sync.core import Candidate
    from winter_sync.maintenance.adoption_sources import ZipSource
    from winter_sync.tree import Part


class ZipAdoption(Adoption):
    """Adopts the members of zips; the zips stay as they are."""

    async def _adopt_zip(self, source: ZipSource) -> None:
        """Adopt the members of a zip; it stays as it is."""
        try:
            members = await self._in_thread(source.names)
            named = await self._named_members(source, members)
            if self._request.dry_run:
                self._add_untried(source, named)
            else:
                await self._adopt_members(source, named)
        except DamagedError as damaged:
            self._add(source.name, Fate.DAMAGED, reason=damaged.message)
        except OSError as failed:
            self._add(source.name, Fate.UNREADABLE, reason=failed.strerror or str(failed))

    async def _named_members(
        self, source: ZipSource, members: Iterable[str]
    ) -> dict[str, Sequence[Candidate]]:
        """Return the products that each listed member could be; report the others."""
        names = {member: _basename(member) for member in members}
        named = await self._mirror.catalog.adoptions(Adoptions.named, names.values())
        for member, name in names.items():
            if name not in named:
                self._add(f"{source.name}: {member}", Fate.UNKNOWN, reason=why_unknown(name))
        return {
            member: by_directories(named[name], (*source.folders, *member.split("/")[:-1]))
            or named[name]
            for member, name in names.items()
            if name in named
        }

    def _add_untried(self, source: ZipSource, named: dict[str, Sequence[Candidate]]) -> None:
        """Report what a dry run says of members: they are not read."""
        for member, candidates in named.items():
            name = f"{source.name}: {member}"
            if all(self._digest(candidate) is not None for candidate in candidates):
                self._add(name, Fate.HERE, path=candidates[0].path)
            else:
                self._add(name, Fate.ADOPTED, path=candidates[0].path, reason="not read yet")

    async def _adopt_members(
        self, source: ZipSource, named: dict[str, Sequence[Candidate]]
    ) -> None:
        most = {name: max(map(largest, candidates)) for name, candidates in named.items()}
        members = source.members(self._mirror.session, most)
        while (member := await self._in_thread(next, members, None)) is not None:
            name = f"{source.name}: {member.name}"
            if member.fault is not None:
                await self._in_thread(member.part.discard)
                self._add(name, Fate.DAMAGED, reason=member.fault)
            else:
                await self._adopt_member(name, member.part, named[member.name])

    async def _adopt_member(self, name: str, part: Part, candidates: Sequence[Candidate]) -> None:
        if len(candidates) > 1:
            filename = candidates[0].product.filename
            cards = await self._in_thread(read_card_texts, part.descriptor, filename, TELLING_CARDS)
            candidates = by_header(candidates, cards) or candidates
        if len(candidates) == 1 and self._digest(candidates[0]) is None:
            await self._adopt_part(name, part, candidates[0])
            return
        sha256 = part.sha256
        await self._in_thread(part.discard)
        if len(candidates) == 1:
            self._add_held(name, candidates[0], sha256)
        else:
            self._add_ambiguous(name, candidates)


def _basename(member: str) -> str:
    return member.replace("\\", "/").rpartition("/")[2]
