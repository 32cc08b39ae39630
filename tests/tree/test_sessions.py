"""Sessions: the living and the dead are distinguished by their locks, across processes."""

from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING

import pytest
from support.makers import evidence
from support.publisher import SECOND
from support.trees import STACK, ask, put, recovered, running, staged

from winter_sync.core.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from winter_sync.tree.tree import Tree


def test_the_living_and_the_dead_are_distinguished(tree: Tree) -> None:
    """A session lives as long as its process; killed, it is dead, and burying removes it."""
    with tree.session("ours"), running(tree.root, "hold", "theirs") as process:
        assert tree.sessions.take_over_dead() == {"ours": True, "theirs": True}
        process.kill()
        process.wait()
        assert tree.sessions.take_over_dead() == {"ours": True, "theirs": False}
        tree.sessions.remove("theirs")
        assert tree.sessions.take_over_dead() == {"ours": True}
    assert tree.sessions.take_over_dead() == {}


def test_a_dead_session_is_recovered_by_one_process_only(tree: Tree) -> None:
    """What one process has found dead lives in the eyes of another, until it is removed."""
    with running(tree.root, "hold", "theirs") as dying:
        dying.kill()
        dying.wait()
    with running(tree.root, "judge") as other:
        assert tree.sessions.take_over_dead() == {"theirs": False}
        assert ask(other) == ""
        assert tree.sessions.take_over_dead() == {"theirs": False}
        tree.sessions.remove("theirs")
        assert ask(other) == ""
    assert tree.sessions.take_over_dead() == {}


def test_a_recovering_process_that_dies_leaves_the_dead_to_the_next(tree: Tree) -> None:
    """If the process that takes charge of a dead session is killed too, another takes over."""
    with running(tree.root, "hold", "theirs") as dying:
        dying.kill()
        dying.wait()
    with running(tree.root, "judge") as other:
        assert ask(other) == "theirs"
        assert tree.sessions.take_over_dead() == {"theirs": True}
        other.kill()
        other.wait()
        assert tree.sessions.take_over_dead() == {"theirs": False}
        tree.sessions.remove("theirs")


def test_the_living_cannot_be_buried(tree: Tree) -> None:
    """Burying a session that lives, or that is not there, does nothing."""
    with tree.session("ours") as session:
        tree.sessions.remove("ours")
        tree.sessions.remove("nobody")
        put(session, b"content")
        session.forget_journal("batch")


def test_nobody_is_taken_for_dead_while_beginning_or_ending(tree: Tree) -> None:
    """However often another process begins and ends sessions, none of them ever seems dead."""
    seen: set[str] = set()
    with running(tree.root, "spin") as process:
        while len(seen) < 50:
            found = tree.sessions.take_over_dead()
            assert all(found.values())
            seen |= set(found)
        process.communicate()
        assert process.returncode == 0
    assert tree.sessions.take_over_dead() == {}


def test_a_session_with_evidence_stays_for_the_next_start(tree: Tree) -> None:
    """A session that ends before its batch is committed leaves its journal, and is then dead."""
    with tree.session("one") as session:
        put(session, b"content")
    assert tree.sessions.take_over_dead() == {"one": False}
    assert recovered(tree) == [evidence(STACK, b"content")]
    assert tree.sessions.take_over_dead() == {}


def test_a_session_without_evidence_goes_with_all_it_staged(tree: Tree) -> None:
    """A session that ends takes its directory with it, also where a part was left in it."""
    with tree.session("one") as session:
        session.stage().close()
    assert tree.sessions.take_over_dead() == {}
    assert staged(tree) == []


def test_two_sessions_cannot_have_one_name(tree: Tree) -> None:
    """A second session of a name is refused, and the first goes on."""
    with tree.session("one") as session:
        with pytest.raises(StorageError, match="File exists"), tree.session("one"):
            pass
        put(session, b"content")
        session.forget_journal("batch")
    assert tree.sessions.take_over_dead() == {}


def test_all_journals_of_a_dead_session_are_read(tree: Tree) -> None:
    """A process works on several batches at once: what each of them published is recovered."""
    with tree.session("one") as session:
        put(session, b"one", batch="one")
        put(session, b"two", SECOND, batch="two")
    assert recovered(tree) == [evidence(STACK, b"one"), evidence(SECOND, b"two")]


def test_a_session_that_is_not_there_proves_nothing(tree: Tree) -> None:
    """Such as one that another process has recovered and removed meanwhile."""
    assert tree.sessions.journalled("nobody") == []
    assert tree.recover_evidence("nobody") == []


def test_a_link_among_the_sessions_is_none(tree: Tree) -> None:
    """Where it leads nothing is locked, read or removed."""
    elsewhere = tree.root.parent / "elsewhere"
    elsewhere.mkdir()
    (tree.own_directory / "staging" / "link").symlink_to(elsewhere)
    assert tree.sessions.take_over_dead() == {}
    tree.sessions.remove("link")
    assert list(elsewhere.iterdir()) == []


def test_a_session_whose_directory_a_person_removed_ends_quietly(tree: Tree) -> None:
    """There is nothing left to remove, and the next session begins as usual."""
    with tree.session("one"):
        shutil.rmtree(tree.own_directory / "staging" / "one")
    with tree.session("one") as session:
        put(session, b"content")
        session.forget_journal("batch")
    assert tree.sessions.take_over_dead() == {}


FAILING: dict[str, Callable[[Tree], object]] = {
    "scandir": lambda tree: tree.sessions.take_over_dead(),
    "listdir": lambda tree: tree.sessions.journalled("dead"),
    "rmdir": lambda tree: tree.sessions.remove("dead"),
    "fsync": lambda tree: tree.recover_evidence("dead"),
}


@pytest.mark.parametrize("call", FAILING)
def test_an_error_of_a_failing_disk_names_a_path(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Also where the system says only that something could not be read or written."""
    with tree.session("dead") as session:
        put(session, b"content")

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr(os, call, fail)
        with pytest.raises(StorageError, match="Input/output error") as failed:
            FAILING[call](tree)
    assert failed.value.message.startswith(str(tree.root))


def test_a_session_that_cannot_be_removed_at_its_end_is_named(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left of it is to be found; it is dead, and goes with the next start."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with (
        monkeypatch.context() as broken,
        pytest.raises(StorageError, match="Input/output error") as failed,
        tree.session("one"),
    ):
        broken.setattr(os, "rmdir", fail)
    assert failed.value.message.startswith(str(tree.sessions.directory("one")))
    assert tree.sessions.take_over_dead() == {"one": False}
    tree.sessions.remove("one")
    assert tree.sessions.take_over_dead() == {}
