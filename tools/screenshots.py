"""Make the pictures of docs/page.md: a simulated mirror from a fixed seed, at a fixed time.

Run as `scripts/try_browser --screenshots`. What is shown is always the same, but for the free space
of the disk; how letters look depends on the fonts of the machine.
"""

from __future__ import annotations

import asyncio
import io
import shutil
import sys
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING

from PIL import Image
from playwright.async_api import async_playwright

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from browser.chromium import ARGUMENTS, EXECUTABLE
from support.rig import Rig

from winter_sync.catalog import Catalog, Search
from winter_sync.core import CATALOG, STATE_DIR, ImageType, Instrument, Night
from winter_sync.maintenance.facts import record_facts
from winter_sync.pages import MirrorSite, PageContext
from winter_sync.pages.links import night_link, product_link, target_link
from winter_sync.simulator import (
    Campaign,
    Observatory,
    SimulatedClock,
    Simulator,
    Universe,
)
from winter_sync.web import Sources, serving

if TYPE_CHECKING:
    from winter_sync.catalog import FoundProduct

CHECKOUT = Path(__file__).parent.parent
NOW = datetime(2026, 3, 20, 18, 0, tzinfo=UTC)
NIGHTS = 60
SIZE = {"width": 1280, "height": 960}
_SPRING_TYPES = (ImageType.RAW, ImageType.STACK, ImageType.DIFF)


def sky() -> Universe:
    """Return sixty nights of two programs and both cameras, up to the one that ended last."""
    last = Night.at(NOW).plus(-1)
    return Universe(
        nights=tuple(last.plus(1 - NIGHTS + day) for day in range(NIGHTS)),
        campaigns=(
            Campaign("2024A000", visits=2, dithers=2, boards=(2,)),
            Campaign("2025B001", Instrument.SPRING, visits=2, dithers=2, image_types=_SPRING_TYPES),
        ),
    )


async def mirror(root: Path) -> PageContext:
    """Mirror the sky, and return what its pages know beside the catalog."""
    observatory = Observatory(sky(), clock=SimulatedClock(NOW), scale=0.12)
    async with Simulator(observatory) as simulator:
        rig = Rig(simulator, root)
        rig.changes["mirror"] = {"min_free": "10 GB"}
        nights = sky().nights
        await rig.backfill(min(nights), max(nights))
        async with rig.opened() as opened:
            await opened.sync()
            await record_facts(opened, rig.time)
        selections = tuple(rig.settings().selections)
    return PageContext(root, root / STATE_DIR, selections=selections, min_free=10 * 10**9)


def pages(root: Path) -> dict[str, str]:
    """Return the addresses that are shown, by the names of their pictures."""
    with closing(Catalog(root / STATE_DIR / CATALOG, lambda: NOW)) as catalog:
        stacks: list[FoundProduct] = list(
            catalog.searches.search(Search(image_types=(ImageType.STACK,)))
        )
    seen = Counter(
        found.target for found in stacks if found.product.instrument is Instrument.WINTER
    )
    target = max(sorted(filter(None, seen)), key=seen.__getitem__)
    newest = max((found for found in stacks if found.target == target), key=lambda each: each.path)
    return {
        "home": "/",
        "night": night_link(newest.product.night),
        "target": target_link(target),
        "product": product_link(newest.path),
    }


async def photograph(address: str, shown: dict[str, str], directory: Path) -> None:
    """Make the pictures."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=EXECUTABLE, args=list(ARGUMENTS))
        for name, path in shown.items():
            scheme = "dark" if name == "product" else "light"
            page = await browser.new_page(viewport=SIZE, color_scheme=scheme)
            await page.goto(f"http://{address}{path}", wait_until="load")
            await page.get_by_text("This page follows the mirror").wait_for()
            save(await page.screenshot(), directory / f"page-{name}.png")
            await page.close()
        await browser.close()


def save(picture: bytes, path: Path) -> None:
    """Write a picture with 256 colours, which is a third of the bytes."""
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").quantize(256).save(path, optimize=True)
    print(f"{path.relative_to(CHECKOUT)}: {path.stat().st_size / 1000:.0f} kB")


async def main() -> None:
    """Mirror, serve and photograph."""
    directory = CHECKOUT / "docs" / "images"
    directory.mkdir(exist_ok=True)
    # The name is in a picture, and so the same each time.
    place = Path(gettempdir(), "winter-sync-pictures")
    place.mkdir()  # noqa: ASYNC240 - nobody waits
    try:
        context = await mirror(place / "winter")
        site = MirrorSite(lambda: context, lambda: NOW)
        async with serving("127.0.0.1:0", Sources(tuple, tuple, site)) as address:
            await photograph(address, pages(context.root), directory)
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    asyncio.run(main())
