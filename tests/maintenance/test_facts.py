"""Facts of what was downloaded are recorded, whatever becomes of files and of the reader."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import asynccontextmanager, closing
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.command import OTHER_PROGRAM, run, run_on_terminal, served, settings_file
from support.headers import STACK, image, wcs_cards
from support.makers import PROGRAM
from support.processes import is_running
from support.tables import in_words, products_where

from winter_sync.catalog import Catalog
from winter_sync.core import FactsPaused, FactsRead, FactsUpToDate, utc_now
from winter_sync.core.clocks import Time
from winter_sync.core.layout import CATALOG, STATE_DIR
from winter_sync.maintenance.facts import FactsCatchUp, take_facts
from winter_sync.maintenance.facts_process import HeaderProcess, HeadersNotReadError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from support.rig import Rig

    from winter_sync.catalog import Held
    from winter_sync.core import Event, Facts

TYPES = ("exposure", "raw", "stack", "avro")


def rows(root: Path, query: str, *values: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - SQL's own
    """Return what a query of the catalog finds."""
    with closing(sqlite3.connect(root / STATE_DIR / CATALOG)) as db:
        db.row_factory = sqlite3.Row
        return [dict(found) for found in db.execute(query, values)]


def facts_of(root: Path, image_type: str = "%") -> list[dict[str, Any]]:
    """Return all facts of a type."""
    query = f"SELECT * FROM ({in_words('facts')}) WHERE image_type LIKE ?"  # noqa: S608 - our own words
    return rows(root, query, image_type)


def due(root: Path) -> list[Held]:
    """Return what is due."""
    with closing(Catalog(root / STATE_DIR / CATALOG, utc_now, reading=True)) as catalog:
        return catalog.facts.due(1000)


@pytest.fixture
async def here(rig: Rig) -> Rig:
    """Return a mirror of both cameras, everything downloaded and no facts taken."""
    rig.programs = [
        {"name": PROGRAM, "image_types": TYPES},
        {"name": OTHER_PROGRAM, "image_types": ["stack"], "instruments": ["spring"]},
    ]
    await rig.sync()
    assert due(rig.root)
    return rig


@asynccontextmanager
async def catching_up(rig: Rig) -> AsyncIterator[FactsCatchUp]:
    """Open the mirror and what takes its facts."""
    async with (
        rig.opened() as mirror,
        FactsCatchUp(
            catalog=mirror.catalog, root=rig.root, emit=mirror.emit, time=rig.time
        ) as facts,
    ):
        yield facts


async def take(rig: Rig) -> None:
    """Take all facts that are due, once."""
    async with catching_up(rig) as facts:
        await take_facts(facts, rig.events.append)


async def test_all_that_was_downloaded_is_read_once(here: Rig) -> None:
    """Each type of both cameras: six footprints an exposure, one a stack, none an alert."""
    files = len(due(here.root))
    await take(here)
    assert not due(here.root)
    assert sum(event.files for event in here.emitted(FactsRead)) == files
    (done,) = here.emitted(FactsUpToDate)
    assert (done.files, done.left) == (files, 0)
    footprints = rows(
        here.root,
        "SELECT p.instrument, p.image_type, count(DISTINCT f.id) AS files, count(s.id) AS parts"
        " FROM facts f JOIN products p ON p.id = f.product"
        " LEFT JOIN footprints s ON s.facts = f.id GROUP BY 1, 2",
    )
    parts = {
        (row["instrument"], row["image_type"]): row["parts"] / row["files"] for row in footprints
    }
    assert parts["winter", "exposure"] == 6
    assert parts["winter", "stack"] == parts["spring", "stack"] == 1
    assert parts["winter", "avro"] == 0
    assert all(row["started_at"] for row in facts_of(here.root))
    assert not any(row["note"] for row in facts_of(here.root))
    (alerts,) = rows(here.root, "SELECT count(*) AS found, count(objectid) AS named FROM alerts")
    assert alerts["found"] == alerts["named"] > 0
    here.events.clear()
    await take(here)
    assert not here.emitted(FactsRead)
    assert not here.emitted(FactsUpToDate)


async def test_a_new_revision_is_read_again(here: Rig) -> None:
    """What the archive makes anew has the facts of its new content."""
    await take(here)
    (old,) = {row["sha256"] for row in facts_of(here.root)[:1]}
    query = "UPDATE products SET facts_due = 1, digest = ? WHERE sha256 = ?"
    with closing(sqlite3.connect(here.root / STATE_DIR / CATALOG)) as db, db:
        db.execute(query, (b"\x11" * 32, old))
    await take(here)
    digests = [row["sha256"] for row in facts_of(here.root)]
    assert "11" * 32 in digests
    assert old not in digests


async def test_files_that_are_gone_or_changed_are_for_the_checks(here: Rig) -> None:
    """They stay due and keep no other from its turn, however many they are and wherever."""
    held = due(here.root)
    gone, changed, *others = held
    (here.root / gone.path).unlink()
    (here.root / changed.path).write_bytes(b"mine")
    os.mkfifo(here.root / gone.path)
    await take(here)
    assert {each.path for each in due(here.root)} == {gone.path, changed.path}
    assert len(facts_of(here.root)) == len(others)
    (done,) = here.emitted(FactsUpToDate)
    assert (done.files, done.left) == (len(others), 2)


async def test_an_odd_header_costs_a_note(here: Rig) -> None:
    """The file is as it was downloaded, and its header is what it is."""
    (held, *_) = (each for each in due(here.root) if each.product.image_type == "stack")
    path = here.root / held.path
    replace_file(here.root, path, image({**STACK, **wcs_cards(), "AIRMASS": "high"}))
    await take(here)
    (facts,) = (row for row in facts_of(here.root) if row["savepath"] == held.product.savepath)
    assert (facts["airmass"], facts["note"]) == (None, "AIRMASS is not a number")
    assert facts["limiting_magnitude"] == 18.42
    assert sum((event.odd for event in here.emitted(FactsRead)), ()) == (held.path,)


def replace_file(root: Path, path: Path, content: bytes) -> None:
    """Put another content in the place of a file, as if it had been downloaded so."""
    path.write_bytes(content)
    with closing(sqlite3.connect(root / STATE_DIR / CATALOG)) as db, db:
        db.execute(
            f"UPDATE products SET size = ?, mtime_ns = ? WHERE {products_where('path = ?')}",  # noqa: S608 - our own words
            (len(content), path.stat().st_mtime_ns, str(path.relative_to(root))),
        )


async def test_an_older_mirror_is_caught_up(here: Rig) -> None:
    """Many batches, the newest night first; interrupted, the next run takes the rest."""
    held = due(here.root)
    async with catching_up(here) as facts:
        work = asyncio.create_task(facts.catch_up())

        def interrupt(event: Event) -> None:
            if isinstance(event, FactsRead):
                work.cancel()

        here.listeners.append(interrupt)
        with pytest.raises(asyncio.CancelledError):
            await work
    here.listeners.clear()
    some = len(facts_of(here.root))
    assert 0 < some < len(held)
    assert [each.path for each in due(here.root)] == [each.path for each in held[some:]]
    await take(here)
    assert len(facts_of(here.root)) == len(held)


async def test_downloads_have_nearly_all_of_the_time(here: Rig) -> None:
    """While anything is downloaded, the rest after each batch is 49 times as long as the batch."""
    seconds, waits = [0.0], []
    batches: list[float] = []

    def monotonic() -> float:
        seconds[0] += 1.0
        return seconds[0]

    async def sleep(wait: float) -> None:
        waits.append(wait)
        seconds[0] += wait

    def record(event: Event) -> None:
        batches.extend([seconds[0]] if isinstance(event, FactsRead) else [])

    async with (
        here.opened() as mirror,
        FactsCatchUp(
            catalog=mirror.catalog,
            root=here.root,
            emit=record,
            time=Time(monotonic=monotonic, sleep=sleep),
            is_busy=lambda: True,
        ) as facts,
    ):
        await facts.catch_up()
    assert len(batches) > 1
    assert not due(here.root)
    assert all(after - before >= 49 for before, after in pairwise(batches))
    assert waits


# --- the process ----------------------------------------------------------------------------------


@pytest.fixture
def files(here: Rig) -> list[Held]:
    """Return images of a mirror."""
    return [held for held in due(here.root) if held.product.image_type == "stack"]


@pytest.fixture
def process(here: Rig) -> Iterator[HeaderProcess]:
    """Return a process that gives up a file after a second."""
    with HeaderProcess(here.root, patience=1.0) as process:
        yield process


def pid_of(process: HeaderProcess) -> int:
    """Return the number of the process, which runs."""
    assert process.pid is not None
    return process.pid


def facts_by(process: HeaderProcess, held: Held) -> Facts:
    """Return the facts that the process reads of a file."""
    read = process.read(held)
    assert read is not None
    return read.facts


def test_one_process_reads_many_files_and_ends(process: HeaderProcess, files: list[Held]) -> None:
    """It is the same for all of them, at the lowest priority, and gone once it is closed."""
    assert process.read(files[0]) is not None
    pid = pid_of(process)
    assert len(process.read_all(files[1:5])) == 4
    assert pid_of(process) == pid
    assert os.getpriority(os.PRIO_PROCESS, pid) == 19
    assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "1000"
    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    (memory,) = (line.split() for line in limits if line.startswith("Max data size"))
    assert memory[3:5] == [str(512 * 1024**2)] * 2
    process.close()
    assert process.pid is None
    assert not Path(f"/proc/{pid}").exists()


def test_it_sees_no_secret(
    process: HeaderProcess, files: list[Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in its environment nor in its arguments; nor has it our files open."""
    monkeypatch.setenv("WINTER_API_PASSWORD", "s3cret")
    monkeypatch.setenv("WINTER_SYNC_PROGRAMS", "s3cret")
    with open("/dev/null") as ours:  # noqa: PTH123 - any file
        os.set_inheritable(ours.fileno(), True)  # noqa: FBT003 - as os has it
        process.read(files[0])
        there = Path(f"/proc/{pid_of(process)}")
        assert b"s3cret" not in (there / "environ").read_bytes()
        assert b"s3cret" not in (there / "cmdline").read_bytes()
        opened = {str(link.readlink()) for link in (there / "fd").iterdir()}
    assert not {name for name in opened if name.endswith((".sqlite3", ".lock"))}


def test_a_killed_process_costs_no_facts(process: HeaderProcess, files: list[Held]) -> None:
    """Whoever kills it between two files, or while it reads: another one reads the file."""
    assert process.read(files[0]) is not None
    first = pid_of(process)
    os.kill(first, signal.SIGKILL)
    assert facts_by(process, files[1]).note is None
    assert pid_of(process) != first


def test_a_file_that_ends_the_process_is_noted(
    process: HeaderProcess, files: list[Held], tmp_path: Path
) -> None:
    """It is tried twice and given up; what follows is read as ever."""
    library = tmp_path / "library"
    crashing(library, "os.kill(os.getpid(), signal.SIGSEGV)", when=files[1])
    with using(library):
        facts = facts_by(process, files[1])
        assert facts.note == "reading it ended the process (signal 11)"
        assert facts.started_at is not None
        assert facts_by(process, files[2]).note is None


def test_a_file_that_ends_the_process_costs_no_other_its_facts(
    process: HeaderProcess, files: list[Held], tmp_path: Path
) -> None:
    """Files are asked for together: those before and behind it are read all the same."""
    library = tmp_path / "library"
    crashing(library, "os.kill(os.getpid(), signal.SIGSEGV)", when=files[1])
    with using(library):
        read = process.read_all(files[:3])
    assert [held for held, _ in read] == files[:3]
    assert [facts.facts.note for _, facts in read] == [
        None,
        "reading it ended the process (signal 11)",
        None,
    ]


def test_an_image_without_a_wcs_needs_no_astropy(
    process: HeaderProcess, files: list[Held], here: Rig
) -> None:
    """It takes a third of a second to load, and is where an image has one."""
    (here.root / files[0].path).write_bytes(image(STACK))
    assert facts_by(process, files[0]).seeing == 2.31
    libraries = Path(f"/proc/{pid_of(process)}/maps")
    assert "astropy" not in libraries.read_text()
    assert facts_by(process, files[1]).footprints
    assert "astropy" in libraries.read_text()


def test_a_file_that_takes_for_ever_is_noted(
    process: HeaderProcess, files: list[Held], tmp_path: Path
) -> None:
    """Even where it never comes back to Python: the alarm is the kernel's."""
    library = tmp_path / "library"
    crashing(library, "hashlib.pbkdf2_hmac('sha1', b'', b'', 2**31 - 1)", when=files[1])
    with using(library):
        assert facts_by(process, files[1]).note == "reading it took too long"
        assert facts_by(process, files[2]).note is None


def crashing(library: Path, harm: str, *, when: Held) -> None:
    """Write a module that Python loads at its start, and that does harm when a file is read."""
    library.mkdir()
    (library / "sitecustomize.py").write_text(
        "import hashlib, os, signal\n"
        f"name = {when.product.filename!r}\n"
        "pread = os.pread\n"
        "def harm(descriptor, size, at):\n"
        "    if os.readlink(f'/proc/self/fd/{descriptor}').endswith(name):\n"
        f"        {harm}\n"
        "    return pread(descriptor, size, at)\n"
        "os.pread = harm\n"
    )


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('"width": ', '"width": 1000000000000000000000000, "height": '),
        ('"width": ', '"width": [40], "height": '),
        ('"filter": ', '"filter": 5, "target": '),
        ('"target": "', '"target": "\\u001b[31m'),
        ('"airmass": ', '"airmass": NaN, "mjd": '),
        ('"corners": [', '"corners": [[0.0, 91.0], '),
        ('"extension": 0', '"extension": -1'),
        ("+00:00", "+01:00"),
        ('{"facts": {', '{"facts": {"more": 1, '),
        ('{"facts": ', '{"facts": ' + "[" * 100_000),
    ],
)
def test_an_answer_that_makes_no_sense_is_none(
    process: HeaderProcess, files: list[Held], tmp_path: Path, right: str, wrong: str
) -> None:
    """Libraries have been given a hostile file: what the process says then is not believed."""
    library = tmp_path / "library"
    library.mkdir()
    (library / "sitecustomize.py").write_text(
        "import json\n"
        "dumps = json.dumps\n"
        f"json.dumps = lambda said, **options: dumps(said).replace({right!r}, {wrong!r})\n"
    )
    with using(library):
        assert facts_by(process, files[0]).note == "reading it gave no answer"


def using(library: Path) -> Any:  # noqa: ANN401 - a context manager
    """Let processes load modules from a directory first."""
    patch = pytest.MonkeyPatch()
    context = patch.context()

    class Using:
        def __enter__(self) -> None:
            context.__enter__().setenv("PYTHONPATH", str(library))

        def __exit__(self, *how: object) -> None:
            context.__exit__(None, None, None)

    return Using()


def test_it_ends_with_whoever_started_it(here: Rig) -> None:
    """Killed without warning, its parent leaves no process behind."""
    program = (
        "import sys, time; from pathlib import Path\n"
        "from winter_sync.maintenance.facts_process import HeaderProcess\n"
        f"process = HeaderProcess(Path({str(here.root)!r})); process._start()\n"
        "print(process.pid, flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen(  # noqa: S603 - our own code
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        parent.kill()
    until = time.monotonic() + 30
    while is_running(pid) and time.monotonic() < until:
        time.sleep(0.01)
    assert not is_running(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_it_runs_where_no_memory_is_both_written_and_run(here: Rig) -> None:
    """As under MemoryDenyWriteExecute= of the systemd units: numpy and astropy need none."""
    program = (
        "import ctypes, mmap, sys; from pathlib import Path\n"
        "from winter_sync.maintenance.facts_process import HeaderProcess\n"
        "if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0): sys.exit(77)\n"  # PR_SET_MDWE
        f"process = HeaderProcess(Path({str(here.root)!r})); process._start(); process.close()\n"
        "print('ready')\n"
    )
    ran = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    if ran.returncode == 77:
        pytest.skip("this kernel is older than Linux 6.3")
    assert ran.stdout == "ready\n", ran.stderr


async def test_without_astropy_it_says_what_to_do(here: Rig, tmp_path: Path) -> None:
    """One event, no file is blamed, and all of them stay due."""
    library = tmp_path / "library"
    library.mkdir()
    (library / "sitecustomize.py").write_text("import sys; sys.modules['astropy'] = None\n")
    held = len(due(here.root))
    with using(library):
        await take(here)
    (paused,) = here.emitted(FactsPaused)
    assert "astropy" in paused.reason
    assert "enabled = false" in paused.remedy
    assert len(due(here.root)) == held
    assert not facts_of(here.root)


def test_what_cannot_be_opened_stays_due(
    process: HeaderProcess, files: list[Held], here: Rig
) -> None:
    """A file that vanishes between the look at it and its reading is no error, nor a note."""
    (here.root / files[0].path).unlink()
    assert process.read(files[0]) is None


def test_a_link_is_not_followed(process: HeaderProcess, files: list[Held], here: Rig) -> None:
    """Whoever may write in the tree cannot have another file read, nor make it wait."""
    path = here.root / files[0].path
    path.unlink()
    path.symlink_to(here.root / files[1].path)
    assert process.read(files[0]) is None
    path.unlink()
    os.mkfifo(path)
    assert process.read(files[0]) is None


def test_it_cannot_be_started_after_it_was_stopped(
    process: HeaderProcess, files: list[Held]
) -> None:
    """Stopping is for good: what was read until then is returned."""
    process.stop()
    assert process.read_all(files) == []


def test_a_root_that_is_gone_is_no_reason_to_blame_files(tmp_path: Path, files: list[Held]) -> None:
    """All that is below it cannot be opened."""
    with HeaderProcess(tmp_path / "gone") as process:
        assert process.read(files[0]) is None


def test_a_python_that_cannot_run_is_an_error_with_a_remedy(
    files: list[Held], here: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one that an update took away under a running daemon."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with HeaderProcess(here.root) as process, pytest.raises(HeadersNotReadError) as failed:
        process.read(files[0])
    assert "No such file" in failed.value.message


# --- the commands ---------------------------------------------------------------------------------


def test_sync_takes_facts_and_catches_up(tmp_path: Path) -> None:
    """Of what it downloads; of what an earlier run left; and not at all if that is turned off."""
    with served() as simulator:
        api = {"base_url": simulator.url}
        off = settings_file(tmp_path, api=api)
        assert run("--config", off, "sync", home=tmp_path).code == 0
        root = tmp_path / "winter"
        assert due(root)
        assert not facts_of(root)
        on = settings_file(tmp_path, api=api, facts={"enabled": True})
        said = run("--config", on, "--log-format", "json", "sync", home=tmp_path)
        assert said.code == 0
        assert '"event": "facts of images up to date"' in said.err
        assert not due(root)
        assert facts_of(root, "stack")


def test_sync_shows_that_it_reads_headers(tmp_path: Path) -> None:
    """On a terminal, after the downloads."""
    with served() as simulator:
        config = settings_file(
            tmp_path,
            programs=[{"image_types": ["raw", "exposure", "stack", "diff", "avro"]}],
            api={"base_url": simulator.url},
            facts={"enabled": True},
        )
        said = run_on_terminal("--config", config, "sync", home=tmp_path)
    assert said.code == 0
    assert "reading headers of images: 50/" in said.out
    assert not due(tmp_path / "winter")
