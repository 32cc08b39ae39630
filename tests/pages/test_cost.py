"""What a page costs does not grow with the mirror: no statement reads a large table as a whole."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING

from winter_sync.catalog import Catalog
from winter_sync.core import CATALOG, utc_now
from winter_sync.pages.routes import find_page
from winter_sync.web import FileContent, PageRequest

if TYPE_CHECKING:
    from datetime import datetime

    from winter_sync.pages import PageContext

LARGE = re.compile(
    r"SCAN (p|l|o|f|a|v|products|listings|facts|alerts|revisions|footprints|polls|events|q)\b"
)


def test_no_page_reads_a_large_table_as_a_whole(mirrored: tuple[PageContext, datetime]) -> None:
    """SQLite's own plan of each statement of each page searches by an index.

    But for the queue of what is to be downloaded, whose index holds nothing else.
    """
    context, now = mirrored
    said: list[str] = []
    with closing(Catalog(context.state / CATALOG, utc_now, reading=True)) as catalog:
        path = catalog.searches.latest(1)[0].path
        night = catalog.views.nights(1)[0]
        target = catalog.searches.targets()[0]
        catalog.connection.sqlite.set_trace_callback(said.append)
        for address, query in (
            ("/", {}),
            ("/nights", {"program": "2024A000", "before": "20300101"}),
            (f"/night/{night}", {"type": "stack"}),
            ("/target", {"name": target}),
            (f"/product/{path}", {}),
            (f"/file/{path}", {}),
            ("/sky", {"colour": "depth"}),
            ("/sky", {"ra": "150", "dec": "17", "radius": "10", "filter": "J", "type": "stack"}),
            ("/search", {"q": target}),
            ("/search", {"q": path}),
            ("/search", {"q": path.rpartition("/")[2]}),
        ):
            page = find_page(PageRequest(address, query))
            assert page is not None
            made = page.make(catalog, context, now)
            if isinstance(made, FileContent):
                made.file.close()
        catalog.connection.sqlite.set_trace_callback(None)
        statements = {text for text in said if text.lstrip().startswith(("SELECT", "WITH"))}
        assert len(statements) > 30
        plans = {
            text: catalog.connection.tuples(f"EXPLAIN QUERY PLAN {text}") for text in statements
        }
        scans = {
            detail: text
            for text, plan in plans.items()
            for *_, detail in plan
            if LARGE.match(str(detail)) and "products_queue" not in str(detail)
        }
    assert scans == {}
