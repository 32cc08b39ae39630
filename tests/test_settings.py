"""Settings: where they may come from and which place wins, what is refused, what is never shown."""

from __future__ import annotations

import json
import traceback
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.command import KEYS, OTHER_PROGRAM, PASSWORD, PROGRAM, USER, leaked

from winter_sync import settings as module
from winter_sync.errors import UsageError
from winter_sync.models import Cone, ImageType, Instrument, Night, Rhythm, Subject, Target
from winter_sync.settings import (
    ApiSettings,
    HttpSettings,
    MirrorSettings,
    ProgramSettings,
    ScheduleSettings,
    Section,
    Settings,
    credentials,
    load,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[[str], Path]

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
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Leave nothing of the developer's machine in reach."""
    for name in (
        "WINTER_SYNC_CONFIG",
        "WINTER_API_PROGRAM",
        "WINTER_API_USER",
        "WINTER_API_PASSWORD",
        "WINTER_API_KEY",
        "CREDENTIALS_DIRECTORY",
        "XDG_CONFIG_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(module, "_SECRET_DIRECTORY", tmp_path / "run-secrets")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Give a way to write a settings file."""

    def written(text: str) -> Path:
        path = tmp_path / "winter-sync.toml"
        path.write_text(text)
        return path

    return written


def made(**tables: Any) -> Settings:  # noqa: ANN401 - as a file has them
    """Make settings directly."""
    return Settings(**tables)


# --- which place wins ------------------------------------------------------------------------


def test_what_is_given_wins_over_the_environment_over_the_file(
    monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    """Each key is taken from the first place that has it, whatever the others say of its table."""
    monkeypatch.setenv("WINTER_SYNC_API__CONNECTIONS", "2")
    monkeypatch.setenv("WINTER_SYNC_API__QUERY_TIMEOUT", "2s")
    path = write('[api]\nconnections = 3\nquery_timeout = "3s"\nsilence_timeout = "3s"\n')
    api = load(path, {"api": {"connections": 1}}).api
    assert api.connections == 1
    assert api.query_timeout == timedelta(seconds=2)
    assert api.silence_timeout == timedelta(seconds=3)
    assert api.first_byte_timeout == timedelta(minutes=10)


def test_programs_come_from_the_environment_as_json(
    monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    """WINTER_SYNC_PROGRAMS stands for all programs of the file, with lists and tables in it."""
    program = {
        "name": OTHER_PROGRAM,
        "image_types": ["raw", "stack", "raw"],
        "instruments": ["winter", "spring"],
        "targets": ["SN2024abc"],
        "cones": [{"ra": 10, "dec": -5}],
        "since": "2024-02-01",
    }
    monkeypatch.setenv("WINTER_SYNC_PROGRAMS", json.dumps([program]))
    (selection,) = load(write(ONE_PROGRAM)).selections
    assert selection.program == OTHER_PROGRAM
    assert selection.image_types == (ImageType.RAW, ImageType.STACK)
    assert selection.instruments == (Instrument.WINTER, Instrument.SPRING)
    assert selection.regions == (Target("SN2024abc"), Cone(10, -5, 1))
    assert selection.since == Night("20240201")


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch, write: Write) -> None:
    """A variable that is set to nothing, as container files do, leaves the file's value."""
    monkeypatch.setenv("WINTER_SYNC_MIRROR__ROOT", "")
    monkeypatch.setenv("WINTER_SYNC_PROGRAMS", "")
    settings = load(write(f'[mirror]\nroot = "/data"\n{ONE_PROGRAM}'))
    assert str(settings.root) == "/data"
    assert [program.name for program in settings.programs] == [PROGRAM]


def test_what_kubernetes_sets_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a service called winter-sync, its variables do not keep a mirror from starting."""
    for name in ("SERVICE_HOST", "SERVICE_PORT_HTTP", "PORT", "PORT_8765_TCP_ADDR"):
        monkeypatch.setenv(f"WINTER_SYNC_{name}", "tcp://10.0.0.1:8765")
    assert load().http.listen == "127.0.0.1:8765"


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
    write: Write,
) -> None:
    """WINTER_API_PROGRAM alone makes a program; it adds none to those of another place."""
    monkeypatch.setenv("WINTER_API_PROGRAM", OTHER_PROGRAM)
    if environment is not None:
        monkeypatch.setenv("winter_sync_programs", environment)
    assert [program.name for program in load(write(written)).programs] == expected


def test_settings_made_directly_are_what_is_given(
    monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    """Neither environment nor file reach settings that the code makes for itself."""
    monkeypatch.setenv("WINTER_SYNC_API__CONNECTIONS", "2")
    monkeypatch.setenv("WINTER_SYNC_CONFIG", str(write("[api]\nconnections = 3\n")))
    assert Settings().api.connections == 4
    assert load().api.connections == 2


def test_the_first_file_that_is_there_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file is looked for where --config, $WINTER_SYNC_CONFIG, $XDG_CONFIG_HOME and ~ say."""
    places = [
        tmp_path / "home/.config/winter-sync/winter-sync.toml",
        tmp_path / "xdg/winter-sync/winter-sync.toml",
        tmp_path / "variable.toml",
        tmp_path / "option.toml",
    ]
    for number, place in enumerate(places, start=1):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"[api]\nconnections = {number}\n")
    assert load().api.connections == 1
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert load().api.connections == 2
    monkeypatch.setenv("WINTER_SYNC_CONFIG", str(places[2]))
    assert load().api.connections == 3
    assert load(places[3]).api.connections == 4


def test_a_home_that_nobody_knows_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a user without a home, as in a container, there just is no file of the user's."""
    monkeypatch.delenv("HOME")
    with mock.patch("pwd.getpwuid", side_effect=KeyError):
        assert load().api.connections == 4


def test_paths_are_absolute_and_know_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path may begin with ~, and does not change its meaning with the working directory."""
    monkeypatch.setenv("HOME", "/home/observer")
    mirror = load(None, {"mirror": {"root": "~/winter", "state": "state"}}).mirror
    assert str(mirror.root) == "/home/observer/winter"
    assert mirror.state is not None
    assert mirror.state.is_absolute()


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    """A file written by an editor that begins it with a byte order mark is read."""
    path = tmp_path / "winter-sync.toml"
    path.write_bytes(b"\xef\xbb\xbf[api]\nconnections = 3\n")
    assert load(path).api.connections == 3


# --- secrets ---------------------------------------------------------------------------------


def put(directory: Path, name: str, text: str) -> Path:
    """Write a secret file."""
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(text)
    return directory / name


def test_secrets_are_taken_from_the_first_place_that_has_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """First the settings, then the usual variables, then systemd's, then the container's files."""
    run, systemd = tmp_path / "run-secrets", tmp_path / "systemd"
    names = {
        "winter_api_user": "user",
        "winter_api_password": "password",
        f"winter_api_key_{PROGRAM}": "key",
    }
    given: dict[str, Any] = {"programs": [{"name": PROGRAM}]}

    def found() -> set[str]:
        known = credentials(load(None, given))
        return {known.user, known.password, known.keys[PROGRAM]}

    for name, what in names.items():
        put(run, name, f"{what} of run\n")
    assert found() == {"user of run", "password of run", "key of run"}

    for name, what in names.items():
        put(systemd, name, f"{what} of systemd")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(systemd))
    assert found() == {"user of systemd", "password of systemd", "key of systemd"}

    for what in ("user", "password", "key"):
        monkeypatch.setenv(f"WINTER_API_{what.upper()}", f"{what} of variable")
    assert found() == {"user of variable", "password of variable", "key of variable"}

    given["api"] = {"password_file": str(put(tmp_path / "own", "password", "password of file\r\n"))}
    given["programs"][0]["api_key_file"] = str(put(tmp_path / "own", "key", "key of file"))
    assert found() == {"user of variable", "password of file", "key of file"}

    given["api"] = {"user": "user of settings", "password": "password of settings"}
    given["programs"] = [{"name": PROGRAM, "api_key": "key of settings"}]
    assert found() == {"user of settings", "password of settings", "key of settings"}


@pytest.mark.parametrize(
    ("programs", "named", "expected"),
    [
        ([PROGRAM], None, {PROGRAM}),
        ([PROGRAM], OTHER_PROGRAM, set()),
        ([PROGRAM, OTHER_PROGRAM], OTHER_PROGRAM, {OTHER_PROGRAM}),
        ([PROGRAM, OTHER_PROGRAM], None, set()),
    ],
)
def test_the_key_in_the_environment_is_one_programs(
    programs: list[str], named: str | None, expected: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """WINTER_API_KEY goes to the program it is for, and never to another one."""
    monkeypatch.setenv("WINTER_API_KEY", "of the environment")
    if named:
        monkeypatch.setenv("WINTER_API_PROGRAM", named)
    settings = made(
        api={"user": USER, "password": PASSWORD},
        programs=[{"name": name} for name in programs],
    )
    try:
        keys = set(credentials(settings).keys)
    except UsageError as missing:
        keys = {name for name in programs if name not in missing.message}
    assert keys == expected


def test_all_that_is_missing_is_told_at_once() -> None:
    """A first-time user learns of every missing secret, and of each place it may be in."""
    settings = made(programs=[{"name": PROGRAM}, {"name": OTHER_PROGRAM}])
    with pytest.raises(UsageError) as raised:
        credentials(settings)
    for piece in (
        "user is missing",
        "password is missing",
        f"key of program {PROGRAM} is missing",
        "api.password_file",
        "WINTER_API_USER",
        f"winter_api_key_{OTHER_PROGRAM}",
    ):
        assert piece in raised.value.message


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"one\ntwo\n", "more than one line"),
        (b"caf\xe9 " + PASSWORD.encode(), "not UTF-8"),
    ],
)
def test_a_secret_file_that_cannot_be_used_is_told(
    content: bytes | None, told: str, tmp_path: Path
) -> None:
    """A secret file that is absent, empty or something else is named, its content never is."""
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    settings = made(api={"user": USER, "password_file": path})
    with pytest.raises(UsageError, match=told) as raised:
        credentials(settings)
    assert str(path) in raised.value.message
    assert raised.value.remedy
    assert not leaked(whole_text(raised.value))


def test_settings_and_credentials_show_no_secret() -> None:
    """Whoever prints the settings or the credentials prints no secret with them."""
    settings = made(
        api={"user": USER, "password": PASSWORD},
        programs=[{"name": PROGRAM, "api_key": KEY}],
    )
    shown = f"{settings!r} {settings} {settings.model_dump_json()} {credentials(settings)!r}"
    assert not leaked(shown)
    assert credentials(settings).keys == {PROGRAM: KEY}


# --- what is refused ---------------------------------------------------------------------------

FAULTS = {
    "[api]\nconections = 3": ("api.conections", "did you mean connections?"),
    "[scedule]\npoll_every = 1": ("scedule", "did you mean schedule?"),
    "[api]\nzzz = 3": ("api.zzz", "known are base_url, user"),
    "[[programs]]\nname = '2024A000'\ncones = [{raa = 1, dec = 2}]": (
        "programs[1].cones[1].raa",
        "did you mean ra?",
    ),
    "[[programs]]\nname = '2024A000'\nimage_types = ['stacks']": (
        "programs[1].image_types[1]: 'stacks' is not known",
        "did you mean stack?",
    ),
    "[[programs]]\nname = '2024A000'\ninstruments = ['wintre']": ("did you mean winter?",),
    "[[programs]]\nname = '2024A000'\nimage_types = 'stack'": ("a list is wanted, in [brackets]",),
    "[[programs]]\nname = '2024A000'\nimage_types = []": ("at least one is wanted",),
    "[programs]\nname = '2024A000'": ("programs: a list is wanted", "[[double brackets]]"),
    "[[programs]]\nname = '2024A0000'": ("eight letters and digits",),
    "[[programs]]\napi_key = 'k'": ("programs[1].name: it is missing",),
    "[[programs]]\nname = '2024A000'\n[[programs]]\nname = '2024A000'": ("2024A000 stands twice",),
    "[[programs]]\nname = '2024A000'\nsince = '20240230'": ("since", "20240230 is none"),
    "[[programs]]\nname = '2024A000'\nsince = true": ("a night is written like",),
    "[[programs]]\nname = '2024A000'\ncones = [{ra = nan, dec = 2}]": (
        "ra: it must be at most 360",
    ),
    "[[programs]]\nname = '2024A000'\ncones = [{ra = 1, dec = -91}]": ("must be at least -90",),
    "[[programs]]\nname = '2024A000'\ncones = [{ra = 1, dec = 2, radius = 0}]": ("more than 0",),
    "[[programs]]\nname = '2024A000'\n"
    "rectangles = [{ra_min = 2, ra_max = 1, dec_min = 1, dec_max = 2}]": ("above its minimum",),
    "[[programs]]\nname = '2024A000'\ntargets = ['" + "x" * 31 + "']": ("more than 30 characters",),
    "[api]\nsilence_timeout = '10 parsecs'": ("silence_timeout: a duration is written like",),
    "[api]\nsilence_timeout = 0": ("silence_timeout: it must be longer than nothing",),
    "[api]\nsilence_timeout = true": ("silence_timeout: a duration is written like",),
    "[schedule]\npoll_every = inf": ("poll_every: a duration is written like",),
    "[mirror]\nmin_free = '10 GiBs'": ("min_free: a size is written like",),
    "[mirror]\nmin_free = true": ("min_free: a size is written like",),
    "[mirror]\nmin_free = -1": ("min_free: it must be at least 0",),
    "[mirror]\nroot = ''": ("mirror.root: a path is wanted",),
    '[mirror]\nroot = "a\\u0000b"': ("mirror.root: a path is wanted",),
    "[mirror]\nroot = '~nobodyatall/winter'": ("home directory ~nobodyatall",),
    "[mirror]\nroot = 5": ('a path is wanted, in "quotes"',),
    "[mirror]\non_change = 'kep'": ("'kep' is not known; did you mean keep?",),
    "[mirror]\nlayout = '{night}/{filename}'": ("the layout", "it needs {instrument}"),
    "[api]\nconnections = 'many'": ("connections: a whole number is wanted",),
    "[api]\nconnections = 1.5": ("connections: a whole number is wanted",),
    "[api]\nconnections = 17": ("connections: it must be at most 16",),
    "api = 5": ("api: a table is wanted",),
    "[api]\nbase_url = '127.0.0.1:7000'": ("an address is written like",),
    "[api]\nbase_url = 'ftp://127.0.0.1'": ("an address is written like",),
    "[api]\nbase_url = 'http://127.0.0.1/?key=1'": ("no ? and no #",),
    "[api]\nbase_url = 'http://a..b'": ("cannot be the name of a machine",),
    "[http]\nlisten = 'localhost'": ("listen", "127.0.0.1:8765"),
    "[http]\nlisten = '127.0.0.1:65536'": ("listen", "127.0.0.1:8765"),
    "[api]\nuser = 5": ('user: a text is wanted, in "quotes"',),
    "[api\nuser = 5": ("is not TOML", "line 1"),
    "[api]\n\nuser = unquoted": ("is not TOML", "line 3"),
    "since = 2024-02-30": ("is not TOML", "line 1"),
}


def whole_text(error: BaseException) -> str:
    """Give all that any way of printing an error, its causes and its context would show."""
    chain: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        if (one := todo.pop()) is not None and one not in chain:
            chain.append(one)
            todo += [one.__cause__, one.__context__]
    shown = [f"{one} {one!r} {one.__dict__}" for one in chain]
    return "\n".join([*shown, *traceback.format_exception(error)])


@pytest.mark.parametrize("text", FAULTS)
def test_a_fault_is_told_in_the_words_of_the_file(text: str, write: Write) -> None:
    """Each thing that is wrong is told where it stands, with a remedy, and no traceback."""
    with pytest.raises(UsageError) as raised:
        load(write(text))
    for piece in FAULTS[text]:
        assert piece in raised.value.message
    assert raised.value.remedy


@pytest.mark.parametrize("text", FAULTS)
def test_a_fault_shows_no_secret(text: str, write: Write) -> None:
    """Beside right or wrong keys of the same file, no secret is shown in any way of printing."""
    secrets = "".join(f"# {word}\n" for word in (USER, PASSWORD, KEY)) + text
    secrets = secrets.replace("[api]", f"[api]{SECRETS}".replace("user =", "#", "user = 5" in text))
    secrets = secrets.replace("name = ", f"api_key = {json.dumps(KEY)}\nname = ")
    with pytest.raises(UsageError) as raised:
        load(write(secrets))
    assert not leaked(whole_text(raised.value))


def test_all_faults_are_told_at_once(write: Write) -> None:
    """Whoever has three keys wrong learns of all three, each on a line of its own."""
    text = "[api]\nconections = 1\n[mirror]\nmin_free = 'x'\n[http]\nlisten = ''\n"
    with pytest.raises(UsageError) as raised:
        load(write(text))
    _, *lines = raised.value.message.splitlines()
    assert [line.split(":")[0].strip() for line in lines] == [
        "api.conections",
        "mirror.min_free",
        "http.listen",
    ]


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("WINTER_SYNC_API__CONECTIONS", "3", "did you mean WINTER_SYNC_API__CONNECTIONS?"),
        ("WINTER_SYNC_MIROR__ROOT", "/data", "did you mean WINTER_SYNC_MIRROR__ROOT?"),
        ("WINTER_SYNC_API", "{}", "is no setting"),
        ("WINTER_SYNC_PROGRAMS", f'[{{"name": "{PROGRAM}", "api_key": "{KEY}"', "is not JSON"),
        (
            "WINTER_SYNC_PROGRAMS",
            f'{{"name": "{PROGRAM}", "api_key": "{KEY}"}}',
            "a list is wanted",
        ),
        ("WINTER_SYNC_API__BASE_URL", f"http://u:{PASSWORD}@host:1", "no user and password"),
        ("WINTER_SYNC_API__BASE_URL", f"http//u:{PASSWORD}@host:1", "an address is written"),
        ("WINTER_SYNC_API__BASE_URL", "http://u:hush-hush@host:1", "no user and password"),
        ("WINTER_SYNC_API__BASE_URL", "http://obs%2Berver%40example.org@host", "no user and"),
        ("WINTER_API_PROGRAM", "2024A", "eight letters and digits"),
    ],
)
def test_a_wrong_variable_is_told(
    variable: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that is misspelt or does not fit is told, without any secret in it."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(UsageError) as raised:
        load()
    assert told in raised.value.message
    assert raised.value.remedy
    assert not leaked(whole_text(raised.value), "hush-hush")


def test_a_line_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    """The line with the foreign byte is named, and nothing of the file is shown."""
    path = tmp_path / "winter-sync.toml"
    path.write_bytes(f"[api]{SECRETS}# caf".encode() + b"\xe9\n")
    with pytest.raises(UsageError, match="line 4 is not UTF-8") as raised:
        load(path)
    assert not leaked(whole_text(raised.value))


@pytest.mark.parametrize("what", ["absent", "a directory"])
def test_a_settings_file_that_is_none_is_told(what: str, tmp_path: Path) -> None:
    """A file that --config names must be there, and be a file."""
    path = tmp_path if what == "a directory" else tmp_path / "absent.toml"
    with pytest.raises(UsageError, match="there is no settings file") as raised:
        load(path)
    assert module.EXAMPLE in raised.value.remedy


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def tables_of(section: type[Section]) -> st.SearchStrategy[dict[str, Any]]:
    """Give tables with keys that are known and values that may be anything."""
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
        told = load(path, tables).base_url
    except UsageError as fault:
        told = fault.message and fault.remedy
    assert told


RHYTHMS = """
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
        ("2024A000", ImageType.STACK, Rhythm(timedelta(minutes=10), 7, timedelta(days=1))),
        ("2024A000", ImageType.RAW, Rhythm(timedelta(hours=1), 5, timedelta(days=1))),
        ("2024A111", ImageType.STACK, Rhythm(timedelta(minutes=2), 7, timedelta(days=1))),
        ("2024A111", ImageType.DIFF, Rhythm(timedelta(minutes=1), 7, timedelta(days=1))),
        ("2024A111", ImageType.RAW, Rhythm(timedelta(minutes=2), 5, timedelta(days=3))),
    ],
)
def test_the_nearest_rhythm_counts(
    tmp_path: Path, program: str, image_type: ImageType, expected: Rhythm
) -> None:
    """A type of a program goes before the program, that before the type, and that before all."""
    file = tmp_path / "winter-sync.toml"
    file.write_text(RHYTHMS)
    subject = Subject(program, Instrument.WINTER, image_type)
    assert load(file).rhythm(subject) == expected


@pytest.mark.parametrize("text", ["stall_after = 60", 'stall_after = "10m"'])
def test_a_long_wait_is_no_stall(tmp_path: Path, text: str) -> None:
    """What may take ten minutes must not be taken for a stall within them."""
    file = tmp_path / "winter-sync.toml"
    file.write_text(f"[daemon]\n{text}\n")
    with pytest.raises(UsageError, match=r"stall_after must be longer than api\.first_byte"):
        load(file)


def test_an_unknown_key_of_a_rhythm_is_named(tmp_path: Path) -> None:
    """The nearest known one is offered there as well."""
    file = tmp_path / "winter-sync.toml"
    file.write_text("[schedule.types.raw]\npol_every = 60\n")
    with pytest.raises(UsageError, match=r"schedule\.types\.raw\.pol_every.*mean poll_every"):
        load(file)


def test_an_unknown_type_of_a_rhythm_is_named(tmp_path: Path) -> None:
    """So is an image type that is none."""
    file = tmp_path / "winter-sync.toml"
    file.write_text("[schedule.types.stak]\npoll_every = 60\n")
    with pytest.raises(UsageError, match=r"'stak' is not known; did you mean stack"):
        load(file)
