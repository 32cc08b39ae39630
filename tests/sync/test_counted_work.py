"""The hot paths do no more than they did, counted in what does not vary with the machine."""

from __future__ import annotations

from support.hot_path import grown, kept, measure


async def test_the_hot_paths_do_no_more_than_they_did() -> None:
    """No file, row or poll costs more calls, statements, system calls or bytes than is kept.

    What grows with a purpose is written anew: `PYTHONPATH=tests python -m support.hot_path --write`
    """
    assert not (more := grown(kept(), await measure())), "\n".join(more)


def test_what_grew_is_named_and_by_how_much() -> None:
    """Only what grew by more than a tenth is reported, with both figures."""
    before = {"a row": {"calls": 100.0, "statements": 3.0, "fsyncs": 0.0}}
    same = {"a row": {"calls": 110.0, "statements": 3.0, "fsyncs": 0.4}}
    more = {"a row": {"calls": 120.0, "statements": 4.0, "fsyncs": 1.0}}
    assert grown(before, same) == []
    assert grown(before, more) == [
        "a row: calls grew from 100 to 120 (+20%)",
        "a row: statements grew from 3 to 4 (+33%)",
        "a row: fsyncs grew from 0 to 1",
    ]
