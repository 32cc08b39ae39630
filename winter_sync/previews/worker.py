"""The process that draws previews: `python -m` this module.

astropy and Pillow live here and in no process that downloads. A question a line comes on standard
input; each answer goes to standard output. It ends when its input does, so also when whoever
started it is gone, and when one picture takes it too long: that is the kernel's alarm, which no
library can hold up.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from winter_sync.core import (
    TreeFiles,
    closing_descriptor,
    sha256_of_descriptor,
    take_second_place,
)
from winter_sync.previews.requests import LARGEST, READY, Asked, Drawn, Kind, Refused, answer_head
from winter_sync.science import NoPictureError, draw_picture

if TYPE_CHECKING:
    from winter_sync.previews.requests import PreviewFile

_NEEDED = ("astropy.io.fits", "astropy.visualization", "PIL.JpegImagePlugin")
_LONGEST_REASON = 300


def main(patience: str) -> None:
    """Answer questions until there are no more.

    Parameters
    ----------
    patience
        After how many seconds with one picture to end.
    """
    take_second_place()
    for name in _NEEDED:
        import_module(name)
    _send(READY)
    for line in sys.stdin.buffer:
        signal.setitimer(signal.ITIMER_REAL, float(patience))
        answer = draw(Asked.of_line(line))
        signal.setitimer(signal.ITIMER_REAL, 0)
        _send(answer_head(answer))
        if isinstance(answer, Drawn):
            _send(answer.picture + answer.places)


def draw(asked: Asked) -> Drawn | Refused:
    """Draw a picture, or say why there is none."""
    file = asked.file
    try:
        with (
            TreeFiles(Path(file.root), follow_links=file.follow_links) as files,
            closing_descriptor(files.open(file.path)) as descriptor,
        ):
            if not _is_same(descriptor, file):
                return Refused("the file is not as it was downloaded", is_lasting=False)
            return _draw(descriptor, asked)
    except (OSError, ValueError):
        return Refused("the file cannot be opened", is_lasting=False)


def _is_same(descriptor: int, file: PreviewFile) -> bool:
    """Return whether a file has the content that was downloaded; read it only if in doubt."""
    found = os.fstat(descriptor)
    return (
        stat.S_ISREG(found.st_mode)
        and found.st_size == file.size
        and (found.st_mtime_ns == file.mtime_ns or sha256_of_descriptor(descriptor) == file.sha256)
    )


def _draw(descriptor: int, asked: Asked) -> Drawn | Refused:
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        with open(descriptor, "rb", closefd=False) as file:
            picture = draw_picture(
                file,
                asked.kind.value,
                extension=asked.extension,
                with_sky=asked.kind is Kind.VIEW,
            )
    except NoPictureError as reason:
        return Refused(str(reason)[:_LONGEST_REASON])
    places = json.dumps(picture.as_json, allow_nan=False, separators=(",", ":")).encode()
    if max(len(picture.jpeg), len(places)) > LARGEST:
        return Refused("its picture would be too large")
    return Drawn(picture.jpeg, places)


def _send(content: bytes) -> None:
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
