"""Settings: where they may come from, which place takes precedence, what is refused or hidden."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bare import leave_bare, whole_text, write
from support.command import KEYS, OTHER_PROGRAM, PASSWORD, PROGRAM, USER, leaked

from winter_sync.config.sections import (
    ApiSettings,
    HttpSettings,
    MirrorSettings,
    ProgramSettings,
    ScheduleSettings,
    Section,
)
from winter_sync.config.settings import Settings, load_settings
from winter_sync.core.errors import UsageError
from winter_sync.core.products import Night
from winter_sync.core.queries import Cone, PollSchedule, Subject, Target
from winter_sync.core.traits import ImageType, Instrument

if TYPE_CHECKING:
    from pathlib import Path

KEY = KEYS[PROGRAM]
SECRETS = f"""
user = {json.dumps(USER)}
password = {json.dumps(PASSWORD)}
"""
ONE_PROGRAM = f"""
[[programs]]
name = "{PROGRAM}"
api_key = {json.dumps(KEY)}
"""


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    leave_bare(monkeypatch, tmp_path)


# --- which place wins ------------------------------------------------------------------------


def test_what_is_given_wins_over_the_environment_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each key is taken from the first place that has it, whatever else its table has elsewhere."""
    monkeypatch.setenv("WINTER_SYNC_API__CONNECTIONS", "2")
    monkeypatch.setenv("WINTER_SYNC_API__QUERY_TIMEOUT", "2s")
    path = write(tmp_path, '[api]\nconnections = 3\nquery_timeout = "3s"\nsilence_timeout = "3s"\n')
    api = load_settings(path, {"api": {"connections": 1}}).api
    assert api.connections == 1
    assert api.query_timeout == timedelta(seconds=2)
    assert api.silence_timeout == timedelta(seconds=3)
    assert api.first_byte_timeout == timedelta(minutes=10)


def test_programs_come_from_the_environment_as_json(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """WINTER_SYNC_PROGRAMS replaces all programs of the file, including lists and tables."""
    program = {
        "name": OTHER_PROGRAM,
        "image_types": ["raw", "stack", "raw"],
        "instruments": ["winter", "spring"],
        "targets": ["SN2024abc"],
        "cones": [{"ra": 10, "dec": -5}],
        "since": "2024-02-01",
    }
    monkeypatch.setenv("WINTER_SYNC_PROGRAMS", json.dumps([program]))
    (selection,) = load_settings(write(tmp_path, ONE_PROGRAM)).selections
    assert selection.program == OTHER_PROGRAM
    assert selection.image_types == (ImageType.RAW, ImageType.STACK)
    assert selection.instruments == (Instrument.WINTER, Instrument.SPRING)
    assert selection.regions == (Target("SN2024abc"), Cone(10, -5, 1))
    assert selection.since == Night("20240201")


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty variable, as in container files, leaves the value of the file."""
    monkeypatch.setenv("WINTER_SYNC_MIRROR__ROOT", "")
    monkeypatch.setenv("WINTER_SYNC_PROGRAMS", "")
    settings = load_settings(write(tmp_path, f'[mirror]\nroot = "/data"\n{ONE_PROGRAM}'))
    assert str(settings.root) == "/data"
    assert [program.name for program in settings.programs] == [PROGRAM]


def test_a_list_in_a_table_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It replaces that of the file; other keys of the table, and of a table in it, stay."""
    monkeypatch.setenv("winter_sync_http__hosts", '["a.example.org"]')
    monkeypatch.setenv("WINTER_SYNC_SCHEDULE__TYPES", '{"raw": {"poll_every": "2h"}}')
    written = """
[http]
hosts = ["b.example.org"]
listen = "127.0.0.1:9999"
[schedule.types.stack]
poll_every = "3h"
"""
    settings = load_settings(write(tmp_path, written))
    assert settings.http.hosts == ("a.example.org",)
    assert settings.http.listen == "127.0.0.1:9999"
    every = {kind.value: how.poll_every for kind, how in settings.schedule.types.items()}
    assert every == {"raw": timedelta(hours=2), "stack": timedelta(hours=3)}


def test_what_kubernetes_sets_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables that Kubernetes sets for a service called winter-sync are ignored."""
    for name in ("SERVICE_HOST", "SERVICE_PORT_HTTP", "PORT", "PORT_8765_TCP_ADDR"):
        monkeypatch.setenv(f"WINTER_SYNC_{name}", "tcp://10.0.0.1:8765")
    assert load_settings().http.listen == "127.0.0.1:8765"


@pytest.mark.parametrize(
    ("written", "environment", "expected"),
    [
        ("", None, [OTHER_PROGRAM]),
        (ONE_PROGRAM, None, [PROGRAM]),
        ("", json.dumps([{"name": PROGRAM}]), [PROGRAM]),
        ("", "", [OTHER_PROGRAM]),
    ],
)
def test_the_clients_own_program_is_used_where_none_is_named(
    written: str,
    environment: str | None,
    expected: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """WINTER_API_PROGRAM alone defines a program; it adds none to those defined elsewhere."""
    monkeypatch.setenv("WINTER_API_PROGRAM", OTHER_PROGRAM)
    if environment is not None:
        monkeypatch.setenv("winter_sync_programs", environment)
    assert [
        program.name for program in load_settings(write(tmp_path, written)).programs
    ] == expected


def test_settings_made_directly_are_what_is_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither environment nor file affect settings that the code constructs."""
    monkeypatch.setenv("WINTER_SYNC_API__CONNECTIONS", "2")
    monkeypatch.setenv("WINTER_SYNC_CONFIG", str(write(tmp_path, "[api]\nconnections = 3\n")))
    assert Settings().api.connections == 4
    assert load_settings().api.connections == 2


def test_the_first_file_that_is_there_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The file is sought by --config, $WINTER_SYNC_CONFIG, $XDG_CONFIG_HOME and ~."""
    places = [
        tmp_path / "home/.config/winter-sync/winter-sync.toml",
        tmp_path / "xdg/winter-sync/winter-sync.toml",
        tmp_path / "variable.toml",
        tmp_path / "option.toml",
    ]
    for number, place in enumerate(places, start=1):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"[api]\nconnections = {number}\n")
    assert load_settings().api.connections == 1
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert load_settings().api.connections == 2
    monkeypatch.setenv("WINTER_SYNC_CONFIG", str(places[2]))
    assert load_settings().api.connections == 3
    assert load_settings(places[3]).api.connections == 4


def test_a_home_that_nobody_knows_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without a home directory, as in a container, simply has no file."""
    monkeypatch.delenv("HOME")
    with mock.patch("pwd.getpwuid", side_effect=KeyError):
        assert load_settings().api.connections == 4


def test_paths_are_absolute_and_know_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path may start with ~, and does not depend on the working directory."""
    monkeypatch.setenv("HOME", "/home/observer")
    mirror = load_settings(None, {"mirror": {"root": "~/winter", "state": "state"}}).mirror
    assert str(mirror.root) == "/home/observer/winter"
    assert mirror.state is not None
    assert mirror.state.is_absolute()


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    """A file that an editor has given a byte order mark is read."""
    path = tmp_path / "winter-sync.toml"
    path.write_bytes(b"\xef\xbb\xbf[api]\nconnections = 3\n")
    assert load_settings(path).api.connections == 3


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("WINTER_SYNC_API__CONECTIONS", "3", "did you mean WINTER_SYNC_API__CONNECTIONS?"),
        ("WINTER_SYNC_MIROR__ROOT", "/data", "did you mean WINTER_SYNC_MIRROR__ROOT?"),
        ("WINTER_SYNC_API", "{}", "is not a setting"),
        ("WINTER_SYNC_PROGRAMS", f'[{{"name": "{PROGRAM}", "api_key": "{KEY}"', "is not JSON"),
        (
            "WINTER_SYNC_PROGRAMS",
            f'{{"name": "{PROGRAM}", "api_key": "{KEY}"}}',
            "must be a list",
        ),
        ("WINTER_SYNC_SCHEDULE__TYPES", "stack", "is not JSON"),
        ("WINTER_SYNC_HTTP__HOSTS", "mirror.example.org", "is not JSON"),
        ("WINTER_SYNC_HTTP__HOSTS", '["mirror.example.org:8765"]', "without a port"),
        ("WINTER_SYNC_HTTP__HOSTS", '["http://mirror.example.org"]', "a host name is written"),
        ("WINTER_SYNC_API__BASE_URL", f"http://u:{PASSWORD}@host:1", "no user and password"),
        ("WINTER_SYNC_API__BASE_URL", f"http//u:{PASSWORD}@host:1", "an address is written"),
        ("WINTER_SYNC_API__BASE_URL", "http://u:hush-hush@host:1", "no user and password"),
        ("WINTER_SYNC_API__BASE_URL", "http://obs%2Berver%40example.org@host", "no user and"),
        ("WINTER_API_PROGRAM", "2024A", "WINTER_API_PROGRAM: a program name has eight letters"),
    ],
)
def test_a_wrong_variable_is_reported(
    variable: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelt or invalid variable is reported, without any secret."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(UsageError) as raised:
        load_settings()
    assert told in raised.value.message
    assert raised.value.remedy
    assert not leaked(whole_text(raised.value), "hush-hush")


def test_a_line_that_is_not_utf8_is_reported(tmp_path: Path) -> None:
    """The line with the invalid byte is named, and nothing of the file is shown."""
    path = tmp_path / "winter-sync.toml"
    path.write_bytes(f"[api]{SECRETS}# caf".encode() + b"\xe9\n")
    with pytest.raises(UsageError, match="line 4 is not UTF-8") as raised:
        load_settings(path)
    assert not leaked(whole_text(raised.value))


@pytest.mark.parametrize("what", ["absent", "a directory"])
def test_a_settings_file_that_is_none_is_reported(what: str, tmp_path: Path) -> None:
    """The file named by --config must exist, and be a regular file."""
    path = tmp_path if what == "a directory" else tmp_path / "absent.toml"
    with pytest.raises(UsageError, match=r"settings file .*: (not found|is a directory)") as raised:
        load_settings(path)
    is_named = f"`winter-sync init --config {path}`" in raised.value.remedy
    assert is_named is (what == "absent")
    assert "--config" in raised.value.remedy


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def tables_of(section: type[Section]) -> st.SearchStrategy[dict[str, Any]]:
    """Return tables with known keys and arbitrary values."""
    return st.dictionaries(st.sampled_from([*section.model_fields]), json_values)


@given(st.lists(tables_of(ProgramSettings), min_size=1, max_size=2))
def test_whatever_programs_are_given_is_used_or_explained(programs: list[dict[str, Any]]) -> None:
    """Programs of any JSON at all either are right or end in an error for people."""
    with mock.patch.dict("os.environ", {"WINTER_SYNC_PROGRAMS": json.dumps(programs)}):
        load_or_explain(None)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "api": tables_of(ApiSettings) | json_values,
            "mirror": tables_of(MirrorSettings) | json_values,
            "schedule": tables_of(ScheduleSettings) | json_values,
            "http": tables_of(HttpSettings) | json_values,
            "programs": json_values,
            "foo": json_values,
        },
    )
)
def test_whatever_tables_are_given_are_used_or_explained(tables: dict[str, Any]) -> None:
    """Tables of any values at all either are right or end in an error for people."""
    load_or_explain(None, tables)


@given(st.binary(max_size=200))
def test_whatever_a_file_holds_is_used_or_explained(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    """A file of any bytes at all either is right or ends in an error for people."""
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(content)
    load_or_explain(path)


def load_or_explain(path: Path | None, tables: dict[str, Any] | None = None) -> None:
    """Read settings; an error for people, with a remedy, is right as well."""
    try:
        told = load_settings(path, tables).base_url
    except UsageError as fault:
        told = fault.message and fault.remedy
    assert told


SCHEDULES = """
[schedule]
poll_every = "10m"
lookback_nights = 7
sweep_every = "1d"
types = { raw = { poll_every = "1h", lookback_nights = 5 } }
[[programs]]
name = "2024A000"
[[programs]]
name = "2024A111"
[programs.schedule]
poll_every = "2m"
types = { raw = { sweep_every = "3d" }, diff = { poll_every = "1m" } }
"""


@pytest.mark.parametrize(
    ("program", "image_type", "expected"),
    [
        ("2024A000", ImageType.STACK, PollSchedule(timedelta(minutes=10), 7, timedelta(days=1))),
        ("2024A000", ImageType.RAW, PollSchedule(timedelta(hours=1), 5, timedelta(days=1))),
        ("2024A111", ImageType.STACK, PollSchedule(timedelta(minutes=2), 7, timedelta(days=1))),
        ("2024A111", ImageType.DIFF, PollSchedule(timedelta(minutes=1), 7, timedelta(days=1))),
        ("2024A111", ImageType.RAW, PollSchedule(timedelta(minutes=2), 5, timedelta(days=3))),
    ],
)
def test_the_most_specific_schedule_counts(
    tmp_path: Path, program: str, image_type: ImageType, expected: PollSchedule
) -> None:
    """A type of a program takes precedence over the program, then the type, then all."""
    file = tmp_path / "winter-sync.toml"
    file.write_text(SCHEDULES)
    subject = Subject(program, Instrument.WINTER, image_type)
    assert load_settings(file).poll_schedule(subject) == expected


@pytest.mark.parametrize("text", ["stall_after = 60", 'stall_after = "10m"'])
def test_a_long_wait_is_no_stall(tmp_path: Path, text: str) -> None:
    """A wait of ten minutes must not count as a stall before they are over."""
    file = tmp_path / "winter-sync.toml"
    file.write_text(f"[daemon]\n{text}\n")
    with pytest.raises(UsageError, match=r"stall_after must be longer than api\.first_byte"):
        load_settings(file)
