"""Files sent by SAMP, with astropy's own hub and a client that receives them."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from winter_sync.core.errors import UsageError
from winter_sync.science import message_for, send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

IMAGES = "image.load.fits"
TABLES = ("table.load.votable", "table.load.fits")
HUB = Path(__file__).parent.parent / "support" / "samp_hub.py"
Received = tuple[str, str, dict[str, str], bool]
"""A tool, the type of the message, its parameters, and whether the file was there."""


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the lock file of the hub of this test alone."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{(tmp_path / 'lock').as_uri()}")
    return tmp_path / "lock"


@contextmanager
def connected(
    lock: Path, tools: Mapping[str, Sequence[str]], answer: dict[str, Any] | None = None
) -> Iterator[Callable[[], list[Received]]]:
    """Run a hub with tools that load files of these types; returns what they received."""
    given = [
        {"name": name, "types": types, "answer": answer or {"samp.status": "samp.ok"}}
        for name, types in tools.items()
    ]
    command = [sys.executable, str(HUB), str(lock), json.dumps(given)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process:  # noqa: S603 - ours
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield lambda: [json.loads(line) for line in process.communicate()[0].splitlines()]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Return an image, in a directory whose name has to be quoted in a URL."""
    path = tmp_path / "a b" / "stack é.fits"
    path.parent.mkdir()
    fits.PrimaryHDU(np.zeros((3, 3))).writeto(path)
    return path


def test_an_image_is_sent_to_all_that_show_images(lock: Path, image: Path) -> None:
    """By `image.load.fits`, as a URL of the file; tools for tables hear nothing."""
    tools = {"aladin": [IMAGES], "ds9": [IMAGES], "topcat": TABLES}
    with connected(lock, tools) as received:
        assert sorted(send([message_for(image)])) == ["aladin", "ds9"]
        first, second = sorted(received())
    for name, (tool, mtype, given, there) in (("aladin", first), ("ds9", second)):
        assert (tool, mtype) == (name, "image.load.fits")
        assert (given["url"], given["name"]) == (image.as_uri(), image.name)
        assert there


def test_a_table_is_sent_to_the_tool_that_is_named(lock: Path, tmp_path: Path) -> None:
    """Case does not matter; VOTable and FITS tables each by their own message."""
    votable, table = tmp_path / "list.vot", tmp_path / "list.fits"
    Table({"ra": [1.0]}).write(votable, format="votable")
    Table({"ra": [1.0]}).write(table)
    with connected(lock, {"TOPCAT": TABLES, "aladin": TABLES}) as received:
        assert send([message_for(votable), message_for(table)], client="topcat") == ["TOPCAT"]
        messages = received()
    assert [tool for tool, *_ in messages] == ["TOPCAT", "TOPCAT"]
    assert tuple(mtype for _, mtype, *_ in messages) == TABLES
    assert all("table-id" in given for _, _, given, _ in messages)


def test_without_a_hub_it_says_what_to_start(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a hub that is gone left its lock file."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SAMP_HUB", raising=False)
    for left in (None, "samp.secret=x\nsamp.hub.xmlrpc.url=http://127.0.0.1:9/xmlrpc\n"):
        if left is not None:
            (tmp_path / ".samp").write_text(left)
        with pytest.raises(UsageError, match="there is no SAMP hub") as told:
            send([message_for(image)])
        assert "Start TOPCAT" in told.value.remedy


def test_a_tool_that_is_not_there_is_named(lock: Path, image: Path) -> None:
    """With those that could load the file, if any."""
    with connected(lock, {}), pytest.raises(UsageError, match="no tool that is connected can load"):
        send([message_for(image)])
    with connected(lock, {"aladin": [IMAGES]}), pytest.raises(UsageError) as told:
        send([message_for(image)], client="ds9")
    assert told.value.message.startswith("ds9 is not connected, or cannot load stack")
    assert told.value.remedy == "These can: aladin."


def test_a_tool_that_fails_is_told(lock: Path, image: Path) -> None:
    """With its own words."""
    answer = {"samp.status": "samp.error", "samp.error": {"samp.errortxt": "no WCS"}}
    with (
        connected(lock, {"aladin": [IMAGES]}, answer),
        pytest.raises(UsageError, match=r"aladin did not load .*: no WCS"),
    ):
        send([message_for(image)])


def test_what_no_tool_loads_is_refused(tmp_path: Path) -> None:
    """Files that are not there, of another kind, or not what their name says."""
    (tmp_path / "x.avro").write_bytes(b"Obj\x01")
    (tmp_path / "x.fits").write_bytes(b"<html>")
    for name in ("none.fits", "x.avro", "x.fits"):
        with pytest.raises(UsageError) as told:
            message_for(tmp_path / name)
        assert told.value.remedy
