"""Files that are here and that the catalog does not know: checked as downloads are, and adopted.

A catalog that was deleted is rebuilt this way, and what a person has is used. No listing has a
digest, so that a file is the archive's current one is taken on trust; the same gate as that of a
download decides whether it is whole.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

from winter_sync.core import (
    Adopted,
    Cause,
    DamagedFileError,
    EarlierRevision,
    Evidence,
    Failed,
    TreeFiles,
    closing_descriptor,
    sha256_of_descriptor,
)
from winter_sync.formats import check_file
from winter_sync.sync.receiver import evidence_of, judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from winter_sync.core import Candidate, Night
    from winter_sync.tree import Part, Session, Tree

    Recorded = Callable[[Night, str], set[str]]

_NOTHING_THERE = frozenset({errno.ENOENT, errno.ENOTDIR})


def find_present(
    tree: Tree,
    candidate: Candidate,
    redact: Callable[[str], str],
    recorded: Recorded = lambda *_: set(),
) -> Adopted | Failed | None:
    """Return what comes of the file that is at a product's place.

    It is read, and touched in no way; nothing is durable yet (`Tree.make_file_durable`).

    Parameters
    ----------
    tree
        The tree.
    candidate
        The product; the catalog has no content of it.
    redact
        Takes secrets out of a text.
    recorded
        Returns the digests that manifests have of a path of a night.

    Returns
    -------
    Adopted, Failed or None
        That it is adopted, or why it is not; None where there is no file.
    """
    try:
        with (
            TreeFiles(tree.root, follow_links=tree.follow_links) as files,
            closing_descriptor(files.open(candidate.path)) as file,
        ):
            evidence, note = examine(file, candidate, redact)
            earlier = earlier_revisions(tree, candidate)
    except DamagedFileError as damaged:
        return refusal(candidate, damaged)
    except OSError as failed:
        if failed.errno in _NOTHING_THERE:
            return None
        return Failed(candidate, failed.strerror or str(failed), cause=Cause.STORAGE)
    digests = recorded(candidate.product.night, candidate.path)
    if digests and evidence.sha256 not in digests:
        reason = f"its SHA-256 is not the one in the manifest of night {candidate.product.night}"
        return Failed(candidate, reason, blamed=True, cause=Cause.DAMAGED)
    return Adopted(candidate, evidence, note, earlier)


def adopt_part(
    session: Session, part: Part, candidate: Candidate, batch: str, redact: Callable[[str], str]
) -> tuple[Adopted | Failed, bool]:
    """Check a copy of a person's file, and publish it as a download would be.

    A whole file that is at its place already stays there, whatever its content; any other that is
    in the way is kept as an older revision is.

    Parameters
    ----------
    session, part
        Where it is staged, and the staged copy.
    candidate
        The product, claimed; the catalog has no content of it.
    batch
        Under what name the publication is journalled.
    redact
        Takes secrets out of a text.

    Returns
    -------
    tuple
        What came of the product, and whether the copy is the file that is at its place now.

    Raises
    ------
    StorageError
        If the disk cannot take it.
    OSError
        If it cannot be read, or somebody writes to it meanwhile.
    """
    present = find_present(session.tree, candidate, redact)
    if isinstance(present, Adopted):
        return made_durable(session.tree, present), False
    try:
        note = judge(part, candidate, redact)
    except DamagedFileError as damaged:
        return refusal(candidate, damaged), False
    part.refuse_changed()
    earlier = earlier_revisions(session.tree, candidate)
    evidence = replace(evidence_of(candidate, part), adopted=True)
    published = session.publish(part, evidence, batch=batch, keep=True)
    return Adopted(candidate, published, note, earlier), True


def made_durable(tree: Tree, adopted: Adopted) -> Adopted:
    """Return an adoption once the file that is at its place is durable.

    Raises
    ------
    StorageError
        If it cannot be made so.
    """
    return replace(adopted, evidence=tree.make_file_durable(adopted.evidence))


def examine(
    file: int, candidate: Candidate, redact: Callable[[str], str]
) -> tuple[Evidence, str | None]:
    """Return what an open file of a product is, and what is odd about it.

    Raises
    ------
    DamagedFileError
        If it is not whole.
    OSError
        If it cannot be read, or somebody writes to it meanwhile.
    """
    before = os.fstat(file)
    if not stat.S_ISREG(before.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    product = candidate.product
    extensions = product.image_type.for_camera(product.instrument).extensions
    verdict = check_file(file, product.filename, extensions=extensions, redact=redact)
    sha256 = sha256_of_descriptor(file)
    after = os.fstat(file)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise OSError(errno.EBUSY, "somebody is writing to it")
    evidence = Evidence(
        instrument=product.instrument,
        savepath=product.savepath,
        path=candidate.path,
        size=after.st_size,
        sha256=sha256,
        marks=candidate.marks,
        adopted=True,
    )
    return evidence, "; ".join(verdict.notes) or None


def refusal(candidate: Candidate, damaged: DamagedFileError) -> Failed:
    """Return that a file is not adopted, because of what it is."""
    doubtful = damaged.fault.leaves_data_whole
    return Failed(candidate, damaged.message, blamed=True, cause=damaged.cause, doubtful=doubtful)


def earlier_revisions(tree: Tree, candidate: Candidate) -> tuple[EarlierRevision, ...]:
    """Return the older revisions that the tree keeps of a product, the oldest first.

    Raises
    ------
    OSError
        If one cannot be read.
    """
    kept = tree.revisions.kept_of(candidate.path)
    with TreeFiles(tree.root) as files:
        return tuple(_earlier(files, path) for path in kept)


def _earlier(files: TreeFiles, path: str) -> EarlierRevision:
    with closing_descriptor(files.open(path)) as file:
        return EarlierRevision(path, os.fstat(file).st_size, sha256_of_descriptor(file))
