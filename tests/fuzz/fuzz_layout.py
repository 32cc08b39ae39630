"""Fuzz the layout: any savepath is refused or makes a safe path, and no two make the same one.

Run by `scripts/fuzz layout`.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

atheris = importlib.import_module("atheris")
with atheris.instrument_imports(include=["winter_sync"]):
    from winter_sync.core.errors import DamagedError, UsageError
    from winter_sync.core.layout import DEFAULT_LAYOUT, Layout
    from winter_sync.core.products import Night, Product
    from winter_sync.core.traits import ImageType, Instrument

NIGHT = Night("20240211")
ABOVE = f"/data/loki/data/winter/{NIGHT}/"
ROOT = Path("/srv/winter")
LONGEST_NAME = 255
PATTERNS = (
    DEFAULT_LAYOUT,
    "{instrument}/{night}/{image_type}/{filename}",
    "{night}/{subdir}-{instrument}/{filename}",
    "mirror/{subdir}/{instrument}{night}/{filename}",
)
SEEDS = (
    "final/X_mef_4_0_0_stack.fits|diffs/X_mef_4_0_0_stack.fits",
    "../../../etc/passwd|a//b",
    "/20240211/a\\..\\b/.hidden|./x",
    "é/\x7f\x00|20240211/x",
    "n" * 255 + "|" + "n" * 256,
)


def path(layout: Layout, savepath: str, kind: ImageType = ImageType.STACK) -> str | None:
    """Return the path of a product; None where it is refused."""
    try:
        return str(layout.path(Product(Instrument.WINTER, savepath, kind, NIGHT)))
    except DamagedError:
        return None


def check(data: bytes) -> None:
    """Try one input: a choice of pattern and type, then two savepaths or a pattern."""
    given = atheris.FuzzedDataProvider(data)
    pattern = given.PickValueInList([*PATTERNS, ""])
    kind = given.PickValueInList(list(ImageType))
    words = given.ConsumeUnicode(given.remaining_bytes())
    one, _, other = words.partition("|")
    check_pattern(words)
    if pattern:
        check_path(Layout(pattern), one, kind)
        check_path(Layout(pattern), ABOVE + one, kind)
    check_apart(one, other)


def check_path(layout: Layout, savepath: str, kind: ImageType) -> None:
    """Make sure that a path stays below the root, under the product's own name."""
    found = path(layout, savepath, kind)
    if found is None:
        return
    parts = found.split("/")
    assert parts[-1] == savepath.rpartition("/")[2]
    assert all(part and part[0] != "." and part.isprintable() for part in parts)
    assert all("\\" not in part and len(part.encode()) <= LONGEST_NAME for part in parts)
    assert (ROOT / found).resolve().is_relative_to(ROOT)


def check_apart(one: str, other: str) -> None:
    """Make sure that two savepaths of a night keep apart."""
    if NIGHT.name in (*one.split("/"), *other.split("/")):
        return
    layout = Layout()
    found = path(layout, ABOVE + one)
    assert found is None or (found == path(layout, ABOVE + other)) is (one == other)


def check_pattern(pattern: str) -> None:
    """Make sure that a pattern is refused or of use."""
    try:
        layout = Layout(pattern)
    except UsageError:
        return
    found = path(layout, ABOVE + "final/X.fits")
    assert found is not None
    assert found.endswith("/X.fits")


def plant(corpus: Path) -> None:
    """Put savepaths and patterns into the corpus to begin with."""
    for number, words in enumerate((*SEEDS, *PATTERNS)):
        # How wide the characters are, the text, and at the end the two choices.
        narrow, wide = words.encode("latin-1", "replace"), words.encode("utf-32-le")
        (corpus / f"narrow{number}").write_bytes(b"\1" + narrow + b"\0\0")
        (corpus / f"wide{number}").write_bytes(b"\0" + wide + b"\0\0")


if __name__ == "__main__":
    if (corpus := Path(sys.argv[-1])).is_dir():
        plant(corpus)
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
