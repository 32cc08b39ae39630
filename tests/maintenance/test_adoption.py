"""Files that a person has already are taken into the mirror, and nothing is downloaded."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sqlite3
import struct
import zipfile
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console
from support.command import PROGRAM, run, served, settings_file
from support.rig import path_of
from support.tables import in_words

from winter_sync.catalog import Adoptions
from winter_sync.cli.views.adopt_report import result_as_json, show
from winter_sync.config import Settings
from winter_sync.core import DamagedError, ExitCode, Time, UsageError
from winter_sync.core.filesystem import sha256_of_file
from winter_sync.core.layout import CATALOG, STATE_DIR
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.maintenance import AdoptRequest, AdoptResult, Fate, adopt
from winter_sync.maintenance.adoption_sources import FileSource, ZipSource
from winter_sync.simulator import DEMO_NIGHT
from winter_sync.sync import adopt_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.rig import DownloadLog, Rig

    from winter_sync.core.products import Product


@contextmanager
def counting(*_: int) -> Iterator[Callable[[int, int], None]]:
    """Show nothing."""
    yield lambda *_: None


async def adopt_files(rig: Rig, directory: Path | None = None, **how: bool) -> AdoptResult:
    """Adopt the files of a directory, or those of the root."""
    request = AdoptRequest(directory, **how)
    return await adopt(rig.settings(), request, rig.events.append, counting, time=rig.time)


def have(rig: Rig, product: Product) -> bytes:
    """Return the content that the archive has of a product."""
    return bytes(rig.observatory.content(*product.identity))


def kept(rig: Rig, *image_types: ImageType) -> list[Product]:
    """Return the products that the archive has, of these types."""
    chosen = image_types or tuple(set(ImageType) - {ImageType.SCIENCE})
    return [one for one in rig.observatory.products() if one.image_type in chosen]


def put(directory: Path, name: str, content: bytes) -> Path:
    """Write a file, and the directories that it is in."""
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def states(rig: Rig) -> dict[str, str]:
    """Return the state of each product, by savepath."""
    with closing(sqlite3.connect(rig.root / STATE_DIR / CATALOG)) as db:
        return dict(db.execute(f"SELECT savepath, state FROM ({in_words('products')})"))  # noqa: S608 - our own words


def kinds(rig: Rig) -> list[str]:
    """Return the kinds of the events that were recorded for other programs."""
    with closing(sqlite3.connect(rig.root / STATE_DIR / CATALOG)) as db:
        return [kind for (kind,) in db.execute("SELECT kind FROM events ORDER BY id")]


async def test_what_winterapi_unpacked_into_one_directory_is_adopted(
    rig: Rig, tmp_path: Path, download_log: DownloadLog
) -> None:
    """By name alone where it is one product's, by the header where not; the next sync agrees."""
    chosen = kept(rig)
    names = [one.filename for one in chosen]
    for number, one in enumerate(chosen):
        double = names.count(one.filename) > 1
        put(
            tmp_path / "mine",
            f"{number}/{one.filename}" if double else one.filename,
            have(rig, one),
        )
    before = {path: path.read_bytes() for path in (tmp_path / "mine").rglob("*.*")}
    result = await adopt_files(rig, tmp_path / "mine")
    assert result.counts[Fate.ADOPTED] == len(chosen) == sum(result.counts.values())
    assert rig.files() == rig.truth(chosen)
    assert all(path.read_bytes() == content for path, content in before.items())
    assert set(kinds(rig)) == {"adopted"}
    assert download_log.downloads == []
    again = await adopt_files(rig, tmp_path / "mine")
    assert again.counts[Fate.HERE] == len(chosen) == sum(again.counts.values())
    await rig.sync()
    assert not {one.savepath for one in chosen} & set(download_log.asked)


async def test_zips_are_adopted_as_they_are(
    rig: Rig, tmp_path: Path, download_log: DownloadLog
) -> None:
    """Zips with the names that winterapi gives them, members in directories or not, one damaged."""
    winter = [one for one in kept(rig) if one.instrument is Instrument.WINTER]
    stacks = [one for one in winter if one.image_type is ImageType.STACK]
    diffs = [one for one in winter if one.image_type is ImageType.DIFF]
    home = tmp_path / "home"
    home.mkdir()
    for name, products in (
        ("WINTER_images_stack_2024_02_05_22_58_41.zip", stacks),
        ("WINTER_images_diff_2024_02_05_22_59_12.zip", diffs),
    ):
        with zipfile.ZipFile(home / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for one in products:
                folder = "images/" if one.image_type is ImageType.DIFF else ""
                archive.writestr(f"{folder}{one.filename}", have(rig, one))
            archive.writestr("README", "not ours")
    put(home, "WINTER_images_raw_2024_02_05_23_00_00.zip", b'{"detail": "Unauthorized"}')
    result = await adopt_files(rig, home)
    assert result.counts[Fate.ADOPTED] == len(stacks) + len(diffs)
    unknown = [file.name.rpartition(": ")[2] for file in result.files[Fate.UNKNOWN]]
    assert unknown == ["README", "README"]
    (error_page,) = result.files[Fate.DAMAGED]
    assert error_page.name.endswith("23_00_00.zip")
    assert result.exit_code is ExitCode.INCOMPLETE
    assert rig.files() == rig.truth([*stacks, *diffs])
    assert download_log.downloads == []


async def test_each_file_gets_the_fate_that_fits(rig: Rig, tmp_path: Path) -> None:
    """Damaged, unknown, different, twice there: none is adopted, and all are told."""
    rig.programs = [{**program, "image_types": ["stack"]} for program in rig.programs]
    first, second, third, fourth, *_ = kept(rig, ImageType.STACK)
    mine = tmp_path / "mine"
    put(mine, f"cut/{first.filename}", have(rig, first)[:-2880])
    put(mine, f"page/{second.filename}", b"<html>502 Bad Gateway</html>")
    put(mine, "notes.txt", b"mine")
    put(mine, "WINTERcamera_20200101-000000-000_mef_4_0_0_stack.fits", have(rig, third))
    put(mine, f"a/{third.filename}", have(rig, third))
    put(mine, f"b/{third.filename}", have(rig, third))
    # A header edited by hand is whole, too.
    edited = have(rig, fourth).replace(b"GAIN    = ", b"GAIN   = ", 1)
    put(rig.root, path_of(fourth), have(rig, fourth))
    put(mine, fourth.filename, bytes([*edited[:-1], edited[-1] ^ 1]))
    (mine / "loop").symlink_to(mine)
    (mine / "pipe").mkdir()
    os.mkfifo(mine / "pipe" / first.filename)
    result = await adopt_files(rig, mine)
    assert {fate: count for fate, count in result.counts.items() if count} == {
        Fate.ADOPTED: 1,
        Fate.HERE: 1,
        Fate.DIFFERENT: 1,
        Fate.UNKNOWN: 3,
        Fate.DAMAGED: 2,
        Fate.UNREADABLE: 1,
    }
    assert rig.files() == rig.truth([third, fourth])
    assert states(rig)[first.savepath] == states(rig)[second.savepath] == "wanted"
    assert result.exit_code is ExitCode.STORAGE
    told = json.loads(result_as_json(result))
    assert told["counts"]["damaged"] == len(told["damaged"]) == 2
    assert told["different"][0]["path"] == path_of(fourth)


async def test_doubts_and_oddities_are_told_one_by_one(rig: Rig, tmp_path: Path) -> None:
    """A file that may lack something stays; one that is only odd is adopted, and both are named."""
    (exposure, *_), (stack, *_) = kept(rig, ImageType.EXPOSURE), kept(rig, ImageType.STACK)
    whole = have(rig, exposure)
    boards = [found.start() for found in re.finditer(b"XTENSION=", whole)]
    short = put(tmp_path / "mine", exposure.filename, whole[: boards[3]])
    padded = put(tmp_path / "mine", stack.filename, have(rig, stack) + bytes(2880))
    result = await adopt_files(rig, tmp_path / "mine", move=True)
    (doubtful,), (adopted,) = result.files[Fate.DOUBTFUL], result.files[Fate.ADOPTED]
    assert doubtful.name == str(short)
    assert "extensions where" in (doubtful.reason or "")
    assert "no data seem to be missing" in (doubtful.reason or "")
    assert (short.exists(), padded.exists()) == (True, False)
    assert states(rig)[exposure.savepath] == "wanted"
    assert result.exit_code is ExitCode.INCOMPLETE
    console = Console(width=400, file=io.StringIO())
    show(console, result)
    first, second, last = console.file.getvalue().splitlines()  # type: ignore[attr-defined] # a StringIO
    assert first.startswith(f"adopted, though odd: {padded} (")
    assert second.startswith(f"doubtful: {short} (")
    assert last.endswith("; 1 doubtful.")
    assert adopted.reason in first
    assert json.loads(result_as_json(result))["counts"]["doubtful"] == 1


async def test_what_is_adopted_is_delivered_to_sinks(rig: Rig, tmp_path: Path) -> None:
    """As after a sync: adopting may be all that is done for days."""
    stack, *_ = kept(rig, ImageType.STACK)
    put(tmp_path / "mine", stack.filename, have(rig, stack))
    sinks = [{"name": "file", "command": ["tee", str(tmp_path / "told")]}]
    settings = Settings(**{**rig.sections(), "sinks": sinks})
    request = AdoptRequest(tmp_path / "mine")
    # The command takes real time: by a driven clock its time would be up at once.
    time = Time(clock=rig.time.clock)
    await adopt(settings, request, rig.events.append, counting, time=time)
    assert '"event": "adopted"' in (tmp_path / "told").read_text()


async def test_one_name_of_several_products_is_decided_or_refused(rig: Rig, tmp_path: Path) -> None:
    """By the directory, then by the header; what neither tells is refused with its places."""
    double = [one for one in kept(rig) if one.instrument is Instrument.SPRING]
    names = [one.filename for one in double]
    exposure, raw = [one for one in double if names.count(one.filename) > 1][:2]
    if exposure.image_type is not ImageType.EXPOSURE:
        exposure, raw = raw, exposure
    twin = next(one for one in double if one.filename == exposure.filename and one != exposure)
    mine = tmp_path / "mine"
    put(mine, f"{DEMO_NIGHT}/loaded_raw/{twin.filename}", have(rig, twin))
    put(mine, f"flat/{exposure.filename}", have(rig, exposure))
    result = await adopt_files(rig, mine)
    assert result.counts[Fate.ADOPTED] == 2
    assert rig.files() == rig.truth([exposure, twin])
    shutil.rmtree(rig.root)
    unsaid = have(rig, twin).replace(b"SAVEPATH= '/data", b"SAVEPATH= '/elsw")
    unsaid = unsaid.replace(b"loaded_raw/", b"elsewhere_/")
    shutil.rmtree(mine)
    put(mine, f"flat/{twin.filename}", unsaid)
    rig.new_root = True
    result = await adopt(
        rig.settings().model_copy(
            update={
                "mirror": rig.settings().mirror.model_copy(update={"root": tmp_path / "second"})
            }
        ),
        AdoptRequest(mine),
        rig.events.append,
        counting,
        time=rig.time,
    )
    (refused,) = result.files[Fate.AMBIGUOUS]
    assert refused.reason is not None
    assert path_of(exposure) in refused.reason
    assert path_of(twin) in refused.reason
    assert result.exit_code is ExitCode.INCOMPLETE


async def test_files_are_moved_only_if_asked(rig: Rig, tmp_path: Path) -> None:
    """A moved file keeps its inode; a damaged one, a zip, and what is here already stay."""
    first, second, third, *_ = kept(rig, ImageType.STACK)
    mine = tmp_path / "mine"
    moved = put(mine, first.filename, have(rig, first))
    damaged = put(mine, second.filename, b"SIMPLE")
    inode = moved.stat().st_ino
    with zipfile.ZipFile(mine / "WINTER_images.zip", "w") as archive:
        archive.writestr(third.filename, have(rig, third))
    result = await adopt_files(rig, mine, move=True)
    assert result.counts[Fate.ADOPTED] == 2
    assert sorted(path.name for path in mine.iterdir()) == sorted(
        [damaged.name, "WINTER_images.zip"]
    )
    placed = (rig.root / path_of(first)).stat()
    assert (placed.st_ino, placed.st_nlink) == (inode, 1)
    assert rig.files() == rig.truth([first, third])


async def test_only_a_second_name_of_what_is_here_is_removed(rig: Rig, tmp_path: Path) -> None:
    """Not a copy, nor the tree's own name, by whatever path, nor what a link of it leads to."""
    first, second, third, *_ = kept(rig, ImageType.STACK)
    for one in (first, second, third):
        put(tmp_path / "first", one.filename, have(rig, one))
    await adopt_files(rig, tmp_path / "first", move=True)
    mine = tmp_path / "mine"
    copy = put(mine, first.filename, have(rig, first))
    name = mine / second.filename
    name.hardlink_to(rig.root / path_of(second))
    target = mine / third.filename
    (rig.root / path_of(third)).rename(target)
    (rig.root / path_of(third)).symlink_to(target)
    (tmp_path / "again").symlink_to(rig.root / "winter")
    await adopt_files(rig, mine, move=True)
    for directory in (None, rig.root, rig.root / "winter", tmp_path / "again"):
        with pytest.raises(UsageError, match="not moved"):
            await adopt_files(rig, directory, move=True)
    assert (copy.exists(), name.exists(), target.exists()) == (True, False, True)
    assert rig.files() == rig.truth([first, second, third])


async def test_a_dry_run_changes_nothing(rig: Rig, tmp_path: Path) -> None:
    """It tells what would come of each file; not a byte of the root is written."""
    first, second, *_ = kept(rig, ImageType.STACK)
    mine = tmp_path / "mine"
    put(mine, first.filename, have(rig, first))
    put(mine, second.filename, have(rig, second)[:5000])
    result = await adopt_files(rig, mine, dry_run=True)
    assert (result.counts[Fate.ADOPTED], result.counts[Fate.DAMAGED]) == (1, 1)
    assert not rig.root.exists()
    await adopt_files(rig, mine)
    catalog = rig.root / STATE_DIR / CATALOG
    before = {path: sha256_of_file(path) for path in rig.root.rglob("*.*") if path.is_file()}
    put(rig.root, path_of(second), have(rig, second))
    result = await adopt_files(rig, dry_run=True)
    assert (result.counts[Fate.ADOPTED], result.counts[Fate.HERE]) == (1, 1)
    assert sha256_of_file(catalog) == before[catalog]
    assert states(rig)[second.savepath] == "wanted"


async def test_files_at_their_places_are_adopted_without_a_request(
    rig: Rig, download_log: DownloadLog
) -> None:
    """With --offline, after a listing: what is there and whole is known, the rest is reported."""
    await adopt_files(rig)
    first, second, third, *_ = kept(rig, ImageType.STACK)
    put(rig.root, path_of(first), have(rig, first))
    put(rig.root, path_of(second), b"")
    put(rig.root, third.filename, have(rig, third))
    asked = len(rig.simulator.requests)
    result = await adopt_files(rig, offline=True)
    assert len(rig.simulator.requests) == asked
    assert result.counts[Fate.ADOPTED] == 1
    assert [file.name for file in result.files[Fate.DAMAGED]] == [path_of(second)]
    (misplaced,) = result.files[Fate.UNKNOWN]
    assert misplaced.reason == f"its place is {path_of(third)}"
    assert download_log.downloads == []


async def test_a_directory_that_is_none_is_refused(rig: Rig, tmp_path: Path) -> None:
    """So is one that the root is in, whose files would be taken for others."""
    for wrong in (tmp_path / "none", tmp_path):
        with pytest.raises(UsageError):
            await adopt_files(rig, wrong)


@pytest.mark.parametrize("move", [False, True])
async def test_what_the_mirror_keeps_for_itself_is_refused(rig: Rig, *, move: bool) -> None:
    """Earlier revisions would be taken for the newest content, and moved away."""
    stack, *_ = kept(rig, ImageType.STACK)
    aside = put(rig.root / STATE_DIR / "revisions", stack.filename, have(rig, stack))
    incoming = put(rig.root / "incoming", stack.filename, have(rig, stack))
    for directory in (aside.parent, rig.root / STATE_DIR):
        with pytest.raises(UsageError, match="keeps for itself") as refused:
            await adopt_files(rig, directory, move=move)
        assert refused.value.remedy
    assert aside.exists()
    result = await adopt_files(rig, incoming.parent, move=move)
    assert result.counts[Fate.ADOPTED] == 1
    assert incoming.exists() is not move


async def test_without_space_nothing_is_adopted_and_nothing_lost(rig: Rig, tmp_path: Path) -> None:
    """The reserve stays free; moving needs no space."""
    first, *_ = kept(rig, ImageType.STACK)
    mine = put(tmp_path / "mine", first.filename, have(rig, first))
    rig.changes = {"mirror": {"min_free": "900 TB"}}
    with pytest.raises(Exception, match="not enough space"):
        await adopt_files(rig, tmp_path / "mine")
    assert mine.read_bytes() == have(rig, first)
    assert rig.files() == {}
    result = await adopt_files(rig, tmp_path / "mine", move=True)
    assert result.counts[Fate.ADOPTED] == 1
    assert rig.leases() == []


def test_the_command_says_what_came_of_the_files(tmp_path: Path) -> None:
    """`adopt DIR` prints what is not adopted and a summary, and exits with 5 or 0."""
    with served() as simulator:
        stacks: list[Any] = [
            one
            for one in simulator.observatory.products(program=PROGRAM)
            if one.image_type is ImageType.STACK
        ]
        settings = settings_file(
            tmp_path,
            api={"base_url": simulator.url},
            programs=[{"image_types": ["stack"]}],
        )
        content = bytes(simulator.observatory.content(*stacks[0].identity))
        put(tmp_path / "mine", stacks[0].filename, content)
        said = run("--config", settings, "adopt", tmp_path / "mine", home=tmp_path)
        assert (said.code, said.out.splitlines()[-1][:10]) == (0, "1 adopted,")
        put(tmp_path / "mine", stacks[1].filename, b"<html>")
        said = run("--config", settings, "adopt", tmp_path / "mine", "--json", home=tmp_path)
        told = json.loads(said.out)
        assert said.code == told["exit_code"] == ExitCode.INCOMPLETE
        assert (told["counts"]["here"], told["counts"]["damaged"]) == (1, 1)


# --- what others may put into the directory -------------------------------------------------------


@pytest.mark.parametrize("move", [False, True])
async def test_what_is_no_file_never_hangs_it(rig: Rig, tmp_path: Path, *, move: bool) -> None:
    """Pipes under the names of products and of zips are reported, and the rest is adopted."""
    first, second, *_ = kept(rig, ImageType.STACK)
    mine = put(tmp_path / "mine", second.filename, have(rig, second)).parent
    os.mkfifo(mine / first.filename)
    os.mkfifo(mine / "images.zip")
    result = await adopt_files(rig, mine, move=move)
    assert (result.counts[Fate.ADOPTED], result.counts[Fate.UNREADABLE]) == (1, 2)
    assert rig.files() == rig.truth([second])


async def test_names_that_are_not_utf8_are_not_listed(rig: Rig, tmp_path: Path) -> None:
    """In a directory, as a directory, and in the root: reported, in JSON, too."""
    first, second, *_ = kept(rig, ImageType.STACK)
    strange = os.fsdecode(b"\xff")
    put(tmp_path / "mine", f"{strange}.fits", have(rig, first))
    put(tmp_path / "mine", f"{strange}/{first.filename}", have(rig, first))
    result = await adopt_files(rig, tmp_path / "mine")
    assert (result.counts[Fate.ADOPTED], result.counts[Fate.UNKNOWN]) == (1, 1)
    json.loads(result_as_json(result).encode())
    put(rig.root, f"{strange}.fits", have(rig, second))
    assert (await adopt_files(rig)).counts[Fate.UNKNOWN] == 1


async def test_what_is_far_too_large_is_damaged(rig: Rig, tmp_path: Path) -> None:
    """A sparse file, and a member that inflates without end, cost no space: the rest is adopted."""
    first, second, third, *_ = kept(rig, ImageType.STACK)
    mine = put(tmp_path / "mine", second.filename, have(rig, second)).parent
    with (mine / first.filename).open("wb") as file:
        file.truncate(1 << 42)
    with (
        zipfile.ZipFile(mine / "images.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(third.filename, "w", force_zip64=True) as member,
    ):
        for _ in range(300):
            member.write(bytes(1 << 20))
    for how, damaged in (({"dry_run": True}, 1), ({}, 2), ({"move": True}, 2)):
        result = await adopt_files(rig, mine, **how)
        assert result.counts[Fate.DAMAGED] == damaged
        assert result.exit_code is ExitCode.INCOMPLETE
    assert rig.files() == rig.truth([second])


def test_a_zip_is_not_read_whole_for_its_names(tmp_path: Path) -> None:
    """One whose central directory claims all of an enormous file is damaged."""
    place, size = tmp_path / "images.zip", 1 << 41
    end = b"PK\x06\x06" + struct.pack("<Q2H2L4Q", 44, 45, 45, 0, 0, 10, 10, size - 4, 4)
    end += b"PK\x06\x07" + struct.pack("<LQL", 0, size, 1)
    end += b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, *[0xFFFF] * 2, *[0xFFFFFFFF] * 2, 0)
    with place.open("wb") as file:
        file.write(b"PK\x03\x04")
        file.seek(size)
        file.write(end)
    with pytest.raises(DamagedError, match="directory"):
        ZipSource(tmp_path, place.name).names()


@pytest.mark.parametrize("same_disk", [True, False])
async def test_what_took_the_name_of_a_moved_file_stays(
    rig: Rig, tmp_path: Path, *, same_disk: bool
) -> None:
    """A person who writes a new file over the old one while it is moved does not lose it."""
    first, *_ = kept(rig, ImageType.STACK)
    mine = put(tmp_path / "mine", first.filename, have(rig, first))
    source = FileSource(mine.parent, mine.name)
    async with rig.opened() as mirror:
        part = source.stage(mirror.session, move=same_disk)
        newer = put(tmp_path, "newer", b"a better one")
        newer.rename(mine)
        source.remove()
        part.discard()
    assert mine.read_bytes() == b"a better one"


async def test_what_is_written_while_it_is_moved_is_not_adopted(rig: Rig, tmp_path: Path) -> None:
    """A second name is of the same bytes: what somebody appends meanwhile does not get in."""
    first, *_ = kept(rig, ImageType.STACK)
    mine = put(tmp_path / "mine", first.filename, have(rig, first))
    async with rig.opened() as mirror:
        assert not (await mirror.list_all()).errors
        named = await mirror.catalog.adoptions(Adoptions.named, [first.filename])
        part = FileSource(mine.parent, mine.name).stage(mirror.session, move=True)
        with mine.open("ab") as file:
            file.write(bytes(2880))
        with part, pytest.raises(OSError, match="writing"):
            adopt_part(mirror.session, part, named[first.filename][0], "batch", str)
    assert rig.files() == {}
    assert mine.exists()
