"""Where a product lives in the tree: a safe relative path made from what the archive says of it."""

from __future__ import annotations

import re
import string
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from winter_sync.errors import DamagedError, UsageError

if TYPE_CHECKING:
    from winter_sync.models import Product

DEFAULT_LAYOUT = "{instrument}/{night}/{subdir}/{filename}"
OURS = ".winter-sync"
"""The one name at the top of a root that belongs to us and to no product."""

_FIELDS = ("instrument", "night", "subdir", "filename", "image_type")
_LONGEST_NAME = 255
_LONGEST_PATH = 1024
_SAFE = re.compile(r"[^\x00-\x1f\x7f/\\]+")


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

    def path(self, product: Product) -> PurePosixPath:
        """Give the path of a product, relative to the root.

        Raises
        ------
        DamagedError
            If the archive's words would make a path that is unsafe anywhere: `..`, absolute,
            hidden, with control characters, or too long. Nothing is ever cleaned up silently,
            because a cleaned name could be another product's.
        """
        words = {
            "instrument": product.instrument.value,
            "night": product.night.name,
            "subdir": subdir(product),
            "filename": product.filename,
            "image_type": product.image_type.value,
        }
        path = PurePosixPath(self.pattern.format_map(words))
        for part in path.parts:
            _check_part(part, product)
        if len(str(path).encode()) > _LONGEST_PATH:
            raise _unsafe(product, f"its path has more than {_LONGEST_PATH} bytes")
        return path


def subdir(product: Product) -> str:
    """Give what stands between the night and the file name in a savepath.

    All of it, because directories of one night may repeat a basename (winter-api.md,
    "Products"); the type's usual directory where the savepath has none.
    """
    directory = product.savepath.rpartition("/")[0]
    _, found, below = directory.rpartition(f"/{product.night}/")
    if found:
        return below
    last = directory.rpartition("/")[2]
    return last if last and last != product.night.name else product.image_type.subdir


def _check_pattern(pattern: str) -> None:
    try:
        fields = {name for _, name, *_ in string.Formatter().parse(pattern) if name is not None}
    except ValueError as broken:
        raise _unusable(pattern, str(broken)) from None
    if any(spec or conversion for *_, spec, conversion in string.Formatter().parse(pattern)):
        raise _unusable(pattern, "its fields take no format")
    if unknown := sorted(fields - set(_FIELDS)):
        raise _unusable(pattern, f"{{{unknown[0]}}} is not one of {', '.join(_FIELDS)}")
    parts = pattern.split("/")
    if parts[-1] != "{filename}":
        raise _unusable(pattern, "its last part must be {filename}")
    if any(not part or part.startswith(".") for part in parts):
        raise _unusable(pattern, "a part of it is empty or begins with a dot")
    if not {"instrument", "night"} <= fields or not fields & {"subdir", "image_type"}:
        raise _unusable(pattern, "it needs {instrument}, {night} and {subdir} or {image_type}")


def _check_part(part: str, product: Product) -> None:
    if not _SAFE.fullmatch(part):
        raise _unsafe(product, f"{part!r} is empty or has a control character or a slash in it")
    if part.startswith("."):
        raise _unsafe(product, f"{part!r} begins with a dot")
    if len(part.encode(errors="replace")) > _LONGEST_NAME or not part.isprintable():
        raise _unsafe(product, f"{part[:40]!r}... is over-long or not printable")


def _unsafe(product: Product, why: str) -> DamagedError:
    return DamagedError(
        f"the archive lists a savepath that makes no safe path: {why}",
        remedy="Tell the observatory; the product is left out, all others are mirrored.",
        savepath=product.savepath[:200],
    )


def _unusable(pattern: str, why: str) -> UsageError:
    return UsageError(
        f"the layout {pattern!r} cannot be used: {why}",
        remedy=f'Set mirror.layout to something like "{DEFAULT_LAYOUT}".',
    )
