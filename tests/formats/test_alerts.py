"""Alerts read from Avro files: of any schema, damaged, hostile; fastavro and astropy judge."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import tempfile
import tracemalloc
import zlib
from contextlib import suppress
from dataclasses import fields
from itertools import count
from typing import TYPE_CHECKING, Any

import fastavro
import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st
from support.alerts import CUTOUT_NAMES, JD, alert_file, record, schema

from winter_sync.core.alerts import Alert, AlertFile, Cutouts, instant_of_jd, jd_of_instant
from winter_sync.core.errors import DamagedFileError
from winter_sync.formats import UnreadableError, alerts, read_alerts, read_cutouts
from winter_sync.formats.alerts import MAX_RECORDS

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "WINTERcamera_20240225-151339-990_mef_4_0_0_stack.diff.avro"
OF_RECORD = ("objectid", "candid")
"""Fields of the record itself; the others are its candidate's."""


def read(content: bytes, filename: str = NAME) -> AlertFile:
    """Read the alerts of a file with this content."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return read_alerts(file, filename)


def cutouts(content: bytes, number: int, candid: int | None) -> Cutouts:
    """Read the cutouts of an alert of a file with this content."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return read_cutouts(file, NAME, number, candid)


def container(
    text: str | bytes, data: bytes = b"", *, records: int = 1, codec: str = "null"
) -> bytes:
    """Return a container of one block, whatever its schema and data are."""
    header = {"avro.schema": text if isinstance(text, bytes) else text.encode()}
    header["avro.codec"] = codec.encode()
    sync = b"0123456789abcdef"
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, {"type": "map", "values": "bytes"}, header)
    metadata = stream.getvalue()
    return b"Obj\x01" + metadata + sync + number(records) + number(len(data)) + data + sync


def number(value: int) -> bytes:
    """Return a number as Avro writes it."""
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, "long", value)
    return stream.getvalue()


def test_an_alert_says_what_its_record_says() -> None:
    """Each field by its name; the time by the Julian date, the filter by its number."""
    values: dict[str, Any] = {
        "ra": 359.99,
        "dec": -12.5,
        "magpsf": 18.25,
        "sigmapsf": 0.0625,
        "diffmaglim": 20.5,
        "isdiffpos": False,
        "rb": 0.5,
        "scorr": 12.125,
        "fwhm": 3.5,
        "exptime": 960.0,
        "magap": 18.5,
        "sigmagap": 0.25,
        "ndethist": 3,
        "boardid": 4,
        "fieldid": 12,
        "progname": "2024A000",
        "ztfname": "ZTF24aaecooj",
        "distztf": 0.25,
        "fid": 3,
        "sgscore1": 0.75,
        "distpsnr1": 1.5,
        "ssnamenr": "Ceres",
        "deprecated": True,
        "jd": JD,
        "candid": 2**40,
    }
    (alert,) = read(alert_file([record(objectid="WNTR24aaaab", **values)])).alerts
    assert alert == Alert(objectid="WNTR24aaaab", **values)
    assert alert.filter == "Hs"
    assert alert.time is not None
    assert alert.time.isoformat()[:16] == "2024-02-26T15:07"


def test_the_facts_of_a_file_are_what_its_alerts_share() -> None:
    """The time is that of its name; what differs among alerts is null."""
    facts = read(alert_file([record(0), record(1, boardid=5)])).facts
    assert facts.started_at is not None
    assert facts.started_at.isoformat() == "2024-02-25T15:13:39.990000+00:00"
    assert (facts.filter, facts.limiting_magnitude, facts.board) == ("J", 19.25, None)
    assert (facts.target, facts.note, facts.footprints) == (None, None, ())
    unnamed = read(alert_file([record(0), record(1, jd=JD - 1)]), "x.avro").facts
    assert unnamed.started_at == instant_of_jd(JD - 1)
    assert unnamed.mjd == pytest.approx(JD - 1 - 2_400_000.5, abs=1.2e-8)


def test_a_file_without_candidates_has_no_alerts() -> None:
    """A field without candidates is no error."""
    file = read(alert_file([]))
    assert file.alerts == ()
    assert file.facts.note is None


@given(st.floats(2_430_000, 2_480_000))
def test_a_julian_date_comes_back_from_its_time(jd: float) -> None:
    """To the millisecond."""
    assert abs(jd_of_instant(instant_of_jd(jd)) - jd) < 0.6e-3 / 86400


# --- Schemas that changed ------------------------------------------------------------------------

OTHER_TYPES: tuple[tuple[Any, Any], ...] = (
    ("string", "text"),
    ("bytes", b"\0\1"),
    ("null", None),
    (["null", "string"], None),
    ({"type": "array", "items": "double"}, [1.5, 2.5]),
    ({"type": "map", "values": "int"}, {"a": 1}),
    ({"type": "enum", "name": "winter.kind", "symbols": ["A", "B"]}, "B"),
    ({"type": "fixed", "name": "winter.four", "size": 4}, b"four"),
    (
        {"type": "record", "name": "winter.pair", "fields": [{"name": "jd", "type": "double"}]},
        {"jd": 1.0},
    ),
    ({"type": "long", "logicalType": "timestamp-micros"}, 2**62),
)
"""Types that a field may turn to, each with a value of it that nobody can use."""
NAMES = tuple(field.name for field in fields(Alert))


@st.composite
def changed(draw: st.DrawFn) -> tuple[Any, dict[str, Any], set[str]]:
    """Draw a changed schema, a record of it, and the fields of alerts that it touched."""
    written, values = schema(), record(7, distztf=0.25, ztfname="ZTF24aaecooj", scorr=9.5)
    for part, content in (
        (written, values),
        (
            next(f for f in written["fields"] if f["name"] == "candidate")["type"],
            values["candidate"],
        ),
    ):
        names = [f["name"] for f in part["fields"] if f["name"] != "candidate"]
        for name in draw(st.lists(st.sampled_from(names), max_size=6, unique=True)):
            _change(draw, part["fields"], content, name)
        part["fields"] = draw(st.permutations(part["fields"]))
    return written, values, _touched(written)


def _change(draw: st.DrawFn, columns: list[Any], content: dict[str, Any], name: str) -> None:
    (field,) = (each for each in columns if each["name"] == name)
    value = content.pop(name)
    match draw(st.sampled_from(["remove", "rename", "retype", "add"])):
        case "remove":
            columns.remove(field)
        case "rename":
            field["name"] = f"{name}_v2"
            content[field["name"]] = value
        case "add":
            columns.append({"name": f"{name}new", "type": "double"})
            content |= {name: value, f"{name}new": 1.5}
        case _:
            others = [other for other in OTHER_TYPES if other[0] != field["type"]]
            kind, content[name] = draw(st.sampled_from(others))
            field["type"] = _renamed(kind, name)


_NAMES = count()


def _renamed(kind: Any, name: str) -> Any:  # noqa: ANN401 - a schema
    """Return a type under a name that no other field of the schema uses."""
    if isinstance(kind, dict) and "name" in kind:
        return {**kind, "name": f"{kind['name']}_{name}_{next(_NAMES)}"}
    return kind


def _touched(written: Any) -> set[str]:  # noqa: ANN401 - a schema
    """Return the fields of alerts that are not where and what they were."""
    now = {json.dumps(each, sort_keys=True) for each in _scalars(written)}
    before = {json.dumps(each, sort_keys=True) for each in _scalars(schema())}
    touched = {json.loads(each)["name"] for each in before - now} & set(NAMES)
    return touched | {"ra", "dec"} if touched & {"ra", "dec"} else touched


def _scalars(written: Any) -> list[Any]:  # noqa: ANN401 - a schema
    (candidate,) = (f["type"] for f in written["fields"] if f["name"] == "candidate")
    outer = [{**f, "part": "alert"} for f in written["fields"] if f["name"] in OF_RECORD]
    return outer + [{**f, "part": "candidate"} for f in candidate["fields"]]


@given(changed())
def test_a_schema_that_changed_costs_nulls(change: tuple[Any, dict[str, Any], set[str]]) -> None:
    """Fields that were removed, renamed or have another type are null; all others are read."""
    written, values, touched = change
    expected = read(
        alert_file([record(7, distztf=0.25, ztfname="ZTF24aaecooj", scorr=9.5)])
    ).alerts[0]
    file = read(alert_file([values, values], written))
    assert file.facts.note is None
    assert len(file.alerts) == 2
    for name in NAMES:
        found, known = getattr(file.alerts[0], name), getattr(expected, name)
        if name not in touched:
            assert found == known, name
        elif name != "candid":
            # The number of a detection is in the record and in its candidate: one is enough.
            # 4.611686e18 is 2**62, too, in single precision.
            assert found in {None, known, "text", 2**62, 4.611686e18}, name


def test_names_in_another_case_are_found() -> None:
    """As ZTF and earlier versions write them: objectId, cutoutScience."""
    written, values = schema(), record(3)
    for old, new in (("objectid", "objectId"), ("cutout_science", "cutoutScience")):
        (field,) = (each for each in written["fields"] if each["name"] == old)
        field["name"] = new
        values[new] = values.pop(old)
    content = alert_file([values], written)
    assert read(content).alerts[0].objectid == record(3)["objectid"]
    assert cutouts(content, 0, 1003).science is not None


def test_a_candidate_may_be_null_or_missing() -> None:
    """What the record itself says is still read."""
    written, values = schema(), record(3)
    (field,) = (each for each in written["fields"] if each["name"] == "candidate")
    field["type"] = ["null", field["type"]]
    found = read(alert_file([{**values, "candidate": None}, values], written))
    assert found.alerts[0] == Alert(objectid=values["objectid"], candid=1003)
    assert found.alerts[1].magpsf == 17.5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("magpsf", value) for value in (float("nan"), float("inf"), -999.0)),
        *(("jd", value) for value in (0.0, 5e9, float("nan"))),
        ("fwhm", -999.0),
        ("ndethist", -999),
        ("ztfname", " "),
    ],
)
def test_a_number_that_means_nothing_is_null(name: str, value: Any) -> None:  # noqa: ANN401 - of the field
    """-999, infinities and dates of no observation are not values."""
    (alert,) = read(alert_file([record(**{name: value})])).alerts
    assert getattr(alert, name) is None


@given(st.floats(-90, 90, width=32) | st.floats(-90, 90))
def test_numbers_of_single_precision_are_shown_as_they_were_written(value: float) -> None:
    """The same number as before, in single precision, with no more digits than that has."""
    written = schema()
    (candidate,) = (f["type"] for f in written["fields"] if f["name"] == "candidate")
    (field,) = (f for f in candidate["fields"] if f["name"] == "magpsf")
    single = float(np.float32(value))
    for kind in ("float", "double"):
        field["type"] = kind
        given = single if kind == "float" else value
        (alert,) = read(
            alert_file([record(magpsf=value, ra=single % 360, dec=0.0)], written)
        ).alerts
        assert alert.magpsf is not None
        if given == single:
            assert np.float32(alert.magpsf) == np.float32(value)
            assert len(f"{alert.magpsf!r}") <= len(f"{given!r}")
        else:
            assert alert.magpsf == value
        assert alert.ra == single % 360


@pytest.mark.parametrize(("ra", "dec"), [(400.0, 0.0), (10.0, 91.0), (float("nan"), 0.0)])
def test_a_position_off_the_sky_is_null(ra: float, dec: float) -> None:
    """Both of its coordinates are."""
    (alert,) = read(alert_file([record(ra=ra, dec=dec)])).alerts
    assert (alert.ra, alert.dec) == (None, None)


# --- Damage and bad intent -----------------------------------------------------------------------


@given(st.data())
def test_damaged_bytes_cost_records_and_never_an_error(data: st.DataObject) -> None:
    """Any bytes changed or cut: what can be read is read, a note says what cannot."""
    content = bytearray(alert_file([record(number) for number in range(4)], sync_interval=1))
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
        content[at] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(content)))
    file = read(bytes(content[:end]))
    assert len(file.alerts) <= MAX_RECORDS
    for number, _ in enumerate(file.alerts):
        with suppress(UnreadableError, DamagedFileError):
            cutouts(bytes(content[:end]), number, file.alerts[number].candid)


def test_a_record_that_cannot_be_decoded_costs_its_block() -> None:
    """The other blocks are read, and their alerts keep their places; the note says how many."""
    content = alert_file([record(number) for number in range(3)], sync_interval=1)
    whole = read(content)
    at = content.index(record(1)["objectid"].encode()) - 1
    broken = content[:at] + b"\xff" * 10 + content[at + 10 :]
    file = read(broken)
    assert [file.alerts[0], file.alerts[2]] == [whole.alerts[0], whole.alerts[2]]
    assert file.alerts[1] == Alert()
    assert file.facts.note == "records of a block that cannot be decoded: 1"


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (["null", "float"], number(5)),
        (["null", "float"], number(-3)),
        ("double", b"\0"),
        ("string", number(2**62)),
        ("string", number(-9)),
        ({"type": "enum", "name": "e", "symbols": ["a"]}, number(7)),
        ({"type": "array", "items": "long"}, number(-(2**63)) + number(1)),
    ],
)
def test_bytes_that_mean_nothing_cost_their_record(kind: object, data: bytes) -> None:
    """Alternatives that do not exist, lengths past the end or below zero."""
    named = {"type": "record", "name": "a", "fields": [{"name": "rb", "type": kind}]}
    file = read(container(json.dumps(named), data))
    assert len(file.alerts) <= 1
    assert set(file.alerts) <= {Alert()}


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "deflate": lambda data: zlib.compress(data, wbits=-15),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


@pytest.mark.parametrize("codec", ["null", *PACKED])
def test_compressed_blocks_are_read(codec: str) -> None:
    """With the codecs of Python's own library."""
    records = [record(number) for number in range(5)]
    assert read(alert_file(records, codec=codec)).alerts == read(alert_file(records)).alerts


@pytest.mark.parametrize("codec", PACKED)
def test_what_is_decompressed_is_bounded(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes that would become too many are given up before they do."""
    monkeypatch.setattr(alerts, "MAX_BLOCK", 2**20)
    content = container(json.dumps(schema()), PACKED[codec](bytes(32 * 2**20)), codec=codec)
    tracemalloc.start()
    try:
        note = read(content).facts.note
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert note == "more than 1048576 bytes come out of a part of it"
    assert peak < 16 * 2**20


def test_a_dictionary_that_would_fill_the_memory_is_not_made() -> None:
    """The header of an xz stream may ask for up to 4 GiB."""
    packed = bytearray(lzma.compress(b"x" * 1000))
    # The block's header begins at byte 12; its fifth byte is the size of the dictionary, by the
    # table of the .xz format (36 is 1 GiB), and its last four are its CRC-32.
    end = 12 + 4 * (packed[12] + 1)
    packed[16] = 36
    packed[end - 4 : end] = zlib.crc32(packed[12 : end - 4]).to_bytes(4, "little")
    file = read(container(json.dumps(schema()), bytes(packed), codec="xz"))
    assert file.alerts == ()
    assert "its compressed data are damaged" in (file.facts.note or "")


@pytest.mark.parametrize("codec", PACKED)
def test_compressed_data_that_are_cut_are_noted(codec: str) -> None:
    """Nothing of such a block is believed."""
    cut = PACKED[codec](os.urandom(5000))[:-400]
    file = read(container(json.dumps(schema()), cut, codec=codec))
    assert (file.alerts, file.facts.note) == ((), "its compressed data are cut")


def test_an_unknown_codec_is_noted() -> None:
    """Nothing is read, and nothing breaks."""
    file = read(container(json.dumps(schema()), b"x", codec="snappy"))
    assert (file.alerts, file.facts.note) == ((), "its codec snappy cannot be read here")


@pytest.mark.parametrize("records", [MAX_RECORDS + 1, 2**62])
def test_records_are_bounded(records: int) -> None:
    """However many a block says it has, in however few bytes."""
    empty = json.dumps({"type": "record", "name": "alert", "fields": []})
    file = read(container(empty, b"", records=records))
    assert file.alerts == ()
    assert file.facts.note == f"only {MAX_RECORDS} records of a file are read"


def _record_schema(kind: object) -> str:
    named = {"type": "record", "name": "alert", "fields": [{"name": "next", "type": kind}]}
    return json.dumps(named)


def _doubling() -> object:
    """Return a type that holds a null 2 ** 10 times."""
    kind: object = "null"
    for level in range(11):
        pair = [{"name": "a", "type": kind}, {"name": "b", "type": f"r{level - 1}"}]
        kind = {"type": "record", "name": f"r{level}", "fields": pair[: 1 if not level else 2]}
    return kind


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not one of Avro"),
        ("[" * 100_000, "not one of Avro"),
        ('"string"', "not one of records"),
        (_record_schema("nobody"), "not one of Avro"),
        (_record_schema(["null", "alert"]), "may hold themselves"),
        (_record_schema({"type": "array", "items": "null"}), "of any length"),
        (
            _record_schema({"type": "array", "items": {"type": "fixed", "name": "no", "size": 0}}),
            "of any length",
        ),
        (_record_schema(_doubling()), "too many values"),
        ('{"type":' * 60 + '"int"' + "}" * 60, "too deep"),
    ],
)
def test_a_schema_that_could_exhaust_the_reader_is_refused(text: str, why: str) -> None:
    """By its note: no recursion, no arrays of nothing, no nesting without end."""
    file = read(container(text, number(2**60) + b"\0" * 50))
    assert file.alerts == ()
    assert why in (file.facts.note or "")


# --- Cutouts -------------------------------------------------------------------------------------


def test_cutouts_are_the_images_of_the_record() -> None:
    """Each a FITS file, decompressed, of the very alert that is asked for."""
    records = [record(number) for number in range(5)]
    content = alert_file(records, sync_interval=100_000)
    found = cutouts(content, 3, 1003)
    for name in CUTOUT_NAMES:
        with (
            fits.open(io.BytesIO(gzip.decompress(records[3][name]))) as expected,
            fits.open(io.BytesIO(getattr(found, name.removeprefix("cutout_")) or b"")) as image,
        ):
            assert (image[0].data == expected[0].data).all()


def test_a_cutout_that_cannot_be_read_is_left_out() -> None:
    """The others of the alert are there."""
    values = record(0)
    values |= {"cutout_science": b"\x1f\x8bgarbage", "cutout_template": b""}
    found = cutouts(alert_file([values]), 0, 1000)
    assert (found.science, found.template) == (None, None)
    assert found.difference is not None


def test_an_alert_that_is_no_longer_in_the_file_is_reported() -> None:
    """A file that was replaced since has other alerts in the same places."""
    content = alert_file([record(0)])
    for place, candid in ((0, 5), (1, 1000)):
        with pytest.raises(UnreadableError, match=f"has no alert {candid} any more"):
            cutouts(content, place, candid)
