"""The tutorial in Python: each cell runs in a real kernel, and the page shows what came out."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from run_tutorial import TUTORIAL, read_tutorial, run_tutorial

if TYPE_CHECKING:
    from nbformat import NotebookNode


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> NotebookNode:
    """Return the tutorial with what came out of its cells just now."""
    return run_tutorial(tmp_path_factory.mktemp("tutorial"))


def kinds(notebook: NotebookNode) -> list[set[str]]:
    """Return what kinds of output each cell of code has."""
    return [
        {kind for output in cell.outputs for kind in output.get("data", {"text": ""})}
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def said(notebook: NotebookNode, words: str) -> str:
    """Return what the first cell that contains these words printed or showed as text."""
    cell = next(cell for cell in notebook.cells if words in cell.source and "outputs" in cell)
    return "\n".join(output.get("text") or output["data"]["text/plain"] for output in cell.outputs)


def test_every_cell_of_the_tutorial_runs(ran: NotebookNode) -> None:
    """And the outputs on the page are of the kinds that come out now."""
    assert kinds(read_tutorial()) == kinds(ran)


def test_the_tutorial_shows_what_its_text_says(ran: NotebookNode) -> None:
    """The target's stack is found and deep, the place is covered, an object has a light curve."""
    assert "1 product, 1 on this machine" in said(ran, "stacks = ")
    assert "observed, 10 images" in said(ran, "place.summary")
    assert "never observed by any image on this machine" in said(ran, "nowhere.summary")
    assert said(ran, "light_curve").count("2024-02-") > 1
    assert said(ran, "query_images_by_cone").count("ZTF24aaahxwr") == 8


def test_the_picture_of_the_tutorial_shows_a_star(ran: NotebookNode) -> None:
    """In the middle of each cutout something is brighter than around it."""
    cell = next(cell for cell in ran.cells if "cutouts = " in cell.source)
    content = base64.b64decode(cell.outputs[0]["data"]["image/png"])
    picture = np.asarray(Image.open(io.BytesIO(content)).convert("L"), dtype=float)
    panel = picture[8:188, 8:188]
    assert panel[80:100, 80:100].mean() > 2 * np.median(panel)


def test_the_tutorial_names_no_place_of_this_machine() -> None:
    """Its outputs hold no path of whoever ran it last, and no secret of the simulator."""
    text = TUTORIAL.read_text()
    assert "/tmp" not in text  # noqa: S108 - looked for, not used
    assert "simulated-" not in text
