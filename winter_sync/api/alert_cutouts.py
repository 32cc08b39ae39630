"""Cutouts of alerts saved: as the FITS files that they are, or side by side as PNG."""

from __future__ import annotations

import re
from hashlib import sha256
from io import BytesIO
from itertools import islice
from math import prod
from typing import TYPE_CHECKING, Any

from winter_sync.core import ErrorCode, UsageError
from winter_sync.science import Panel, draw_strip, replacing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from winter_sync.api.alerts import MirrorAlert
    from winter_sync.core import Cutouts

_UNSAFE = re.compile(r"^-|[^A-Za-z0-9+_-]")
_LONGEST_NAME = 120
"""Characters; what a name is of may be longer."""
_MOST_HDUS = 100
_NAMES = ("science", "template", "difference")


def save_cutouts(alert: MirrorAlert, directory: Path, *, png: bool = False) -> list[Path]:
    """Save the cutouts of an alert in a directory; return the files that were written.

    Parameters
    ----------
    alert
        The alert; its object and detection number are in the names of the files.
    directory
        Created if it does not exist.
    png
        Whether to save one picture of all of them instead of FITS files.

    Raises
    ------
    UsageError
        If the alert cannot be read, has no cutouts, or the files cannot be written there.
    StorageError
        If the disk does not take them.
    """
    cutouts = alert.cutouts()
    known = {name: content for name in _NAMES if (content := getattr(cutouts, name)) is not None}
    if not known:
        raise UsageError(
            f"{_name_of(alert)} has no cutouts that can be read",
            remedy=f"Its file is {alert.path}.",
            code=ErrorCode.USE_FILE,
        )
    _make(directory)
    if png:
        path = directory / f"{_name_of(alert)}.png"
        with replacing(path) as file:
            draw_strip(list(_panels(alert, cutouts)), file)
        return [path]
    return [_write(directory / f"{_name_of(alert)}_{name}.fits", known[name]) for name in known]


def _name_of(alert: MirrorAlert) -> str:
    """Return a name that no other alert has, and that is safe on every file system."""
    if alert.objectid is None or alert.candid is None:
        name = f"{alert.path.stem}_{alert.number}"
    else:
        name = f"{alert.objectid}_{alert.candid}"
    safe = _UNSAFE.sub("_", name)[:_LONGEST_NAME]
    return safe if safe == name else f"{safe}_{sha256(name.encode()).hexdigest()[:8]}"


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as failed:
        raise UsageError(
            f"{directory} cannot be created: {failed.strerror}",
            remedy="Name another directory.",
            code=ErrorCode.USE_OUTPUT,
        ) from failed


def _write(path: Path, content: bytes) -> Path:
    with replacing(path) as file:
        file.write(content)
    return path


def _panels(alert: MirrorAlert, cutouts: Cutouts) -> Iterator[Panel]:
    time = alert.time.isoformat(" ", "seconds")[:16] if alert.time else "time unknown"
    magnitude = "" if alert.magpsf is None else f"{alert.magpsf:.2f} mag"
    lines = {
        "science": f"{time} {alert.filter or ''}",
        "template": alert.objectid or "",
        "difference": magnitude,
    }
    for name in _NAMES:
        content = getattr(cutouts, name)
        if content is not None and (data := _pixels(content)) is not None:
            yield Panel(data, (name, lines[name].strip()))


def _pixels(content: bytes) -> Any:  # noqa: ANN401 - numpy's array of any type
    """Return the first image of a FITS file; None if it cannot be read as one."""
    from astropy.io import fits  # noqa: PLC0415 - takes long to import

    try:
        # Of an image in compressed tiles, a few bytes may stand for any number of pixels.
        with fits.open(BytesIO(content), disable_image_compression=True) as hdus:
            for hdu in islice(hdus, _MOST_HDUS):
                if hdu.is_image and len(hdu.shape) == 2 and 0 < prod(hdu.shape) <= len(content):  # noqa: PLR2004 - rows and columns
                    return hdu.data.astype("f4")
    except Exception:  # noqa: BLE001 - astropy raises what it likes of what it cannot read
        return None
    return None
