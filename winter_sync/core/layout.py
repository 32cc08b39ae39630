"""Where a product is in the tree: a safe relative path made from its listing."""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING

from winter_sync.core.error_codes import ErrorCode
from winter_sync.core.errors import DamagedError, UsageError

if TYPE_CHECKING:
    from winter_sync.core.products import Product

DEFAULT_LAYOUT = "{instrument}/{night}/{subdir}/{filename}"
STATE_DIR = ".winter-sync"
"""The one name at the top of a root that belongs to us and to no product."""
CATALOG = "catalog.sqlite3"
"""The name of the catalog in its directory, usually that one."""

_LONGEST_NAME = 255
_LONGEST_PATH = 1024
_PLAIN = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*", re.ASCII)
"""Nearly every path, which needs no closer look."""
_SHOWN = 60
_SAMPLE = {
    "instrument": "winter",
    "night": "20240211",
    "subdir": "final",
    "filename": "X_stack.fits",
    "image_type": "stack",
}


class Layout:
    """The rule that turns a product into a path below the root.

    Parameters
    ----------
    pattern
        A relative path with `{instrument}`, `{night}`, `{subdir}`, `{filename}` and
        `{image_type}` in it. `{filename}` must be its last part, so that a file keeps its name.

    Raises
    ------
    UsageError
        If the pattern could not keep two products apart or could leave the root.
    """

    def __init__(self, pattern: str = DEFAULT_LAYOUT) -> None:
        _check_pattern(pattern)
        self.pattern = pattern
        self._without_subdir = "/".join(part for part in pattern.split("/") if part != "{subdir}")

    def path(self, product: Product) -> str:
        """Return the path of a product, relative to the root.

        Raises
        ------
        DamagedError
            If the archive's words would make a path that is unsafe anywhere: `..`, absolute,
            hidden, with control characters, or too long. Nothing is ever cleaned up silently,
            because a cleaned name could be another product's.
        """
        below = subdir(product)
        pattern = self.pattern if below is not None else self._without_subdir
        path = pattern.format(
            instrument=product.instrument.value,
            night=product.night.name,
            subdir=below or "",
            filename=product.filename,
            image_type=product.image_type.value,
        )
        if (fault := _fault(path)) is not None:
            raise _unsafe(fault)
        return path


def subdir(product: Product) -> str | None:
    """Return what stands between the night and the file name in a savepath.

    All of it, because directories of one night may repeat a basename (winter-api.md,
    "Products"); None where the product lies in the night's directory itself. Where no directory
    is the night's, the last one, or the type's usual one if there is none.
    """
    upwards = product.savepath.split("/")[-2::-1]
    if product.night.name in upwards:
        below = upwards[: upwards.index(product.night.name)]
        return "/".join(reversed(below)) if below else None
    return (upwards[0] if upwards else "") or product.image_type.for_camera(
        product.instrument
    ).directory


def _check_pattern(pattern: str) -> None:
    try:
        parsed = list(string.Formatter().parse(pattern))
    except ValueError as broken:
        raise _unusable(pattern, str(broken)) from None
    fields = {name for _, name, _, _ in parsed if name is not None}
    if unknown := sorted(fields - set(_SAMPLE)):
        raise _unusable(pattern, f"{{{unknown[0]}}} is not one of {', '.join(_SAMPLE)}")
    if any(spec or conversion for _, _, spec, conversion in parsed):
        raise _unusable(pattern, "its fields take no format")
    if pattern.rpartition("/")[2] != "{filename}":
        raise _unusable(pattern, "its last part must be {filename}")
    if not {"instrument", "night"} <= fields or not fields & {"subdir", "image_type"}:
        raise _unusable(pattern, "it needs {instrument}, {night} and {subdir} or {image_type}")
    if (fault := _fault(pattern.format_map(_SAMPLE))) is not None:
        raise _unusable(pattern, fault)


def _fault(path: str) -> str | None:
    """Return what makes a path unsafe; None if nothing does."""
    if _PLAIN.fullmatch(path) and len(path) <= _LONGEST_NAME:
        return None
    for part in path.split("/"):
        if not part:
            return "a part of it is empty"
        if part.startswith("."):
            return f"{_short(part)} begins with a dot"
        if not part.isprintable() or "\\" in part:
            return f"{_short(part)} has a control character or a backslash in it"
        if len(part.encode()) > _LONGEST_NAME:
            return f"{_short(part)} has more than {_LONGEST_NAME} bytes"
    return f"it has more than {_LONGEST_PATH} bytes" if len(path.encode()) > _LONGEST_PATH else None


def _short(part: str) -> str:
    return repr(part) if len(part) <= _SHOWN else f"{part[:_SHOWN]!r}..."


def _unsafe(why: str) -> DamagedError:
    return DamagedError(
        f"the archive lists a savepath that makes no safe path: {why}",
        remedy="Tell the observatory; the product is left out, all others are mirrored.",
        code=ErrorCode.FILE_NAME,
    )


def _unusable(pattern: str, why: str) -> UsageError:
    return UsageError(
        f"the layout {pattern!r} cannot be used: {why}",
        remedy=f'Set mirror.layout to something like "{DEFAULT_LAYOUT}".',
        code=ErrorCode.SETTINGS_VALUE,
    )
