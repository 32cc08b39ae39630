"""`winter-sync show --samp`: files, and the answer of `list`, sent to tools by SAMP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from astropy.io import fits
from science.test_samp import IMAGES, TABLES, connected
from support.alerts import alert_file, mirror_of, record
from support.command import Said, run, settings_file

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """Return settings of a mirror of two files of alerts."""
    mirror_of(tmp_path / "winter", alert_file([record(0)]), alert_file([record(1)]))
    return settings_file(tmp_path)


def show(settings: Path, *arguments: str) -> Said:
    """Run the command, with the hub of this test."""
    home = settings.parent
    hub = {"SAMP_HUB": f"std-lockurl:{(home / 'lock').as_uri()}"}
    return run("--config", settings, "show", *arguments, home=home, environment=hub)


def test_files_are_sent(settings: Path) -> None:
    """To all tools that can load them, or to one."""
    image = settings.parent / "stack.fits"
    fits.PrimaryHDU(np.zeros((3, 3))).writeto(image)
    tools = {"aladin": [IMAGES], "ds9": [IMAGES]}
    with connected(settings.parent / "lock", tools) as received:
        said = show(settings, "--samp", str(image), "--client", "DS9")
        assert (said.code, said.out, said.err) == (0, "Sent 1 file to ds9.\n", "")
        ((tool, mtype, given, there),) = received()
    assert (tool, mtype, given["url"], there) == ("ds9", IMAGES, image.as_uri(), True)


def test_products_are_sent_as_a_table(settings: Path) -> None:
    """With the conditions of `list`; the file is there until the tool has read it."""
    with connected(settings.parent / "lock", {"topcat": TABLES}) as received:
        said = show(settings, "--samp", "--type", "avro")
        assert (said.code, said.err) == (0, "")
        assert said.out == "Sent a table of 2 products to topcat.\n"
        nothing = show(settings, "--samp", "--type", "stack")
        assert (nothing.code, nothing.out) == (0, "No products match; nothing was sent.\n")
        ((tool, mtype, given, there),) = received()
    assert (tool, mtype, given["name"], there) == ("topcat", TABLES[0], "winter-sync list", True)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["x.fits"], "Add --samp"),
        (["--samp"], "show --samp FILE.fits"),
        (["--samp", "x.fits", "--type", "stack"], "files or the answer"),
        (["--samp", "x.fits"], "x.fits is not a file"),
        (["--samp", "--type", "avro"], "there is no SAMP hub"),
    ],
)
def test_a_mistake_is_answered_by_what_to_write(
    settings: Path, arguments: list[str], what: str
) -> None:
    """Exit code 2, and an example or what to start."""
    said = show(settings, *arguments)
    assert said.code == 2
    assert what in said.err
