"""First contact: `init` asks or is told, checks, and writes settings that work, or nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support.command import (
    KEYS,
    OTHER_PROGRAM,
    PASSWORD,
    PROGRAM,
    USER,
    nobody,
    on_a_thread,
    run,
    run_on_terminal,
    served,
)

from winter_sync.cli.setup.files import write_files
from winter_sync.config.readiness import require_ready
from winter_sync.config.settings import load_settings
from winter_sync.core import ExitCode, ImageType, Instrument
from winter_sync.core.errors import WinterSyncError
from winter_sync.simulator import (
    DEFAULT_PASSWORD,
    DEFAULT_USER,
    Observatory,
    Scripted,
    Simulator,
    demo_universe,
    key_of,
    parse_script,
)

if TYPE_CHECKING:
    from pathlib import Path

AT_ONCE = {"WINTER_SYNC_API__REQUEST_INTERVAL": "0s"}
SECRETS = {"WINTER_API_PASSWORD": PASSWORD, "WINTER_API_KEY": KEYS[PROGRAM], **AT_ONCE}
OPTIONS = ("--user", USER, "--program", PROGRAM, "--root", "winter", "--type", "stack")


def files_in(directory: Path) -> dict[str, bytes]:
    """Return everything below a directory."""
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def has_secret(text: str) -> bool:
    """Return whether the password or a key is in a text."""
    return any(secret in text for secret in (PASSWORD, *KEYS.values()))


def test_a_newcomer_is_asked_and_gets_settings_that_work(tmp_path: Path) -> None:
    """Secrets are neither shown nor in the settings, and only the owner can read any file.

    What is refused is asked for again, and nothing else.
    """
    file = tmp_path / ".config/winter-sync/winter-sync.toml"
    with served() as archive:
        said = run_on_terminal(
            "init",
            "--base-url",
            archive.url,
            "--type",
            "stack,diff",
            home=tmp_path,
            environment=AT_ONCE,
            typed=[
                ("User", f"{USER}\n"),
                ("Password", "of another\n"),
                ("Programs", "2024\n"),
                ("eight letters", f"{PROGRAM}\n"),
                (f"Key of {PROGRAM}", f"{KEYS[OTHER_PROGRAM]}\n"),
                ("Directory", "/nonexistent/winter\n"),
                ("does not exist", f"{tmp_path}/winter\n"),
                ("user name or password: ", ""),
                ("User", "\n"),
                ("Password", f"{PASSWORD}\n"),
                (f"program {PROGRAM} or its key: ", ""),
                (f"Key of {PROGRAM}", f"{KEYS[PROGRAM]}\n"),
                ("Write", "\n"),
            ],
        )
    assert said.code == ExitCode.DONE, said.out
    assert "Infrared transients" in said.out
    assert "about" in said.out
    assert re.search(r"  winter-sync check +# is everything ready\?\r\n", said.out)
    assert re.search(r"  winter-sync backfill --from 20\d{6} ", said.out)
    shown = said.out.partition("Infrared")[2] + file.read_text()
    assert [line for line in shown.replace(str(tmp_path), "~").splitlines() if len(line) > 80] == []
    assert not has_secret(said.out)
    assert not has_secret(file.read_text())
    assert {path.stat().st_mode & 0o777 for path in file.parent.iterdir()} == {0o600}
    settings = load_settings(file)
    credentials = require_ready(settings)
    assert (credentials.user, credentials.password) == (USER, PASSWORD)
    assert credentials.keys == {PROGRAM: KEYS[PROGRAM]}
    assert settings.root == tmp_path / "winter"
    assert settings.programs[0].image_types == (ImageType.STACK, ImageType.DIFF)


def test_options_do_as_well_and_nothing_is_overwritten(tmp_path: Path) -> None:
    """A second run is refused and changes nothing; with --force what was there is kept."""
    with served() as archive:
        given = ("init", *OPTIONS, "--base-url", archive.url)
        first = run(*given, home=tmp_path, environment=SECRETS)
        assert first.code == ExitCode.DONE, first.err
        before = files_in(tmp_path)
        second = run(*given, home=tmp_path, environment=SECRETS)
        assert second.code == ExitCode.USAGE
        assert "already there" in second.err
        assert files_in(tmp_path) == before
        third = run(*given, "--force", home=tmp_path, environment=SECRETS)
    assert third.code == ExitCode.DONE, third.err
    after = files_in(tmp_path)
    assert sorted(after.values()) == sorted([*before.values()] * 2)
    assert not has_secret(first.out + first.err + second.out + second.err + third.out + third.err)


@pytest.mark.parametrize(
    ("options", "secrets", "code", "said"),
    [
        ((), {"WINTER_API_PASSWORD": "of another"}, ExitCode.REFUSED, "password"),
        (("--program", OTHER_PROGRAM), {}, ExitCode.REFUSED, OTHER_PROGRAM),
        (("--base-url", "{nobody}"), {}, ExitCode.SERVER_FAILING, "127.0.0.1"),
        (("--root", "/nonexistent/winter"), {}, ExitCode.STORAGE, "/nonexistent does not exist"),
        (("--config", "/proc/winter-sync.toml"), {}, ExitCode.STORAGE, "/proc"),
    ],
    ids=["password", "program", "server", "root", "settings"],
)
def test_what_does_not_work_writes_nothing(
    options: tuple[str, ...],
    secrets: dict[str, str],
    code: ExitCode,
    said: str,
    tmp_path: Path,
) -> None:
    """The error is the archive's or the disk's, with its exit code, and shows no secret."""
    environment = {**SECRETS, f"WINTER_API_KEY_{OTHER_PROGRAM}": KEYS[OTHER_PROGRAM], **secrets}
    with served() as archive, nobody() as address:
        more = [option.format(nobody=address) for option in options]
        ended = run(
            "init",
            *(*OPTIONS[:2], *OPTIONS[4:], "--base-url", archive.url),
            *(more if "--program" in more else [*more, "--program", PROGRAM]),
            home=tmp_path,
            environment=environment,
        )
    assert ended.code == code, ended.err
    assert said in ended.err
    assert not has_secret(ended.out + ended.err)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("faults", "counts"),
    [
        (None, r"stack +5 +5 +100 MB\n"),
        ("capped=2", r"stack +5 +5 +100 MB  listed only: winter 2, spring 2\n"),
        ("422@spring", r"stack +5 +\? +50 MB  no usable answer: spring\n"),
    ],
    ids=["listed", "capped", "no answer"],
)
def test_both_cameras_are_counted(faults: str | None, counts: str, tmp_path: Path) -> None:
    """A camera of which nothing is known, or a listing that is cut, is not shown as a count."""
    script = None if faults is None else Scripted(parse_script(faults))
    environment = {
        "WINTER_API_PASSWORD": DEFAULT_PASSWORD,
        "WINTER_API_KEY": key_of(OTHER_PROGRAM),
        **AT_ONCE,
    }
    with on_a_thread(Simulator(Observatory(demo_universe()), faults=script)) as archive:
        said = run(
            *("init", "--user", DEFAULT_USER, "--program", OTHER_PROGRAM, "--root", "winter"),
            *("--type", "stack", "--instrument", "winter,spring", "--base-url", archive.url),
            home=tmp_path,
            environment=environment,
        )
    assert said.code == ExitCode.DONE, said.err
    assert re.search(counts, said.out), said.out
    total = r"at least 5 files, about 50 MB" if faults == "422@spring" else "10 files, about 100 MB"
    assert f"stack of winter and spring: {total}\n" in said.out
    (program,) = load_settings(tmp_path / ".config/winter-sync/winter-sync.toml").programs
    assert program.instruments == (Instrument.WINTER, Instrument.SPRING)


def test_what_the_environment_answers_is_said_and_kept(tmp_path: Path) -> None:
    """Who pasted what a simulator printed sees so, and the settings lead where `init` checked."""
    with served() as archive:
        environment = {
            **SECRETS,
            "WINTER_API_USER": USER,
            "WINTER_API_PROGRAM": PROGRAM,
            "WINTER_SYNC_API__BASE_URL": archive.url,
        }
        said = run(
            *("init", "--root", "w", "--type", "stack"), home=tmp_path, environment=environment
        )
    assert said.code == ExitCode.DONE, said.err
    variables = (
        "WINTER_API_USER, WINTER_API_PASSWORD, WINTER_API_PROGRAM, WINTER_SYNC_API__BASE_URL"
    )
    assert f"from the environment: {variables}\n" in said.out
    file = tmp_path / ".config/winter-sync/winter-sync.toml"
    assert load_settings(file).base_url == archive.url


def test_in_a_pipe_all_that_is_missing_is_named(tmp_path: Path) -> None:
    """There is nobody to ask: the options and variables are named, all at once."""
    said = run("init", "--program", PROGRAM, home=tmp_path)
    assert said.code == ExitCode.USAGE
    for option in ("--root", "--user", "WINTER_API_PASSWORD", f"WINTER_API_KEY_{PROGRAM}"):
        assert option in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "typed",
    [
        [("Password", "\x03")],
        [
            ("Password", f"{PASSWORD}\n"),
            ("Key", f"{KEYS[PROGRAM]}\n"),
            ("Types", "stars\n"),
            ("Write one", "raw, diff\n"),
            ("Write them", "\x03"),
        ],
    ],
    ids=["at a hidden prompt", "at the end"],
)
def test_an_interrupted_one_writes_nothing(typed: list[tuple[str, str]], tmp_path: Path) -> None:
    """Ctrl-C at any prompt ends it with the exit code of an interrupt."""
    said = run_on_terminal("init", "--no-check", *OPTIONS[:6], home=tmp_path, typed=typed)
    assert said.code == ExitCode.INTERRUPTED, said.out
    assert "nothing was written" in said.out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [None, ".backup"])
def test_files_are_written_together_or_not_at_all(tmp_path: Path, suffix: str | None) -> None:
    """If the last cannot be put in its place, those before it are as they were."""
    first, second, last = (tmp_path / name for name in ("first", "second", "last"))
    second.write_text("old")
    last.mkdir()
    if suffix is None:
        second.unlink()
    before = files_in(tmp_path)
    with pytest.raises(WinterSyncError):
        write_files(dict.fromkeys((first, second, last), "new"), backup_suffix=suffix)
    assert files_in(tmp_path) == before
