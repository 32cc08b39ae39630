"""Journals of sessions: what is about to be published, written durably before it happens."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from typing import TYPE_CHECKING

from winter_sync.core import (
    Evidence,
    Instrument,
    Marks,
    closing_descriptor,
    open_own_file,
    path_parts,
    read_own_file,
    storage_errors_explained,
    sync_directory,
    write_all,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_SUFFIX = ".published"
_LONGEST = 64 * 1024 * 1024
_FIELDS = tuple(field.name for field in fields(Evidence))
_MARKS = tuple(field.name for field in fields(Marks))
_ENCODE = json.JSONEncoder().encode


def journal_of(session: Path, batch: str) -> Path:
    """Return the path of a batch's journal in the directory of its session."""
    return session / f"{batch}{_SUFFIX}"


def journals_in(session: int) -> list[str]:
    """Return the names of a session's journals; none if its directory was removed.

    `session` is the descriptor of its directory.
    """
    try:
        return sorted(name for name in os.listdir(session) if name.endswith(_SUFFIX))
    except FileNotFoundError:
        return []


def append(records: Iterable[Evidence], journal: Path, session: int) -> None:
    """Write down what is about to happen, durably.

    The first record begins on a new line, in case a full disk cut the last one short. `session` is
    the descriptor of the directory that the journal is in.
    """
    lines = "\n".join(map(_line, records))
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    with (
        storage_errors_explained(journal),
        closing_descriptor(open_own_file(journal, flags, session)) as file,
    ):
        is_new = os.fstat(file).st_size == 0
        write_all(file, f"\n{lines}\n".encode())
        os.fsync(file)
        if is_new:
            sync_directory(session)


def _line(evidence: Evidence) -> str:
    """Return a record: the fields of the evidence, in JSON."""
    fields = {name: getattr(evidence, name) for name in _FIELDS}
    marks = {name: getattr(evidence.marks, name) for name in _MARKS}
    return _ENCODE({**fields, "marks": marks})


def read(journal: Path, session: int) -> list[Evidence]:
    """Return what was journalled; a line that a crash cut short proves nothing."""
    try:
        content = read_own_file(journal, _LONGEST, session)
    except FileNotFoundError:
        return []
    found = map(_evidence_in, content.decode(errors="replace").splitlines())
    return [evidence for evidence in found if evidence is not None]


def _evidence_in(line: str) -> Evidence | None:
    """Read a line of a journal; None if no version has written it."""
    try:
        found = json.loads(line)
        found["instrument"] = Instrument(found["instrument"])
        found["marks"] = Marks(**found["marks"])
        evidence = Evidence(**found)
        path_parts(evidence.path)
        path_parts(evidence.kept or evidence.path)
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError):
        return None
    return evidence if _has_right_types(evidence) else None


def _has_right_types(evidence: Evidence) -> bool:
    marks = (evidence.marks.lastmodified, evidence.marks.pipeversion)
    texts = (evidence.savepath, evidence.path, evidence.sha256)
    return (
        (type(evidence.size), type(evidence.adopted)) == (int, bool)
        and all(type(text) is str for text in texts)
        and all(type(mark) in {str, type(None)} for mark in marks)
    )
