"""Files that are in the tree and that the catalog does not know: checked as downloads are.

A catalog that was deleted is rebuilt this way, and what a person copied to its place is used.
No listing has a digest, so that a file is the archive's current one is taken on trust; the same
gate as that of a download decides whether it is whole.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from winter_sync.core import (
    Adopted,
    DamagedFileError,
    EarlierRevision,
    Evidence,
    TreeFiles,
    closing_descriptor,
    sha256_of_descriptor,
)
from winter_sync.formats import check_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from winter_sync.core import Candidate
    from winter_sync.tree import Tree


def adopt_present(tree: Tree, candidate: Candidate, redact: Callable[[str], str]) -> Adopted | None:
    """Return the adoption of the file that is at a product's place; None if it has to be fetched.

    That is so where there is no file, where the catalog knows what should be there, and where the
    file is not whole. The file is durable afterwards, and was not touched otherwise.

    Parameters
    ----------
    tree
        The tree.
    candidate
        A product that is claimed.
    redact
        Takes secrets out of a text.

    Raises
    ------
    StorageError
        If the file cannot be made durable.
    """
    if candidate.published_sha256 is not None:
        return None
    try:
        with (
            TreeFiles(tree.root, follow_links=tree.follow_links) as files,
            closing_descriptor(files.open(candidate.path)) as file,
        ):
            evidence, note = _examine(file, candidate, redact)
            earlier = tuple(
                _earlier(files, path) for path in tree.revisions.kept_of(candidate.path)
            )
    except (OSError, ValueError, DamagedFileError):
        return None
    return Adopted(candidate, tree.make_file_durable(evidence), note, earlier)


def _examine(
    file: int, candidate: Candidate, redact: Callable[[str], str]
) -> tuple[Evidence, str | None]:
    """Return what a file is, and what is odd about it.

    Raises
    ------
    DamagedFileError
        If it is not whole.
    OSError
        If it cannot be read, or somebody writes to it meanwhile.
    """
    before = os.fstat(file)
    if not stat.S_ISREG(before.st_mode):
        raise OSError("not a regular file")
    product = candidate.product
    extensions = product.image_type.for_camera(product.instrument).extensions
    verdict = check_file(file, product.filename, extensions=extensions, redact=redact)
    sha256 = sha256_of_descriptor(file)
    after = os.fstat(file)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise OSError("it was written to meanwhile")
    evidence = Evidence(
        instrument=product.instrument,
        savepath=product.savepath,
        path=candidate.path,
        size=after.st_size,
        sha256=sha256,
        marks=candidate.marks,
    )
    return evidence, "; ".join(verdict.notes) or None


def _earlier(files: TreeFiles, path: str) -> EarlierRevision:
    with closing_descriptor(files.open(path)) as file:
        return EarlierRevision(path, os.fstat(file).st_size, sha256_of_descriptor(file))
