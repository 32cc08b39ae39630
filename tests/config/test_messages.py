"""Messages: faults of the settings are described in their words, without any secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.bare import leave_bare, whole_text, write
from support.command import KEYS, PASSWORD, PROGRAM, USER, leaked

from winter_sync.config.settings import load_settings
from winter_sync.core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

KEY = KEYS[PROGRAM]
SECRETS = f"""
user = {json.dumps(USER)}
password = {json.dumps(PASSWORD)}
"""
FAULTS = {
    "[api]\nconections = 3": ("api.conections", "did you mean connections?"),
    "[scedule]\npoll_every = 1": ("scedule", "did you mean schedule?"),
    "[api]\nzzz = 3": ("api.zzz", "must be one of base_url, user"),
    "[[programs]]\nname = '2024A000'\ncones = [{raa = 1, dec = 2}]": (
        "programs[1].cones[1].raa",
        "did you mean ra?",
    ),
    "[[programs]]\nname = '2024A000'\nimage_types = ['stacks']": (
        "programs[1].image_types[1]: 'stacks' is not known",
        "did you mean stack?",
    ),
    "[[programs]]\nname = '2024A000'\ninstruments = ['wintre']": ("did you mean winter?",),
    "[[programs]]\nname = '2024A000'\nimage_types = 'stack'": ('must be a list, e.g. ["stack"]',),
    "[[programs]]\nname = '2024A000'\nimage_types = []": ("must have at least one entry",),
    "[programs]\nname = '2024A000'": ("programs: must be a list", "[[double brackets]]"),
    "[[programs]]\nname = '2024A0000'": ("eight letters and digits",),
    "[[programs]]\napi_key = 'k'": ("programs[1].name: it is missing",),
    "[[programs]]\nname = '2024A000'\n[[programs]]\nname = '2024A000'": ("2024A000 appears twice",),
    "[[programs]]\nname = '2024A000'\nsince = '20240230'": ("since", "20240230 is not a valid"),
    "[[programs]]\nname = '2024A000'\nsince = true": ("a night is written like",),
    "[[programs]]\nname = '2024A000'\ncones = [{ra = nan, dec = 2}]": ("ra: must be at most 360",),
    "[[programs]]\nname = '2024A000'\ncones = [{ra = 1, dec = -91}]": ("must be at least -90",),
    "[[programs]]\nname = '2024A000'\ncones = [{ra = 1, dec = 2, radius = 0}]": ("more than 0",),
    "[[programs]]\nname = '2024A000'\n"
    "rectangles = [{ra_min = 2, ra_max = 2, dec_min = 1, dec_max = 2}]": ("it has no area",),
    "[[programs]]\nname = '2024A000'\n"
    "rectangles = [{ra_min = 360, ra_max = 0, dec_min = 1, dec_max = 2}]": ("it has no area",),
    "[[programs]]\nname = '2024A000'\n"
    "rectangles = [{ra_min = 1, ra_max = 2, dec_min = 2, dec_max = 1}]": ("above dec_min",),
    "[[programs]]\nname = '2024A000'\ntargets = ['" + "x" * 31 + "']": ("more than 30 characters",),
    "[api]\nsilence_timeout = '10 parsecs'": ("silence_timeout: a duration is written like",),
    "[api]\nsilence_timeout = 0": ("silence_timeout: must be more than 0",),
    "[api]\nsilence_timeout = true": ("silence_timeout: a duration is written like",),
    "[schedule]\npoll_every = inf": ("poll_every: a duration is written like",),
    "[mirror]\nmin_free = '10 GiBs'": ("min_free: a size is written like",),
    "[mirror]\nmin_free = true": ("min_free: a size is written like",),
    "[mirror]\nmin_free = -1": ("min_free: must be at least 0",),
    "[mirror]\nroot = ''": ("mirror.root: must be a path",),
    '[mirror]\nroot = "a\\u0000b"': ("mirror.root: must be a path",),
    "[mirror]\nroot = '~nobodyatall/winter'": ("home directory ~nobodyatall",),
    "[mirror]\nroot = 5": ('must be a path, in "quotes"',),
    "[mirror]\non_change = 'kep'": ("'kep' is not known; did you mean keep?",),
    "[mirror]\nlayout = '{night}/{filename}'": ("the layout", "it needs {instrument}"),
    "[api]\nconnections = 'many'": ("connections: must be a whole number",),
    "[api]\nconnections = 1.5": ("connections: must be a whole number",),
    "[api]\nconnections = 17": ("connections: must be at most 16",),
    "api = 5": ("api: must be a table",),
    "[api]\nbase_url = '127.0.0.1:7000'": ("an address is written like",),
    "[api]\nbase_url = 'ftp://127.0.0.1'": ("an address is written like",),
    "[api]\nbase_url = 'http://127.0.0.1/?key=1'": ("no ? and no #",),
    "[api]\nbase_url = 'http://a..b'": ("not a valid name",),
    "[http]\nlisten = 'localhost'": ("listen", "127.0.0.1:8765"),
    "[http]\nlisten = '127.0.0.1:65536'": ("listen", "127.0.0.1:8765"),
    "[api]\nuser = 5": ('user: must be text, in "quotes"',),
    "[api\nuser = 5": ("is not TOML", "line 1"),
    "[api]\n\nuser = unquoted": ("is not TOML", "line 3"),
    "since = 2024-02-30": ("is not TOML", "line 1"),
}


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    leave_bare(monkeypatch, tmp_path)


@pytest.mark.parametrize("text", FAULTS)
def test_a_fault_is_reported_in_the_words_of_the_file(text: str, tmp_path: Path) -> None:
    """Each fault is reported with its place and a remedy, and without a traceback."""
    with pytest.raises(UsageError) as raised:
        load_settings(write(tmp_path, text))
    for piece in FAULTS[text]:
        assert piece in raised.value.message
    assert raised.value.remedy


@pytest.mark.parametrize("text", FAULTS)
def test_a_fault_shows_no_secret(text: str, tmp_path: Path) -> None:
    """Beside right or wrong keys of the same file, no secret is shown in any way of printing."""
    secrets = "".join(f"# {word}\n" for word in (USER, PASSWORD, KEY)) + text
    secrets = secrets.replace("[api]", f"[api]{SECRETS}".replace("user =", "#", "user = 5" in text))
    secrets = secrets.replace("name = ", f"api_key = {json.dumps(KEY)}\nname = ")
    with pytest.raises(UsageError) as raised:
        load_settings(write(tmp_path, secrets))
    assert not leaked(whole_text(raised.value))


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    """Three wrong keys are all reported, each on a line of its own."""
    text = "[api]\nconections = 1\n[mirror]\nmin_free = 'x'\n[http]\nlisten = ''\n"
    with pytest.raises(UsageError) as raised:
        load_settings(write(tmp_path, text))
    _, *lines = raised.value.message.splitlines()
    assert [line.split(":")[0].strip() for line in lines] == [
        "api.conections",
        "mirror.min_free",
        "http.listen",
    ]


def test_an_unknown_key_of_a_schedule_is_named(tmp_path: Path) -> None:
    """The nearest known key is suggested there as well."""
    file = tmp_path / "winter-sync.toml"
    file.write_text("[schedule.types.raw]\npol_every = 60\n")
    with pytest.raises(UsageError, match=r"schedule\.types\.raw\.pol_every.*mean poll_every"):
        load_settings(file)


def test_an_unknown_type_of_a_schedule_is_named(tmp_path: Path) -> None:
    """So is an unknown image type."""
    file = tmp_path / "winter-sync.toml"
    file.write_text("[schedule.types.stak]\npoll_every = 60\n")
    with pytest.raises(UsageError, match=r"'stak' is not known; did you mean stack"):
        load_settings(file)
