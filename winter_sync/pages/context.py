"""What the pages know beside the catalog: the settings in force, and what a daemon is doing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from winter_sync.catalog import Catalog
    from winter_sync.core import EventFilter, Selection, Subject
    from winter_sync.pages.transfers import Transfer


@dataclass(frozen=True, slots=True)
class PageContext:
    """What the pages know beside the catalog. None of it may hold a secret.

    Parameters
    ----------
    root, state
        The root of the tree, and the directory of the catalog.
    follow_links
        Whether directories of products may be symbolic links.
    selections
        What is mirrored; None where no settings say it.
    sinks
        Which events each sink takes, by its name.
    previews
        Bytes that previews of images take at most; 0 for none.
    sia2
        Whether other programs may ask for images (SIA 2.0).
    min_free
        Bytes that stay free on the disk of the root; None where no settings say it.
    has_daemon
        Whether these are the pages of a daemon.
    not_ready
        Why the catalog cannot be read now; None if it can.
    troubles
        What is stuck in the daemon, a sentence each.
    transfers
        The downloads that are under way, as the daemon has them.
    """

    root: Path
    state: Path
    follow_links: bool = False
    selections: tuple[Selection, ...] | None = None
    sinks: Mapping[str, EventFilter] = field(default_factory=dict)
    previews: int = 10**9
    sia2: bool = False
    min_free: int | None = None
    has_daemon: bool = False
    not_ready: str | None = None
    troubles: tuple[str, ...] = ()
    transfers: tuple[Transfer, ...] = ()

    def programs(self, catalog: Catalog) -> tuple[str, ...]:
        """Return the programs that are mirrored; without settings, all that the catalog knows."""
        if self.selections is None:
            return tuple(catalog.searches.programs())
        return tuple(dict.fromkeys(selection.program for selection in self.selections))

    @property
    def subjects(self) -> list[Subject]:
        """All that is polled, as far as settings say it."""
        return [subject for selection in self.selections or () for subject in selection.subjects]
