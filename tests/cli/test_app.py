"""The command line as people and scripts use it: what it prints, where, and the exit codes."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import re
import resource
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.command import (
    KEYS,
    OTHER_PROGRAM,
    PASSWORD,
    PROGRAM,
    USER,
    command,
    environment_of,
    leaked,
    nobody,
    run,
    run_on_terminal,
    served,
    settings_file,
    travelling_forms,
)

from winter_sync import __version__
from winter_sync.core.errors import ExitCode
from winter_sync.core.layout import STATE_DIR
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.simulator import Answer, Call, Faults, Reset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winter_sync.simulator import Simulator

HEAVY = {
    *("aiohttp", "asyncio", "astropy", "fastavro", "numpy", "pydantic", "rich", "sqlite3"),
    *("sqlite_utils", "structlog"),
}
NEVER_NEEDED = {
    *("aiohttp.web", "apscheduler", "astropy", "fastavro", "jinja2", "numpy", "prometheus_client"),
    *("pygments", "rich.console", "sqlite_utils", "winter_sync.simulator"),
    *("winter_sync.catalog.coverage", "winter_sync.catalog.exports", "winter_sync.formats.check"),
    *("winter_sync.maintenance.facts", "winter_sync.sync.fetcher", "winter_sync.web"),
}
"""What has nothing to do with a status, or with a sync that finds nothing new."""
NOT_FOR_A_STATUS = {
    "aiohttp",
    "attr",
    "isal",
    "tenacity",
    "winter_sync.core.events",
}
QUICK_SECONDS = 0.2
BACKFILL = ("backfill", "--from", "20251023", "--to", "20251023")


@pytest.fixture(scope="module")
def archive() -> Iterator[Simulator]:
    """Serve an archive to all tests that need no other."""
    with served() as simulator:
        yield simulator


def settings_of(archive: Simulator, home: Path, sweep_every: str = "1d") -> Path:
    """Write settings for a mirror of an archive."""
    schedule = {"sweep_every": sweep_every}
    return settings_file(home, api={"base_url": archive.url}, schedule=schedule)


def published(home: Path) -> list[str]:
    """Return the types of the files in the tree, by the directories they are in."""
    root = home / "winter"
    return sorted(
        path.parent.name
        for path in root.rglob("*")
        if path.is_file() and STATE_DIR not in path.parts
    )


def assert_no_secret(home: Path, text: str) -> None:
    """Look for secrets in the output, the catalog and everything else that was written."""
    assert not leaked(text)
    written = [path for path in (home / "winter").rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if leaked(path.read_bytes())]


# --- help ------------------------------------------------------------------------------------


def modules_of(*arguments: str | Path, home: Path) -> set[str]:
    """Return the names of all modules that a command has imported when it ends.

    Until then no cyclic garbage is looked for, nor at the end: nearly all that it made is in use.
    """
    code = (
        "import gc, sys\n"
        "from winter_sync.cli.app import main\n"
        "before = [generation['collections'] for generation in gc.get_stats()]\n"
        "try: main()\n"
        "finally:\n"
        "    assert before == [generation['collections'] for generation in gc.get_stats()]\n"
        "    assert gc.get_freeze_count()\n"
        "    print(*sys.modules, file=sys.stderr)"
    )
    ended = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment_of(home),
        cwd=home,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(ended.stderr.splitlines()[-1].split())


def test_help_is_light(tmp_path: Path) -> None:
    """`--help` needs none of the heavy libraries."""
    loaded = modules_of("--help", home=tmp_path)
    assert "typer" in loaded
    assert not loaded & HEAVY


def test_a_command_imports_only_what_it_needs(archive: Simulator, tmp_path: Path) -> None:
    """Imports are most of the CPU of a command that finds nothing to do."""
    config = settings_of(archive, tmp_path)
    run("--config", config, "sync", home=tmp_path)
    status = modules_of("--config", config, "status", "--json", home=tmp_path)
    sync = modules_of("--config", config, "sync", home=tmp_path)
    assert not sync & NEVER_NEEDED
    assert not status & (NEVER_NEEDED | NOT_FOR_A_STATUS)
    for loaded, most in ((status, 150), (sync, 247)):
        assert len({name for name in loaded if name.startswith("winter_sync.")}) <= most


def test_no_plugin_of_another_package_sees_the_settings(tmp_path: Path) -> None:
    """Pydantic shows each model that it makes to plugins of whatever is installed beside it."""
    packages, loaded = tmp_path / "packages", tmp_path / "loaded"
    information = packages / "spying-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: spying\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[pydantic]\nspy = spying:plugin\n")
    (packages / "spying.py").write_text(f"open({str(loaded)!r}, 'w').close()\nplugin = object()\n")
    known = environment_of(tmp_path)
    environment = {**known, "PYTHONPATH": f"{known['PYTHONPATH']}:{packages}"}
    config = settings_file(tmp_path, api={"base_url": "http://127.0.0.1:9"})
    ended = subprocess.run(  # noqa: S603 - our own command
        command("--config", config, "status"), env=environment, capture_output=True, check=False
    )
    assert b"WS-MIRROR-NONE" in ended.stderr, "the settings were not read"
    assert not loaded.exists()


def test_help_is_quick(tmp_path: Path) -> None:
    """It takes at most 0.2 s of CPU, whatever else runs on this machine."""

    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run("--help", home=tmp_path)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert any(seconds() <= QUICK_SECONDS for _ in range(20))


def test_help_says_where_settings_are_looked_for_and_what_codes_mean(tmp_path: Path) -> None:
    """The order of the settings files and the exit codes can be read without the manual."""
    text = run("--help", home=tmp_path).out
    order = [
        "$WINTER_SYNC_CONFIG",
        "~/.config/winter-sync/winter-sync.toml",
        "/etc/winter-sync/winter-sync.toml",
    ]
    places = [text.index(place) for place in order]
    assert places == sorted(places)
    words = " ".join(text.split())
    for code in ExitCode:
        assert re.search(rf"\b{code.value} [a-z]", words)
    assert not leaked(text)


def test_the_version_is_said(tmp_path: Path) -> None:
    """`--version` prints the version and nothing else."""
    said = run("--version", home=tmp_path)
    assert (said.code, said.out, said.err) == (0, f"winter-sync {__version__}\n", "")


def test_no_option_takes_a_secret(tmp_path: Path) -> None:
    """A secret cannot come on a command line, where every process of the machine could read it."""
    texts = [run(*words, "--help", home=tmp_path).out for words in ((), ("sync",), BACKFILL[:1])]
    options = {word for text in texts for word in re.findall(r"--[a-z-]+", text)}
    assert {"--config", "--from", "--program"} <= options
    assert not [word for word in options if re.search("user|pass|key|secret|token", word)]


# --- runs ------------------------------------------------------------------------------------


def test_a_sync_says_in_a_line_what_it_did(archive: Simulator, tmp_path: Path) -> None:
    """In a pipe it prints one line, and its log on standard error; repeated, nothing is new."""
    settings = settings_of(archive, tmp_path, sweep_every="0s")
    first = run("--config", settings, "sync", "--log-format", "json", home=tmp_path)
    again = run("--config", settings, "sync", home=tmp_path)
    assert first.code == again.code == ExitCode.DONE
    assert re.fullmatch(r"10 downloaded, 144 kB \(\d+ quer(y|ies), 10 rows listed\)\.\n", first.out)
    assert re.fullmatch(r"Nothing new \(\d+ quer(y|ies), 10 rows listed\)\.\n", again.out)
    (line,) = [json.loads(line) for line in first.err.splitlines()]
    assert (line["event"], line["level"], line["new"]) == ("polled", "info", 10)
    assert again.err == ""
    assert_no_secret(tmp_path, first.out + first.err)


@pytest.mark.parametrize("year", [1970, 9999])
def test_an_absurd_date_of_the_archive_is_one_line(tmp_path: Path, year: int) -> None:
    """If the archive's clock is centuries off, everything is mirrored, and one line names NTP."""
    with served(date=f"Thu, 01 Jan {year} 00:00:00 GMT") as archive:
        options = ("--config", settings_of(archive, tmp_path), "--log-format", "json")
        said = run("sync", *options, home=tmp_path)
    assert said.code == ExitCode.DONE
    assert said.out.startswith("10 downloaded, ")
    differ, polled = [json.loads(line) for line in said.err.splitlines()]
    assert polled["event"] == "polled"
    assert differ["level"] == "warning"
    assert differ["event"] == "this machine's clock and the archive's differ; check NTP here"
    assert differ["used"] == "this machine's date"


def test_a_sync_logs_each_product_for_debugging(archive: Simulator, tmp_path: Path) -> None:
    """With --log-level debug there is a line for each published product, readable in a pipe too."""
    settings = settings_of(archive, tmp_path)
    said = run("--config", settings, "--log-level", "debug", "sync", home=tmp_path)
    lines = [line for line in said.err.splitlines() if "[debug] published" in line]
    assert len(lines) == 10
    assert not said.err.startswith("{")
    assert_no_secret(tmp_path, said.err)


def test_a_sync_draws_its_progress_on_a_terminal(archive: Simulator, tmp_path: Path) -> None:
    """A person sees products counted up, undisturbed by log lines, and one line at the end."""
    settings = settings_of(archive, tmp_path)
    said = run_on_terminal("--config", settings, "sync", home=tmp_path)
    assert said.code == ExitCode.DONE
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said.out)
    assert "10/10" in plain
    assert "[info]" not in plain
    assert plain.rstrip().splitlines()[-1].startswith("10 downloaded")


def test_a_backfill_fetches_what_is_chosen(archive: Simulator, tmp_path: Path) -> None:
    """Its options choose nights, and types and cameras that need not be in the settings."""
    spring = {"instruments": ["spring"]}
    settings = settings_file(tmp_path, api={"base_url": archive.url}, programs=[spring])
    chosen = ("--type", "diff", "--type", "avro", "--instrument", "winter", "--program", PROGRAM)
    said = run("--config", settings, *BACKFILL, *chosen, home=tmp_path)
    assert said.code == ExitCode.DONE
    listed = archive.observatory.products
    expected = [
        kind.for_camera(Instrument.WINTER).directory
        for kind in (ImageType.AVRO, ImageType.DIFF)
        for _ in listed(PROGRAM, Instrument.WINTER, kind)
    ]
    assert published(tmp_path) == sorted(expected) != []
    other = ("backfill", "--from", "2025-10-20", "--to", "2025-10-22")
    said = run("--config", settings, *other, home=tmp_path)
    assert said.out.startswith(
        "The archive lists nothing of what was asked for, 2025-10-19 to 2025-10-24; the "
        f"{len(expected)} products here stay (1 query"
    )
    assert said.code == ExitCode.DONE
    early = ("backfill", "--from", "20210101", "--to", "20210102")
    said = run("--config", settings, *early, home=tmp_path)
    assert said.out.startswith("No query was sent (")
    assert f"no query was sent for {PROGRAM}: its products begin with 20" in said.err
    assert said.code == ExitCode.USAGE


def test_a_status_is_for_people_and_for_machines(archive: Simulator, tmp_path: Path) -> None:
    """The verdict comes first; --json prints the same as keys, and nothing else."""
    settings = settings_of(archive, tmp_path)
    run("--config", settings, "sync", home=tmp_path)
    person = run("--config", settings, "status", home=tmp_path)
    machine = run("--config", settings, "status", "--json", home=tmp_path)
    told = json.loads(machine.out)
    assert person.out.startswith(f"Last night ({told['last_night']}): nothing listed yet; latest")
    assert "\nNight 20251023: all 10 listed are here (144 kB).\n" in person.out
    assert told["latest_night_with_data"] == "20251023"
    assert told["last_night_complete"] is False
    assert person.err == machine.err == ""
    assert_no_secret(tmp_path, person.out + machine.out)


def test_a_status_needs_no_secret(archive: Simulator, tmp_path: Path) -> None:
    """Users who may not read the secrets can still see the status."""
    run("--config", settings_of(archive, tmp_path), "sync", home=tmp_path)
    nobody = settings_file(tmp_path, api={"password": None}, programs=[{"api_key": None}])
    assert run("--config", nobody, "status", home=tmp_path).code == ExitCode.DONE


def test_a_check_shows_everything_and_ends_with_the_worst(
    archive: Simulator, tmp_path: Path
) -> None:
    """Each finding is a line; a missing disk and a refused key both appear; the disk decides."""
    settings = settings_file(
        tmp_path,
        api={"base_url": archive.url},
        mirror={"root": str(tmp_path / "absent/winter")},
        programs=[{}, {"name": OTHER_PROGRAM, "api_key": KEYS[OTHER_PROGRAM]}],
    )
    said = run("--config", settings, "check", home=tmp_path)
    findings = [line.split("  ") for line in said.out.splitlines() if not line.startswith(" ")]
    marks = {words[1].strip() or words[2]: words[0].strip() for words in findings}
    assert list(marks.values()) == ["ok", "FAIL", "ok", "ok", "ok", "ok", "ok", "FAIL"]
    assert f"program {OTHER_PROGRAM}" in said.out
    assert said.code == ExitCode.STORAGE
    assert not leaked(said.out + said.err)


def test_nothing_stands_between_the_rows_of_a_check(tmp_path: Path) -> None:
    """Retries of a server that does not answer are in the log only if they are asked for."""
    with nobody() as url:
        settings = settings_file(tmp_path, api={"base_url": url})
        said = run("--config", settings, "check", home=tmp_path)
    assert said.code == ExitCode.SERVER_FAILING
    assert said.err == ""
    assert "FAIL  server" in said.out


def test_a_simulator_answers(tmp_path: Path) -> None:
    """It prints its address and credentials, answers requests, and ends when asked to."""
    with subprocess.Popen(  # noqa: S603 - our own code
        command("simulate", "--port", "0", "--products", "20", "--night", "2025-10-23"),
        env=environment_of(tmp_path),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            url = (process.stdout or io.StringIO()).readline().split()[-1]
            with urllib.request.urlopen(f"{url}/validation/version") as answer:  # noqa: S310 - ours
                version = json.load(answer)["body"]
            with urllib.request.urlopen(f"{url}/simulator/manifest") as answer:  # noqa: S310 - ours
                products = json.load(answer)["products"]
        finally:
            process.terminate()
    assert process.returncode == ExitCode.DONE
    assert version
    assert len(products) == 20


def test_what_a_simulator_prints_can_be_pasted(tmp_path: Path) -> None:
    """The last lines are all that another terminal needs to mirror its newest program."""
    with subprocess.Popen(  # noqa: S603 - our own code
        command("simulate", "--port", "0"),
        env=environment_of(tmp_path),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            lines = list(itertools.takewhile("winter-sync sync\n".__ne__, process.stdout))
            block = "".join(line for line in lines if line.startswith("export "))
            path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
            pasted = subprocess.run(  # noqa: S603 - our own block
                ["/bin/sh", "-ec", f"{block}winter-sync sync"],
                env=environment_of(
                    tmp_path, {"PATH": path, "WINTER_SYNC_API__REQUEST_INTERVAL": "0s"}
                ),
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            process.terminate()
    assert pasted.returncode == ExitCode.DONE, pasted.stderr
    assert list((tmp_path / "winter-simulated").glob("winter/*/final/*.fits"))


# --- a server that talks, a user who interrupts --------------------------------------------------


class Watcher(Faults):
    """Inspects the process that sends requests, and can signal it once."""

    def __init__(self, kill: signal.Signals | None = None) -> None:
        self.process: asyncio.subprocess.Process | None = None
        self.titles: list[bytes] = []
        self._kill = kill

    async def before_zip(self, call: Call) -> Answer | None:
        """Inspect the process while it works."""
        del call
        if self.process is not None:
            place = Path("/proc", str(self.process.pid))
            self.titles += [(place / name).read_bytes() for name in ("cmdline", "comm")]
            if self._kill is not None:
                self.process.send_signal(self._kill)
                self._kill = None
                raise Reset
        return None


async def watched(watcher: Watcher, settings: Path) -> tuple[int, str]:
    """Run a sync that is watched; return its exit code and output."""
    watcher.process = await asyncio.create_subprocess_exec(
        *command("--config", settings, "sync"),
        env=environment_of(settings.parent),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await watcher.process.communicate()
    return watcher.process.returncode or 0, said.decode()


async def test_a_process_shows_no_secret(tmp_path: Path) -> None:
    """While it works, its command line and its title contain no secret."""
    watcher = Watcher()
    with served(watcher) as archive:
        code, _ = await watched(watcher, settings_of(archive, tmp_path))
    assert code == ExitCode.DONE
    assert b"winter_sync" in b"".join(watcher.titles)
    assert not leaked(b"".join(watcher.titles))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupted_run_goes_on_when_run_again(
    number: signal.Signals, tmp_path: Path
) -> None:
    """Interrupted in a download it stops at once, with one line; rerun, it downloads the rest."""
    watcher = Watcher(number)
    with served(watcher) as archive:
        settings = settings_of(archive, tmp_path)
        code, said = await watched(watcher, settings)
        assert code == 130
        assert said.splitlines()[-1] == "winter-sync: interrupted; run it again to resume."
        assert "Traceback" not in said
        assert published(tmp_path) == []
        code, said = await watched(watcher, settings)
    assert code == ExitCode.DONE
    assert len(published(tmp_path)) == 10


class Echo(Faults):
    """Sends back every secret in every form, with each of some statuses."""

    def __init__(self, status: int, where: str) -> None:
        self._status = status
        self._where = where

    async def before(self, call: Call) -> Answer | None:
        """Answer a call with an error that repeats what was sent."""
        return self._answer() if call.path == self._where else None

    def _answer(self) -> Answer:
        told = json.dumps({"detail": " ".join(travelling_forms(USER, PASSWORD, KEYS[PROGRAM]))})
        return Answer(self._status, told.encode())


@pytest.mark.parametrize(
    ("status", "where", "codes"),
    [
        (401, "/validation/program", {ExitCode.REFUSED}),
        (404, "/images/query", {ExitCode.SERVER_FAILING}),
        (422, "/images/query", {ExitCode.SERVER_FAILING}),
        (400, "/images/download_list", {ExitCode.SERVER_FAILING, ExitCode.INCOMPLETE}),
    ],
)
def test_what_a_server_sends_back_shows_no_secret(
    status: int, where: str, codes: set[ExitCode], tmp_path: Path
) -> None:
    """Credentials repeated by an error page appear nowhere: not in output, log or catalog."""
    with served(Echo(status, where)) as archive:
        settings = settings_of(archive, tmp_path)
        options = ("--log-level", "debug")
        said = run("--config", settings, *options, "sync", home=tmp_path)
        looked = run("--config", settings, "status", "--json", home=tmp_path)
    assert said.code in codes
    assert str(status) in said.out + said.err
    assert_no_secret(tmp_path, said.out + said.err + looked.out + looked.err)


def test_it_can_be_ended_before_it_has_begun(tmp_path: Path) -> None:
    """SIGTERM is heeded from the first moment, even where the parent process ignores it."""
    program = (
        "import os, signal, typer\n"
        "from winter_sync import cli\n"
        "typer.Typer.__call__ = lambda *_: os.kill(os.getpid(), signal.SIGTERM)\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "cli.main()\n"
    )
    ended = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", program], env=environment_of(tmp_path), check=False
    )
    assert ended.returncode == 143
