"""What is drawn: which file, how large; and how the process that draws is asked for it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

READY = b"ready\n"
LARGEST = 16 * 1024 * 1024
"""Bytes of a part of an answer."""
_DRAWING = 1
"""Another number whenever something is drawn in another way: what is kept then is drawn again."""


class Kind(Enum):
    """How large a picture is: its longer side in pixels, at most."""

    THUMBNAIL = 160
    VIEW = 2400
    """An image of any of the cameras, pixel for pixel."""


@dataclass(frozen=True, slots=True)
class PreviewFile:
    """A file of which there may be a preview, as the catalog knows it.

    Parameters
    ----------
    root, path
        The root of the tree, and the path of the file below it.
    follow_links
        Whether directories of the tree may be symbolic links.
    size, sha256
        What was downloaded.
    mtime_ns
        When that was, by the file; None if unknown.
    """

    root: str
    path: str
    follow_links: bool
    size: int
    sha256: str
    mtime_ns: int | None


@dataclass(frozen=True, slots=True)
class PreviewCounts:
    """How many previews were drawn and how many could not be, and how many bytes are kept."""

    made: int = 0
    failed: int = 0
    kept_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """A question to the process that draws."""

    file: PreviewFile
    kind: Kind
    extension: int | None = None
    """The HDU to draw alone; None for all images of the file."""

    @property
    def name(self) -> str:
        """The name of what is drawn: the same for the same content, size and HDU."""
        extension = "" if self.extension is None else f"-{self.extension}"
        return f"{self.file.sha256}-{self.kind.value}{extension}-{_DRAWING}"

    @property
    def line(self) -> bytes:
        """The question as it is sent."""
        asked = {"file": asdict(self.file), "kind": self.kind.name, "extension": self.extension}
        return json.dumps(asked).encode() + b"\n"

    @classmethod
    def of_line(cls, line: bytes) -> Asked:
        """Read a question."""
        asked: dict[str, Any] = json.loads(line)
        return cls(PreviewFile(**asked["file"]), Kind[asked["kind"]], asked["extension"])


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the process has drawn: a JPEG, and what a browser needs to find pixels in it."""

    picture: bytes
    places: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """Why there is no picture."""

    reason: str
    is_lasting: bool = True
    """Whether the same content will be refused again, wherever it is."""


def answer_head(answer: Drawn | Refused) -> bytes:
    """Return the line that begins an answer; the parts of a drawing follow it."""
    if isinstance(answer, Refused):
        return json.dumps({"refused": answer.reason, "lasting": answer.is_lasting}).encode() + b"\n"
    return json.dumps({"sizes": [len(answer.picture), len(answer.places)]}).encode() + b"\n"


def read_head(line: bytes) -> tuple[int, int] | Refused:
    """Return the sizes of the parts that follow, or why there are none.

    Raises
    ------
    ValueError
        If it is the beginning of no answer.
    """
    said = json.loads(line)
    if isinstance(said, dict) and isinstance(reason := said.get("refused"), str):
        return Refused(reason[:500], said.get("lasting") is True)
    match said:
        case {"sizes": [int(first), int(second)]} if 0 < first <= LARGEST and 0 < second <= LARGEST:
            return first, second
    raise ValueError("this is no answer")
