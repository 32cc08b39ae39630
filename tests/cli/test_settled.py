"""`sync` finds out which nights are settled, and `status` shows it: the real commands."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from support.command import PROGRAM, run, served, settings_file

if TYPE_CHECKING:
    from pathlib import Path


def test_a_night_settles_by_the_second_sync(tmp_path: Path) -> None:
    """The first downloads it, the second sees that nothing changed."""
    with served() as archive:
        settings = settings_file(
            tmp_path,
            programs=[{"image_types": ["stack", "diff"]}],
            api={"base_url": archive.url},
            schedule={"settle_after": "0s"},
        )
        assert run("--config", settings, "sync", home=tmp_path).code == 0
        first = json.loads(run("--config", settings, "status", "--json", home=tmp_path).out)
        assert first["settled"] == []
        assert run("--config", settings, "sync", home=tmp_path).code == 0
    said = json.loads(run("--config", settings, "status", "--json", home=tmp_path).out)
    nights = {night["night"] for night in said["nights"]}
    assert {(night["program"], night["night"]) for night in said["settled"]} == {
        (PROGRAM, night) for night in nights
    }
    shown = run("--config", settings, "status", home=tmp_path).out
    assert f"Settled nights: {PROGRAM} {len(nights)}, newest {max(nights)}." in shown
    night = max(nights)
    one = json.loads(
        run("--config", settings, "status", "--night", night, "--json", home=tmp_path).out
    )
    assert set(one["settled"]) == {PROGRAM}
    counted = {kind["image_type"]: kind["here"] for kind in one["kinds"]}
    assert counted == {
        kind["image_type"]: kind["published"] for kind in said["nights"] if kind["night"] == night
    }
    assert all(kind["listed"] == kind["here"] and kind["last_change"] for kind in one["kinds"])
    shown = run("--config", settings, "status", "--night", night, home=tmp_path).out
    assert f"{PROGRAM}: settled since " in shown
    empty = run("--config", settings, "status", "--night", "20240230", home=tmp_path)
    assert empty.code == 2
    root = tmp_path / "winter"
    for night in said["settled"]:
        sums = (root / ".winter-sync" / night["manifest"]).with_suffix(".SHA256SUMS")
        checked = subprocess.run(  # noqa: S603 - coreutils
            ["sha256sum", "--check", "--strict", str(sums)],  # noqa: S607 - as above
            cwd=root,
            check=False,
            capture_output=True,
        )
        assert checked.returncode == 0
