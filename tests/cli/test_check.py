"""The check before a run: every finding is shown with its remedy, and the gravest decides."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from rich.console import Console
from support.command import USER, nobody
from support.rig import Rig
from support.wires import listening

from winter_sync.cli.checks.examination import examine, show, worst
from winter_sync.cli.checks.findings import Finding
from winter_sync.cli.checks.sinks import check_sinks
from winter_sync.config.files import holds_secret
from winter_sync.config.sections import ProgramSettings, SinkSettings
from winter_sync.config.settings import Settings
from winter_sync.core.clocks import Time
from winter_sync.core.errors import ExitCode
from winter_sync.core.layout import STATE_DIR
from winter_sync.simulator import (
    DEFAULT_PASSWORD,
    DEFAULT_USER,
    Answer,
    Call,
    Faults,
    Observatory,
    Simulator,
    demo_universe,
    key_of,
)

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

GOOD = ["settings", "disk", "file system", "mirror", "server", "clock", "user", "program 2024A000"]


def made(rig: Rig, **changes: dict[str, Any]) -> Settings:
    """Return settings that are right for the rig, except for the changes."""
    tables: dict[str, Any] = {
        "api": {
            "base_url": rig.simulator.url,
            "user": DEFAULT_USER,
            "password": DEFAULT_PASSWORD,
            "request_interval": 0,
        },
        "mirror": {"root": rig.root, "min_free": 0},
        "programs": [{"name": "2024A000", "api_key": key_of("2024A000")}],
    }
    for name, change in changes.items():
        tables[name] = {**tables.get(name, {}), **change}
    return Settings(**tables)


async def found(settings: Settings) -> dict[str, Finding]:
    """Return all findings; waiting takes no time."""
    return {finding.what: finding async for finding in examine(settings, time=Time(sleep=_no_wait))}


async def _no_wait(seconds: float) -> None:
    del seconds


def faults_in(findings: dict[str, Finding]) -> dict[str, ExitCode]:
    """Return what is wrong, with its exit code."""
    return {what: finding.code for what, finding in findings.items() if not finding.is_ok}


async def test_all_that_is_right_is_shown(rig: Rig) -> None:
    """If nothing is wrong, each check says so."""
    rig.observatory.clock.set(datetime.now(UTC))
    findings = await found(made(rig))
    assert list(findings) == GOOD
    assert faults_in(findings) == {}
    assert worst(findings.values()) is ExitCode.DONE
    assert findings["clock"].mark == "ok"
    assert "stack of winter" in findings["settings"].message
    assert "2024-02-01 to" in findings["program 2024A000"].message


@pytest.mark.parametrize(
    ("behind", "differ", "used"),
    [
        (timedelta(hours=5), "5 h 0 min", "the archive's date is used"),
        (timedelta(days=1000, minutes=30), "1000 d 0 h", "the archive's date is not used"),
    ],
    ids=["hours", "years"],
)
async def test_clocks_that_differ_are_a_warning(
    rig: Rig, behind: timedelta, differ: str, used: str
) -> None:
    """The difference of the clocks is shown, and whose date is used; it is not a failure."""
    rig.observatory.clock.set(datetime.now(UTC) - behind)
    clock = (await found(made(rig)))["clock"]
    assert (clock.mark, clock.code) == ("warn", ExitCode.DONE)
    assert clock.message.startswith("this machine's clock and the archive's differ by ")
    assert clock.message.endswith(f"{differ}; check NTP here")
    assert clock.remedy == f"Run `timedatectl`. Until then {used}."


async def test_an_archive_without_a_date(tmp_path: Path) -> None:
    """Nothing is said about the clock of an archive whose `Date` header is invalid."""
    async with Simulator(Observatory(demo_universe()), date="never") as simulator:
        clock = (await found(made(Rig(simulator, tmp_path / "winter"))))["clock"]
    assert clock.message == "the archive does not send its time; this machine's date is used"
    assert clock.mark == "ok"


async def test_checking_changes_nothing(rig: Rig) -> None:
    """A check before the first run leaves nothing behind, neither the root nor a file in it."""
    await found(made(rig))
    assert not rig.root.exists()
    rig.root.mkdir()
    await found(made(rig))
    assert list(rig.root.iterdir()) == []


async def test_files_that_others_may_read_are_a_warning(rig: Rig, tmp_path: Path) -> None:
    """Each file with a secret that others may read is named, with the command; no others are."""
    password, key, file = (tmp_path / name for name in ("password", "key", "winter-sync.toml"))
    password.write_text(DEFAULT_PASSWORD)
    key.write_text(key_of("2024A000"))
    file.write_text("[api]\npassword_file = 'password'\n")
    settings = made(rig, api={"password": None, "password_file": password})
    program = {"name": "2024A000", "api_key_file": key}
    settings = Settings(**{**dict(settings), "programs": [program]})

    async def findings_of_file() -> list[Finding]:
        found = [
            finding
            async for finding in examine(settings, settings_file=file, time=Time(sleep=_no_wait))
        ]
        assert faults_in({finding.what: finding for finding in found}) == {}
        return [finding for finding in found if finding.what == "permissions"]

    for path in (password, key, file):
        path.chmod(0o644)
    findings = await findings_of_file()
    assert [finding.message.split()[0] for finding in findings] == [str(password), str(key)]
    assert {finding.mark for finding in findings} == {"warn"}
    assert [finding.remedy for finding in findings] == [
        f"Run `chmod 600 {path}`." for path in (password, key)
    ]
    for path in (password, key):
        path.chmod(0o600)
    assert await findings_of_file() == []
    file.chmod(0o666)
    assert [finding.remedy for finding in await findings_of_file()] == [f"Run `chmod go-w {file}`."]


@pytest.mark.parametrize(
    ("text", "is_secret"),
    [
        ("[api]\nuser = 'me@example.org'\npassword_file = 'p'", False),
        ("[api]\npassword = ''\nproxy = 'http://proxy:3128'", False),
        ("[api]\npassword = 'p'", True),
        ("[api]\nproxy = 'http://me:p@proxy:3128'", True),
        ("[[programs]]\nname = '2024A000'\napi_key = 'k'", True),
        ("[[programs]]\nname = '2024A000'\napi_key_file = 'k'", False),
    ],
)
def test_settings_files_with_secrets_are_distinguished_from_others(
    tmp_path: Path, text: str, *, is_secret: bool
) -> None:
    """Anybody may read a file that only says where the secrets are."""
    file = tmp_path / "winter-sync.toml"
    file.write_text(text)
    assert holds_secret(file) is is_secret


@pytest.mark.parametrize(
    ("http", "mark"),
    [
        ({}, ""),
        ({"listen": "0.0.0.0:8765"}, "FAIL"),
        ({"listen": "[::]:8765"}, "FAIL"),
        ({"listen": "0.0.0.0:8765", "trusted_proxy": True}, "warn"),
        ({"listen": "0.0.0.0:8765", "token_file": "{token}"}, ""),
    ],
)
async def test_pages_that_others_may_reach_are_reported(
    rig: Rig, tmp_path: Path, http: dict[str, Any], mark: str
) -> None:
    """Without protection the daemon does not begin: that is a failure, with the line to write.

    A proxy is a warning, because nobody but its user knows who can reach the address otherwise.
    """
    (tmp_path / "token").write_text("a-token-of-many-letters")
    (tmp_path / "token").chmod(0o600)
    if "token_file" in http:
        http = {**http, "token_file": str(tmp_path / "token")}
    findings = await found(made(rig, http=http))
    assert ("pages" in findings) is bool(mark)
    if mark:
        assert findings["pages"].mark == mark
        assert http["listen"] in findings["pages"].message
        assert "token_file" in findings["pages"].remedy


@pytest.mark.parametrize(
    ("radius", "types", "missed"),
    [(0.2, ["stack", "raw"], "raw"), (1.0, ["raw"], ""), (0.2, ["stack", "diff", "avro"], "")],
)
async def test_cones_that_may_miss_boards_are_a_warning(
    rig: Rig, radius: float, types: list[str], missed: str
) -> None:
    """Narrow cones on what is listed at the pointing; the message names these types only."""
    settings = made(rig)
    (program,) = settings.model_dump()["programs"]
    cones = [{"ra": 150.0, "dec": 2.0, "radius": radius}]
    chosen = {**program, "api_key": "key", "image_types": types, "cones": cones}
    findings = await found(settings.model_copy(update={"programs": (ProgramSettings(**chosen),)}))
    assert ("cones" in findings) is bool(missed)
    if missed:
        assert findings["cones"].mark == "warn"
        assert "2024A000: the archive lists raw images" in findings["cones"].message
        assert "radius = 1.0" in findings["cones"].remedy


async def test_one_failure_hides_no_other(rig: Rig, tmp_path: Path) -> None:
    """A wrong root, a missing secret and a server that answers are all shown in one run."""
    settings = made(rig, mirror={"root": tmp_path / "absent/winter"}, api={"password": None})
    findings = await found(settings)
    assert faults_in(findings) == {"disk": ExitCode.STORAGE, "secrets": ExitCode.USAGE}
    assert findings["server"].is_ok
    assert worst(findings.values()) is ExitCode.STORAGE
    assert all(finding.remedy for finding in findings.values() if not finding.is_ok)
    assert f"`mkdir -p {tmp_path / 'absent'}`" in findings["disk"].remedy
    assert findings["mirror"].message == "none yet"


async def test_secrets_are_said_to_be_where_they_are(rig: Rig, tmp_path: Path) -> None:
    """What is refused is corrected in the file or the variable that it comes from."""
    for name in ("password", "key"):
        (tmp_path / name).write_text("of another")
        (tmp_path / name).chmod(0o600)
    api = {"password": None, "password_file": tmp_path / "password"}
    findings = await found(made(rig, api=api))
    assert f"the password ({tmp_path / 'password'})" in findings["user"].remedy
    (tmp_path / "password").write_text(DEFAULT_PASSWORD)
    program = {"name": "2024A000", "api_key_file": tmp_path / "key"}
    settings = Settings(**{**dict(made(rig, api=api)), "programs": [program]})
    assert f"the key ({tmp_path / 'key'})" in (await found(settings))["program 2024A000"].remedy
    (tmp_path / "key").unlink()
    assert f"`install -m 600 /dev/stdin {tmp_path / 'key'}`" in (
        (await found(settings))["secrets"].remedy
    )


async def test_without_a_settings_file_init_is_named_first() -> None:
    """Who has set nothing yet is told of the command that asks, and of each line as well."""
    tables: dict[str, Any] = {"api": {"base_url": "http://127.0.0.1:9"}}
    settings = Settings(**tables)
    findings = await found(settings)
    assert findings["settings"].remedy.startswith("Run `winter-sync init`")
    assert "[[programs]]" in findings["settings"].remedy


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"api": {"password": "of another"}}, "user"),
        ({"api": {"user": USER}}, "user"),
    ],
)
async def test_a_refused_user_is_reported(rig: Rig, change: dict[str, Any], wrong: str) -> None:
    """A wrong user or password is reported as such, and no program is blamed for it."""
    findings = await found(made(rig, **change))
    assert faults_in(findings) == {wrong: ExitCode.REFUSED}
    assert findings[wrong].remedy == (
        "Correct the user name (user under [api]) or the password (password under [api])."
    )
    assert "program 2024A000" not in findings


async def test_a_refused_program_is_reported_by_name(rig: Rig) -> None:
    """Of two programs, the one whose key is wrong is named, and the other is found right."""
    settings = made(rig)
    other = {"name": "2025B001", "api_key": "of another"}
    settings = Settings(**{**dict(settings), "programs": [*settings.programs, other]})
    findings = await found(settings)
    assert faults_in(findings) == {"program 2025B001": ExitCode.REFUSED}
    remedy = findings["program 2025B001"].remedy
    assert remedy.startswith('Correct the key (api_key below name = "2025B001") or the name')
    assert findings["program 2024A000"].is_ok


async def test_a_server_that_does_not_answer_is_reported(rig: Rig) -> None:
    """If nobody listens, the server is the finding, and nothing else is asked of it."""
    with nobody() as address:
        findings = await found(made(rig, api={"base_url": address}))
    assert faults_in(findings) == {"server": ExitCode.SERVER_FAILING}
    assert address in findings["server"].message
    assert list(findings)[-1] == "server"


class Gossip(Faults):
    """Sends the program's key as its title."""

    async def before(self, call: Call) -> Answer | None:
        """Answer about the program."""
        if call.path != "/validation/program":
            return None
        title = f'{{"body": {{"progtitle": "for {key_of("2024A000")}"}}}}'
        return Answer(200, title.encode())


async def test_what_a_server_says_is_shown_without_secrets(rig: Rig) -> None:
    """A key that the server sends back is not shown."""
    rig.simulator.faults = Gossip()
    findings = await found(made(rig))
    assert "for [secret]" in findings["program 2024A000"].message


async def test_a_full_disk_is_reported(rig: Rig) -> None:
    """Less free space than must be left is a failure now, not in the middle of the night."""
    findings = await found(made(rig, mirror={"min_free": 10**18}))
    assert faults_in(findings) == {"disk": ExitCode.STORAGE}
    assert "less than mirror.min_free" in findings["disk"].message
    assert 'min_free = "1 GiB"' in findings["disk"].remedy


@pytest.mark.parametrize("state", ["state", "winter/.winter-sync"])
async def test_a_mirror_that_is_not_mounted_is_reported(
    rig: Rig, tmp_path: Path, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing tree is reported before a run takes it for new: by its catalog, or by memory."""
    rig.changes["mirror"] = {"state": str(tmp_path / state)}
    await rig.sync()
    settings = made(rig, mirror={"state": tmp_path / state})
    assert str(tmp_path / state) in (await found(settings))["mirror"].message
    (rig.root / STATE_DIR).rename(tmp_path / "elsewhere")
    if state == "state":
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "forgotten"))
    findings = await found(settings)
    assert faults_in(findings) == {"mirror": ExitCode.STORAGE}
    assert "mounted" in findings["mirror"].remedy


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([], ExitCode.DONE),
        ([ExitCode.DONE, ExitCode.SERVER_FAILING], ExitCode.SERVER_FAILING),
        ([ExitCode.SERVER_FAILING, ExitCode.REFUSED], ExitCode.REFUSED),
        ([ExitCode.REFUSED, ExitCode.USAGE], ExitCode.USAGE),
        ([ExitCode.USAGE, ExitCode.STORAGE, ExitCode.DONE], ExitCode.STORAGE),
    ],
)
def test_the_gravest_finding_decides(codes: list[ExitCode], expected: ExitCode) -> None:
    """The exit code is that of the gravest finding, in whatever order they were made."""
    findings = [Finding("it", "is", code=code) for code in codes]
    assert worst(findings) is worst(reversed(findings)) is expected


@pytest.mark.parametrize("terminal", [True, False])
def test_a_finding_is_shown(*, terminal: bool) -> None:
    """A remedy is below its finding; lines are wrapped on a terminal, and not in a pipe."""
    stream = io.StringIO()
    said = " ".join(["word"] * 30)
    finding = Finding("program 2024A000", said, "Mend [it].", ExitCode.REFUSED)
    console = Console(file=stream, force_terminal=terminal, width=80, soft_wrap=True)
    show(console, finding)
    text = stream.getvalue().replace("\x1b[1;31m", "").replace("\x1b[0m", "")
    assert text.startswith("FAIL  program 2024A000  word")
    assert text.endswith(f"\n{' ' * 24}Mend [it].\n")
    assert (max(map(len, text.splitlines())) <= 80) is terminal


async def test_a_command_of_a_sink_is_found_and_not_run(rig: Rig) -> None:
    """It says what was looked at: whether a command takes events is known when it gets some."""
    rig.root.mkdir()
    mine = rig.root / "mine"
    mine.write_text("#!/bin/sh\ntouch ran\n")
    commands = {"false": ("/bin/false",), "mine": ("./mine",), "none": ("/no/such",)}
    sinks = [SinkSettings(name=name, command=command) for name, command in commands.items()]
    settings = made(rig).model_copy(update={"sinks": sinks})
    said = [(each.mark, each.message) async for each in check_sinks(settings, None)]
    assert said == [
        ("ok", "false: /bin/false exists and may be executed; it was not run"),
        ("warn", "mine: ./mine is not a program that this user can run"),
        ("warn", "none: /no/such is not a program that this user can run"),
    ]
    mine.chmod(0o755)
    said = [(each.mark, each.message) async for each in check_sinks(settings, None)]
    assert said[1] == ("ok", f"mine: {mine} exists and may be executed; it was not run")
    assert not (rig.root / "ran").exists()


async def test_a_webhook_of_a_sink_is_connected_to_and_nothing_posted(rig: Rig) -> None:
    """It says so, and neither the path nor the query of the address, which may be secrets."""
    received = bytearray()

    async def listen(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        received.extend(await reader.read())

    async with listening(listen) as port:
        address = SecretStr(f"http://127.0.0.1:{port}/token?secret")
        sink = SinkSettings(name="chat", url=address)
        settings = made(rig).model_copy(update={"sinks": [sink]})
        (found,) = [each async for each in check_sinks(settings, None)]
    what = f"chat: http://127.0.0.1:{port} accepts connections"
    signed = "events are not signed (no secret is set)"
    assert (found.mark, found.message) == ("ok", f"{what}; nothing was posted; {signed}")
    assert not received
