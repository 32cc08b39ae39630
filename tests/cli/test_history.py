"""`history` and `list` after the archive withdrew, renamed or corrected products."""

from __future__ import annotations

import csv
import io
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from support.command import PROGRAM, Said, run, served, settings_file
from support.rig import path_of

from winter_sync.core.traits import ImageType, Instrument
from winter_sync.simulator import DEMO_NIGHT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from winter_sync.simulator import Observatory

NIGHT = ("--from", str(DEMO_NIGHT), "--to", str(DEMO_NIGHT))


@contextmanager
def mirrored(directory: Path) -> Iterator[tuple[Observatory, Callable[..., Said]]]:
    """Yield an archive whose stacks are mirrored, and what runs a command that must succeed."""
    with served() as archive:
        settings = settings_file(
            directory,
            api={"base_url": archive.url},
            mirror={"on_withdrawn": "move"},
            programs=({"image_types": ["stack"]},),
        )

        def ask(*arguments: str | Path) -> Said:
            said = run("--config", settings, *arguments, home=directory)
            assert said.code == 0, said.err
            return said

        ask("backfill", *NIGHT)
        yield archive.observatory, ask


def test_what_the_archive_changes_is_found(tmp_path: Path) -> None:
    """Successor, withdrawal and return are in the history; a new target is found, the old not."""
    with mirrored(tmp_path) as (observatory, ask):
        renamed, withdrawn, corrected, *_ = observatory.products(
            PROGRAM, Instrument.WINTER, ImageType.STACK
        )
        observatory.withdraw(withdrawn)
        new = observatory.rename(renamed)
        observatory.correct(corrected, program=PROGRAM, target="SN2099abc")
        ask("backfill", *NIGHT)
        history = json.loads(ask("history", path_of(renamed), "--json").out)
        assert history["successor"] == path_of(new)
        assert {event["event"] for event in history["events"]} >= {"withdrawn", "renamed"}
        said = ask("history", path_of(renamed)).out
        assert f"Renamed to {path_of(new)}" in said
        assert "Not listed any more since" in said
        gone = ask("history", withdrawn.filename).out
        assert "withdrawn" in gone
        assert "Renamed" not in gone
        rows = csv.DictReader(io.StringIO(ask("list", "--target", "SN2099abc").out))
        assert [row["path"].endswith(path_of(corrected)) for row in rows] == [True]
        observatory.relist(withdrawn)
        ask("backfill", *NIGHT)
        back = json.loads(ask("history", path_of(withdrawn), "--json").out)
        kinds = [event["event"] for event in back["events"]]
        assert kinds[::-1] == ["withdrawn", "removed", "returned"]
        assert (back["withdrawn_at"], back["successor"]) == (None, None)
        assert [one["file"] for one in back["revisions"]] == ["here"]


def test_verify_does_not_read_what_was_set_aside(tmp_path: Path) -> None:
    """As its page says; the file is of no product of the tree, and known."""
    with mirrored(tmp_path) as (observatory, ask):
        withdrawn, *_ = observatory.products(PROGRAM, Instrument.WINTER, ImageType.STACK)
        observatory.withdraw(withdrawn)
        ask("backfill", *NIGHT)
        place = tmp_path / "winter" / ".winter-sync" / "withdrawn" / path_of(withdrawn)
        place.write_bytes(b"changed")
        told = json.loads(ask("verify", "--json").out)
        assert told["orphaned"] == []
