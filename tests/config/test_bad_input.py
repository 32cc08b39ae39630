"""Bad input ends the real command with the right exit code and a remedy, and loses nothing."""

from __future__ import annotations

import shutil
import socket
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from support.command import (
    KEYS,
    OTHER_PROGRAM,
    PASSWORD,
    PROGRAM,
    leaked,
    nobody,
    run,
    served,
    settings_file,
)

from winter_sync.cli.plain_screen import PlainScreen
from winter_sync.cli.run_once import run_once
from winter_sync.config.settings import load_settings
from winter_sync.core.clocks import Time
from winter_sync.core.errors import ExitCode
from winter_sync.core.filesystem import sha256_of_file
from winter_sync.core.layout import STATE_DIR
from winter_sync.monitoring.log_setup import configure_logging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from winter_sync.simulator import Simulator

USAGE, REFUSED, UNWELL, STORAGE = (
    ExitCode.USAGE,
    ExitCode.REFUSED,
    ExitCode.SERVER_FAILING,
    ExitCode.STORAGE,
)
BACKFILL = ("backfill", "--from", "20251001")


@dataclass(frozen=True)
class Case:
    """A fault, and what the command must say about it."""

    code: ExitCode
    said: tuple[str, ...]
    change: dict[str, Any] = field(default_factory=dict)
    """Of the settings."""
    text: Callable[[str], str] = str
    """Changes the settings file as it is written."""
    arguments: tuple[str, ...] = ("sync",)
    environment: dict[str, str] = field(default_factory=dict)
    before: Callable[[Path], object] = lambda _: None
    """What is done in the home directory before the run; the mirror is in its `winter`."""
    unprivileged: bool = False


def lock_root(home: Path) -> None:
    """Make the directory of unfinished downloads unwritable."""
    (home / "winter" / STATE_DIR / "staging").chmod(0o500)


def lock_mirror(home: Path) -> None:
    """Make the mirror's own directory inaccessible."""
    (home / "winter" / STATE_DIR).chmod(0o000)


def lock_parent(home: Path) -> None:
    """Make the directory of a mirror inaccessible."""
    (home / "locked").mkdir(0o000)


def lock_password(home: Path) -> None:
    """Make a password file that nobody may read."""
    (home / "password").touch(0o000)


def empty_password(home: Path) -> None:
    """Make a password file with nothing in it."""
    (home / "password").touch()


def replace_root(home: Path) -> None:
    """Put a file where the mirror was."""
    (home / "winter").rename(home / "kept")
    (home / "winter").touch()


def without_programs(text: str) -> str:
    """Remove the programs."""
    return text.partition("[[programs]]")[0]


def drop_settings(home: Path) -> None:
    """Remove the settings."""
    (home / "settings.toml").unlink()


def break_catalog(home: Path) -> None:
    """Overwrite the catalog."""
    for path in (home / "winter" / STATE_DIR).glob("catalog.sqlite3*"):
        path.write_bytes(b"no database at all" * 100)


CASES = {
    "a wrong key": Case(
        USAGE, ("api.conections", "did you mean connections?"), {"api": {"conections": 3}}
    ),
    "a wrong key in the environment": Case(
        USAGE,
        ("WINTER_SYNC_API__CONECTIONS", "did you mean WINTER_SYNC_API__CONNECTIONS?"),
        environment={"WINTER_SYNC_API__CONECTIONS": "3"},
    ),
    "programs that are no JSON": Case(
        USAGE,
        ("WINTER_SYNC_PROGRAMS is not JSON", "Write it like"),
        environment={"WINTER_SYNC_PROGRAMS": f'[{{"api_key": "{KEYS[PROGRAM]}"'},
    ),
    "no TOML": Case(
        USAGE, ("is not TOML", "line 2"), text=lambda text: text.replace("user = ", "user ", 1)
    ),
    "a bad date": Case(
        USAGE,
        ("programs[1].since", "20240230 is not a valid date"),
        {"programs": [{"since": "20240230"}]},
    ),
    "an unknown image type": Case(
        USAGE,
        ("'stacks' is not known", "did you mean stack?"),
        {"programs": [{"image_types": ["stacks"]}]},
    ),
    "an unknown instrument": Case(
        USAGE,
        ("'wintre' is not known", "did you mean winter?"),
        {"programs": [{"instruments": ["wintre"]}]},
    ),
    "a program twice": Case(USAGE, (f"program {PROGRAM} appears twice",), {"programs": [{}, {}]}),
    "a bad layout": Case(
        USAGE, ("the layout", "Set mirror.layout"), {"mirror": {"layout": "{night}/{filename}"}}
    ),
    "a bad duration": Case(
        USAGE,
        ("schedule.poll_every", "is written like"),
        {"schedule": {"poll_every": "10 parsecs"}},
    ),
    "a bad size": Case(
        USAGE, ("mirror.min_free", "is written like"), {"mirror": {"min_free": "10 GiBs"}}
    ),
    "a password in the address": Case(
        USAGE,
        ("api.base_url", "no user and password in the address"),
        {"api": {"base_url": "http://observer:hush-hush@127.0.0.1:7000"}},
    ),
    "no settings file": Case(USAGE, ("settings.toml: not found", "--config"), before=drop_settings),
    "no programs": Case(USAGE, ("no program is set", "[[programs]]"), text=without_programs),
    "no root": Case(USAGE, ("no directory for the mirror",), {"mirror": {"root": None}}),
    "a root that is a file": Case(
        STORAGE,
        ("is not a directory", "mirror.root"),
        before=replace_root,
    ),
    "a root without its parent": Case(
        STORAGE,
        ("/nonexistent does not exist, so the mirror root", "`mkdir -p /nonexistent`"),
        {"mirror": {"root": "/nonexistent/winter"}},
    ),
    "a root that cannot be written to": Case(
        STORAGE,
        ("Permission denied", "write permission"),
        before=lock_root,
        unprivileged=True,
    ),
    "a mirror that may not be looked at": Case(
        STORAGE,
        ("winter", "Permission denied", "access"),
        arguments=("status",),
        before=lock_mirror,
        unprivileged=True,
    ),
    "a mirror whose place may not be looked at": Case(
        STORAGE,
        ("Permission denied", "access"),
        {"mirror": {"root": "~/locked/winter"}},
        before=lock_parent,
        unprivileged=True,
    ),
    "a mirror that a check may not look at": Case(
        STORAGE,
        ("FAIL mirror", "Permission denied", "write permission"),
        arguments=("check",),
        before=lock_mirror,
        unprivileged=True,
    ),
    "a broken catalog": Case(
        STORAGE,
        ("catalog.sqlite3", "nothing in the tree is affected"),
        before=break_catalog,
    ),
    "a missing secret": Case(
        USAGE,
        ("no password is set", "WINTER_API_PASSWORD"),
        {"api": {"password": None}},
    ),
    "an empty secret file": Case(
        USAGE,
        ("is empty", "on one line"),
        {"api": {"password": None, "password_file": "~/password"}},
        before=empty_password,
    ),
    "a secret file that cannot be read": Case(
        USAGE,
        ("password, cannot be read: Permission denied", "&& chmod 600 "),
        {"api": {"password": None, "password_file": "~/password"}},
        before=lock_password,
        unprivileged=True,
    ),
    "a secret twice": Case(
        USAGE,
        ("both as a value and as a file", "Keep one"),
        {"api": {"password_file": "~/password"}},
    ),
    "a refused password": Case(
        REFUSED,
        ("refuses", "Incorrect email or password"),
        {"api": {"password": "hush-hush"}, "programs": [{}, {"name": OTHER_PROGRAM}]},
    ),
    "a wrong key of the program": Case(
        REFUSED, ("refuses", "`winter-sync check`"), {"programs": [{"api_key": "hush-hush"}]}
    ),
    "a program the user may not see": Case(
        REFUSED,
        ("refuses", "does not have access"),
        {"programs": [{"name": OTHER_PROGRAM, "api_key": KEYS[OTHER_PROGRAM]}]},
    ),
    "nights the wrong way round": Case(
        USAGE, ("is after --to", "Swap them"), arguments=(*BACKFILL, "--to", "20250901")
    ),
    "a night that is none": Case(
        USAGE, ("--to", "20251301 is not a valid date"), arguments=(*BACKFILL, "--to", "20251301")
    ),
    "an unknown type for a backfill": Case(
        USAGE,
        ("--type", "'stacks' is not known", "did you mean"),
        arguments=(*BACKFILL, "--to", "20251031", "--type", "stacks"),
    ),
    "an unknown program for a backfill": Case(
        USAGE,
        (f"program {OTHER_PROGRAM} is not in the settings", f"configured programs: {PROGRAM}"),
        arguments=(*BACKFILL, "--to", "20251031", "--program", OTHER_PROGRAM),
    ),
    "an unknown command": Case(USAGE, ("No such command",), arguments=("synk",)),
    "no port at all": Case(USAGE, ("--port",), arguments=("simulate", "--port", "70000")),
}


@pytest.fixture(scope="module")
def archive() -> Iterator[Simulator]:
    """Serve an archive to all tests."""
    with served() as simulator:
        yield simulator


@pytest.fixture(scope="module")
def mirrored(archive: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home directory whose `winter` is a complete mirror."""
    home = tmp_path_factory.mktemp("mirrored")
    settings = settings_file(home, api={"base_url": archive.url})
    assert run("--config", settings, "sync", home=home).code == ExitCode.DONE
    return home


@pytest.fixture
def home(mirrored: Path, tmp_path: Path) -> Path:
    """Return a home directory with a copy of that mirror."""
    shutil.copytree(mirrored / "winter", tmp_path / "winter")
    return tmp_path


def files(root: Path) -> dict[str, str]:
    """Return the SHA-256 of everything that was published."""
    return {
        str(path.relative_to(root)): sha256_of_file(path)
        for path in root.rglob("*")
        if path.is_file() and STATE_DIR not in path.parts
    }


@pytest.mark.parametrize("name", CASES)
def test_a_fault_is_reported_and_nothing_is_lost(
    name: str, archive: Simulator, mirrored: Path, home: Path
) -> None:
    """The exit code follows the contract, the remedy is named, no secret is, and the tree stays."""
    case = CASES[name]
    changes = dict(case.change)
    changes["api"] = {"base_url": archive.url, **changes.get("api", {})}
    settings = settings_file(home, **changes)
    settings.write_text(case.text(settings.read_text()))
    case.before(home)
    said = run(
        "--config",
        settings,
        *case.arguments,
        home=home,
        environment=case.environment,
        unprivileged=case.unprivileged,
    )
    assert said.code == case.code, said.err
    for piece in case.said:
        assert piece in " ".join((said.out + said.err).split())
    assert "Traceback" not in said.err
    assert said.err.count("winter-sync: ") <= 1
    kept = home / "kept" if (home / "kept").exists() else home / "winter"
    assert files(kept) == files(mirrored / "winter") != {}
    assert_no_secret(home, said.out + said.err)


def assert_no_secret(home: Path, text: str) -> None:
    """Look for secrets in the output, and in everything that was written under the root."""
    assert not leaked(text, "hush-hush")
    for path in (home / "winter").rglob("*"):
        if path.is_file() and path.stat().st_mode & 0o400:
            assert not leaked(path.read_bytes(), "hush-hush"), path


def test_a_line_that_is_not_utf8_is_reported(tmp_path: Path) -> None:
    """A file in another encoding is refused with the line to fix."""
    path = tmp_path / "latin.toml"
    path.write_bytes(f'[api]\npassword = "{PASSWORD}é"\n'.encode("latin-1"))
    said = run("--config", path, "status", home=tmp_path)
    assert said.code == USAGE
    assert "line 2 is not UTF-8" in said.err
    assert not leaked(said.err)


def test_a_status_before_the_first_run_says_so(tmp_path: Path) -> None:
    """If there is no mirror yet, the way to one is named, and none is created by asking."""
    said = run("--config", settings_file(tmp_path), "status", home=tmp_path)
    assert said.code == USAGE
    assert "there is no mirror in" in said.err
    assert "winter-sync sync" in said.err
    assert not (tmp_path / "winter").exists()


def test_a_port_that_is_taken_is_reported(tmp_path: Path) -> None:
    """A second simulator says that the port is in use, and how to get another."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        said = run("simulate", "--port", str(port), home=tmp_path)
    assert said.code == USAGE
    assert f"port {port} is already in use" in said.err
    assert "--port 0" in said.err


class Website(BaseHTTPRequestHandler):
    """Something that speaks HTTP and is not an archive: it has a page for everybody."""

    def do_GET(self) -> None:
        """Send the page, with the URL that was requested in it."""
        self.send_response(200)
        self.end_headers()
        told = f"<html>You asked for {self.path} as {self.headers['Authorization']}</html>"
        self.wfile.write(told.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


@pytest.mark.parametrize("command", ["sync", "check"])
def test_a_server_that_is_no_archive_is_reported(command: str, tmp_path: Path) -> None:
    """A web site at the address is recognised, and what it sends back shows no secret."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Website) as website:
        thread = Thread(target=website.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{website.server_port}"
        settings = settings_file(tmp_path, api={"base_url": address})
        said = run("--config", settings, command, home=tmp_path)
        website.shutdown()
        thread.join()
    assert said.code == UNWELL
    assert "is not JSON" in said.out + said.err
    assert "Traceback" not in said.err
    assert_no_secret(tmp_path, said.out + said.err)


async def no_wait(seconds: float) -> None:
    """Wait without taking time."""
    del seconds


@pytest.mark.parametrize("host", ["nobody", "no such name"])
async def test_a_server_that_cannot_be_reached_is_reported(
    host: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody at the address, or no such address: reported once, briefly, and nothing is lost."""
    with ExitStack() as stack:
        unknown = "http://winter.invalid:82"
        address = stack.enter_context(nobody()) if host == "nobody" else unknown
        settings = load_settings(settings_file(tmp_path, api={"base_url": address}))
        report = await run_once(
            settings, configure_logging(str), PlainScreen(), time=Time(sleep=no_wait)
        )
    out, err = capsys.readouterr()
    assert report.exit_code == UNWELL
    assert err.count("winter-sync: ") == 1
    assert f"{address} cannot be reached: " in err
    assert "api.base_url" in err
    assert out == "Nothing downloaded (0 queries, 0 rows listed).\n"


@pytest.mark.slow
def test_the_real_command_gives_up_on_a_server(tmp_path: Path) -> None:
    """The same as a command, with its real waits before it gives up."""
    with nobody() as address:
        settings = settings_file(tmp_path, api={"base_url": address})
        said = run("--config", settings, "sync", home=tmp_path)
    assert said.code == UNWELL
    assert "connection refused" in said.err
    assert_no_secret(tmp_path, said.out + said.err)


def test_each_fault_of_the_settings_has_a_line_of_its_own(tmp_path: Path) -> None:
    """Several faults are told apart at a glance, and no line break is written out as an escape."""
    settings = settings_file(
        tmp_path, api={"request_interval": "soon"}, mirror={"min_free": "plenty"}
    )
    said = run("--config", settings, "status", home=tmp_path)
    assert said.code == USAGE
    lines = said.err.splitlines()
    assert [line for line in lines if line.startswith("  api.request_interval: ")]
    assert [line for line in lines if line.startswith("  mirror.min_free: ")]
    assert "\\n" not in said.err


@pytest.mark.parametrize("command", ["sync", "run", "check"])
def test_all_that_is_missing_is_said_at_once(command: str, tmp_path: Path) -> None:
    """Without any settings, root, program, user and password are all named, each with a remedy."""
    with served() as archive:
        said = run(command, home=tmp_path, environment={"WINTER_SYNC_API__BASE_URL": archive.url})
    assert said.code == USAGE
    for fault, line, variable in (
        ("no directory for the mirror is set", 'root = "', "WINTER_SYNC_MIRROR__ROOT"),
        ("no program is set", "[[programs]]", "WINTER_API_PROGRAM"),
        ("no user name is set", 'user = "', "WINTER_API_USER"),
        ("no password is set", 'password_file = "', "WINTER_API_PASSWORD"),
    ):
        text = said.out + said.err
        assert text.count(fault) == 1
        after = text[text.index(fault) :]
        assert line in after
        assert variable in after
