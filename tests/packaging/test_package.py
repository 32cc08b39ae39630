"""What is packed: the wheel has all that is used, says what it is, and has one version."""

from __future__ import annotations

import re
import subprocess
import tomllib
import zipfile
from email import message_from_string
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from package import build
from packaging.requirements import Requirement

import winter_sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message

CHECKOUT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
PICTURE = CHECKOUT / "docs" / "images" / "demo.svg"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """Return the wheel of this checkout."""
    [path] = build(CHECKOUT, tmp_path_factory.mktemp("dist"), "wheel", epoch=1_700_000_000)
    with zipfile.ZipFile(path) as packed:
        yield packed


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    """Return what the wheel says of itself."""
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return message_from_string(wheel.read(name).decode())


def test_every_file_of_the_package_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    """Templates, static files, interfaces and `py.typed` are there, and nothing of anybody else."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "winter_sync"]
    files = subprocess.run(listed, cwd=CHECKOUT, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == {name for name in files.stdout.split() if (CHECKOUT / name).exists()}
    assert "winter_sync/py.typed" in packed


def test_the_wheel_says_what_it_is(metadata: Message) -> None:
    """Name, licence, Python, what it needs, its extras, and a description that is the README."""
    assert (metadata["Name"], metadata["License-Expression"]) == ("winter-sync", "MIT")
    assert metadata["Summary"] == PROJECT["description"]
    assert metadata["Requires-Python"] == PROJECT["requires-python"]
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert "# winter-sync" in str(metadata.get_payload())
    assert set(metadata.get_all("Classifier") or ()) == set(PROJECT["classifiers"])
    extras = PROJECT.get("optional-dependencies", {})
    assert set(metadata.get_all("Provides-Extra") or ()) == set(extras)
    needed = [Requirement(text) for text in metadata.get_all("Requires-Dist") or ()]
    always = {each.name: each.specifier for each in needed if each.marker is None}
    wanted = map(Requirement, PROJECT["dependencies"])
    assert always == {each.name: each.specifier for each in wanted}


def test_the_version_is_written_once(metadata: Message) -> None:
    """The wheel, `--version` and Python have that of `winter_sync/__init__.py`."""
    version = winter_sync.__version__
    assert metadata["Version"] == version
    assert "version" not in PROJECT
    sources = [*(CHECKOUT / "winter_sync").rglob("*.py"), CHECKOUT / "pyproject.toml"]
    written = [path.name for path in sources if f'"{version}"' in path.read_text()]
    assert written == ["__init__.py"]


def test_the_picture_of_the_demo_is_small_and_asks_nobody() -> None:
    """The recorded picture can be shown anywhere: no script, no other file, less than 100 kB."""
    drawn = PICTURE.read_text()
    assert len(drawn.encode()) < 100_000
    assert "$ winter-sync demo" in drawn
    assert not re.search(r"<script|@import|url\(|(?:href|src)=\"(?!#)", drawn)
