"""`history` and `list` after the archive withdrew, renamed or corrected products."""

from __future__ import annotations

import csv
import io
import json
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from support.catalogs import poll, publish
from support.clock import Clock
from support.command import PROGRAM, Said, run, served, settings_file
from support.makers import path_of, product

from winter_sync.catalog.catalog import Catalog
from winter_sync.core import CATALOG, STATE_DIR
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


def test_a_name_of_several_products_is_not_guessed(tmp_path: Path) -> None:
    """It names them, in full; a path in the tree or a savepath says which one is meant."""
    raw = product(0, ImageType.RAW, instrument=Instrument.SPRING)
    exposure = replace(
        raw, savepath=raw.savepath.replace("/loaded_raw/", "/raw/"), image_type=ImageType.EXPOSURE
    )
    assert raw.filename == exposure.filename
    assert path_of(raw) != path_of(exposure)
    root = tmp_path / "winter"
    (root / STATE_DIR).mkdir(parents=True)
    with closing(Catalog(root / STATE_DIR / CATALOG, Clock())) as catalog:
        poll(catalog, [raw, exposure])
        publish(catalog, raw, b"raw")
    for option in ((), ("--json",)):
        said = run("history", raw.filename, *option, "--root", root, home=tmp_path)
        assert (said.code, said.out) == (2, "")
        assert f"{raw.filename} means several products: " in said.err
        assert raw.savepath in said.err
        assert exposure.savepath in said.err
        assert "Write the path in the tree, or the savepath" in said.err
    for name in (path_of(raw), raw.savepath):
        said = run("history", name, "--json", "--root", root, home=tmp_path)
        assert said.code == 0, said.err
        assert json.loads(said.out)["savepath"] == raw.savepath
    said = run("restore", raw.filename, "--revision", "1", "--root", root, home=tmp_path)
    assert said.code == 2
    assert "means several products" in said.err
