"""A catalog that is lost is built again from the files and the listing, and nothing is lost."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import subprocess
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.rig import path_of
from support.tables import in_words

from winter_sync.core import ProductFinished
from winter_sync.core.downloads import Adopted
from winter_sync.core.errors import StorageError
from winter_sync.core.filesystem import sha256_of_file
from winter_sync.core.layout import CATALOG, STATE_DIR
from winter_sync.core.outbox import EventKind
from winter_sync.core.traits import ImageType
from winter_sync.simulator import DEMO_NIGHT

if TYPE_CHECKING:
    from pathlib import Path

    from support.rig import DownloadLog, Rig

TIMES = {
    *("first_listed", "published_at", "checked_at", "replaced_at", "kept_at"),
    *("not_before", "refused_at", "created_at", "confirmed_at"),
    *("listed_ms", "published_ms", "checked_ms", "confirmed_ms", "settled_lastmodified_s"),
}
"""Columns that may differ afterwards, or are compared by the words that stand beside them."""
NUMBERS = {"id", "product", "directory"}
"""Given in the order in which things became known; what they stand for is compared."""
TABLES = ("products", "listings", "revisions", "kept_files", "mirror")
KEPT = frozenset(ImageType) - {ImageType.SCIENCE}


def catalog_of(rig: Rig) -> Path:
    """Return the path of the catalog."""
    return rig.root / STATE_DIR / CATALOG


def delete_catalog(rig: Rig) -> None:
    """Delete the catalog with all that SQLite has beside it."""
    for end in ("", "-wal", "-shm"):
        catalog_of(rig).with_name(f"{CATALOG}{end}").unlink(missing_ok=True)


def known(rig: Rig) -> dict[str, list[dict[str, Any]]]:
    """Return what the catalog knows, less the times, and of marks only the latest."""

    def kept(row: sqlite3.Row) -> dict[str, Any]:
        values = {name: row[name] for name in row.keys() if name not in TIMES | NUMBERS}  # noqa: SIM118
        marks = {name: values[name] for name in values if name.startswith("settled_")}
        if "replaced_at" in row.keys():  # noqa: SIM118 - what a revision was listed with is lost
            del values["lastmodified"], values["pipeversion"]
        # Of exposures, which no processing rewrites, new marks are not recorded.
        is_exposure = values.get("image_type") == ImageType.EXPOSURE
        latest = {
            name: None if is_exposure else (mark or "").split("\n")[-1]
            for name, mark in marks.items()
        }
        return {**values, **latest}

    with closing(sqlite3.connect(catalog_of(rig))) as db:
        db.row_factory = sqlite3.Row
        return {table: sorted(map(kept, db.execute(in_words(table))), key=repr) for table in TABLES}


def everything(rig: Rig) -> dict[str, str]:
    """Return the digest of each file in the tree and of each older revision."""
    kept = rig.root / STATE_DIR / "revisions"
    older = {str(path): sha256_of_file(path) for path in kept.rglob("*") if path.is_file()}
    return {**rig.files(), **older}


@pytest.fixture
def programs(rig: Rig) -> None:
    """Mirror all that the archive keeps."""
    rig.programs = [{**program, "image_types": sorted(KEPT)} for program in rig.programs]


@pytest.mark.usefixtures("programs")
async def test_a_deleted_catalog_is_built_again_without_a_download(
    rig: Rig, download_log: DownloadLog
) -> None:
    """The next sync adopts what is there, older revisions too, and knows all that it knew."""
    await rig.sync()
    rig.observatory.clock.advance(timedelta(days=1))
    rig.observatory.reprocess(DEMO_NIGHT)
    rig.observatory.clock.advance(timedelta(days=2))
    await rig.sync()
    before, files = known(rig), everything(rig)
    assert any(product["revision"] > 1 for product in before["products"])
    last = rig.outbox()[-1].number
    rig.observatory.clock.advance(timedelta(hours=1))
    delete_catalog(rig)
    download_log.downloads.clear()
    rig.events.clear()
    report = await rig.sync()
    assert download_log.downloads == []
    assert (report.published, report.left, report.errors) == (0, 0, ())
    assert report.adopted == len(rig.files())
    told = [event.number for event in rig.outbox(EventKind.ADOPTED)]
    assert len(told) == report.adopted
    assert min(told) > last, "whoever reads on from there misses events"
    assert known(rig) == before
    assert everything(rig) == files
    finished = {event.outcome for event in rig.emitted(ProductFinished)}
    assert all(isinstance(outcome, Adopted) for outcome in finished)


@pytest.mark.usefixtures("programs")
async def test_only_what_is_wrong_or_gone_is_downloaded(
    rig: Rig, download_log: DownloadLog
) -> None:
    """A file that is cut, deleted or not FITS is downloaded; foreign files stay; ours are kept."""
    await rig.sync()
    right = rig.files()
    stacks = [product for product in rig.observatory.products() if path_of(product) in right]
    cut, deleted, text, linked = stacks[:4]
    os.truncate(rig.root / path_of(cut), 2880)
    (rig.root / path_of(deleted)).unlink()
    (rig.root / path_of(text)).write_text("my notes")
    (rig.root / "elsewhere.fits").write_bytes((rig.root / path_of(linked)).read_bytes())
    (rig.root / path_of(linked)).unlink()
    (rig.root / path_of(linked)).symlink_to(rig.root / "elsewhere.fits")
    delete_catalog(rig)
    download_log.downloads.clear()
    report = await rig.sync()
    assert set(download_log.asked) == {one.savepath for one in (cut, deleted, text, linked)}
    files = rig.files()
    foreign = files.pop("elsewhere.fits")
    assert files == right
    assert foreign == right[path_of(linked)]
    assert {path for path, _ in report.kept} >= {path_of(cut), path_of(text)}
    assert (rig.root / dict(report.kept)[path_of(text)]).read_text() == "my notes"
    assert (report.published, report.left) == (4, 0)


@pytest.mark.usefixtures("programs")
async def test_what_is_said_of_a_broken_catalog_mends_it(
    rig: Rig, download_log: DownloadLog
) -> None:
    """It is left as it is; the commands of the message, and a sync, bring all back."""
    await rig.sync()
    before, right = known(rig), rig.files()
    with catalog_of(rig).open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (catalog_of(rig).stat().st_size - 4096))
    broken = catalog_of(rig).read_bytes()
    with pytest.raises(StorageError, match="malformed") as refused:
        await rig.sync()
    assert catalog_of(rig).read_bytes() == broken
    commands = re.findall(r"`(mkdir .*?)`", refused.value.remedy)
    await asyncio.to_thread(subprocess.run, ["sh", "-c", *commands], check=True)
    download_log.downloads.clear()
    await rig.sync()
    assert download_log.downloads == []
    assert (known(rig), rig.files()) == (before, right)
    assert (catalog_of(rig).parent / "broken" / CATALOG).read_bytes() == broken


@pytest.mark.usefixtures("programs")
async def test_a_file_that_its_manifest_contradicts_is_downloaded(
    rig: Rig, download_log: DownloadLog
) -> None:
    """Edited by hand and whole, it is no product: the manifest of its night knows the digest."""
    await rig.sync()
    right = rig.files()
    sums = rig.root / STATE_DIR / "manifests" / "2024A000" / f"{DEMO_NIGHT}.SHA256SUMS"
    sums.parent.mkdir(parents=True, exist_ok=True)
    sums.write_text("".join(f"{sha256}  {path}\n" for path, sha256 in right.items()))
    product = next(
        one
        for one in rig.observatory.products()
        if one.image_type is ImageType.STACK and path_of(one) in right
    )
    edited = rig.root / path_of(product)
    content = bytearray(edited.read_bytes())
    content[-2880] ^= 1
    edited.write_bytes(content)
    delete_catalog(rig)
    download_log.downloads.clear()
    report = await rig.sync()
    assert set(download_log.asked) == {product.savepath}
    assert rig.files() == right
    assert [path for path, _ in report.kept] == [path_of(product)]
