"""Secrets: where they may come from, which place takes precedence, and that none is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.bare import leave_bare, whole_text
from support.command import KEYS, OTHER_PROGRAM, PASSWORD, PROGRAM, USER, leaked

from winter_sync.config.readiness import read_credentials
from winter_sync.config.settings import Settings, load_settings
from winter_sync.core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    leave_bare(monkeypatch, tmp_path)


def made(**tables: Any) -> Settings:  # noqa: ANN401 - as a file has them
    """Make settings directly."""
    return Settings(**tables)


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
        known = read_credentials(load_settings(None, given))
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
    """WINTER_API_KEY goes to the program that it is for, and never to another."""
    monkeypatch.setenv("WINTER_API_KEY", "of the environment")
    if named:
        monkeypatch.setenv("WINTER_API_PROGRAM", named)
    settings = made(
        api={"user": USER, "password": PASSWORD},
        programs=[{"name": name} for name in programs],
    )
    try:
        keys = set(read_credentials(settings).keys)
    except UsageError as missing:
        keys = {name for name in programs if name not in missing.message}
    assert keys == expected


def test_all_that_is_missing_is_reported_at_once() -> None:
    """A first-time user learns of every missing secret, and of each place it may be in."""
    settings = made(programs=[{"name": PROGRAM}, {"name": OTHER_PROGRAM}])
    with pytest.raises(UsageError) as raised:
        read_credentials(settings)
    for piece in (
        "no user name is set",
        "no password is set",
        f"no API key of program {PROGRAM} is set",
        'password_file = "FILE" under [api]',
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
def test_a_secret_file_that_cannot_be_used_is_reported(
    content: bytes | None, told: str, tmp_path: Path
) -> None:
    """A secret file that is absent, empty or invalid is named, its content never."""
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    settings = made(api={"user": USER, "password_file": path})
    with pytest.raises(UsageError, match=told) as raised:
        read_credentials(settings)
    assert str(path) in raised.value.message
    assert raised.value.remedy
    assert not leaked(whole_text(raised.value))


def test_settings_and_credentials_show_no_secret() -> None:
    """Printing the settings or the credentials prints no secret."""
    settings = made(
        api={"user": USER, "password": PASSWORD},
        programs=[{"name": PROGRAM, "api_key": KEYS[PROGRAM]}],
    )
    shown = f"{settings!r} {settings} {settings.model_dump_json()} {read_credentials(settings)!r}"
    assert not leaked(shown)
    assert read_credentials(settings).keys == {PROGRAM: KEYS[PROGRAM]}
