"""The annotated example of the settings agrees with the code, and can be used as it is."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from support.command import CHECKOUT

from winter_sync.config.sections import (
    EXAMPLE,
    ApiSettings,
    ConeSettings,
    DaemonSettings,
    EventsSettings,
    FactsSettings,
    HttpSettings,
    MirrorSettings,
    PagesSettings,
    ProgramSettings,
    RectangleSettings,
    ScheduleSettings,
    Section,
    SinkSettings,
    ToOSettings,
)
from winter_sync.config.settings import Settings, load_settings
from winter_sync.core.queries import Cone, Rectangle, Target

if TYPE_CHECKING:
    from pathlib import Path

TEXT = (CHECKOUT / EXAMPLE).read_text()
TABLES: dict[str, type[Section]] = {
    "api": ApiSettings,
    "mirror": MirrorSettings,
    "schedule": ScheduleSettings,
    "daemon": DaemonSettings,
    "too": ToOSettings,
    "facts": FactsSettings,
    "http": HttpSettings,
    "pages": PagesSettings,
    "events": EventsSettings,
    "programs": ProgramSettings,
}
KEY = re.compile(r"^# (?=\w+ = )", re.MULTILINE)
REGION = re.compile(r"^#   (?=(targets|cones|rectangles) = )", re.MULTILINE)
NO_REGION = re.compile(r"^(# )?(targets|cones|rectangles) = \[\]$", re.MULTILINE)


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove the developer's variables from the environment."""
    for name in ("WINTER_SYNC_CONFIG", "WINTER_API_PROGRAM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def used(tmp_path: Path, text: str) -> Settings:
    """Read settings with this text."""
    path = tmp_path / "winter-sync.toml"
    path.write_text(text)
    return load_settings(path)


def keys(name: str, *, commented: bool) -> dict[str, Any]:
    """Return the keys of a table of the example that are commented out, or that are not."""
    _, _, rest = re.sub(r"#(?! \w+ = ).*", "", TEXT).partition(f"[{name}]")
    body = re.split(r"^\[", rest, flags=re.MULTILINE)[0].removeprefix("]")
    pattern = r"^# (\w+ = .+)$" if commented else r"^(\w+ = .+)$"
    return tomllib.loads("\n".join(re.findall(pattern, body, re.MULTILINE)))


@pytest.mark.parametrize("name", TABLES)
def test_every_key_is_there(name: str) -> None:
    """Each table of the example has each key that the code knows, and no other."""
    assert {*keys(name, commented=True), *keys(name, commented=False)} == {
        *TABLES[name].model_fields
    }
    assert {*TABLES, "sinks"} == set(Settings.model_fields)


@pytest.mark.parametrize("name", TABLES)
def test_every_default_is_the_codes(name: str) -> None:
    """A key that has a default is commented out, with exactly that default."""
    required = {"name": "2024A000"} if name == "programs" else {}
    shown = TABLES[name](**required, **keys(name, commented=True))
    with_defaults = {
        key
        for key, described in TABLES[name].model_fields.items()
        if not described.is_required() and described.default is not None
    }
    assert with_defaults
    assert with_defaults <= set(keys(name, commented=True))
    unset = TABLES[name](**required)
    for key in with_defaults:
        assert getattr(shown, key) == getattr(unset, key), key


def test_it_can_be_used_as_it_stands(tmp_path: Path) -> None:
    """Copied as it is, the example is right, and sets nothing but the root and a program."""
    settings = used(tmp_path, TEXT)
    tables = settings.model_fields_set - {"programs"}
    assert {name for name in tables if getattr(settings, name).model_fields_set} == {"mirror"}
    assert [selection.program for selection in settings.selections] == ["2024A000"]


def test_it_can_be_used_with_every_key_set(tmp_path: Path) -> None:
    """The example is also right with every key uncommented."""
    text = KEY.sub("", TEXT)
    settings = used(tmp_path, text)
    assert text.count("\n# ") < TEXT.count("\n# ")
    assert settings.api.model_fields_set == set(ApiSettings.model_fields)
    assert settings.programs[0].model_fields_set == set(ProgramSettings.model_fields)


def test_its_sinks_can_be_used(tmp_path: Path) -> None:
    """The example's sinks are right, name every key, and show the defaults that they can."""
    block = TEXT.partition("# Other programs that are told")[2].partition("# What to mirror")[0]
    lines = [line.removeprefix("#    ") for line in block.splitlines() if line.startswith("#    ")]
    sinks = used(tmp_path, "\n".join(line for line in lines if line[:1] != " ")).sinks
    assert [sink.name for sink in sinks] == ["reduce", "chat"]
    named = {key for sink in sinks for key in sink.model_fields_set}
    assert named == set(SinkSettings.model_fields) - {"secret"}
    for key in ("types", "batch", "at_most", "quiet", "timeout"):
        assert getattr(sinks[0], key) == SinkSettings.model_fields[key].default, key


def test_its_regions_can_be_used(tmp_path: Path) -> None:
    """The example's target, cone and rectangle are right, name every key, and show the default."""
    text = REGION.sub("", NO_REGION.sub("", TEXT))
    (program,) = used(tmp_path, text).programs
    kinds = [type(region) for region in program.selection.regions]
    assert kinds == [Target, Cone, Rectangle]
    assert program.cones[0].model_fields_set == set(ConeSettings.model_fields)
    assert program.cones[0].radius == ConeSettings.model_fields["radius"].default
    assert program.rectangles[0].model_fields_set == set(RectangleSettings.model_fields)


def test_its_programs_in_the_environment_can_be_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The example's WINTER_SYNC_PROGRAMS can be used in an environment as it is."""
    found = re.search(r"WINTER_SYNC_PROGRAMS='(.+)'", TEXT)
    assert found is not None
    monkeypatch.setenv("WINTER_SYNC_PROGRAMS", found[1])
    programs = used(tmp_path, "").programs
    assert [program.name for program in programs] == [json.loads(found[1])[0]["name"]]
