"""Space: what is reserved by all threads and processes together never exceeds what is free."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.trees import Disk, ask, running

from winter_sync.core.errors import StorageError
from winter_sync.core.filesystem import free_space
from winter_sync.core.layout import STATE_DIR
from winter_sync.core.storage_errors import NO_SPACE
from winter_sync.tree.staging import Part, Reservation
from winter_sync.tree.tree import Tree


def test_free_space_is_what_may_still_be_written(small_tree: Tree, disk: Disk) -> None:
    """Free is what the disk has, less the minimum, less what is reserved."""
    assert small_tree.space.free() == 900
    small_tree.space.reserve(300)
    assert small_tree.space.free() == 600
    disk.left = 350
    assert small_tree.space.free() == -50
    small_tree.space.release(300)
    assert small_tree.space.free() == 250


def test_no_more_is_promised_than_there_is(small_tree: Tree) -> None:
    """A reservation beyond what is free is refused, says the figures, and changes nothing."""
    small_tree.space.reserve(500)
    with pytest.raises(StorageError, match="401 B needed; 400 B is free") as refused:
        small_tree.space.reserve(401)
    assert str(small_tree.root) in refused.value.message
    assert refused.value.errno == errno.ENOSPC
    small_tree.space.reserve(400)
    assert small_tree.space.free() == 0


def test_a_refusal_says_how_much_is_left_and_what_to_do(small_tree: Tree, disk: Disk) -> None:
    """To the last byte; on a disk that is full, or more than that, nothing is free."""
    for left, said in (
        (1099, "999 B is"),
        (101, "1 B is"),
        (100, "nothing is"),
        (50, "nothing is"),
    ):
        disk.left = left
        with pytest.raises(StorageError, match=f"1 kB needed; {said} free beyond") as refused:
            small_tree.space.reserve(1000)
        assert "(100 B)" in refused.value.message
        assert refused.value.remedy == NO_SPACE
    small_tree.space.reserve(0)
    assert small_tree.space.free() == -50


def test_a_file_system_that_does_not_say_what_is_free_is_named(tmp_path: Path) -> None:
    """The error has the path of the root, also where the system's has none."""

    def fail(_: Path) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(StorageError) as failed:
        Tree(tmp_path, free_space=fail).space.free()
    assert failed.value.message == f"{tmp_path}: {os.strerror(errno.EIO)}"


def test_a_reserve_is_used_up_and_given_back(small_tree: Tree, disk: Disk, part: Part) -> None:
    """What is written comes off the reserve and off the disk; the rest is given back at the end."""
    with Reservation(small_tree.space, 300) as reserve:
        reserve.write(part, b"x" * 100)
        disk.left -= 100
        assert small_tree.space.free() == 600
    assert small_tree.space.free() == 800


def test_a_reserve_grows_by_what_is_needed(small_tree: Tree, disk: Disk, part: Part) -> None:
    """Products larger than expected are written as long as there is space, to the last byte."""
    with Reservation(small_tree.space, 10) as reserve:
        for _ in range(9):
            reserve.write(part, b"x" * 100)
            disk.left -= 100
        assert small_tree.space.free() == 0
        with pytest.raises(StorageError, match=r"not enough space in .*: 1 B needed"):
            reserve.write(part, b"x")
    assert (part.size, small_tree.space.free()) == (900, 0)


def test_a_reserve_does_not_take_what_is_promised_to_another(small_tree: Tree, part: Part) -> None:
    """Growth of one batch stops before the space set aside for another."""
    with Reservation(small_tree.space, 800), Reservation(small_tree.space, 50) as reserve:
        reserve.write(part, b"x" * 50)
        with pytest.raises(StorageError, match="not enough space"):
            reserve.write(part, b"x" * 101)
        reserve.write(part, b"x" * 100)
    assert small_tree.space.free() == 900


def test_a_failed_write_keeps_no_space(small_tree: Tree, part: Part) -> None:
    """When the disk refuses a write, ending the reserve gives everything back."""
    part.close()
    with pytest.raises(StorageError), Reservation(small_tree.space, 10) as reserve:
        reserve.write(part, b"x" * 200)
    assert small_tree.space.free() == 900


def test_a_reserve_may_be_ended_early_and_used_again(small_tree: Tree, part: Part) -> None:
    """Ending it twice gives back nothing twice, and what is written afterwards is accounted for."""
    with Reservation(small_tree.space, 300) as reserve:
        reserve.end()
        assert small_tree.space.free() == 900
        reserve.write(part, b"x" * 100)
        assert small_tree.space.free() == 900
    assert small_tree.space.free() == 900


def test_a_reserve_that_cannot_begin_takes_nothing(small_tree: Tree) -> None:
    """A batch for which there is no space leaves the accounts as they were."""
    with pytest.raises(StorageError):
        Reservation(small_tree.space, 901)
    assert small_tree.space.free() == 900


@given(st.lists(st.tuples(st.integers(0, 400), st.lists(st.integers(0, 200), max_size=6))))
def test_accounts_always_balance(batches: list[tuple[int, list[int]]]) -> None:
    """Whatever is reserved, written or refused, the minimum stays free and accounts end at nil."""
    disk = Disk(1000)
    tree = Tree(Path("/nowhere"), min_free=100, free_space=disk)
    for expected, writes in batches:
        with pytest.raises(StorageError) if expected > disk.left - 100 else nullcontext():
            write_all(tree, disk, expected, writes)
        assert disk.left >= 100
        assert tree.space.free() == disk.left - 100


def write_all(tree: Tree, disk: Disk, expected: int, writes: list[int]) -> None:
    """Write through a reserve as much as it lets us."""
    with (
        tempfile.TemporaryDirectory() as name,
        Reservation(tree.space, expected) as reserve,
        Part(Path(name, "1.part")) as part,
    ):
        for size in writes:
            if size <= disk.left - 100:
                reserve.write(part, b"x" * size)
                disk.left -= size
            else:
                with pytest.raises(StorageError):
                    reserve.write(part, b"x" * size)


def test_two_threads_never_share_the_last_room(tmp_path: Path) -> None:
    """Of two threads that want all that is free at the same moment, one gets it."""
    both = threading.Barrier(2)
    refused: list[str] = []

    class Free(int):
        """A figure that is not worked with before two threads have it, if they can."""

        def __sub__(self, less: int) -> Free:
            with suppress(threading.BrokenBarrierError):
                both.wait(0.1)
            return Free(int(self) - less)

    crowded = Tree(tmp_path, free_space=lambda _: Free(1000))

    def want_all() -> None:
        try:
            crowded.space.reserve(1000)
        except StorageError as full:
            refused.append(full.message)

    other = threading.Thread(target=want_all)
    other.start()
    want_all()
    other.join()
    assert len(refused) == 1
    assert crowded.space.free() == 0


@pytest.mark.fault(
    kind="a disk that another process is about to fill",
    injected="(a second process that has set space aside)",
    outcome="what it is fetching counts as used; what fits no more is not begun",
    kept="the space that must stay free",
)
def test_what_another_process_promised_is_not_free(small_tree: Tree) -> None:
    """It counts as long as it is reserved, and after a kill until the session is removed."""
    with running(small_tree.root, "promise", "other", "300") as other:
        assert small_tree.space.free() == 600
        with pytest.raises(StorageError, match="601 B needed; 600 B is free"):
            small_tree.space.reserve(601)
        assert ask(other, "100") == "redeemed"
        assert small_tree.space.free() == 700
        other.kill()
        other.wait()
        assert small_tree.space.free() == 700
    assert small_tree.sessions.take_over_dead() == {"other": False}
    small_tree.sessions.remove("other")
    assert small_tree.space.free() == 900


def test_what_is_promised_is_known_to_others(small_tree: Tree, tmp_path: Path, disk: Disk) -> None:
    """As long as the session lasts another tree sees what is reserved and not yet written."""
    other = Tree(tmp_path / "winter", min_free=100, free_space=disk)
    with small_tree.session("session") as session, session.stage() as part:
        with Reservation(small_tree.space, 300) as reserve:
            reserve.write(part, b"x" * 100)
            assert (small_tree.space.free(), other.space.free()) == (700, 700)
        assert (small_tree.space.free(), other.space.free()) == (900, 900)
        small_tree.space.reserve(50)
        assert other.space.free() == 850
    assert other.space.free() == 900


def test_two_processes_never_share_the_last_room(tmp_path: Path) -> None:
    """One that wants all that is free just when another looks whether it may have it is refused."""
    greedy = Tree(tmp_path / "winter", free_space=lambda _: 1000)
    greedy.prepare("mirror")

    def looked_at(_: Path) -> int:
        with pytest.raises(StorageError, match="1 kB needed; nothing is free"):
            greedy.space.reserve(1000)
        return 1000

    first = Tree(tmp_path / "winter", free_space=looked_at)
    with first.session("first"), greedy.session("greedy"):
        first.space.reserve(1000)
        assert greedy.space.free() == 0


def test_an_account_that_cannot_be_kept_is_no_reason_to_stop(small_tree: Tree) -> None:
    """On a disk that is full to the last block, what was set aside is still given back."""
    with small_tree.session("session"):
        (descriptor,) = small_tree.space._records.values()
        unwritable = os.open("/dev/full", os.O_WRONLY)
        os.dup2(unwritable, descriptor)
        os.close(unwritable)
        small_tree.space.reserve(300)
        small_tree.space.release(300)
        assert small_tree.space.free() == 900


@pytest.mark.parametrize("account", [b"", b"nonsense"])
def test_an_account_that_says_nothing_counts_for_nothing(small_tree: Tree, account: bytes) -> None:
    """Such as that of a session which has just begun."""
    session = small_tree.root / STATE_DIR / "staging" / "other"
    session.mkdir()
    (session / "promised").write_bytes(account)
    assert small_tree.space.free() == 900


def test_the_space_of_a_real_file_system(tmp_path: Path) -> None:
    """Without a disk of our own the system's own figure counts, and a missing root is reported."""
    assert free_space(tmp_path) > 0
    assert Tree(tmp_path).space.free() > 0
    with pytest.raises(StorageError, match="No such file") as missing:
        Tree(tmp_path / "gone").space.free()
    assert "mounted" in missing.value.remedy
