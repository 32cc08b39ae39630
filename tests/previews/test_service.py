"""Previews for who asks: drawn once for all who wait, and not for who has gone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from support.fits_images import fits_image
from support.makers import sha256

from winter_sync.previews import NoPreviewError, PreviewFile, Previews, PreviewSettings

if TYPE_CHECKING:
    from pathlib import Path


def put(root: Path, number: int) -> PreviewFile:
    """Write an image, and return what the catalog would know of it."""
    content = fits_image(100.0 + number)
    (root / str(number)).write_bytes(content)
    return PreviewFile(str(root), str(number), False, len(content), sha256(content), None)  # noqa: FBT003


async def test_a_picture_is_drawn_once_for_all_who_wait(tmp_path: Path) -> None:
    """Many who ask at once cost one drawing; one who leaves takes it from no other.

    What everybody left before it was begun is not drawn.
    """
    files = [put(tmp_path, number) for number in range(4)]
    settings = PreviewSettings(tmp_path, 10**6, 0)
    previews = Previews()
    first, *others = [
        asyncio.create_task(previews.thumbnail(settings, files[0], None)) for _ in range(4)
    ]
    left = [asyncio.create_task(previews.thumbnail(settings, file, None)) for file in files[1:3]]
    await asyncio.sleep(0)
    last = asyncio.create_task(previews.view(settings, files[3], None))
    while len(previews._drawing) < 4:  # noqa: ASYNC110 - until threads have looked for kept ones
        await asyncio.sleep(0)
    for task in (first, *left):
        task.cancel()
    pictures = await asyncio.gather(*others)
    assert len(set(pictures)) == 1
    assert (await last).startswith(b"\xff\xd8")
    assert previews.counts.made == 2
    gone = previews.thumbnail(settings, files[1], None)
    (tmp_path / "1").unlink()
    with pytest.raises(NoPreviewError, match="cannot be opened"):
        await gone
    assert previews.counts.failed == 1
    await previews.close()
    assert await previews.thumbnail(settings, files[0], None) == pictures[0]
    assert previews.counts.made == 2
    await previews.close()
