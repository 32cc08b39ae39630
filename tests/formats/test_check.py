"""What the gate lets through and what it refuses, with astropy and fastavro as the judges of it."""

from __future__ import annotations

import functools
import gzip
import io
import os
import re
import struct
import subprocess
import sys
import tempfile
import tracemalloc
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import astropy
import fastavro
import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from winter_sync.core.errors import DamagedFileError, Fault
from winter_sync.core.traits import SUFFIXES
from winter_sync.formats.avro import MAX_HEADER, AvroShape
from winter_sync.formats.check import (
    Verdict,
    check_file,
)
from winter_sync.formats.fits import FitsShape
from winter_sync.formats.fits_headers import MAX_HEADER_BLOCKS
from winter_sync.formats.gzip_stream import MAX_INFLATED
from winter_sync.formats.suffixes import unknown_suffix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BLOCK = 2880
RNG = np.random.default_rng(20240130)


def judged(content: bytes, filename: str, **options: Any) -> Verdict:  # noqa: ANN401 - check_file's own
    """Judge these bytes as a finished file on disk."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return check_file(file, filename, **options)


def refusal(content: bytes, filename: str, **options: Any) -> DamagedFileError:  # noqa: ANN401 - as above
    """Return the error with which these bytes are refused."""
    with pytest.raises(DamagedFileError) as caught:
        judged(content, filename, **options)
    return caught.value


# --- FITS files as astropy writes them -----------------------------------------------------------


def written(hdus: Iterable[Any], **options: Any) -> bytes:  # noqa: ANN401 - astropy has no types
    """Return the file that astropy makes of these HDUs."""
    with tempfile.TemporaryFile() as file:
        fits.HDUList(list(hdus)).writeto(file, **options)
        file.seek(0)
        return file.read()


def pixels(*shape: int, dtype: str = "float32") -> Any:  # noqa: ANN401 - astropy has no types
    """Return pixels that are no zeros, so that a cut or a flip shows."""
    return (RNG.random(shape) * 200 + 1).astype(dtype)


def exposure(boards: int = 6, **cards: object) -> list[Any]:
    """Return a small exposure: a primary HDU without data, then one extension a board."""
    primary = fits.PrimaryHDU()
    for number in range(60):
        primary.header[f"KEY{number}"] = (number * 1.5, "so that the header has several blocks")
    primary.header.update(cards)
    return [primary, *(fits.ImageHDU(pixels(20, 31), name=f"B{n}") for n in range(boards))]


def table() -> Any:  # noqa: ANN401 - astropy has no types
    """Return a binary table with a column of fixed and one of variable length."""
    rows = [np.arange(n, dtype="i4") for n in (3, 0, 700)]
    return fits.BinTableHDU.from_columns(
        [
            fits.Column("NAME", "8A", array=["a", "b", "c"]),
            fits.Column("LIST", "PJ()", array=np.array(rows, dtype=object)),
        ]
    )


def ascii_table() -> Any:  # noqa: ANN401 - astropy has no types
    """Return an ASCII table."""
    columns = [fits.Column("A", "I6", array=[1, 2, 3], ascii=True)]
    return fits.TableHDU.from_columns(columns)


def groups() -> Any:  # noqa: ANN401 - astropy has no types
    """Return random groups: NAXIS1 = 0, parameters, several groups."""
    data = pixels(10, 1, 1, 2, 4)
    parameters = [np.arange(10) * 0.5, np.arange(10) * 2.0]
    return fits.GroupsHDU(
        fits.GroupData(data, bitpix=-32, parnames=["UU", "VV"], pardata=parameters)
    )


def compressed(kind: str) -> list[Any]:
    """Return an image tiled and compressed into a binary table, as fpack does."""
    data = pixels(40, 50, dtype="int32")
    return [fits.PrimaryHDU(), fits.CompImageHDU(data, compression_type=kind)]


SHAPES: dict[str, Callable[[], bytes]] = {
    "image": lambda: written([fits.PrimaryHDU(pixels(30, 40))]),
    "cube of doubles": lambda: written([fits.PrimaryHDU(pixels(3, 7, 11, dtype="float64"))]),
    "bytes that fill a block": lambda: written([fits.PrimaryHDU(pixels(2880, dtype="uint8"))]),
    "unsigned integers": lambda: written([fits.PrimaryHDU(pixels(9, 9, dtype="uint16"))]),
    "exposure": lambda: written(exposure()),
    "exposure with NEXTEND": lambda: written(exposure(NEXTEND=6)),
    "image with extension": lambda: written(
        [fits.PrimaryHDU(pixels(4, 4)), fits.ImageHDU(pixels(5, 5))]
    ),
    "extension without data": lambda: written([fits.PrimaryHDU(pixels(4, 4)), fits.ImageHDU()]),
    "binary table": lambda: written([fits.PrimaryHDU(), table()]),
    "ASCII table": lambda: written([fits.PrimaryHDU(), ascii_table()]),
    "random groups": lambda: written([groups()]),
    "random groups and table": lambda: written([groups(), table()]),
    "RICE": lambda: written(compressed("RICE_1")),
    "GZIP": lambda: written(compressed("GZIP_2")),
    "HCOMPRESS": lambda: written(compressed("HCOMPRESS_1")),
    "image with sums": lambda: written([fits.PrimaryHDU(pixels(30, 40))], checksum=True),
    "exposure with sums": lambda: written(exposure(), checksum=True),
    "table with sums": lambda: written([fits.PrimaryHDU(), table()], checksum=True),
    "RICE with sums": lambda: written(compressed("RICE_1"), checksum=True),
    "groups with sums": lambda: written([groups()], checksum=True),
    "data sums alone": lambda: written(exposure(2), checksum="datasum"),
}


@functools.cache
def shape(name: str) -> bytes:
    """Return one of the shapes, made once."""
    return SHAPES[name]()


def opened(content: bytes) -> tuple[list[int], int, list[str]]:
    """Return astropy's opinion: the byte after each HDU, the bytes of data, its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        options = {"checksum": True, "disable_image_compression": True}
        with fits.open(io.BytesIO(content), **options) as hdus:
            ends = [hdu.fileinfo()["datLoc"] + hdu.fileinfo()["datSpan"] for hdu in hdus]
            size = sum(hdu.size for hdu in hdus)
    return ends, size, [str(warning.message) for warning in caught]


@pytest.mark.parametrize("name", SHAPES)
def test_what_astropy_writes_is_accepted(name: str) -> None:
    """A whole file passes, and its HDUs and bytes of data are those that astropy counts."""
    ends, data_bytes, complaints = opened(shape(name))
    sums = len(ends) if "sums" in name else 0
    assert not complaints
    verdict = FitsShape(len(shape(name)), len(ends), data_bytes, sums)
    assert judged(shape(name), "X_mef.fits") == verdict


def test_a_packed_name_is_fits_too() -> None:
    """What fpack makes is called .fits.fz and is FITS; case does not matter."""
    assert isinstance(judged(shape("RICE"), "X.FITS.FZ"), FitsShape)


DTYPES = st.sampled_from(["uint8", "int16", "int32", "int64", "float32", "float64"])
IMAGES = st.builds(
    lambda dtype, axes: np.ones(axes, dtype=dtype),
    DTYPES,
    st.lists(st.integers(1, 40), min_size=1, max_size=3),
)


@st.composite
def multi_extension(draw: st.DrawFn) -> bytes:
    """Draw a file of images of any kind and shape, with or without a primary image and sums."""
    hdus = [fits.PrimaryHDU(draw(st.none() | IMAGES))]
    hdus += [fits.ImageHDU(data) for data in draw(st.lists(st.none() | IMAGES, max_size=4))]
    if hdus[0].data is None and len(hdus) == 1:
        hdus.append(table())
    return written(hdus, checksum=draw(st.booleans()))


def fills(content: bytes) -> list[range]:
    """Return the places between the last byte of data of each HDU and the byte after its fill."""
    with fits.open(io.BytesIO(content), disable_image_compression=True) as hdus:
        infos = [(hdu.fileinfo(), hdu.size) for hdu in hdus]
    return [
        range(info["datLoc"] + size, info["datLoc"] + info["datSpan"] + 1) for info, size in infos
    ]


def fault_of(error: DamagedFileError) -> Fault:
    """Return what kind of damage an error is about."""
    return error.fault


def fault_of_cut(content: bytes, cut: int) -> Fault | None:
    """Return with which fault a prefix is refused; None for one that passes."""
    try:
        judged(content[:cut], "a.fits")
    except DamagedFileError as refused:
        return fault_of(refused)
    return None


@given(multi_extension(), st.data())
def test_no_prefix_without_its_data_passes(content: bytes, data: st.DataObject) -> None:
    """Any file passes whole; cut anywhere but behind the data of an HDU it is refused as short."""
    ends, data_bytes, _ = opened(content)
    verdict = judged(content, "a.fits")
    assert isinstance(verdict, FitsShape)
    assert (verdict.hdus, verdict.data_bytes, verdict.notes) == (len(ends), data_bytes, ())
    behind = fills(content)
    cut = data.draw(st.integers(0, len(content) - 1))
    if any(cut in fill for fill in behind):
        assert fault_of_cut(content, cut) in (None, Fault.EXTENSIONS)
    else:
        assert fault_of_cut(content, cut) is Fault.SHORT


@given(multi_extension(), st.data())
def test_fill_that_is_missing_at_the_very_end_is_noted(content: bytes, data: st.DataObject) -> None:
    """Without its last fill, or a part of it, a file has all its data: it passes, with a note."""
    fill = fills(content)[-1]
    cut = data.draw(st.sampled_from(fill))
    verdict = judged(content[:cut], "a.fits")
    whole = judged(content, "a.fits")
    assert isinstance(verdict, FitsShape)
    assert isinstance(whole, FitsShape)
    assert (verdict.hdus, verdict.data_bytes) == (whole.hdus, whole.data_bytes)
    assert verdict.summed == whole.summed, "what is missing counts in no sum"
    short = len(content) - cut
    assert bool(verdict.notes) == (short > 0)
    assert all(f"{short} bytes short" in note for note in verdict.notes)


def test_missing_fill_of_an_ascii_table_is_blanks() -> None:
    """The sums of a table whose fill is missing are right with the blanks that belong there."""
    content = written([fits.PrimaryHDU(), ascii_table()], checksum=True)
    verdict = judged(content.rstrip(b" "), "a.fits")
    assert isinstance(verdict, FitsShape)
    assert verdict.summed == 2
    assert len(verdict.notes) == 1


@pytest.mark.parametrize("name", SHAPES)
def test_every_class_of_cut_is_refused(name: str) -> None:
    """Cut at, just before and just after each block, only cuts behind data can pass."""
    content = shape(name)
    behind = {place for fill in fills(content) for place in fill}
    cuts = {block + step for block in range(0, len(content) + 1, BLOCK) for step in (-1, 0, 1)}
    for cut in sorted(cuts.intersection(range(len(content))).difference(behind)):
        assert fault_of_cut(content, cut) is Fault.SHORT, cut


@pytest.mark.parametrize("zeros", [1, 100, BLOCK, 10 * BLOCK - 1])
@pytest.mark.parametrize("name", SHAPES)
def test_a_few_zeros_after_the_last_hdu_are_noted(name: str, zeros: int) -> None:
    """Less than a record of tape, of ten blocks, is fill: all data are there, and it is noted."""
    verdict = judged(shape(name) + bytes(zeros), "a.fits")
    whole = judged(shape(name), "a.fits")
    assert isinstance(verdict, FitsShape)
    assert isinstance(whole, FitsShape)
    assert (verdict.hdus, verdict.summed) == (whole.hdus, whole.summed)
    assert verdict.notes == (f"{zeros} zeros follow HDU {whole.hdus - 1}, the last",)


@pytest.mark.parametrize(
    ("tail", "fault", "says"),
    [
        (bytes(10 * BLOCK), Fault.LONG, "28800 zeros follow HDU 6"),
        (bytes(500_000), Fault.LONG, "500000 zeros follow HDU 6"),
        (b"\0" * 5000 + b"x", Fault.LONG, "5001 bytes follow HDU 6"),
        (b"special record".ljust(BLOCK), Fault.LONG, "are no extension"),
        (b"XTENSION", Fault.SHORT, "ends in the header of HDU 7"),
        (b"XTENSION= 'IMAGE'".ljust(80), Fault.SHORT, "ends in the header of HDU 7"),
    ],
)
def test_what_follows_the_last_hdu_is_weighed(tail: bytes, fault: Fault, says: str) -> None:
    """More zeros than fill, and any other bytes, are refused, and yet said to cost no data."""
    error = refusal(shape("exposure") + tail, "X_mef.fits", extensions=6)
    assert says in str(error)
    assert error.fault is fault
    assert fault.leaves_data_whole == (fault is not Fault.SHORT)


@pytest.mark.parametrize("tail", [b"", bytes(BLOCK), bytes(90_000), b"junk" * 9])
def test_boards_that_are_missing_are_found_whatever_follows(tail: bytes) -> None:
    """A file preallocated for six boards, and three written, is not taken for one with fill."""
    error = refusal(written(exposure(3)) + tail, "X_mef.fits", extensions=6)
    assert "3 extensions where 6 should be" in str(error)


@pytest.mark.parametrize("name", ["exposure with sums", "table with sums"])
def test_a_wrong_sum_does_not_hide_that_data_are_missing(name: str) -> None:
    """A cut file is short, whatever its first sum says: repeating it must never make it whole."""
    content = bytearray(shape(name))
    content[content.index(b"DATASUM") + 12] ^= 1
    error = refusal(bytes(content[: -3 * BLOCK]), "a.fits")
    assert error.fault is Fault.SHORT
    assert refusal(bytes(content), "a.fits").fault is Fault.CHECKSUM


@pytest.mark.parametrize(("name", "extensions"), [("exposure with NEXTEND", None), ("exposure", 6)])
def test_a_known_count_refuses_a_cut_between_hdus(name: str, extensions: int | None) -> None:
    """With NEXTEND in the header, or a count from the caller, no prefix at all can pass."""
    content = shape(name)
    assert isinstance(judged(content, "X_mef.fits", extensions=extensions), FitsShape)
    for end in opened(content)[0][:-1]:
        error = refusal(content[:end], "X_mef.fits", extensions=extensions)
        assert error.fault is Fault.EXTENSIONS


@pytest.mark.parametrize(
    ("cards", "usual", "note"),
    [
        ({"NEXTEND": 2}, None, "3 extensions where its header says 2"),
        ({}, 2, "3 extensions where 2 are usual"),
        ({"NEXTEND": 3}, 6, "3 extensions where 6 are usual"),
        ({"NEXTEND": 2}, 6, None),
        ({"NEXTEND": 6}, 6, None),
        ({"NEXTEND": 6}, None, None),
        ({}, 6, None),
    ],
)
def test_another_number_of_extensions_is_noted_or_refused(
    cards: dict[str, int], usual: int | None, note: str | None
) -> None:
    """Three boards pass where more than announced, or as announced; fewer are a doubt."""
    content = written(exposure(3, **cards))
    if note is None:
        error = refusal(content, "X_mef.fits", extensions=usual)
        assert error.fault is Fault.EXTENSIONS
        assert "3 extensions where 6 should be" in str(error)
    else:
        verdict = judged(content, "X_mef.fits", extensions=usual)
        assert isinstance(verdict, FitsShape)
        assert verdict.notes == (note,)


def test_an_exposure_without_a_board_is_never_noted_only() -> None:
    """NEXTEND = 0 announces nothing, which is what a primary header alone holds."""
    error = refusal(written(exposure(0, NEXTEND=0)), "X_mef.fits", extensions=6)
    assert error.fault is Fault.EXTENSIONS


def test_the_callers_count_overrides_nextend() -> None:
    """A caller who knows better than a stale card is believed."""
    verdict = judged(written(exposure(3, NEXTEND=2)), "a.fits", extensions=3)
    assert isinstance(verdict, FitsShape)
    assert verdict.notes == ()


def test_a_primary_header_alone_is_refused_when_extensions_may_follow() -> None:
    """An exposure cut after its primary header holds nothing, and EXTEND = T gives it away."""
    content = shape("exposure")
    error = refusal(content[: opened(content)[0][0]], "X_mef.fits")
    assert error.fault is Fault.EXTENSIONS
    assert "0 extensions where at least 1 should be" in str(error)


def test_without_a_count_a_cut_between_hdus_passes() -> None:
    """The limit of structure: what is left is FITS, and astropy too has nothing to say of it."""
    content = shape("exposure")
    ends, _, _ = opened(content)
    verdict = judged(content[: ends[3]], "X_mef.fits")
    assert isinstance(verdict, FitsShape)
    assert verdict.hdus == 4
    assert not opened(content[: ends[3]])[2]


def test_a_single_image_may_carry_the_cards_of_its_exposure() -> None:
    """NEXTEND, PCOUNT and GCOUNT copied from an exposure do not refuse the image split from it."""
    image = fits.PrimaryHDU(pixels(30, 40))
    image.header.update({"NEXTEND": 6, "PCOUNT": 0, "GCOUNT": 1})
    assert isinstance(judged(written([image]), "X_mef_4_0_0.fits"), FitsShape)


# --- sums ----------------------------------------------------------------------------------------


def test_any_damaged_byte_of_a_file_with_sums_is_refused() -> None:
    """Each byte in turn, its lowest bit flipped: headers, data, padding and the sums themselves."""
    hdus = [fits.PrimaryHDU(pixels(6, 6)), fits.ImageHDU(pixels(5, 5))]
    content = written(hdus, checksum=True)
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        for at, byte in enumerate(content):
            os.pwrite(file.fileno(), bytes([byte ^ 1]), at)
            with pytest.raises(DamagedFileError):
                check_file(file, "a.fits")
            os.pwrite(file.fileno(), bytes([byte]), at)
        assert isinstance(check_file(file, "a.fits"), FitsShape)


@given(
    name=st.sampled_from(
        ["image with sums", "exposure with sums", "table with sums", "RICE with sums"]
    ),
    at=st.integers(0, 10**6),
    flip=st.integers(1, 255),
)
def test_any_damage_to_one_byte_is_refused(name: str, at: int, flip: int) -> None:
    """Whatever a byte becomes, it shows; save CHECKSUM becoming ZHECKSUM, a keyword too."""
    content = bytearray(shape(name))
    at %= len(content)
    content[at] ^= flip
    if not content[at:].startswith(b"ZHECKSUM"):
        refusal(bytes(content), "a.fits")


def test_a_wrong_sum_says_which_hdu_and_which_sum() -> None:
    """A damaged pixel is distinguished from a damaged header."""
    content = bytearray(shape("exposure with sums"))
    ends, _, _ = opened(bytes(content))
    content[ends[3] - BLOCK] ^= 8
    assert "the data of HDU 3 do not add up to its DATASUM" in str(
        refusal(bytes(content), "a.fits")
    )
    content[ends[3] - BLOCK] ^= 8
    content[content.index(b"KEY7")] ^= 8
    error = refusal(bytes(content), "a.fits")
    assert "HDU 0 does not add up to its CHECKSUM" in str(error)
    assert (error.fault, error.at) == (Fault.CHECKSUM, 0)


def test_sums_can_be_left_out() -> None:
    """A caller who knows the cards to be stale may judge by structure alone."""
    content = bytearray(shape("image with sums"))
    content[-BLOCK] ^= 8
    assert refusal(bytes(content), "a.fits").fault is Fault.CHECKSUM
    verdict = judged(bytes(content), "a.fits", sums=False)
    assert isinstance(verdict, FitsShape)
    assert verdict.summed == 0


def test_a_blank_sum_says_nothing() -> None:
    """The standard's blank CHECKSUM or DATASUM means that it was not determined (4.4.2.7)."""
    image = fits.PrimaryHDU(pixels(3, 3))
    image.header.update({"CHECKSUM": "", "DATASUM": "   "})
    verdict = judged(written([image]), "a.fits")
    assert isinstance(verdict, FitsShape)
    assert verdict.summed == 0


def test_the_two_zeros_of_ones_complement_are_one() -> None:
    """Data of all ones have the sum 2^32 - 1, as astropy writes it, which is minus zero."""
    image = fits.PrimaryHDU(np.full((8, 8), -1, dtype="int32"))
    content = written([image], checksum=True)
    assert b"DATASUM = '4294967295'" in content
    assert isinstance(judged(content, "a.fits"), FitsShape)


def test_the_sum_of_the_untiled_image_is_another_matter() -> None:
    """ZHECKSUM beside a DATASUM is no damaged CHECKSUM, and not compared with anything."""
    image = fits.PrimaryHDU(pixels(3, 3))
    image.header["ZHECKSUM"] = "7AIA97G67AGA75G3"
    assert isinstance(judged(written([image], checksum="datasum"), "a.fits"), FitsShape)


@pytest.mark.parametrize("value", ["12x", "-1", "1.5"])
def test_a_datasum_that_is_no_number_is_refused(value: str) -> None:
    """A sum that cannot be compared is not taken for one that was."""
    image = fits.PrimaryHDU(pixels(3, 3))
    image.header["DATASUM"] = value
    assert "is no number" in str(refusal(written([image]), "a.fits"))


def test_sums_take_flat_memory() -> None:
    """Adding up 40 MB takes no more memory than a piece of them."""
    axis = f"NAXIS1  = {BLOCK * 14_000}"
    start = header("BITPIX  = 8", "NAXIS   = 1", axis, "DATASUM = '0'")
    with tempfile.TemporaryFile() as file:
        file.write(start)
        file.truncate(BLOCK * 14_001)
        tracemalloc.start()
        verdict = check_file(file.fileno(), "a.fits")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert isinstance(verdict, FitsShape)
    assert verdict.summed == 1
    assert peak < 1_000_000


# --- FITS by hand: what no library writes --------------------------------------------------------


def card(text: str) -> bytes:
    """Return one card image."""
    return text.encode().ljust(80)


def cards(*texts: str) -> list[bytes]:
    """Return card images."""
    return [card(text) for text in texts]


def block_of(images: list[bytes], fill: bytes = b" ") -> bytes:
    """Return a header of these cards, ended and filled up to its block."""
    header = b"".join([*images, card("END")])
    return header + fill * (-len(header) % BLOCK)


def header(*texts: str) -> bytes:
    """Return a header of one SIMPLE card and these."""
    return block_of(cards("SIMPLE  =                    T", *texts))


EMPTY = header("BITPIX  = 8", "NAXIS   = 0")
SMALL = header("BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 5") + b"pixel".ljust(BLOCK, b"\0")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (EMPTY, "no data is a file without a promise of any"),
        (SMALL, "free format values"),
        (header("NAXIS   = 0", "BITPIX  = 8"), "another order of the mandatory cards"),
        (header("BITPIX  = 8 / bits", "NAXIS   =   0/no axes"), "comments"),
        (block_of(cards("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0"), fill=b"\0"), "zeros as fill"),
        (header("BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 0"), "an axis of no length"),
        (header("BITPIX  = 8", "NAXIS   = 2", f"NAXIS1  = {'9' * 60}", "NAXIS2  = 0"), "0 * huge"),
        (
            header("BITPIX  = 8", "NAXIS   = 0", "NAXIS1  = x", "NAXIS   = 7"),
            "the first card counts",
        ),
        (
            header("BITPIX  = 8", "NAXIS   = 0", *["COMMENT"] * 36, "NAXIS   = 7"),
            "blocks later too",
        ),
        (EMPTY[:-80] + card("NEXTEND = 6"), "a card after END is none"),
        (header("BITPIX  = 8", "NAXIS   = 0", "NEXTEND = 'six'"), "a NEXTEND that is no number"),
        (header("BITPIX  = 8", "NAXIS   = 0", "COMMENT \xe9t\xe9"), "letters that are not ASCII"),
    ],
)
def test_what_does_not_bear_on_wholeness_is_let_pass(content: bytes, why: str) -> None:
    """Where a file breaks the standard and is whole all the same, the astronomer gets it."""
    assert isinstance(judged(content, "a.fits"), FitsShape), why


@pytest.mark.parametrize(
    ("content", "fault", "says"),
    [
        (SMALL + b"special record".ljust(BLOCK), Fault.LONG, "are no extension"),
        (SMALL + SMALL, Fault.LONG, "5760 bytes follow HDU 0"),
        (SMALL + EMPTY[:5], Fault.LONG, "5 bytes follow HDU 0"),
        (SMALL + b"XTEN", Fault.SHORT, "ends in the header of HDU 1"),
        (SMALL[: BLOCK + 4], Fault.SHORT, "the data of HDU 0 are 1 bytes short"),
        (SMALL[:BLOCK], Fault.SHORT, "the data of HDU 0 are 5 bytes short"),
        (SMALL[:900], Fault.SHORT, "ends in the header of HDU 0"),
        (EMPTY.replace(b"= T", b"= F").replace(b"  T", b"  F"), Fault.MALFORMED, "SIMPLE is not T"),
        (header("BITPIX  = 7", "NAXIS   = 0"), Fault.MALFORMED, 'BITPIX is "= 7'),
        (header("BITPIX  = 8"), Fault.MALFORMED, "NAXIS is missing in HDU 0"),
        (header("BITPIX  = 8", "NAXIS   = -1"), Fault.MALFORMED, "NAXIS is"),
        (header("BITPIX  = 8", "NAXIS   = 1000"), Fault.MALFORMED, "NAXIS is"),
        (header("BITPIX  = 8", "NAXIS   = 1.0"), Fault.MALFORMED, "NAXIS is"),
        (header("BITPIX  = 8", "NAXIS   1"), Fault.MALFORMED, "NAXIS is"),
        (header("BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 0"), Fault.MALFORMED, "NAXIS2 is missing"),
        (header("BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = -5"), Fault.MALFORMED, "NAXIS1 is"),
        (header("BITPIX  = 8", "NAXIS   = 0", "PCOUNT  = -5"), Fault.MALFORMED, "PCOUNT is"),
        (SMALL + block_of(cards("XTENSION= T")), Fault.MALFORMED, "XTENSION is not a string"),
        (EMPTY.replace(card("END"), card("END     = 1")), Fault.MALFORMED, "more than END"),
        (EMPTY.replace(b"NAXIS   = 0", b"NAXIS   = \0"), Fault.MALFORMED, "a header has a hole"),
        (EMPTY[:80] + b"\0" * 5 * BLOCK, Fault.MALFORMED, "a header has a hole"),
    ],
)
def test_what_is_not_whole_is_refused(content: bytes, fault: Fault, says: str) -> None:
    """Half-written, overlong and impossible files are refused, each with its reason."""
    error = refusal(content, "a.fits")
    assert says in str(error)
    assert error.fault is fault


@pytest.mark.parametrize("length", [10**18, 10**68, 2**63, 2**64])
@pytest.mark.parametrize("naxis", [1, 2, 999])
def test_huge_axes_are_short_of_data(naxis: int, length: int) -> None:
    """Numbers beyond any machine word, 999 times over, neither overflow nor hang."""
    axes = [f"NAXIS{number:<3}= {length}" for number in range(1, naxis + 1)]
    error = refusal(header("BITPIX  = -64", f"NAXIS   = {naxis}", *axes), "a.fits")
    assert error.fault is Fault.SHORT
    assert len(str(error)) < 300


@pytest.mark.parametrize(
    "piece",
    [
        card("COMMENT without end") * 36,
        block_of(cards("XTENSION= 'X'", "BITPIX  = 8", "NAXIS   = 0")),
    ],
)
def test_headers_without_end_are_given_up(piece: bytes) -> None:
    """A header that never ends, or HDUs without number, cost a bounded amount of reading."""
    start = EMPTY if piece.startswith(b"XTENSION") else EMPTY[:80] + piece[80:]
    error = refusal(start + piece * (MAX_HEADER_BLOCKS + 5), "a.fits")
    assert f"no END within {MAX_HEADER_BLOCKS} header blocks" in str(error)


# --- FITS inside gzip ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("filename", ["a.fits.gz", "A.FITS.GZ"])
def test_gzip_is_judged_by_what_is_inside(name: str, filename: str) -> None:
    """What FITS in gzip is, the gate says of it, with the length of the file itself."""
    inside = judged(shape(name), "a.fits")
    packed = gzip.compress(shape(name))
    verdict = judged(packed, filename)
    assert isinstance(inside, FitsShape)
    assert isinstance(verdict, FitsShape)
    assert (verdict.size, verdict.hdus, verdict.data_bytes, verdict.summed, verdict.notes) == (
        len(packed),
        inside.hdus,
        inside.data_bytes,
        inside.summed,
        (),
    )


@given(
    content=st.sampled_from(["exposure with NEXTEND", "image with sums"]).map(shape),
    level=st.integers(0, 9),
    data=st.data(),
)
def test_any_cut_or_flip_of_gzip_is_refused(
    content: bytes, level: int, data: st.DataObject
) -> None:
    """Cut anywhere it is short; with a byte changed it is damaged, or the same comes out."""
    packed = gzip.compress(content, level)
    cut = data.draw(st.integers(0, len(packed) - 1))
    assert refusal(packed[:cut], "a.fits.gz").fault is Fault.SHORT
    damaged = bytearray(packed)
    damaged[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        judged(bytes(damaged), "a.fits.gz")
    except DamagedFileError as error:
        assert not fault_of(error).leaves_data_whole  # noqa: PT017 - either is right
    else:
        assert gzip.decompress(bytes(damaged)) == content


@pytest.mark.parametrize(
    ("inside", "fault"),
    [
        (lambda: written(exposure(3)), Fault.EXTENSIONS),
        (lambda: shape("exposure")[:-BLOCK], Fault.SHORT),
        (lambda: shape("exposure") + b"junk", Fault.LONG),
        (lambda: b"<html>", Fault.FOREIGN),
        (lambda: b"", Fault.SHORT),
    ],
    ids=["boards", "cut", "junk", "page", "nothing"],
)
def test_what_is_wrong_inside_gzip_is_reported(inside: Callable[[], bytes], fault: Fault) -> None:
    """A file that was cut before it was packed has a right CRC-32, and is refused all the same."""
    error = refusal(gzip.compress(inside()), "X_mef.fits.gz", extensions=6)
    assert error.fault is fault


def packed_by_hand(content: bytes, *, flags: int, header: bytes, crc: int, size: int) -> bytes:
    """Return one gzip stream, each field of it free."""
    squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    body = squeeze.compress(content) + squeeze.flush()
    start = b"\x1f\x8b\x08" + bytes([flags]) + bytes(6) + header
    return start + body + struct.pack("<II", crc, size)


@pytest.mark.parametrize(
    ("flags", "header"),
    [
        (0, b""),
        (1, b""),
        (4, struct.pack("<H", 60_000) + b"e" * 60_000),
        (8, b"X_stack.fits\0"),
        (16, b"a comment\0"),
        (2, b"hc"),
        (30, struct.pack("<H", 3) + b"eee" + b"name\0" + b"comment\0" + b"hc"),
    ],
)
def test_every_header_of_gzip_is_read(flags: int, header: bytes) -> None:
    """Extra field, name, comment and header check may all be there (RFC 1952, 2.3)."""
    right = {"crc": zlib.crc32(SMALL), "size": len(SMALL)}
    packed = packed_by_hand(SMALL, flags=flags, header=header, **right)
    assert gzip.decompress(packed) == SMALL
    assert isinstance(judged(packed, "a.fits.gz"), FitsShape)


@pytest.mark.parametrize(
    ("packed", "fault", "says"),
    [
        ({"crc": 1}, Fault.MALFORMED, "CRC-32 is"),
        ({"size": 1}, Fault.MALFORMED, "come out where gzip says 1"),
        ({"flags": 0x80}, Fault.MALFORMED, "method 8 and flags 128 is unknown"),
        ({"flags": 8, "header": b"n" * 200_000}, Fault.MALFORMED, "no header ends"),
    ],
)
def test_what_gzip_says_of_itself_must_be_right(
    packed: dict[str, Any], fault: Fault, says: str
) -> None:
    """A wrong CRC-32 or length, and a header without end, are refused with their reason."""
    right = {"flags": 0, "header": b"", "crc": zlib.crc32(SMALL), "size": len(SMALL)}
    error = refusal(packed_by_hand(SMALL, **{**right, **packed}), "a.fits.gz")
    assert error.fault is fault
    assert says in str(error)


def test_several_streams_are_one_file() -> None:
    """Writers that pack in parallel write one stream after the other, as gzip allows."""
    content = shape("exposure")
    parts = [content[at : at + 7000] for at in range(0, len(content), 7000)]
    verdict = judged(b"".join(gzip.compress(part) for part in [*parts, b""]), "a.fits.gz")
    assert isinstance(verdict, FitsShape)
    assert verdict.hdus == 7


@pytest.mark.parametrize(
    ("tail", "note"),
    [(bytes(9), "9 zeros follow the gzip data"), (b"x", None), (bytes(70_000), None)],
)
def test_what_follows_gzip_is_weighed(tail: bytes, note: str | None) -> None:
    """A few zeros are fill and noted; anything else is refused, and yet said to cost no data."""
    content = gzip.compress(SMALL) + tail
    if note is None:
        assert refusal(content, "a.fits.gz").fault is Fault.LONG
    else:
        verdict = judged(content, "a.fits.gz")
        assert isinstance(verdict, FitsShape)
        assert verdict.notes == (note,)


def test_what_comes_out_of_gzip_is_bounded() -> None:
    """A megabyte that would come to more than a gigabyte is given up at that, in little memory."""
    piece = gzip.compress(bytes(64 * 1024**2), 9)
    tracemalloc.start()
    error = refusal(piece * (MAX_INFLATED // (64 * 1024**2) + 1), "a.fits.gz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert f"more than {MAX_INFLATED} bytes come out of it" in str(error)
    assert peak < 10_000_000


def test_streams_of_nothing_are_counted() -> None:
    """Millions of empty streams cost no more than thousands."""
    error = refusal(gzip.compress(b"") * 30_000, "a.fits.gz")
    assert "more than 20000 gzip streams" in str(error)


@pytest.mark.parametrize("suffix", [*SUFFIXES, *map(str.upper, SUFFIXES)])
def test_known_suffixes_are_known(suffix: str) -> None:
    """Upper and lower case are one, and every suffix that is promised is judged."""
    assert unknown_suffix(f"X_stack{suffix}") is None
    assert "no format known" not in str(refusal(b"junk", f"X_stack{suffix}"))


# --- the files that astropy ships ----------------------------------------------------------------

ASTROPY = Path(astropy.__file__).parent

STALE = "its sums are stale: the file was cut down by hand; astropy warns of them too"
ACCEPTED = [
    "io/fits/hdu/compressed/tests/data/compressed_with_nan.fits",
    "io/fits/hdu/compressed/tests/data/m13.fits",
    "io/fits/hdu/compressed/tests/data/m13_gzip.fits",
    "io/fits/hdu/compressed/tests/data/m13_hcomp.fits",
    "io/fits/hdu/compressed/tests/data/m13_plio.fits",
    "io/fits/hdu/compressed/tests/data/m13_rice.fits",
    "io/fits/tests/data/arange.fits",
    "io/fits/tests/data/ascii.fits",
    "io/fits/tests/data/ascii_i4-i20.fits",
    "io/fits/tests/data/blank.fits",
    "io/fits/tests/data/btable.fits",
    "io/fits/tests/data/checksum.fits",
    "io/fits/tests/data/comp.fits",
    "io/fits/tests/data/compressed_float_bzero.fits",
    "io/fits/tests/data/compressed_image.fits",
    "io/fits/tests/data/fixed-1890.fits",
    "io/fits/tests/data/group.fits",
    "io/fits/tests/data/history_header.fits",
    "io/fits/tests/data/logical_null.fits",
    "io/fits/tests/data/o4sp040b0_raw.fits",
    "io/fits/tests/data/random_groups.fits",
    "io/fits/tests/data/scale.fits",
    "io/fits/tests/data/stddata.fits",
    "io/fits/tests/data/table.fits",
    "io/fits/tests/data/tb.fits",
    "io/fits/tests/data/tdim.fits",
    "io/fits/tests/data/test0.fits",
    "io/fits/tests/data/test1.fits",
    "io/fits/tests/data/theap-gap.fits",
    "io/fits/tests/data/variable_length_table.fits",
    "io/fits/tests/data/verify.fits",
    "io/fits/tests/data/vla_logical_all_zero.fits",
    "io/fits/tests/data/vla_logical_null.fits",
    "io/fits/tests/data/vla_logical_pre_fix.fits",
    "io/fits/tests/data/zerowidth.fits",
    "io/votable/tests/data/tb.fits",
    "modeling/tests/data/1904-66_AZP.fits",
    "nddata/tests/data/sip-wcs.fits",
    "wcs/tests/data/dist.fits",
    "wcs/tests/data/ie6d07ujq_wcs.fits",
    "wcs/tests/data/j94f05bgq_flt.fits",
    "wcs/tests/data/sip.fits",
    "wcs/tests/data/sip2.fits",
    "wcs/tests/data/tab-time-last-axis.fits",
    "wcs/wcsapi/tests/data/example_4d_tab.fits",
]
REFUSED = {
    "io/fits/tests/data/chandra_time.fits": (Fault.CHECKSUM, STALE),
    "io/fits/tests/data/checksum_false.fits": (Fault.CHECKSUM, "made to have wrong sums"),
    "io/fits/tests/data/double_ext.fits": (Fault.EXTENSIONS, "the first of 36 extensions only"),
    "io/fits/tests/data/invalid/group_invalid.fits": (
        Fault.EXTENSIONS,
        "a primary header that promises groups and extensions, and holds nothing",
    ),
    "io/fits/tests/data/memtest.fits": (Fault.CHECKSUM, STALE),
    "modeling/tests/data/idcompspec.fits": (Fault.FOREIGN, "a text of IRAF, whatever its name"),
    "wcs/tests/data/header_newlines.fits": (Fault.CHECKSUM, STALE),
    "wcs/tests/data/header_with_time.fits": (Fault.MALFORMED, "SIMPLE = F: no standard FITS"),
    "wcs/tests/data/header_with_time_wcslib71.fits": (Fault.MALFORMED, "SIMPLE = F, and cut"),
    "wcs/tests/data/validate.fits": (Fault.CHECKSUM, STALE),
    "modeling/tests/data/hst_sip.hdr": (Fault.SHORT, "a header in lines of text"),
    "wcs/tests/data/2wcses.hdr": (Fault.SHORT, "a header without its data"),
    "wcs/tests/data/siponly.hdr": (Fault.SHORT, "a header without its data"),
    "wcs/tests/data/unit.hdr": (Fault.SHORT, "a header without its data"),
    "wcs/tests/data/sip-broken.hdr": (Fault.FOREIGN, "the header of an extension, alone"),
    "wcs/tests/data/maps/1904-66_TAN.hdr": (Fault.SHORT, "a header cut within its block"),
    "wcs/tests/data/dist_lookup.fits.gz": (Fault.FOREIGN, "gzip; judged under a .fits name"),
    "io/fits/tests/data/lzw.fits.Z": (Fault.FOREIGN, "compress; judged under a .fits name"),
}


def test_the_table_of_astropys_files_is_complete() -> None:
    """Every .fits file that astropy ships has its judgement below, so none is left out."""
    found = {path.relative_to(ASTROPY).as_posix() for path in ASTROPY.rglob("*.fits")}
    assert found <= {*ACCEPTED, *REFUSED}


def shipped(name: str) -> bytes:
    """Return a file that this astropy ships; another version may not have it."""
    path = ASTROPY / name
    if not path.exists():
        pytest.skip(f"astropy {astropy.__version__} does not ship it")
    return path.read_bytes()


@pytest.mark.parametrize("name", ACCEPTED)
def test_astropys_good_files_are_accepted(name: str) -> None:
    """They pass, and astropy agrees: no complaint, and the same bytes of data up to the end."""
    content = shipped(name)
    ends, data_bytes, complaints = opened(content)
    verdict = judged(content, "a.fits")
    assert isinstance(verdict, FitsShape)
    assert (verdict.size, verdict.hdus, verdict.data_bytes) == (ends[-1], len(ends), data_bytes)
    assert not complaints


@pytest.mark.parametrize("name", REFUSED)
def test_astropys_bad_files_are_refused(name: str) -> None:
    """Each is refused for what is wrong with it; where sums are, astropy complains too."""
    fault, why = REFUSED[name]
    content = shipped(name)
    assert refusal(content, "a.fits").fault is fault, why
    if fault is Fault.CHECKSUM:
        assert isinstance(judged(content, "a.fits", sums=False), FitsShape)
        assert complains_of_sums(content)


def complains_of_sums(content: bytes) -> bool:
    """Return whether astropy, too, finds a sum wrong; one blank DATASUM it cannot even read."""
    try:
        return any("verification failed" in complaint for complaint in opened(content)[2])
    except OSError:
        return True


# --- Avro ----------------------------------------------------------------------------------------

ALERT = {
    "type": "record",
    "name": "alert",
    "namespace": "winter",
    "fields": [{"name": "candid", "type": "long"}, {"name": "cutout", "type": "bytes"}],
}


def container(count: int = 9, codec: str = "null") -> bytes:
    """Return a container of alerts as fastavro writes it, a few to a block."""
    alerts = [{"candid": n, "cutout": bytes(range(n, n + 40))} for n in range(count)]
    buffer = io.BytesIO()
    fastavro.writer(buffer, ALERT, alerts, codec=codec, sync_interval=100)
    return buffer.getvalue()


def read_by_fastavro(content: bytes) -> bool:
    """Return whether fastavro reads this container to its end."""
    try:
        list(fastavro.reader(io.BytesIO(content)))
    except Exception:  # noqa: BLE001 - fastavro raises whatever its parsing meets
        return False
    return True


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz"])
def test_what_fastavro_writes_is_accepted(codec: str) -> None:
    """A container passes with its blocks and records counted, whatever the codec."""
    content = container(codec=codec)
    blocks = list(fastavro.block_reader(io.BytesIO(content)))
    verdict = AvroShape(len(content), len(blocks), 9, "winter.alert", codec)
    assert judged(content, "X_stack.diff.avro") == verdict


def test_a_container_without_a_candidate_is_accepted() -> None:
    """A field in which nothing was found has a container without a block."""
    assert judged(container(0), "a.avro") == AvroShape(
        len(container(0)), 0, 0, "winter.alert", "null"
    )


def test_a_prefix_passes_only_where_fastavro_reads_it() -> None:
    """Of all prefixes of a container, those cut after a block pass and no other: the limit."""
    content = container()
    passing = []
    for cut in range(len(content)):
        try:
            judged(content[:cut], "a.avro")
        except DamagedFileError as error:
            assert error.fault is Fault.SHORT  # noqa: PT017 - either outcome is right
        else:
            passing.append(cut)
    assert passing == [cut for cut in range(len(content)) if read_by_fastavro(content[:cut])]
    marker = content[-16:]
    assert passing == [hit.end() for hit in re.finditer(re.escape(marker), content)][:-1]


@pytest.mark.parametrize("junk", [b"Obj\x01", b"\n", b"<html>" * 9, b"\0" * 99 + b"x"])
def test_junk_after_a_container_is_refused(junk: bytes) -> None:
    """What follows the last block is no block, and may have been one: it is refused for good."""
    error = refusal(container() + junk, "a.avro")
    assert not fault_of(error).leaves_data_whole


@pytest.mark.parametrize("zeros", [1, 2, 18, 36, 4096, 200_000])
def test_zeros_after_a_container_cost_no_records(zeros: int) -> None:
    """Zeros to the very end are no block that was damaged: all records before them are there."""
    error = refusal(container() + bytes(zeros), "a.avro")
    assert error.fault is Fault.LONG
    assert f"{zeros} zeros follow the last block" in str(error)


def test_empty_blocks_are_no_zeros() -> None:
    """A block of no records begins with two zeros, and is a block all the same."""
    verdict = judged(head() + block(0, b"") * 9, "a.avro")
    assert isinstance(verdict, AvroShape)
    assert verdict.blocks == 9


def test_a_damaged_marker_is_refused() -> None:
    """Each byte of the last marker counts."""
    content = bytearray(container())
    for at in range(len(content) - 16, len(content)):
        content[at] ^= 1
        assert "is not closed by the file's marker" in str(refusal(bytes(content), "a.avro"))
        content[at] ^= 1


def zigzag(number: int) -> bytes:
    """Return a number as Avro writes it."""
    raw = (number << 1) ^ (number >> 63)
    septets = [raw >> shift & 0x7F for shift in range(0, max(raw.bit_length(), 1), 7)]
    return bytes([*(septet | 0x80 for septet in septets[:-1]), septets[-1]])


def text(content: bytes) -> bytes:
    """Return a string as Avro writes it."""
    return zigzag(len(content)) + content


def head(schema: bytes = b'"int"', *more: tuple[bytes, bytes]) -> bytes:
    """Return the header of a container by hand; its marker is sixteen times M."""
    pairs = [(b"avro.schema", schema), *more]
    body = b"".join(text(key) + text(value) for key, value in pairs)
    return b"Obj\x01" + zigzag(len(pairs)) + body + b"\0" + b"M" * 16


def block(count: int, data: bytes) -> bytes:
    """Return a block by hand."""
    return zigzag(count) + text(data) + b"M" * 16


@given(st.integers(-(2**63), 2**63 - 1))
def test_numbers_are_read_as_they_are_written(count: int) -> None:
    """Every 64-bit count is read right: kept where it can be one, refused by name below 0."""
    content = head() + block(count, b"")
    if count < 0:
        assert f"begins with the numbers {count} and 0" in str(refusal(content, "a.avro"))
    else:
        verdict = judged(content, "a.avro")
        assert isinstance(verdict, AvroShape)
        assert (verdict.records, verdict.blocks) == (count, 1)


def test_metadata_may_be_in_blocks_that_tell_their_size() -> None:
    """A negative count, with the size in bytes after it, and more than one block of pairs."""
    pairs = text(b"avro.schema") + text(b'"int"')
    codec = text(b"avro.codec") + text(b"deflate")
    metadata = zigzag(-1) + zigzag(len(pairs)) + pairs + zigzag(1) + codec + b"\0"
    content = b"Obj\x01" + metadata + b"M" * 16 + block(1, b"x")
    assert judged(content, "a.avro") == AvroShape(len(content), 1, 1, "int", "deflate")


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        (b'{"type": "record", "name": "a.b", "namespace": "c", "fields": []}', "a.b"),
        (b'{"type": "record", "name": "b", "namespace": "c", "fields": []}', "c.b"),
        (b'{"type": "record", "name": "b", "fields": []}', "b"),
        (b'{"type": "map", "values": "int"}', "map"),
        (b'["null", "int"]', "union"),
        (b'{"type": {"type": "string"}}', "string"),
        (b'"bytes"', "bytes"),
    ],
)
def test_any_schema_of_avro_will_do(schema: bytes, name: str) -> None:
    """An alert is a record, but a container of another type is whole Avro just the same."""
    verdict = judged(head(schema), "a.avro")
    assert isinstance(verdict, AvroShape)
    assert verdict.schema == name


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (head(b"{"), 'its avro.schema is no schema: "{"'),
        (head(b"\xff\xfe"), "is no schema"),
        (head(b'"frobnicate"'), "is no schema"),
        (head(b"7"), "is no schema"),
        (head(b'{"type": "record", "name": "n"}'), "is no schema"),
        (head(b"[" * 100_000), "is no schema"),
        (head(b'{"type":' * 20_000 + b'"int"' + b"}" * 20_000), "is no schema"),
        (head(b"1" * 5000), "is no schema"),
        (b"Obj\x01\0" + b"M" * 16, "its header has no avro.schema"),
        (head(b'"int"', (b"avro.codec", b"rot13")), 'its codec "rot13" is none of Avro\'s'),
        (head(b'"int"', (b"x", b"y" * MAX_HEADER)), "the header goes on past 262144 bytes"),
        (b"Obj\x01" + zigzag(2**62) + b"\0" * 2 * MAX_HEADER, "the header goes on past"),
        (b"Obj\x01" + zigzag(-(2**62)) + b"\0" * 99, "it ends in the header"),
        (b"Obj\x01" + zigzag(1) + zigzag(-1) + b"\0" * 99, "a length below 0 in the header"),
        (b"Obj\x01" + zigzag(1) + zigzag(2**62) + b"\0" * 99, "it ends in the header"),
        (b"Obj\x01" + b"\xff" * 99, "a number of more than 64 bits in the header"),
        (head() + b"\xff" * 9 + b"\x02", "a number of more than 64 bits in block 0"),
        (head() + block(1, b"x") + b"\xff" * 99, "a number of more than 64 bits in block 1"),
        (head() + block(1, b"x") + b"\xff" * 7, "it ends in block 1"),
        (head() + zigzag(1) + zigzag(-1) + b"M" * 16, "begins with the numbers 1 and -1"),
        (head() + zigzag(1) + zigzag(2**62) + b"M" * 16, "it ends in block 0"),
        (head() + zigzag(1) + zigzag(2**63 - 1) + b"M" * 16, "it ends in block 0"),
        (head() + block(0, b"") * 200_001, "block 200000 begins with"),
    ],
)
def test_what_is_no_container_is_refused(content: bytes, says: str) -> None:
    """Each impossible or boundless container is refused with its reason."""
    assert says in str(refusal(content, "a.avro"))


# --- anything ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "seems"),
    [
        (b"<!DOCTYPE html><html>", "an HTML page"),
        (b"\n  <HTML lang=en>", "an HTML page"),
        (b"\xef\xbb\xbf<html>", "an HTML page"),
        (b'{"detail": "Not Found"}', "JSON"),
        (b'[{"path": 1}]', "JSON"),
        (b"<?xml version='1.0'?><Error/>", "XML"),
        (b"PK\x03\x04\x14\0", "a zip"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"XTENSION= 'IMAGE   '", "a FITS extension without its primary header"),
        (b"\0" * 5000, "zeros, a file made but never filled"),
        (b"Internal Server Error", "text"),
        (b"\x7fELF\x02\x01", "nothing we know"),
    ],
)
@pytest.mark.parametrize("filename", ["X_stack.fits", "X_stack.fits.fz", "X_stack.diff.avro"])
def test_what_came_instead_is_named_and_quoted(content: bytes, seems: str, filename: str) -> None:
    """A person reads which file it is, what came instead, and its first bytes."""
    error = refusal(content, filename)
    assert str(error).startswith(f"{filename}: not ")
    assert f"it seems to be {seems} (byte 0 of {len(content)}: there is" in str(error)
    assert repr(content[:60]) in str(error)
    assert error.remedy
    assert (error.filename, error.fault) == (filename, Fault.FOREIGN)
    assert (error.at, error.size) == (0, len(content))


@pytest.mark.parametrize("filename", ["a.fits", "a.avro"])
def test_an_empty_file_is_nothing_at_all(filename: str) -> None:
    """A file of no bytes is called what it is."""
    error = refusal(b"", filename)
    assert "there is nothing at all (byte 0 of 0: the file ends there)" in str(error)
    assert error.fault is Fault.SHORT


def test_one_format_under_the_name_of_the_other_is_refused() -> None:
    """FITS called .avro and Avro called .fits are both recognised as what they are."""
    assert "not Avro: it seems to be FITS" in str(refusal(SMALL, "a.avro"))
    assert "not FITS: it seems to be Avro" in str(refusal(container(), "a.fits"))


@pytest.mark.parametrize("filename", ["a.jpg", "a.txt", "fits", "a.fits.part", "a.gz", ""])
def test_a_name_of_another_format_is_refused(filename: str) -> None:
    """The gate vouches for nothing that it cannot judge."""
    error = refusal(SMALL, filename)
    assert unknown_suffix(filename) is not None
    assert "the name is of no format known here" in str(error)
    assert repr(SMALL[:60]) in str(error)


def test_a_name_without_a_dot_has_no_end() -> None:
    """Of any other, the end is what stands behind its last dot, and the dot."""
    assert unknown_suffix("X_stack") == ""
    assert unknown_suffix("X_stack.fits.zip") == ".zip"
    assert unknown_suffix("X_stack.") == "."


@given(
    st.sampled_from([b"", b"SIMPLE  =", SMALL[:BLOCK], SMALL, b"Obj\x01", head(), b"\x1f\x8b\x08"]),
    st.binary(max_size=400),
    st.sampled_from(["a.fits", "a.avro", "a.fits.gz"]),
)
def test_any_bytes_are_accepted_or_damaged(start: bytes, rest: bytes, filename: str) -> None:
    """Nothing but DamagedFileError ever comes out of a file, and its message has an end."""
    try:
        judged(start + rest, filename)
    except DamagedFileError as error:
        assert len(str(error)) < 700  # noqa: PT017 - either outcome is right


@given(
    st.sampled_from(["exposure with NEXTEND", "table with sums", "random groups", "avro"]),
    st.lists(st.tuples(st.integers(0, 10**6), st.binary(min_size=1, max_size=12)), max_size=5),
)
def test_any_mangled_file_is_accepted_or_damaged(
    name: str, patches: list[tuple[int, bytes]]
) -> None:
    """A good file with any bytes written over it raises nothing but DamagedFileError."""
    content = bytearray(container() if name == "avro" else shape(name))
    for at, patch in patches:
        start = at % min(len(content), 2 * BLOCK)
        content[start : start + len(patch)] = patch
    try:
        judged(bytes(content), "a.avro" if name == "avro" else "a.fits")
    except DamagedFileError as error:
        assert isinstance(error.fault, Fault)  # noqa: PT017 - either outcome is right


@given(
    st.lists(
        st.sampled_from(["SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS999", "PCOUNT"])
        | st.sampled_from(["GCOUNT", "GROUPS", "EXTEND", "NEXTEND", "CHECKSUM", "DATASUM", "END"]),
        max_size=40,
    ),
    st.lists(
        st.sampled_from(["T", "F", "0", "-8", "8", "999", "9" * 70, "''", "'", "'x'", "'7'", "/"])
        | st.text(max_size=10),
        min_size=40,
        max_size=40,
    ),
)
def test_any_cards_are_accepted_or_damaged(keywords: list[str], values: list[str]) -> None:
    """Any value on any card that is read raises nothing but DamagedFileError."""
    images = [card(f"{k:8}= {v}")[:80] for k, v in zip(keywords, values, strict=False)]
    for content in (
        EMPTY[:80] + block_of(images),
        SMALL + block_of([card("XTENSION= 'X'"), *images]),
    ):
        try:
            judged(content, "a.fits")
        except DamagedFileError as error:
            assert isinstance(error.fault, Fault)  # noqa: PT017 - either outcome is right


def test_the_position_of_the_file_is_not_moved() -> None:
    """The caller's own reading or writing goes on where it was."""
    with tempfile.TemporaryFile() as file:
        file.write(SMALL)
        file.flush()
        file.seek(17)
        check_file(file, "a.fits")
        assert file.tell() == 17
        assert check_file(file.fileno(), "a.fits") == check_file(file, "a.fits")


def test_pixels_are_not_read() -> None:
    """Of an exposure without sums, only headers are read: a sparse terabyte is judged as fast."""
    axes = ("NAXIS   = 2", "NAXIS1  = 1000000", "NAXIS2  = 1000000")
    with tempfile.TemporaryFile() as file:
        file.write(header("BITPIX  = 8", *axes))
        file.truncate(BLOCK + -(-(10**12) // BLOCK) * BLOCK)
        verdict = check_file(file, "a.fits")
    assert isinstance(verdict, FitsShape)
    assert verdict.data_bytes == 10**12


def test_the_gate_is_light_to_import() -> None:
    """It brings none of the heavy libraries that could judge a file too."""
    program = "import sys, winter_sync.formats.check; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)  # noqa: S603 - our own words
    assert not {"numpy", "astropy", "fastavro"} & set(run.stdout.decode().split())
