"""The process that draws: what it cannot do costs one picture, and nothing else."""

from __future__ import annotations

import os
import signal
from contextlib import aclosing
from typing import TYPE_CHECKING

from support.fits_images import fits_bomb, fits_image
from support.makers import sha256

from winter_sync.previews.process import DrawingProcess
from winter_sync.previews.requests import Asked, Drawn, Kind, PreviewFile, Refused

if TYPE_CHECKING:
    from pathlib import Path


def asked(root: Path, name: str, content: bytes) -> Asked:
    """Write a file, and return the question for its picture."""
    (root / name).write_bytes(content)
    file = PreviewFile(str(root), name, False, len(content), sha256(content), None)  # noqa: FBT003
    return Asked(file, Kind.THUMBNAIL)


async def test_a_file_that_takes_too_long_ends_the_process_alone(tmp_path: Path) -> None:
    """A bomb is given up by the kernel's alarm; so is a process that was killed; others go on."""
    bomb, good = asked(tmp_path, "bomb.fits.gz", fits_bomb()), asked(tmp_path, "x", fits_image())
    async with aclosing(Closing(DrawingProcess(patience=0.3))) as closing:
        process = closing.process
        assert await process.draw(bomb) == Refused("drawing it takes too long")
        assert process.pid is None
        process = DrawingProcess()
        closing.process = process
        assert isinstance(await process.draw(good), Drawn)
        assert process.pid is not None
        first = process.pid
        assert os.getpriority(os.PRIO_PROCESS, first) == 19
        os.kill(first, signal.SIGKILL)
        assert await process.draw(good) == Refused("drawing it failed")
        assert isinstance(await process.draw(good), Drawn)
        assert process.pid not in {None, first}


class Closing:
    """A process that is ended with a block."""

    def __init__(self, process: DrawingProcess) -> None:
        self.process = process

    async def aclose(self) -> None:
        """End it."""
        await self.process.close()
