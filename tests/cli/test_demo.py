"""The demonstration shows the main task and verifies it, without touching anything real."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from support.command import run, run_on_terminal, settings_file

from winter_sync.cli import demo
from winter_sync.cli.screen import Screen
from winter_sync.core.errors import ExitCode
from winter_sync.core.layout import STATE_DIR
from winter_sync.monitoring.log_setup import configure_logging

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def test_the_demo_shows_the_tree_by_night_and_proves_it(tmp_path: Path) -> None:
    """On a terminal there is progress, then the tree, the status, the proof and a second run."""
    root = tmp_path / "tree"
    said = run_on_terminal("demo", "--root", root, home=tmp_path)
    plain = ESCAPE.sub("", said.out).replace("\r\n", "\n")
    assert said.code == ExitCode.DONE, plain
    assert "/250" in plain
    told = plain[plain.rindex("247 downloaded") :]
    assert re.search(r"^It took [^\n]* of memory at most\.$", told, re.MULTILINE)
    for line in (
        "└── winter",
        "20251023: 186 files, 3.19 MB",
        "processed_after_psf_with_color: 1 file, 14.4 kB",
        "Last night (20251023): all 247 listed are here (3.91 MB), 3 science listed, not",
        "247 of 247 files are the observatory's, byte for byte.",
        "3 are listed, but the observatory has no file for them.",
    ):
        assert line in told
    assert "Nothing new" in told
    assert max(map(len, told.splitlines())) <= 80
    files = [path for path in root.rglob("*.*") if path.is_file() and STATE_DIR not in path.parts]
    assert len(files) == 247


def test_the_demo_keeps_away_from_what_is_real(tmp_path: Path) -> None:
    """It does not use the user's settings and variables, and touches none of their directories."""
    settings = settings_file(tmp_path, mirror={"state": str(tmp_path / "state")})
    environment = {
        "WINTER_SYNC_CONFIG": str(settings),
        "WINTER_SYNC_MIRROR__LAYOUT": "{instrument}/{image_type}/{night}/{filename}",
        "WINTER_SYNC_API__BASE_URL": "http://127.0.0.1:9",
        "WINTER_API_USER": "somebody",
    }
    said = run("demo", "--root", tmp_path / "tree", home=tmp_path, environment=environment)
    assert said.code == ExitCode.DONE
    assert "247 of 247 files" in said.out
    assert said.err == ""
    assert "\x1b" not in said.out
    assert sorted(path.name for path in tmp_path.glob("[!.]*")) == ["settings.toml", "tree"]


def test_the_demo_refuses_a_directory_with_something_in_it(tmp_path: Path) -> None:
    """Simulated data are never mixed with files that are there already."""
    (tmp_path / "mine").write_text("real")
    said = run("demo", "--root", tmp_path, home=tmp_path)
    assert said.code == ExitCode.USAGE
    assert "is not empty" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def spoil(root: Path) -> None:
    """Change a file, and remove another."""
    first, second, *_ = sorted(root.glob("winter/*/final/*"))
    first.write_bytes(first.read_bytes()[:-1] + b"x")
    second.unlink()


async def test_the_demo_notices_a_file_that_is_wrong(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The verification can fail: with a byte changed and a file gone it names both."""
    shown = io.StringIO()
    honest = demo._prove

    async def prove(url: str, root: Path) -> demo.Proof:
        spoil(root)
        return await honest(url, root)

    monkeypatch.setattr(demo, "_prove", prove)
    console = Screen()
    console.file = shown
    code = await demo.demonstrate(tmp_path / "tree", configure_logging(str, level="error"), console)
    assert code == ExitCode.INCOMPLETE
    assert "245 of 247 files are the observatory's" in shown.getvalue()
    assert shown.getvalue().count("differs or is absent: /data/loki/data/winter/20251023/fin") == 2
