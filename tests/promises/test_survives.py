"""Whatever goes wrong for a while, every product comes in the end, and whole ones come once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.faulty_rig import THIRD, fault, faulty_rig

from winter_sync.core import RowsLeftOut, ServerFailing, ServerRecovered
from winter_sync.core.errors import ExitCode
from winter_sync.simulator import Answer, Call, Faults, ZipStyle

if TYPE_CHECKING:
    from pathlib import Path

RETRIED = "tried again after a wait, in the same run"
LEFT_ALONE = "the server is left alone for as long as it asks, then tried again, in the same run"
SMALLER = "asked for again at once, in smaller company"
NEXT_POLL = "that listing is asked for again at the next poll; the run says so (exit code 4)"
REFUSED = "that program is left alone for the rest of the run, which says so (exit code 3)"
HARMLESS = "nothing: it is read as it is meant"
LEFT_OUT = "they are left out and told; all other rows are used"
NOTHING_CAME = "all that came in other downloads"
OTHER_ROWS = "all other listings and downloads"
WHOLE_ONES = "every member that was whole"
OTHERS = "every other member"
EVERYTHING = "everything"

HALVED = "the halves of its window are asked for at once"

STACKS = 5

ANSWERS = [
    fault(f"{code}:x1@stack", f"{words} ({code})", outcome=RETRIED, kept=NOTHING_CAME, again=STACKS)
    for code, words in (
        ("500", "internal server error"),
        ("502", "bad gateway"),
        ("503", "service unavailable"),
        ("504", "gateway timeout"),
        ("429", "too many requests"),
    )
]
ANSWERS += [
    fault(
        f"{code}=30:x1@{place}",
        f"{code[:3]} with Retry-After as {form}, to a {place}",
        outcome=LEFT_ALONE,
        kept=EVERYTHING,
        again=again,
        waits=30.0,
    )
    for code, form in (
        ("503", "seconds"),
        ("503-until", "a date"),
        ("429", "seconds"),
        ("429-until", "a date"),
    )
    for place, again in (("download", None), ("query", 0))
]
ANSWERS += [
    fault(
        f"{code}:x1@{place}",
        f"credentials refused in the middle of a run ({code}), to a {word}",
        outcome=REFUSED,
        kept=NOTHING_CAME,
        again=again,
        first=ExitCode.REFUSED,
    )
    for code in ("401", "403")
    for place, word, again in (("stack", "download", STACKS), ("query", "query", 0))
]
ANSWERS += [
    fault(f"{name}:x1@stack", f"{words} to a download", outcome=SMALLER, kept=NOTHING_CAME, again=5)
    for name, words in (
        ("404", "not found (404)"),
        ("422", "request rejected (422)"),
        ("html", "an HTML page with status 200"),
        ("json", "JSON with status 200"),
        ("broken-json", "cut JSON with status 200"),
        ("nothing", "an empty answer with status 200"),
    )
]
ANSWERS += [
    fault(
        "422:x1@query",
        "request rejected (422) to a query",
        outcome=NEXT_POLL,
        kept=OTHER_ROWS,
        again=0,
        first=ExitCode.SERVER_FAILING,
    )
]
ANSWERS += [
    fault(f"{name}:x1@query", f"{words} to a query", outcome=HALVED, kept=EVERYTHING, again=0)
    for name, words in (
        ("404", "not found (404)"),
        ("html", "an HTML page with status 200"),
        ("json", "other JSON with status 200"),
        ("broken-json", "cut JSON with status 200"),
        ("deep-json", "JSON too deep to be read with status 200"),
        ("nothing", "an empty answer with status 200"),
        ("no-table", "null instead of a table"),
    )
]
ANSWERS += [
    fault(f"500:x3@{place}", f"500 to a {place}", outcome=RETRIED, kept=EVERYTHING, again=0)
    for place in ("query", "program")
]
ANSWERS += [
    fault(
        "reset:x1@stack",
        "connection reset before the answer to a download",
        outcome=RETRIED,
        kept=NOTHING_CAME,
        again=STACKS,
    ),
    fault(
        "reset:x1@query",
        "connection reset before the answer to a query",
        outcome=RETRIED,
        kept=EVERYTHING,
        again=0,
    ),
]

LISTINGS = [
    fault(name, words, outcome=outcome, kept=EVERYTHING, again=0, told=outcome == LEFT_OUT)
    for name, words, outcome in (
        ("columns", "a dict of columns instead of rows", HARMLESS),
        ("labelled-columns", "a dict of columns by row label, as pandas writes it", HARMLESS),
        ("new-columns", "columns that nobody knows", HARMLESS),
        ("rows-twice", "every row twice", HARMLESS),
        ("wild-values", "values that nobody expects, in all columns but the savepath", HARMLESS),
        ("null-row", "null among the rows", LEFT_OUT),
        ("odd-rows", "rows that make no sense or would lead out of the tree", LEFT_OUT),
    )
]

STREAMS = [
    fault(
        "reset-body=16000:x1@stack",
        "connection reset inside the body",
        outcome="the rest is asked for again at once",
        kept="every member that had been read whole",
        again=(3, 4, 5),
    ),
    *(
        fault(
            f"{name}:x1@stack",
            f"a body that ends early as if whole, {where}",
            outcome="the rest is asked for again at once" if again else HARMLESS,
            kept=WHOLE_ONES,
            again=again,
        )
        for name, where, again in (
            ("end-early=16000", "at any byte", 3),
            ("end-between", "between two members", 4),
            ("end-inside", "inside a member", 1),
            ("end-directory", "before the central directory", 0),
        )
    ),
    fault(
        "garble=16000:x1@stack", "a flipped bit on the wire", outcome=SMALLER, kept=OTHERS, again=1
    ),
    fault("more-after:x1@stack", "bytes after the end", outcome=HARMLESS, kept=EVERYTHING, again=0),
]

MEMBERS = [
    fault(f"{name}:x1@{place}", words, outcome=SMALLER, kept=OTHERS, again=1)
    for name, words, place in (
        ("flip", "a flipped bit in a member (CRC-32)", "stack"),
        ("size-lies", "a header that lies about a member's size", "stack"),
        ("bomb=8", "a zip bomb: 8 kB that inflate to megabytes", "stack"),
        ("left-out", "a member missing, though `missing-images` says 0", "stack"),
        ("encrypted", "an encrypted member", "stack"),
        ("unknown-method", "a member packed by an unknown method", "stack"),
        ("half", "a FITS file half written when it was zipped", "stack"),
        ("half", "an exposure half written when it was zipped", "exposure"),
        ("half", "an Avro file half written when it was zipped", "avro"),
        ("unfilled", "a file of zeros, in its full length", "stack"),
        ("empty-member", "an empty member", "stack"),
        ("empty-member", "an empty Avro member", "avro"),
        ("html-member", "an HTML page as a member", "stack"),
    )
]
MEMBERS += [
    fault(f"{name}:x1@stack", words, outcome=outcome, kept=EVERYTHING, again=0)
    for name, words, outcome in (
        ("unasked", "a member that nobody asked for", "it is passed over"),
        ("twice", "a member twice", "the second is passed over"),
        ("name-up", "a member named `../../x`", "its name is never used as a path"),
        ("name-absolute", "a member with an absolute name", "its name is never used as a path"),
        ("name-nul", "a member's name with NUL in it", "it is passed over"),
        ("zip64", "zip64 records", HARMLESS),
        ("descriptors", "members stored with data descriptors", HARMLESS),
        ("no-count", "no `missing-images` header", HARMLESS),
        ("miscount", "a `missing-images` header that is wrong", HARMLESS),
    )
]
MEMBERS += [
    fault(
        f"name-long:x1@{THIRD}",
        "a member's name of 4 kB",
        outcome="the rest is asked for again at once",
        kept="every member before it",
        again=3,
    )
]


@pytest.mark.parametrize(("script", "expected"), [*ANSWERS, *LISTINGS, *STREAMS, *MEMBERS])
async def test_a_fault_costs_no_product(
    tmp_path: Path, script: str, expected: dict[str, Any]
) -> None:
    """The first run ends as expected; at the end all is mirrored, complete products once."""
    async with faulty_rig(tmp_path, script) as rig:
        report = await rig.run()
        assert rig.faults.happened.total() >= 1
        assert report.exit_code is expected.get("first", ExitCode.DONE)
        if report.exit_code is not ExitCode.DONE:
            await rig.run_after()
        assert not rig.missed
        _as_expected(rig.asked_again, expected["again"])
        events = rig.events
        assert any(isinstance(event, RowsLeftOut) for event in events) == expected.get(
            "told", False
        )
        if wait := expected.get("waits"):
            assert wait in rig.waits
            assert [
                type(event)
                for event in events
                if isinstance(event, ServerFailing | ServerRecovered)
            ] == [
                ServerFailing,
                ServerRecovered,
            ]


def _as_expected(number: int, expected: int | tuple[int, ...] | None) -> None:
    if expected is not None:
        assert number in (expected if isinstance(expected, tuple) else (expected,))


STYLES = [
    ZipStyle("stored", data_descriptors=True, built="streamed", chunk_size=4096),
    ZipStyle("stored", layout="savepath", chunk_size=1000),
    ZipStyle("deflated", data_descriptors=True, layout="folder", zip64="always"),
]
EVERY_OTHER = ",".join(
    f"{name}:0.1"
    for name in (
        *("flip", "size-lies", "bomb=1", "left-out", "encrypted", "unknown-method", "half"),
        *("empty-member", "html-member", "unasked", "twice", "name-up", "name-nul", "name-long"),
        *("garble", "end-early", "end-between", "end-inside", "reset-body", "zip64"),
    )
)


@pytest.mark.fault(
    kind="twenty of these at once, at random, in zips of every style",
    injected="(each by a rate of 0.1)",
    outcome="each as above, over a few runs",
    kept="whatever was whole",
)
@pytest.mark.parametrize("style", STYLES, ids=str)
async def test_all_faults_of_a_zip_at_once(tmp_path: Path, style: ZipStyle) -> None:
    """With all of these at work together, in zips of other styles, the products still come."""
    async with faulty_rig(tmp_path, EVERY_OTHER, style=style) as rig:
        await rig.run()
        while rig.missed and len(rig.reports) < 30:
            await rig.run_after()
        assert not rig.missed
        assert rig.faults.happened.total() >= 5


WAITS = (
    *("soon", "-5", "1e9", "", "\u00b2", "Thu, 01 Jan 99999999999999 00:00:00 GMT"),
    *("Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 01 Jan 2026 00:00:20 -0000", "1 Jan", "0" * 5000),
)
COUNTS = ("9" * 5000, "-1", "\u00b2", "none", "", "1e3", "0x10")


class OddHeaders(Faults):
    """Refuses some calls until a time that is none, and counts what is missing in odd ways."""

    def __init__(self) -> None:
        self.waits = list(WAITS)
        self.counts = list(COUNTS)

    async def before(self, call: Call) -> Answer | None:
        """Refuse a call with one of the odd waits, after a good answer each."""
        if self.waits and call.number % 2:
            return Answer(503, b"{}", headers={"Retry-After": self.waits.pop()})
        return None

    def headers(self, call: Call, headers: dict[str, str]) -> dict[str, str]:
        """Count oddly."""
        del call
        return headers | {"missing-images": self.counts.pop()} if self.counts else headers


@pytest.mark.fault(
    kind="Retry-After and missing-images headers that make no sense",
    injected="(the tests' own archive)",
    outcome="they count as not there",
    kept="everything",
)
async def test_headers_that_make_no_sense(tmp_path: Path) -> None:
    """No header, however odd, stops a run, and none is taken for what it is not."""
    async with faulty_rig(tmp_path) as rig:
        odd = rig.simulator.faults = OddHeaders()
        while odd.waits or rig.missed:
            await rig.sync()
            rig.observatory.clock.advance(timedelta(hours=8))
        assert len(odd.counts) < len(COUNTS)
        assert rig.files() == rig.truth(rig.products)
