"""How a product is named in SQL: its number, the savepath of the archive, its path in the tree.

Directories repeat, so they stand in a table of their own: a savepath is the `source` of the
product's directory and the file name, a path below the root its `place` and the file name.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from winter_sync.core import Instrument

_DIRECTORY = "(SELECT d.{column} FROM directories d WHERE d.id = {product}.directory)"


def savepath_sql(product: str = "p") -> str:
    """Return the savepath of a product, as SQL; `product` names the table."""
    return _DIRECTORY.format(column="source", product=product) + f" || {product}.filename"


def path_sql(product: str = "p") -> str:
    """Return the path of a product relative to the root, as SQL; `product` names the table."""
    return _DIRECTORY.format(column="place", product=product) + f" || {product}.filename"


IDENTITY = f"p.instrument, {savepath_sql()} AS savepath"
PRODUCT = f"{IDENTITY}, p.image_type, p.night"
"""What `winter_sync.catalog.rows.product_of` reads."""
PATH = f"{path_sql()} AS path"
ALL_OF_PRODUCT = f"p.*, {savepath_sql()} AS savepath, {PATH}"

HAS_NO_REVISION = """(p.revision > 0 AND p.sha256 IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM revisions r WHERE r.product = p.id AND r.revision = p.revision))
"""
"""Whether what is here of a product is recorded in `products` alone, as it is as a rule."""

NUMBER = """(
SELECT q.id FROM directories d CROSS JOIN products q ON q.directory = d.id
  AND q.filename = :filename COLLATE NOCASE AND q.filename = :filename
WHERE d.source = :source AND q.instrument = :instrument)"""
"""The number of a product; needs the values of `identity_of`."""

IDENTIFIED = """
json_each(:identities) g CROSS JOIN directories d ON d.source = g.value ->> 1
CROSS JOIN products p ON p.directory = d.id
  AND p.filename = g.value ->> 2 COLLATE NOCASE AND p.filename = g.value ->> 2
  AND p.instrument = g.value ->> 0
"""
"""The products of a list, to select from; needs `identities_of` as `:identities`."""

AT_PATHS = """
json_each(:paths) g CROSS JOIN directories d ON d.place = g.value ->> 0 COLLATE NOCASE
CROSS JOIN products p ON p.directory = d.id AND p.filename = g.value ->> 1 COLLATE NOCASE
"""
"""The products at some paths, without regard to case; needs `paths_of` as `:paths`."""
NUMBER_AT = """(
SELECT q.id FROM directories d CROSS JOIN products q ON q.directory = d.id
  AND q.filename = :filename COLLATE NOCASE
WHERE d.place = :place COLLATE NOCASE)"""
"""The number of the product at a path; needs the values of `place_of`."""


def split_path(text: str) -> tuple[str, str]:
    """Return the directory of a path or savepath, with its last slash, and the file name."""
    at = text.rfind("/") + 1
    return text[:at], text[at:]


def identity_of(instrument: Instrument, savepath: str) -> dict[str, str]:
    """Return the values by which a statement finds a product."""
    source, filename = split_path(savepath)
    return {
        "instrument": instrument.value,
        "savepath": savepath,
        "source": source,
        "filename": filename,
    }


def place_of(path: str) -> dict[str, str]:
    """Return the values by which a statement finds the product at a path."""
    return dict(zip(("place", "filename"), split_path(path), strict=True))


def paths_of(paths: Iterable[str]) -> str:
    """Return the value by which a statement finds the products at many paths."""
    return json.dumps([split_path(path) for path in paths])


def identities_of(identities: Iterable[tuple[Instrument, str]]) -> str:
    """Return the value by which a statement finds many products."""
    return json.dumps([[str(camera), *split_path(savepath)] for camera, savepath in identities])
