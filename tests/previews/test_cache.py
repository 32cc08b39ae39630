"""The pictures that are kept: never more than allowed, and never another than was kept."""

from __future__ import annotations

import os
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winter_sync.previews.cache import (
    PREVIEWS,
    BorrowedCache,
    DiskCache,
    MemoryCache,
    PreviewCache,
    open_cache,
)

BLOCK = 4096
MOST = 5 * BLOCK
NAMES = st.sampled_from([f"{letter * 8}.jpg" for letter in "abcdefg"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), NAMES, st.integers(1, 3 * BLOCK)),
        st.tuples(st.just("get"), NAMES, st.just(0)),
        st.tuples(st.just("reopen"), NAMES, st.just(0)),
    ),
    max_size=30,
)


def content_of(name: str, size: int) -> bytes:
    """Return a content of this size that no other name has."""
    return (name.encode() * size)[:size]


def names(state: Path) -> list[str]:
    """Return the names of all files of the directory."""
    return sorted(each.name for each in (state / PREVIEWS).iterdir())


def taken(state: Path) -> int:
    """Return what all files of the directory take, but for the lock; in whole blocks."""
    sizes = [each.stat().st_size for each in (state / PREVIEWS).iterdir() if each.name != "lock"]
    return sum(-(-size // BLOCK) * BLOCK for size in sizes)


@settings(max_examples=40)
@given(STEPS)
def test_no_more_is_kept_than_allowed(steps: list[tuple[str, str, int]]) -> None:
    """Whatever is put and asked for: the disk holds at most so much, and what was used last."""
    with tempfile.TemporaryDirectory() as directory:
        state, put = Path(directory), dict[str, bytes]()
        cache = open_cache(state, MOST, 0)
        for step, name, size in steps:
            match step:
                case "put":
                    put[name] = content_of(name, size)
                    cache.put(name, put[name])
                    assert cache.get(name) == put[name]
                case "get":
                    assert cache.get(name) in {None, put.get(name)}
                case _:
                    cache.close()
                    cache = open_cache(state, MOST, 0)
            assert cache.size == taken(state) <= MOST
        cache.close()


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    """What was looked at stays, also over an end and a new beginning."""
    with closing(open_cache(tmp_path, MOST, 0)) as cache:
        for letter in "abcde":
            cache.put(letter, b"x")
            os.utime(tmp_path / PREVIEWS / letter, (1, ord(letter)))
        assert cache.get("a") == b"x"
        cache.put("f", b"x")
        assert names(tmp_path) == [*"acdef", "lock"]
    with closing(open_cache(tmp_path, MOST, 0)) as cache:
        cache.put("g", b"x")
        assert names(tmp_path) == [*"adefg", "lock"]


def test_a_smaller_bound_is_kept_from_the_beginning(tmp_path: Path) -> None:
    """What is too much by new settings is removed at once: the oldest, and what never fits."""
    with closing(open_cache(tmp_path, MOST, 0)) as cache:
        for letter, size in (("a", 1), ("b", 1), ("c", BLOCK)):
            cache.put(letter, b"x" * size)
            os.utime(tmp_path / PREVIEWS / letter, (1, ord(letter)))
    with closing(open_cache(tmp_path, BLOCK, 0)) as cache:
        assert names(tmp_path) == ["b", "lock"]
        assert cache.size == taken(tmp_path) == BLOCK


@pytest.mark.parametrize("damage", [b"", b"\0\0\0\0", b"other than it was"])
def test_what_was_damaged_is_not_shown(tmp_path: Path, damage: bytes) -> None:
    """A file that a crash left short, or that was changed, is as if it were not there."""
    with closing(open_cache(tmp_path, MOST, 0)) as cache:
        cache.put("a", b"picture")
        (tmp_path / PREVIEWS / "a").write_bytes(damage)
        assert cache.get("a") is None
        assert cache.size == 0
        cache.put("a", b"picture")
        assert cache.get("a") == b"picture"


def test_a_second_process_reads_and_does_not_write(tmp_path: Path) -> None:
    """Of two that show one mirror, only the first writes; the other sees what it has kept."""
    with (
        closing(open_cache(tmp_path, MOST, 0)) as first,
        closing(open_cache(tmp_path, MOST, 0)) as second,
    ):
        first.put("a", b"first")
        second.put("b", b"second")
        assert isinstance(second, BorrowedCache)
        assert (second.get("a"), second.get("b"), first.get("b")) == (b"first", b"second", None)
        assert names(tmp_path) == ["a", "lock"]


def _absent(state: Path) -> None:
    state.rmdir()


def _elsewhere(state: Path) -> None:
    (state / "elsewhere").mkdir()
    (state / PREVIEWS).symlink_to(state / "elsewhere")


def _a_file(state: Path) -> None:
    (state / PREVIEWS).write_bytes(b"")


@pytest.mark.parametrize("spoil", [_absent, _elsewhere, _a_file])
def test_where_nothing_can_be_written_memory_serves(tmp_path: Path, spoil: object) -> None:
    """Without the directory, or with a link in its place: kept in memory, and nowhere else."""
    state = tmp_path / "state"
    state.mkdir()
    assert callable(spoil)
    spoil(state)
    cache: PreviewCache = open_cache(state, MOST, 0)
    assert isinstance(cache, MemoryCache)
    cache.put("a", b"picture")
    assert cache.get("a") == b"picture"
    assert list(tmp_path.rglob("a")) == []


def test_a_full_disk_is_left_alone(tmp_path: Path) -> None:
    """Where no more than the reserve is free, nothing is written, and what is drawn is kept."""
    with closing(open_cache(tmp_path, MOST, 2**62)) as cache:
        assert isinstance(cache, DiskCache)
        cache.put("a", b"picture")
        assert (cache.get("a"), cache.size) == (b"picture", 0)
        assert names(tmp_path) == ["lock"]
