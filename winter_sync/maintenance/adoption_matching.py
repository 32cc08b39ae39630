"""Which product a file is: by its name, then by its directories, then by its header. Pure."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from winter_sync.core import DIRECTORIES, ImageType, Instrument

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from winter_sync.core import Candidate

TELLING_CARDS = ("SAVEPATH", "OBSCLASS", "RAWPATH")
"""Cards that only the pipeline writes; SAVEPATH says where (winter-api.md, "Header cards")."""
_NAMED_DIRECTORIES = 2
"""The last directories of a savepath that say which product it is: the night's, the type's."""


def by_directories(candidates: Sequence[Candidate], folders: Iterable[str]) -> list[Candidate]:
    """Return the products of one file name that the directories of a file agree with, if any do.

    Directories matter only where a name belongs to several products: people sort their files as
    they like.

    Parameters
    ----------
    candidates
        The products of the name.
    folders
        The directories that the file is in, from the top.
    """
    if len(candidates) <= 1:
        return list(candidates)
    told = {folder for folder in folders if _is_telling(folder, candidates)}
    return [each for each in candidates if told <= _words(each)] if told else list(candidates)


def by_header(candidates: Sequence[Candidate], cards: Mapping[str, str]) -> list[Candidate]:
    """Return the products that the cards of a file agree with.

    A file of the pipeline says where it was saved, or at least that it is the pipeline's; without
    any such card it can only be the camera's own, an exposure.
    """
    if "SAVEPATH" in cards:
        saved = _end(cards["SAVEPATH"])
        return [each for each in candidates if _end(each.product.savepath) == saved]
    is_reduced = any(card in cards for card in TELLING_CARDS)
    return [
        each
        for each in candidates
        if (each.product.image_type is not ImageType.EXPOSURE) == is_reduced
    ]


def _is_telling(folder: str, candidates: Iterable[Candidate]) -> bool:
    """Return whether a directory is a word of a savepath, for these products or others."""
    known = folder in DIRECTORIES or folder in tuple(Instrument)
    return known or any(folder == each.product.night.name for each in candidates)


def _words(candidate: Candidate) -> set[str]:
    product = candidate.product
    return {*PurePosixPath(product.savepath).parts[:-1], product.instrument.value}


def _end(savepath: str) -> tuple[str, ...]:
    return PurePosixPath(savepath).parts[-1 - _NAMED_DIRECTORIES :]
