"""The units agree with each other, with the code and with what the documents say."""

from __future__ import annotations

import re
import shlex
import subprocess
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from pydantic import ByteSize, TypeAdapter
from support.command import CHECKOUT

from winter_sync.config.files import FILE
from winter_sync.config.readiness import read_credentials
from winter_sync.config.sections import EXAMPLE, DaemonSettings
from winter_sync.config.settings import load_settings
from winter_sync.core.errors import ExitCode
from winter_sync.core.units import parse_duration

if TYPE_CHECKING:
    from pathlib import Path

DAEMON = (CHECKOUT / "systemd/winter-sync.service").read_text()
BACKFILL = (CHECKOUT / "systemd/winter-sync-backfill@.service").read_text()
UNITS = pytest.mark.parametrize("unit", [DAEMON, BACKFILL], ids=["daemon", "backfill"])
INSTALL = (CHECKOUT / "docs/install.md").read_text()
SIZE: TypeAdapter[int] = TypeAdapter(ByteSize)
DIRECTIVE = re.compile(r"([A-Z][A-Za-z]+)=(.*)")
SPEAK_FOR_THEMSELVES = {"Description", "ExecStart", "WantedBy"}
THEIR_OWN = {
    *("Type", "ExecStart", "ExecReload", "TimeoutStartSec", "WatchdogSec", "TimeoutAbortSec"),
    *("Restart", "RestartSec"),
    *("RestartPreventExitStatus", "SuccessExitStatus", "SyslogIdentifier"),
    *("CPUWeight", "IOWeight", "Nice"),
}
"""What the daemon and a backfill may have differently, or only one of them, in [Service]."""


def service(unit: str) -> list[tuple[str, str]]:
    """Return the directives of the [Service] section, in their order."""
    section = unit.partition("[Service]\n")[2].partition("\n[")[0]
    return DIRECTIVE.findall(section)


def value(unit: str, name: str) -> str:
    """Return the value of a directive that stands once in a unit."""
    (found,) = [value for key, value in DIRECTIVE.findall(unit) if key == name]
    return str(found)


def arguments(text: str) -> list[str]:
    """Split a command line as systemd does, as far as ours needs it; `%i` stays."""
    return shlex.split(text.replace("%%", "%").replace("$$", "$"))


@UNITS
def test_every_directive_has_its_reason(unit: str) -> None:
    """Above each directive stands why it is there; a reader need not guess."""
    lines = unit.splitlines()
    for above, line in pairwise(lines):
        directive = DIRECTIVE.fullmatch(line)
        if directive and directive[1] not in SPEAK_FOR_THEMSELVES:
            assert above.startswith("# "), line


def test_both_live_in_the_same_sandbox() -> None:
    """What holds the daemon in holds a backfill in, to the letter."""
    shared = [directive for directive in service(BACKFILL) if directive[0] not in THEIR_OWN]
    assert shared == [directive for directive in service(DAEMON) if directive[0] not in THEIR_OWN]
    assert ("ProtectSystem", "strict") in shared


def test_both_run_the_same_program_with_the_same_settings() -> None:
    """The program and its settings are where the documents put them."""
    command = f"/opt/winter-sync/bin/winter-sync --config /etc/{FILE}"
    assert value(DAEMON, "ExecStart") == f"{command} run"
    assert f"exec {command} backfill" in value(BACKFILL, "ExecStart")
    assert f"/etc/{FILE}" in INSTALL
    assert "-m venv /opt/winter-sync " in INSTALL


@UNITS
def test_the_tree_of_the_example_can_be_written(unit: str) -> None:
    """The root that the example of the settings has is writable and waited for."""
    root = load_settings(CHECKOUT / EXAMPLE).root
    assert value(unit, "ReadWritePaths") == f"-{root}"
    assert value(unit, "RequiresMountsFor") == str(root)
    assert f" {root}\n" in INSTALL


@UNITS
def test_credentials_come_under_the_names_that_are_looked_for(
    unit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files that the documents name become just the credentials that the settings look for."""
    for variable in ("WINTER_API_USER", "WINTER_API_PASSWORD", "WINTER_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    prefix, _, directory = value(unit, "LoadCredential").partition(":")
    names = re.findall(r"\bapi_(?:user|password|key_[A-Z0-9]{8})\b", INSTALL)
    assert directory in INSTALL
    for name in names:
        (tmp_path / f"{prefix}_{name}").write_text(f"secret {name}")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    found = read_credentials(load_settings(CHECKOUT / EXAMPLE))
    assert found.user == "secret api_user"
    assert found.password == "secret api_password"
    assert dict(found.keys) == {"2024A000": "secret api_key_2024A000"}


def test_systemd_waits_longer_than_downloads_may_go_on() -> None:
    """Downloads that end in their grace are not killed before."""
    assert parse_duration(value(DAEMON, "TimeoutStopSec")) > DaemonSettings().grace


def test_what_stays_wrong_is_not_tried_again() -> None:
    """Wrong settings end a service for good; a backfill ends with what trying cannot mend."""
    assert value(DAEMON, "RestartPreventExitStatus").split() == [str(int(ExitCode.USAGE))]
    assert value(BACKFILL, "RestartPreventExitStatus").split() == [
        str(int(code)) for code in (ExitCode.USAGE, ExitCode.REFUSED, ExitCode.INCOMPLETE)
    ]


def test_an_end_that_was_asked_for_is_no_failure() -> None:
    """Whether anything had begun or not."""
    assert value(DAEMON, "SuccessExitStatus") == str(ExitCode.TERMINATED.value)
    assert (
        value(BACKFILL, "SuccessExitStatus") == f"{ExitCode.INTERRUPTED:d} {ExitCode.TERMINATED:d}"
    )


@UNITS
def test_no_core_dump_is_left(unit: str) -> None:
    """A core dump would have the secrets in it."""
    assert value(unit, "LimitCORE") == "0"


@UNITS
def test_it_is_slowed_down_before_it_is_killed(unit: str) -> None:
    """Memory has a soft limit below the hard one."""
    soft, hard = (
        SIZE.validate_python(f"{value(unit, name)}iB") for name in ("MemoryHigh", "MemoryMax")
    )
    assert soft < hard


@pytest.mark.parametrize(
    ("instance", "first", "last"),
    [
        ("20240101-20240131", "20240101", "20240131"),
        ("20240101", "20240101", "20240101"),
        ("$(touch here)-`touch there`", "$(touch here)", "`touch there`"),
    ],
)
def test_an_instance_is_split_into_two_nights(
    tmp_path: Path, instance: str, first: str, last: str
) -> None:
    """The shell of the template gives the program both nights, and runs nothing of them."""
    program = tmp_path / "winter-sync"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    command = [
        argument.replace("/opt/winter-sync/bin/winter-sync", str(program)).replace("%i", instance)
        for argument in arguments(value(BACKFILL, "ExecStart"))
    ]
    ran = subprocess.run(command, capture_output=True, check=True, text=True, cwd=tmp_path)  # noqa: S603 - our own
    assert ran.stdout.splitlines()[-5:] == ["backfill", "--from", first, "--to", last]
    assert list(tmp_path.iterdir()) == [program]
