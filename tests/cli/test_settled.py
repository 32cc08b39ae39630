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
