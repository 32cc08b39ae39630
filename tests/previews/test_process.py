"""The process that draws: what it cannot do costs one picture, and nothing else."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from support.fits_images import fits_bomb, fits_image
from support.makers import sha256

from winter_sync.previews.process import DrawingProcess
from winter_sync.previews.requests import Asked, Drawn, Kind, PreviewFile, Refused

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def asked(root: Path, name: str, content: bytes) -> Asked:
    """Write a file, and return the question for its picture."""
    (root / name).write_bytes(content)
    file = PreviewFile(str(root), name, False, len(content), sha256(content), None)  # noqa: FBT003
    return Asked(file, Kind.THUMBNAIL)


async def test_only_the_process_that_draws_ends(tmp_path: Path) -> None:
    """If it is killed, another draws; a bomb is given up by the kernel's alarm."""
    good, bomb = asked(tmp_path, "x", fits_image()), asked(tmp_path, "bomb.fits.gz", fits_bomb())
    process, other = DrawingProcess(), DrawingProcess(patience=0.3)
    assert isinstance(await process.draw(good), Drawn)
    first = process.pid
    assert first is not None
    assert os.getpriority(os.PRIO_PROCESS, first) == 19
    os.kill(first, signal.SIGKILL)
    assert isinstance(await process.draw(good), Drawn)
    assert process.pid not in {None, first}
    assert await other.draw(bomb) == Refused("drawing it takes too long")
    await process.close()
    assert other.pid is None


async def test_a_process_that_does_not_begin_is_no_fault_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a library that it needs, no file is remembered as one that cannot be drawn."""
    broken, one = tmp_path / "astropy", asked(tmp_path, "x", fits_image())
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError\n")
    process = DrawingProcess()
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        said = Refused("the process that draws cannot be started", is_lasting=False)
        assert await process.draw(one) == said
        assert process.pid is None
    assert isinstance(await process.draw(one), Drawn)
    await process.close()
