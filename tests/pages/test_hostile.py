"""Whatever the archive wrote, a page shows it as text, and is steered by none of it."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, urlencode

from hypothesis import given, settings
from hypothesis import strategies as st
from pages.by_hand import context_of, made_by_hand
from pages.client import browsing
from support.answers import at, publish, square
from support.catalogs import query
from support.makers import NIGHT, PROGRAM, candidate, product

from winter_sync.catalog.records import Poll
from winter_sync.core import Facts, utc_now
from winter_sync.core.downloads import Failed
from winter_sync.core.queries import Subject
from winter_sync.core.traits import ImageType, Instrument

SIGN = "x-hostile"
RIGHT_TO_LEFT = "\u202e"
NO_SLASHES = dict.fromkeys(map(ord, "/\\"))
"""A name with one is refused before it comes to any page."""
TRAPS = st.sampled_from(
    [
        f"<{SIGN}>",
        f"'><{SIGN} a='",
        f'"><{SIGN} a="',
        f'" onload="{SIGN}',
        f"</script><{SIGN}>",
        f"<!--<{SIGN}>",
        f"&lt;{SIGN}&gt;<{SIGN}/>",
        f"{{{{ {SIGN} }}}}{{% {SIGN} %}}",
        f"javascript:{SIGN}",
        f"`<{SIGN}>`",
    ]
)
HOSTILE = (
    st.tuples(st.text(max_size=6), TRAPS, st.text(max_size=6))
    .map("".join)
    .map(
        lambda text: (
            "".join(letter for letter in text if letter not in "\0*" and letter.isprintable())
            or SIGN
        )
    )
)


@settings(max_examples=4)
@given(target=HOSTILE, name=HOSTILE, reason=HOSTILE, version=HOSTILE, program=HOSTILE)
def test_what_the_archive_wrote_is_text(
    target: str, name: str, reason: str, version: str, program: str
) -> None:
    """Targets, paths, programs, reasons, versions and what is asked for are never elements."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory, "winter")
        paths = fill(root, target=target, name=name, reason=reason, version=version)
        asyncio.run(look(root, paths, target, name, program))


def fill(root: Path, *, target: str, name: str, reason: str, version: str) -> list[str]:
    """Make a mirror with these texts wherever it holds any; return the paths of its products."""
    odd = replace(
        product(1),
        savepath=f"/data/loki/data/winter/{NIGHT}/final/x{name.translate(NO_SLASHES)}.fits",
    )
    with made_by_hand(root) as catalog:
        listed = []
        paths = []
        for number, one in enumerate((product(0), odd, product(2))):
            listing = at(one, 150.0, 17.0, target + RIGHT_TO_LEFT)
            path = f"winter/{NIGHT}/{number}/{one.filename}"
            listed.append((replace(listing, pipeversion=version, lastmodified=version), path))
            paths.append(path)
        asked = query(Subject(PROGRAM, Instrument.WINTER, ImageType.STACK))
        catalog.listings.record_poll(Poll(asked, sweep=False, listed=3), listed=listed)
        catalog.listings.record_poll(Poll(asked, sweep=False, error=reason), listed=[])
        seen = target + RIGHT_TO_LEFT
        shown = (square(150.0, 17.0),)
        publish(catalog, odd, Facts(target=seen, filter=name, ra=150.0, dec=17.0, footprints=shown))
        failure = Failed(candidate(product(2)), reason)
        catalog.outcomes.commit([failure], lambda *_: timedelta(days=1))
    return paths


async def look(root: Path, paths: list[str], target: str, name: str, program: str) -> None:
    """Look at every page there is, and at some that there are not."""
    async with browsing(context_of(root), utc_now()) as browser:
        shown = ["/", "/nights", f"/night/{NIGHT}", "/search", "/sky", "/sky?ra=150&dec=17"]
        shown += [f"/product/{quote(path)}" for path in paths]
        shown += [f"/target?{urlencode({'name': target + RIGHT_TO_LEFT})}"]
        absent = [f"/nights?{urlencode({'program': program})}", f"/night/{quote(program)}"]
        absent += [f"/product/{quote(program)}", f"/target?{urlencode({'name': program})}"]
        asked = dict.fromkeys(shown, 200) | dict.fromkeys(absent, 404)
        asked[f"/search?{urlencode({'q': 'zz' + target})}"] = 200
        asked[f"/sky?{urlencode({'filter': target})}"] = 200
        asked[f"/sky?{urlencode({'ra': target, 'dec': name})}"] = 404
        for path, status in asked.items():
            got = await browser.get(path)
            assert got.status == status, path
            page = got.page
            assert SIGN not in page.tags
            assert RIGHT_TO_LEFT not in page.text
            assert f"<{SIGN}" not in page.text
            assert not [link for link in page.links if link.startswith("javascript:")]
