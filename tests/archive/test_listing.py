"""Listings read liberally: every usable row comes out, every other one is reported."""

from __future__ import annotations

import json
import math
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winter_sync.archive.listing import Listing, joined
from winter_sync.archive.listing_reader import ListingReader
from winter_sync.core.errors import BadAnswerError
from winter_sync.core.products import Night, Row
from winter_sync.core.queries import Query, Subject
from winter_sync.core.traits import ImageType, Instrument

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = "2024A000"
QUERY = Query(Subject(PROGRAM, Instrument.WINTER, ImageType.STACK), date(2024, 2, 1))
FIRST = {
    "progname": PROGRAM,
    "nightdate": "2024-02-12",
    "targname": "M31",
    "ra": 10.68,
    "dec": 41.27,
    "fid": 2,
    "utctime": "2024-02-12T12:52:16.785000+00:00",
    "fieldid": 999999999,
    "image_type": "stack",
    "savepath": "/data/loki/data/winter/20240211/final/A_mef_4_0_0_stack.fits",
    "lastmodified": "2024-02-13T01:00:00",
    "pipeversion": "0.9.1",
}
SECOND = {**FIRST, "targname": None, "savepath": FIRST["savepath"].replace("A_mef", "B_mef")}  # type: ignore[attr-defined]


def as_rows(rows: list[dict[str, Any]]) -> object:
    """Return the body as a list of rows."""
    return rows


def as_columns(rows: list[dict[str, Any]]) -> object:
    """Return the body as a mapping of columns."""
    return {name: [row[name] for row in rows] for name in rows[0]}


def as_labelled_columns(rows: list[dict[str, Any]]) -> object:
    """Return the body as pandas writes a frame: columns that are mappings by row label."""
    return {name: {str(n): row[name] for n, row in enumerate(rows)} for name in rows[0]}


def listed(body: object, query: Query = QUERY) -> Listing:
    """Read an answer with this body, through JSON as it comes."""
    return read_listing({"msg": "Found 2 images.", "body": body}, query)


def read_listing(answer: object, query: Query) -> Listing:
    """Read an answer, through JSON as it comes."""
    reader = ListingReader(query)
    reader.feed(json.dumps(answer).encode())
    return reader.close()


def only_row(**columns: object) -> Row:
    """Read a listing of one row, with these columns changed."""
    listing = listed([{**FIRST, **columns}])
    assert listing.faults == ()
    (row,) = listing.rows
    return row


@pytest.mark.parametrize("shape", [as_rows, as_columns, as_labelled_columns])
def test_every_shape_of_a_table_is_read(shape: Callable[[list[dict[str, Any]]], object]) -> None:
    """Rows, columns and labelled columns give the same rows, in their order."""
    listing = listed(shape([FIRST, SECOND]))
    assert listing.faults == ()
    first, second = listing.rows
    assert first.product.savepath == FIRST["savepath"]
    assert second.product.savepath == SECOND["savepath"]
    assert (first.target, second.target) == ("M31", None)


def test_a_row_is_read_in_full() -> None:
    """Each column has its place, and instrument and type are those of the question."""
    row = only_row()
    assert row.product.identity == (Instrument.WINTER, FIRST["savepath"])
    assert row.product.image_type is ImageType.STACK
    assert row.product.night == Night("20240211")
    assert row.program == PROGRAM
    assert (row.ra, row.dec, row.fid, row.fieldid) == (10.68, 41.27, 2, 999999999)
    assert row.nightdate == "2024-02-12"
    assert row.utctime == FIRST["utctime"]
    assert (row.lastmodified, row.pipeversion) == ("2024-02-13T01:00:00", "0.9.1")
    assert dict(row.extra) == {}


@pytest.mark.parametrize("shape", [as_rows, as_columns, as_labelled_columns])
def test_unknown_columns_are_kept(shape: Callable[[list[dict[str, Any]]], object]) -> None:
    """A column that the API grew is kept as it came."""
    (row,) = listed(shape([{**FIRST, "seeing": 0.9, "flags": [1, None]}])).rows
    assert dict(row.extra) == {"seeing": 0.9, "flags": [1, None]}


@pytest.mark.parametrize("body", [[], {}, {"savepath": []}, {"savepath": {}}])
def test_an_empty_table_is_no_fault(body: object) -> None:
    """A program without products has a listing without rows."""
    assert (listed(body).rows, listed(body).faults) == ((), ())


def test_a_bare_table_is_read() -> None:
    """Rows that come without the envelope are rows all the same."""
    assert len(read_listing([FIRST, SECOND], QUERY).rows) == 2


def test_a_row_that_names_no_program_has_the_one_asked_for() -> None:
    """The program of a row is its own word, else that of the question."""
    assert only_row(progname=None).program == PROGRAM
    assert only_row(progname="2023B111").program == "2023B111"


def test_a_row_of_another_type_keeps_its_word() -> None:
    """A type that contradicts the question is not believed, and not lost."""
    row = only_row(image_type="raw")
    assert row.product.image_type is ImageType.STACK
    assert dict(row.extra) == {"image_type": "raw"}
    assert dict(only_row(image_type=None).extra) == {}


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (None, "it is null, not a row"),
        ("text", "it is a text, not a row"),
        ([1], "it is a list, not a row"),
        (7, "it is a number, not a row"),
        (True, "it is true or false, not a row"),
        ({}, "its savepath is 'None'"),
        ({**FIRST, "savepath": None}, "its savepath is 'None'"),
        ({**FIRST, "savepath": 7}, "its savepath is '7'"),
        ({**FIRST, "savepath": ""}, "its savepath is ''"),
        ({**FIRST, "savepath": "/data/winter/20240211/final/"}, "its savepath is '/data"),
        ({**FIRST, "savepath": "/20240211/\ud800.fits"}, "no Unicode text: '/20240211/\\ud800"),
        ({**FIRST, "savepath": f"/{'a' * 5000}/20240211/b.fits"}, "longer than 4096 characters"),
        ({"savepath": "/a/b.fits"}, "nothing shows the night of '/a/b.fits'"),
        ({"savepath": "/a/b.fits", "nightdate": "0001-01-01"}, "nothing shows the night"),
        ({"savepath": "/a/b_00010101-000000-000.fits"}, "nothing shows the night"),
        ({"savepath": "/a/b.fits", "nightdate": {"year": 2024}}, "nothing shows the night"),
    ],
)
def test_a_bad_row_is_reported_and_costs_no_other(bad: object, why: str) -> None:
    """A row that makes no sense is left out with its number; those around it are used."""
    listing = listed([FIRST, bad, SECOND])
    assert [row.product.savepath for row in listing.rows] == [
        FIRST["savepath"],
        SECOND["savepath"],
    ]
    (fault,) = listing.faults
    assert fault.startswith("row 2: ")
    assert why in fault


def test_a_label_that_a_column_lacks_is_a_missing_value() -> None:
    """Labelled columns are joined by label, never by position."""
    body = {
        "targname": {"1": "M33"},
        "savepath": {"0": FIRST["savepath"], "1": SECOND["savepath"], "2": None},
    }
    listing = listed(body)
    targets = {row.product.savepath: row.target for row in listing.rows}
    assert targets == {FIRST["savepath"]: None, SECOND["savepath"]: "M33"}
    assert len(listing.faults) == 1


def test_one_value_for_all_rows() -> None:
    """A column that is a single value holds for every row, as it does for pandas."""
    listing = listed({"savepath": [FIRST["savepath"], SECOND["savepath"]], "targname": "M31"})
    assert [row.target for row in listing.rows] == ["M31", "M31"]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "text",
        7,
        {},
        {"body": None},
        {"body": "text"},
        {"body": {"detail": "no"}},
        {"body": {"savepath": ["a"], "ra": []}},
        {"body": {"savepath": ["a"], "ra": {"0": 1.0}}},
    ],
)
def test_an_answer_without_a_table_is_a_bad_answer(answer: object) -> None:
    """What is no table is refused, and the error says what to do."""
    with pytest.raises(BadAnswerError, match="the answer to a query") as caught:
        read_listing(answer, QUERY)
    assert caught.value.remedy


@pytest.mark.parametrize("nothing", [None, math.nan])
def test_missing_values_are_none(nothing: object) -> None:
    """Null and NaN are missing values in every column but the savepath."""
    row = only_row(**{name: nothing for name in FIRST if name not in ("savepath", "image_type")})
    assert row.program == PROGRAM
    found = (row.nightdate, row.target, row.ra, row.dec, row.fid, row.utctime, row.fieldid)
    assert found == (None,) * 7
    assert (row.lastmodified, row.pipeversion) == (None, None)


@pytest.mark.parametrize(
    ("value", "number", "whole"),
    [
        ("12.5", 12.5, 12),
        ("text", None, None),
        ([1], None, None),
        (math.inf, None, None),
        (2**62, None, 2**62),
        (2**63, None, None),
        (-(2**63), None, None),
        (10**400, None, None),
    ],
)
def test_numbers_of_the_wrong_kind(value: object, number: float | None, whole: int | None) -> None:
    """What is no finite number is missing; whole numbers fit what a database can hold."""
    row = only_row(ra=value, fid=value)
    assert row.ra == number
    assert row.fid == whole


@pytest.mark.parametrize(
    ("listed", "position"),
    [
        ((12.5, -90), (12.5, -90.0)),
        ((-5.0, 10.0), (355.0, 10.0)),
        ((-1e-320, 10.0), (0.0, 10.0)),
        ((360, 10.0), (0.0, 10.0)),
        ((12.5, 90.000001), (None, None)),
        ((12.5, 1e308), (None, None)),
        ((-1e308, 10.0), (None, None)),
        ((12.5, math.nan), (None, None)),
        ((None, 10.0), (None, None)),
    ],
)
def test_a_position_is_on_the_sky(
    listed: tuple[object, object], position: tuple[float | None, float | None]
) -> None:
    """What is beyond the poles, or half a position, is none: one would spoil a whole answer."""
    row = only_row(ra=listed[0], dec=listed[1])
    assert (row.ra, row.dec) == position


def test_texts_are_no_longer_than_any_name() -> None:
    """A megabyte of a name would make every row of a FITS table a megabyte long."""
    row = only_row(targname="x" * 1_000_000, progname="y" * 1_000_000)
    assert row.target == "x" * 500
    assert len(row.program) == 500


def test_text_of_the_wrong_kind() -> None:
    """A mark that is a number is kept as text; half a character is replaced."""
    row = only_row(lastmodified=1707696000000, pipeversion=["0.9"], targname="M\ud83131")
    assert row.lastmodified == "1707696000000"
    assert row.pipeversion == "['0.9']"
    assert row.target == "M?31"


def test_the_night_is_that_of_the_directory() -> None:
    """Directory, else the name's own time, else the day before `nightdate` tell the night."""
    path = "/x/WINTERcamera_20240130-061425-616_mef.fits"
    assert only_row(savepath=path).product.night == Night("20240129")
    assert only_row(savepath="/x/a.fits").product.night == Night("20240211")
    assert only_row(savepath="/x/20230101/a.fits").product.night == Night("20230101")
    assert only_row(savepath="/00010101/a.fits").product.night == Night("00010101")
    assert only_row(savepath="/x/a.fits", nightdate="0999-03-01").product.night == Night("09990228")


def test_many_faults_are_counted() -> None:
    """Twenty faults are reported, of more only how many."""
    assert len(listed([None] * 20).faults) == 20
    listing = listed([None] * 1000 + [FIRST])
    assert (len(listing.faults), listing.untold) == (20, 980)
    assert listing.faults[0] == "row 1: it is null, not a row"
    assert len(listing.rows) == 1


def test_a_long_savepath_is_reported_in_short() -> None:
    """A fault quotes the beginning of a savepath, in characters that can be printed."""
    (fault,) = listed([{"savepath": "\x1b[31m" + "x" * 10_000}]).faults
    assert len(fault) < 300
    assert fault.isprintable()


# --- anything at all ------------------------------------------------------------------------------

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from(
        ["\ud800", "0001-01-01", "/20240211/a", "/00010101/b", "_00010101-000000-000."]
    )
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*FIRST, "0", "new"]), inner, max_size=6)
    ),
    max_leaves=12,
)


@given(anything | st.builds(lambda body: {"body": body}, anything))
def test_any_answer_is_read_or_refused(answer: object) -> None:
    """Whatever the JSON, there is a listing that can be stored, or a bad answer."""
    try:
        listing = read_listing(answer, QUERY)
    except BadAnswerError:
        return
    assert all(fault.isprintable() for fault in listing.faults)
    for row in listing.rows:
        texts = (row.product.savepath, row.program, row.nightdate, row.target, row.utctime)
        for text in (*texts, row.lastmodified, row.pipeversion):
            assert text is None or isinstance(text.encode(), bytes)
        assert all(number is None or math.isfinite(number) for number in (row.ra, row.dec))
        json.dumps(dict(row.extra))


@given(st.lists(st.just(FIRST) | anything), st.sampled_from([as_rows, as_labelled_columns]))
def test_no_good_row_is_lost_among_bad_ones(rows: list[Any], shape: object) -> None:
    """As many rows as are well-formed come out, wherever the others stand."""
    good = sum(row == FIRST for row in rows)
    body: object = rows
    if shape is as_labelled_columns:
        tables = [row if isinstance(row, dict) else {} for row in rows]
        body = {
            name: {str(n): row[name] for n, row in enumerate(tables) if name in row}
            for name in {name for row in tables for name in row}
        }
    listing = read_listing({"body": body}, QUERY)
    assert sum(row.product.savepath == FIRST["savepath"] for row in listing.rows) == good
    assert len(listing.rows) + len(listing.faults) >= good


PART = st.builds(
    lambda names, found, twice: (sorted(names), found, twice),
    st.sets(st.integers(0, 9), max_size=5),
    st.none() | st.integers(-2, 2),
    st.booleans(),
)


@given(parts=st.lists(PART, min_size=2, max_size=2))
def test_joined_answers_are_whole_only_if_each_part_is(
    parts: list[tuple[list[int], int | None, bool]],
) -> None:
    """Too few rows in one part are not hidden by another, and each product counts once."""
    listings = []
    for names, excess, twice in parts:
        rows = [{**FIRST, "savepath": f"{FIRST['savepath']}{name}.fits"} for name in names]
        said = "ok" if excess is None else f"Found {max(0, len(names) + excess)} images."
        answer = {"msg": said, "body": [*rows, *(rows[:1] if twice else ())]}
        listings.append(read_listing(answer, QUERY))
    together = joined(listings)
    assert together.is_cut == any(listing.is_cut for listing in listings)
    assert together.is_whole == all(listing.is_whole for listing in listings)
    assert together.distinct == len({row.product.savepath for row in together.rows})
