"""Journals: a kill at any step loses nothing, and evidence is only of what is there."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.makers import evidence
from support.publisher import COMMITTED, FIRST, MOMENTS, NEW, OLD, SECOND
from support.trees import (
    ENVIRONMENT,
    STACK,
    SUPPORT,
    Recorder,
    published,
    put,
    recovered,
    revisions,
    staged,
    target,
)

from winter_sync.core.errors import StorageError
from winter_sync.tree.tree import Tree

if TYPE_CHECKING:
    from pathlib import Path

    from winter_sync.tree.publishing import Session


def publisher(*arguments: str | Path) -> int:
    """Run a publishing process and return how it ended."""
    command = [sys.executable, str(SUPPORT / "publisher.py"), *map(str, arguments)]
    done = subprocess.run(command, check=False, env=ENVIRONMENT)  # noqa: S603 - ourselves
    return done.returncode


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_at_each_step(tmp_path: Path, moment: str) -> None:
    """Killed after any step, what was renamed is there, complete and journalled, nothing else."""
    tree = Tree(tmp_path / "winter")
    assert publisher(tree.root, "named", moment) < 0
    is_new = moment in ("rename", "publish", "commit")
    assert target(tree, FIRST).read_bytes() == (NEW if is_new else OLD)
    heard = recovered(tree)
    renamed = [FIRST.identity] if moment in ("rename", "publish") else []
    assert [(found.instrument, found.savepath) for found in heard] == renamed
    assert all((tree.root / str(found.kept)).read_bytes() == OLD for found in heard)
    assert staged(tree) == []
    assert len(published(tree)) == (2 if moment == "commit" else 1)


@pytest.mark.parametrize("links", ["hard", "none"])
def test_a_kill_at_every_system_call(tmp_path: Path, links: str) -> None:
    """Killed before any system call of two publications, the tree holds whole files it can prove.

    Nothing is under a final name but whole revisions; evidence is read of exactly what was
    renamed and not committed; recovery leaves nothing behind.
    """
    assert publisher(tmp_path, "every", links) == 0
    roots = [tmp_path / str(number) for number in range(len(list(tmp_path.glob("*[0-9]"))))]
    testimonies = [check_killed(Tree(root)) for root in roots]
    assert len(roots) > 40
    assert {0, 1, 2} == set(testimonies[:-1])


def check_killed(tree: Tree) -> int:
    """Check one tree of a killed process; return how many files its session journalled."""
    new = {product for product in (FIRST, SECOND) if target(tree, product).exists()}
    if target(tree, FIRST).read_bytes() == OLD:
        new.discard(FIRST)
    assert all(target(tree, product).read_bytes() == NEW for product in new)
    assert len(published(tree)) == len(new | {FIRST})
    assert set(revisions(tree)) <= {OLD}
    heard = recovered(tree)
    if not tree.root.with_name(f"{tree.root.name}.{COMMITTED}").exists():
        assert {found.savepath for found in heard} == {product.savepath for product in new}
    assert staged(tree) == []
    assert len(revisions(tree)) <= 1 or not _has_links(tree)
    return len(heard)


def _has_links(tree: Tree) -> bool:
    return any(
        path.stat().st_nlink > 1 for path in (tree.own_directory / "revisions").rglob("*.fits")
    )


def test_publishing_again_after_a_kill_keeps_the_old_one_once(tmp_path: Path) -> None:
    """A revision that got its second name just before a kill does not get a third one."""
    tree = Tree(tmp_path / "winter")
    publisher(tree.root, "named", "journal")
    recovered(tree)
    with tree.session("session") as session:
        assert put(session, NEW, FIRST).kept is not None
        session.forget_journal("batch")
    assert revisions(tree) == [OLD]


def test_a_journal_of_the_version_before_is_believed(tree: Tree) -> None:
    """Its lines have no modification time: the file's own is taken, and all else counts."""
    with tree.session("earlier") as session:
        put(session, b"one")
        (journal,) = (tree.own_directory / "staging" / "earlier").glob("*.published")
        fields = json.loads(journal.read_text())
        del fields["mtime_ns"]
        journal.write_text(json.dumps(fields) + "\n")
        (held,) = session.recover_evidence("batch")
    assert held == evidence(STACK, b"one")
    assert held.mtime_ns == (tree.root / held.path).stat().st_mtime_ns


def test_a_line_cut_short_proves_nothing_and_spoils_nothing(tree: Tree, session: Session) -> None:
    """Of a journal with torn and foreign lines, every whole line is still read."""
    put(session, b"one")
    journal = tree.own_directory / "staging" / "session" / "batch.published"
    line = journal.read_text().strip()
    with journal.open("a") as file:
        file.write(line[:70])
    put(session, b"two", SECOND)
    with journal.open("ab") as file:
        file.write(b'[1]\n{"instrument": "moon"}\n\xff\xfe\nnull\n')
    heard = session.recover_evidence("batch")
    assert heard == [evidence(STACK, b"one"), evidence(SECOND, b"two")]


@pytest.mark.parametrize("what", ["gone", "changed", "shorter", "directory"])
def test_testimony_is_only_of_what_is_there(tree: Tree, session: Session, what: str) -> None:
    """A file that was removed or altered after it was published is not vouched for."""
    put(session, b"content")
    target(tree).unlink()
    match what:
        case "changed":
            target(tree).write_bytes(b"CONTENT")
        case "shorter":
            target(tree).write_bytes(b"cont")
        case "directory":
            target(tree).mkdir()
    assert session.recover_evidence("batch") == []


def test_what_is_vouched_for_is_durable(
    tree: Tree, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A publication that was killed before its last sync is synced before it is journalled."""
    put(session, b"content")
    calls = Recorder(monkeypatch)
    assert session.recover_evidence("batch")
    assert calls.at("fsync", target(tree).name) < calls.at("fsync", "final")


def test_evidence_is_forgotten_once_committed(tree: Tree, session: Session) -> None:
    """A committed batch has no journal, another batch keeps its own; saying it twice is no harm."""
    put(session, b"one", batch="one")
    put(session, b"two", SECOND, batch="two")
    session.forget_journal("one")
    session.forget_journal("one")
    assert session.recover_evidence("one") == []
    assert session.recover_evidence("two") == [evidence(SECOND, b"two")]
    assert tree.recover_evidence("session") == [evidence(SECOND, b"two")]
    session.forget_journal("two")


WRONG: list[dict[str, object]] = [
    {"size": "7"},
    {"size": 7.0},
    {"size": True},
    {"savepath": None},
    {"path": 3},
    {"path": "../outside.fits"},
    {"sha256": 0},
    {"kept": "../outside.fits"},
    {"marks": {"lastmodified": 1, "pipeversion": None}},
    {"marks": {"lastmodified": None, "pipeversion": [1]}},
    {"marks": None},
    {"instrument": "moon"},
    {"strange": 1},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_line_with_a_wrong_value_proves_nothing(
    tree: Tree, session: Session, wrong: dict[str, object]
) -> None:
    """Whoever wrote it, no value of a wrong kind gets into the catalog; other lines count."""
    put(session, b"content")
    journal = tree.own_directory / "staging" / "session" / "batch.published"
    right = json.loads(journal.read_text())
    assert right.keys() >= wrong.keys() - {"strange"}
    journal.write_text("".join(f"{json.dumps(line)}\n" for line in (right | wrong, right)))
    assert tree.sessions.journalled("session") == [evidence(STACK, b"content")]


def test_an_error_of_forgetting_a_journal_names_its_place(tree: Tree, session: Session) -> None:
    """What has the name of a journal and cannot be removed is to be found."""
    place = tree.own_directory / "staging" / "session"
    (place / "batch.published").mkdir()
    with pytest.raises(StorageError) as refused:
        session.forget_journal("batch")
    assert str(place) in refused.value.message
    (place / "batch.published").rmdir()
