"""Keeps packed members on disk, so that repeated runs cost neither making nor compressing."""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from winter_sync.simulator.packing.zips import Packed, ZipStyle, pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HEAD = struct.Struct("<8sIQQ")
_MAGIC = b"WSYNCZM1"
_PIECE = 1024 * 1024


class MemberStore:
    """A directory of packed members, one file each; None packs anew every time.

    The directory may be kept between runs and shared by several simulators: a member's name
    tells all that its content depends on.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def packed(self, key: tuple[object, ...], style: ZipStyle, make: Callable[[], bytes]) -> Packed:
        """Return the packed member of a key, making and keeping it if it is not there yet."""
        if self._directory is None:
            return pack(make(), style)
        level = style.level if style.method == "deflated" else 0
        name = hashlib.sha256(repr((*key, style.method, level)).encode()).hexdigest()
        path = self._directory / name[:2] / name
        if not path.exists():
            _write(path, pack(make(), style))
        return _read(path)


def _read(path: Path) -> Packed:
    with path.open("rb") as file:
        _, crc, size, packed_size = _HEAD.unpack(file.read(_HEAD.size))
    return Packed(size, crc, packed_size, lambda: _pieces(path))


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(_HEAD.size)
        while piece := file.read(_PIECE):
            yield piece


def _write(path: Path, packed: Packed) -> None:
    """Write aside and rename, so that two simulators may share the directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_HEAD.pack(_MAGIC, packed.crc, packed.size, packed.packed_size))
            file.writelines(packed.pieces())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
