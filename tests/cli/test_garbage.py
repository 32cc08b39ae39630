"""When cyclic garbage is looked for."""

from __future__ import annotations

import gc

import pytest

from winter_sync.cli.garbage import put_off_search


@pytest.fixture(autouse=True)
def _as_before() -> object:
    usual = gc.get_threshold()
    gc.collect()
    yield
    gc.unfreeze()
    gc.set_threshold(*usual)


def collections() -> int:
    """Return how often garbage was looked for so far."""
    return sum(generation["collections"] for generation in gc.get_stats())


def test_garbage_is_looked_for_as_usual_once_a_start_is_over() -> None:
    """What a start makes is not looked at; a process that goes on making objects is."""
    usual, before = gc.get_threshold(), collections()
    put_off_search()
    started: list[list[int]] = [[] for _ in range(100_000)]
    assert collections() == before
    more: list[list[int]] = [[] for _ in range(150_000)]
    assert collections() > before
    assert gc.get_threshold() == usual
    assert gc.get_freeze_count() >= len(started)
    before = collections()
    more += [[] for _ in range(2_000)]
    assert collections() > before
