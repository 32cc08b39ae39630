"""Alert files as the pipeline writes them: schema 0.4, by fastavro."""

from __future__ import annotations

import gzip
import io
import json
import uuid
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastavro
import numpy as np
from astropy.io import fits
from support.catalogs import publish, query, subject
from support.makers import path_of, product, row

from winter_sync.catalog import Catalog, Poll
from winter_sync.core import STATE_DIR, ImageType, utc_now
from winter_sync.core.layout import CATALOG
from winter_sync.formats import read_alerts
from winter_sync.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterable

FIELDS: dict[str, Any] = json.loads(Path(__file__).with_name("alert-fields.json").read_text())
"""The names and types of the fields of schema 0.4 (docs/winter-api.md)."""
CUTOUT_NAMES = ("cutout_science", "cutout_template", "cutout_difference")
JD = 2460367.13
"""2024-02-26, 15:07 UTC."""


def _record(name: str) -> dict[str, Any]:
    return {
        "type": "record",
        "name": name,
        "fields": [{"name": field, "type": kind} for field, kind in FIELDS[name]],
    }


def schema() -> dict[str, Any]:
    """Return schema 0.4, the records inside defined where they are first used."""
    alert = _record("winter.alert")
    for field in alert["fields"]:
        if field["name"] == "candidate":
            field["type"] = _record("winter.alert.candidate")
        elif field["name"] == "prv_candidates":
            items = _record("winter.alert.prv_candidate")
            field["type"] = [{"type": "array", "items": items}, "null"]
    return alert


def _filled(name: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return a record with these values, null where it may be, otherwise nothing of its type."""
    nothing = {"boolean": False, "string": "", "bytes": b""}
    return {
        field: values.get(field, None if "null" in kind else nothing.get(kind, 0))
        for field, kind in FIELDS[name]
    }


def cutout(seed: int, edge: int = 9) -> bytes:
    """Return a small FITS image, gzipped."""
    pixels = np.random.default_rng(seed).random((edge, edge), dtype=np.float32)
    stream = io.BytesIO()
    fits.PrimaryHDU(pixels).writeto(stream)
    return gzip.compress(stream.getvalue(), mtime=0)


def record(number: int = 0, **values: Any) -> dict[str, Any]:  # noqa: ANN401 - of the fields
    """Return the record of an alert, with these values of its candidate."""
    candidate = {
        "candid": 1000 + number,
        "jd": JD,
        "fid": 2,
        "ra": 150.96,
        "dec": 17.83,
        "magpsf": 17.5,
        "sigmapsf": 0.125,
        "diffmaglim": 19.25,
        "isdiffpos": True,
        "rb": 0.75,
        "boardid": 4,
        "exptime": 960.0,
        "fieldid": 999_999_999,
        "progname": "2024A000",
        **values,
    }
    objectid = candidate.pop("objectid", f"WNTR24aaaa{chr(ord('a') + number % 26)}")
    return {
        "schemavsn": "0.4",
        "publisher": "mirar",
        "objectid": objectid,
        "candid": candidate["candid"],
        "candidate": _filled("winter.alert.candidate", candidate),
        "prv_candidates": None,
        **{name: cutout(3 * number + place) for place, name in enumerate(CUTOUT_NAMES)},
    }


def alert_file(
    records: Iterable[dict[str, Any]],
    written_by: Any = None,  # noqa: ANN401 - a schema
    **options: Any,  # noqa: ANN401 - fastavro's own
) -> bytes:
    """Return an Avro file of records, by schema 0.4 unless another is given."""
    stream = io.BytesIO()
    fastavro.writer(stream, fastavro.parse_schema(written_by or schema(), {}), records, **options)
    return stream.getvalue()


def mirror_of(root: Path, *files: bytes, read: int | None = None) -> Path:
    """Make a mirror that holds files of alerts, and return its root.

    Parameters
    ----------
    root
        Where.
    files
        The contents, of exposures that were a second apart.
    read
        How many of them were read; all when None.
    """
    products = [product(number, ImageType.AVRO) for number in range(len(files))]
    path = root / STATE_DIR / CATALOG
    name = Tree(root).prepare(uuid.uuid4().hex)
    with closing(Catalog(path, utc_now)) as catalog:
        catalog.take_mirror_name(name)
        wanted = [row(each) for each in products]
        catalog.listings.record_poll(
            Poll(query(subject(kind=ImageType.AVRO)), sweep=False, listed=len(wanted)),
            listed=[(each, path_of(each.product)) for each in wanted],
            wanted=wanted,
        )
        for number, (one, content) in enumerate(zip(products, files, strict=True)):
            place = root / path_of(one)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            publish(catalog, one, content)
            if read is None or number < read:
                (held,) = (each for each in catalog.facts.due(99) if each.product == one)
                with place.open("rb") as file:
                    catalog.alerts.record([(held, read_alerts(file, one.filename))])
    return root
