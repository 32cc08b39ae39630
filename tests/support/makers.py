"""Products, candidates, files and zips as the archive has them, small and made by hand."""

from __future__ import annotations

import hashlib
import io
import warnings
import zipfile
from typing import TYPE_CHECKING

from winter_sync.core.downloads import Batch, Candidate, Evidence
from winter_sync.core.layout import Layout
from winter_sync.core.marks import Marks
from winter_sync.core.products import Night, Product, Row
from winter_sync.core.traits import ImageType, Instrument

if TYPE_CHECKING:
    from collections.abc import Iterable

PROGRAM = "2024A000"
NIGHT = Night("20240130")
_BLOCK = 2880


def product(
    number: int = 0,
    image_type: ImageType = ImageType.STACK,
    *,
    night: Night = NIGHT,
    instrument: Instrument = Instrument.WINTER,
) -> Product:
    """Return the product of one exposure of a night, counted from 0."""
    camera = "WINTERcamera" if instrument is Instrument.WINTER else "SPRINGCamera"
    time = f"{number // 3600:02}{number // 60 % 60:02}{number % 60:02}-000"
    suffix = "diff.avro" if image_type is ImageType.AVRO else f"{image_type}.fits"
    name = f"{camera}_{night.plus(1)}-{time}_{suffix}"
    savepath = (
        f"/data/loki/data/{instrument}/{night}/{image_type.for_camera(instrument).directory}/{name}"
    )
    return Product(instrument, savepath, image_type, night)


def path_of(one: Product) -> str:
    """Return where a product belongs in a tree of the default layout."""
    return str(Layout().path(one))


def row(one: Product, *, program: str = PROGRAM, marks: Marks | None = None) -> Row:
    """Return the listing of a product."""
    marks = marks or Marks("2024-02-01T00:00:00", "1.0")
    return Row(
        one,
        program,
        nightdate=one.night.plus(1).day.isoformat(),
        target="SN2024wex",
        ra=326.1,
        dec=50.8,
        fid=1,
        utctime="2024-01-31T06:14:25.616000+00:00",
        fieldid=999_999_999,
        lastmodified=marks.lastmodified,
        pipeversion=marks.pipeversion,
    )


def candidate(
    one: Product,
    *,
    size: int = 2 * _BLOCK,
    attempts: int = 0,
    published: bytes | None = None,
    refused: bytes | None = None,
    path: str | None = None,
) -> Candidate:
    """Return a candidate, whose revision in the tree and refused content may be known."""
    return Candidate(
        product=one,
        program=PROGRAM,
        path=path or path_of(one),
        attempts=attempts,
        marks=Marks("2024-02-01T00:00:00", "1.0"),
        expected_size=size,
        published_sha256=sha256(published) if published is not None else None,
        refused_sha256=sha256(refused) if refused is not None else None,
    )


def batch(*candidates: Candidate, identifier: str = "batch") -> Batch:
    """Return a batch."""
    return Batch(identifier, candidates)


def evidence(one: Product, content: bytes, *, path: str | None = None) -> Evidence:
    """Return the evidence that a product has this content."""
    return Evidence(
        instrument=one.instrument,
        savepath=one.savepath,
        path=path or path_of(one),
        size=len(content),
        sha256=sha256(content),
        marks=Marks("2024-02-01T00:00:00", "1.0"),
    )


def sha256(content: bytes) -> str:
    """Return a digest, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def fits(
    seed: int = 0,
    *,
    extensions: int = 0,
    blocks: int = 1,
    cards: Iterable[str] = (),
    fill: bool = True,
) -> bytes:
    """Return a small FITS file that is whole; `seed` makes its data differ.

    Without `fill` there is less than a block of data, and nothing after them.
    """
    data = bytes([seed % 256]) * (blocks * _BLOCK - (0 if fill else 999))
    primary = _header(f"SIMPLE  = {'T':>20}", len(data), [*cards])
    extension = _header("XTENSION= 'IMAGE   '", len(data), ["PCOUNT  =  0", "GCOUNT  =  1"])
    return primary + data + (extension + data) * extensions


def _header(first: str, size: int, more: list[str]) -> bytes:
    cards = [first, "BITPIX  =  8", "NAXIS   =  1", f"NAXIS1  =  {size}", *more, "END"]
    return "".join(card.ljust(80) for card in cards).encode().ljust(_BLOCK)


class _Pipe(io.RawIOBase):
    """Takes bytes and cannot seek, as a socket."""

    def __init__(self) -> None:
        self.taken = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override] # bytes are all it is given
        self.taken += data
        return len(data)


def zipped(
    members: Iterable[tuple[str, bytes]], *, descriptors: bool = False, deflate: bool = False
) -> bytes:
    """Return a zip of Python's own writer, with or without data descriptors."""
    file: io.BytesIO | _Pipe = _Pipe() if descriptors else io.BytesIO()
    method = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name that comes twice is what some tests are about
        for name, content in members:
            archive.writestr(name, content)
    return bytes(file.taken) if isinstance(file, _Pipe) else file.getvalue()
