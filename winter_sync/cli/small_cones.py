"""The warning that a cone may miss boards that show the place."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from winter_sync.cli.process import say
from winter_sync.core import ImageType, NarrowCones, types_missed_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winter_sync.core import Cone


def warn_of_small_cones(cones: Sequence[Cone], types: Sequence[ImageType]) -> None:
    """Say on standard error which types may lie in cones that do not list them; all if empty."""
    if missed := types_missed_by(cones, types or tuple(ImageType)):
        say(f"winter-sync: {NarrowCones('', missed).said}", sys.stderr)
