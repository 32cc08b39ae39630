"""A mirror opened in Python, without settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.command import run, served, settings_file

from winter_sync import Mirror
from winter_sync.core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_directory_without_a_mirror_is_refused(tmp_path: Path) -> None:
    """The error names the directory and what to run."""
    with pytest.raises(UsageError, match=f"there is no mirror in {tmp_path}"):
        Mirror.open(tmp_path)


def test_a_mirror_is_opened_by_its_root(tmp_path: Path) -> None:
    """No settings are needed."""
    with served() as archive:
        settings = settings_file(tmp_path, api={"base_url": archive.url})
        assert run("--config", settings, "sync", home=tmp_path).code == 0
    with Mirror.open(tmp_path / "winter") as mirror:
        assert mirror.root == tmp_path / "winter"
