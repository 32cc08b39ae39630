"""SIA 2.0 as pyvo, TOPCAT's library and people use it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from typing import TYPE_CHECKING

import astropy.units as u
import pytest
import requests
from astropy.io import votable
from astropy.time import Time
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pages.by_hand import context_of, made_by_hand
from pages.client import Browser, browsing
from pyvo.dal import DALQueryError, SIA2Service
from science.test_judges import stilts
from support.answers import at, enter, publish, square, withdraw
from support.makers import NIGHT, product

from winter_sync.catalog import Catalog
from winter_sync.core import CATALOG, Facts, ImageType, utc_now
from winter_sync.pages import MirrorSite
from winter_sync.pages.sia2 import Sia2
from winter_sync.vo import may_answer, parse_query, read_images
from winter_sync.web import Access, ByteStream, Document, PageRequest, Sources, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from pathlib import Path

    from pyvo.dal.sia2 import SIA2Results

    from winter_sync.catalog import ObservationQuery
    from winter_sync.pages import PageContext

TOKEN = "a-token-of-some-length"


@asynccontextmanager
async def answering(context: PageContext, now: datetime) -> AsyncIterator[Browser]:
    """Serve a mirror with the service on."""
    async with browsing(replace(context, sia2=True), now) as browser:
        yield browser


async def searched(browser: Browser, **asked: object) -> SIA2Results:
    """Let pyvo find the service and ask it."""

    def search() -> SIA2Results:
        return SIA2Service(f"http://{browser.address}/sia2").search(**asked)

    return await asyncio.to_thread(search)


async def test_pyvo_finds_images_and_downloads_them(
    mirrored: tuple[PageContext, datetime], tmp_path: Path
) -> None:
    """By position, band, time and camera: the columns say so of each, and the file is that here."""
    context, now = mirrored
    async with answering(context, now) as browser:
        every = await searched(browser)
        assert len(every) > 30
        first = next(record for record in every if record.calib_level == 3)
        narrow = await searched(
            browser,
            pos=(first["s_ra"] * u.deg, first["s_dec"] * u.deg, 0.01 * u.deg),
            band=(first["em_min"], first["em_max"]),
            time=Time(first["t_min"], format="mjd"),
            instrument="WINTER",
            data_type="image",
            calib_level=3,
            maxrec=50,
        )
        assert first.obs_publisher_did in {record.obs_publisher_did for record in narrow}
        assert {record.instrument_name for record in narrow} == {"WINTER"}
        assert {record.calib_level for record in narrow} == {3}
        assert len(narrow) < len(every)
        (one,) = await searched(browser, publisher_did=first.obs_publisher_did)
        target = tmp_path / "one.fits"
        await asyncio.to_thread(one.cachedataset, filename=str(target))
        assert target.read_bytes() == (context.root / one["winter_path"]).read_bytes()
        assert one.getdataurl().startswith(f"http://{browser.address}/file/")


async def test_what_does_not_answer_is_left_out(mirrored: tuple[PageContext, datetime]) -> None:
    """Elsewhere, at other times and wavelengths, of other cameras: an empty table, not an error."""
    async with answering(*mirrored) as browser:
        for asked in (
            {"pos": (10 * u.deg, -60 * u.deg, 1 * u.deg)},
            {"band": (4e-7, 5e-7)},
            {"time": (Time("2020-01-01"), Time("2020-02-01"))},
            {"instrument": "HST"},
            {"pol": "U"},
            {"calib_level": 4},
            {"data_type": "cube"},
            {"exptime": (1e6, 2e6)},
            {"publisher_did": "ivo://winter.caltech.edu/winter?nothing"},
        ):
            found = await searched(browser, **asked)
            assert (len(found), found.queryurl.count("sia2")) == (0, 1), asked


async def test_pyvo_is_told_what_is_wrong_with_a_query(
    mirrored: tuple[PageContext, datetime],
) -> None:
    """As the error of the query, with what to write."""
    async with answering(*mirrored) as browser:

        def ask() -> None:
            service = SIA2Service(f"http://{browser.address}/sia2")
            service.search(pos=(10 * u.deg, 20 * u.deg, 1 * u.deg), CALIB="9")

        with pytest.raises(DALQueryError, match="Write CALIB=0, 1, 2, 3 or 4"):
            await asyncio.to_thread(ask)


async def test_the_judges_have_nothing_to_say(
    mirrored: tuple[PageContext, datetime], tmp_path: Path
) -> None:
    """TOPCAT's of an answer that was cut, astropy's of that and others."""
    async with answering(*mirrored) as browser:
        for query in ("?POS=x", "", "?MAXREC=0", "?MAXREC=2"):
            got = await browser.get(f"/sia2/query{query}")
            path = tmp_path / "answer.vot"
            path.write_bytes(got.body)
            assert got.headers["Content-Type"] == "application/x-votable+xml"
            assert got.headers["Connection"] == "close"
            assert ('value="OVERFLOW"' in got.body.decode()) == ("MAXREC" in query)
            if "MAXREC" in query:
                assert got.body.count(b"<TR>") == int(query[-1])
            assert got.status == (400 if "POS" in query else 200)
            votable.parse(path, verify="exception")
        assert await asyncio.to_thread(stilts, "votlint", "ucd=true", "unit=true", path) == ""


SPANS = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "BAND": SPANS.map(lambda s: f"{1e-6 + s[0] * 1e-6} {1e-6 + s[1] * 1e-6}"),
            "TIME": SPANS.map(lambda s: f"{60340.5 + s[0] * 3} {60340.5 + s[1] * 3}"),
            "EXPTIME": SPANS.map(lambda s: f"{s[0] * 1000} {s[1] * 1000}"),
            "SPATRES": SPANS.map(lambda s: f"{s[0] * 4} {s[1] * 4}"),
            "FOV": SPANS.map(lambda s: f"{s[0] * 3} {s[1] * 3}"),
            "SPECRP": SPANS.map(lambda s: f"{s[0] * 12} {s[1] * 12}"),
            "POS": st.sampled_from(
                ["CIRCLE 150 17 0.3", "RANGE 0 200 -20 90", "POLYGON 140 10 170 10 155 40"]
            ),
            "CALIB": st.sampled_from("01234"),
            "INSTRUMENT": st.sampled_from(["winter", "SPRING", "none"]),
            "COLLECTION": st.sampled_from(["Palomar/WINTER", "x"]),
            "TARGET": st.sampled_from(["sn2024WEX", "x*"]),
            "FORMAT": st.sampled_from(["image/fits", "application/x-fits-mef"]),
        },
    )
)
def test_the_catalog_finds_all_that_answers(
    mirrored: tuple[PageContext, datetime], asked: dict[str, str]
) -> None:
    """As many as are found among all images, one by one."""
    context, _ = mirrored
    query = parse_query(asked.items())
    with closing(Catalog(context.state / CATALOG, utc_now, reading=True)) as catalog:

        def read(question: ObservationQuery | None) -> int:
            numbers = catalog.observations.numbers(question, 10_000) if question else ()
            return read_images(
                catalog, query=query, numbers=numbers, room=10_000, root=context.root, link=str
            ).count

        assert read(may_answer(query)) == read(may_answer(parse_query([])))


async def test_only_files_that_can_be_fetched_are_answered(tmp_path: Path) -> None:
    """Not what is pending, was withdrawn and moved, or is not in the place that is asked for."""
    with made_by_hand(tmp_path) as catalog:
        images = [product(number, ImageType.STACK) for number in range(5)]
        enter(catalog, [at(image, 150.0, 17.0) for image in images])
        for image, ra in zip(images[:4], (150.0, 150.6, 350.0, 150.0), strict=False):
            publish(catalog, image, Facts(ra=ra, dec=17.0, footprints=(square(ra, 17.0),)))
        withdraw(catalog, images[1], images[3])
        (gone,) = (h for h in catalog.set_aside.candidates("", 9) if h.product == images[3])
        assert catalog.set_aside.begin(gone, "withdrawn/moved.fits")
        (moved,) = catalog.set_aside.unfinished()
        catalog.set_aside.finish(moved)
    async with answering(context_of(tmp_path), utc_now()) as browser:
        everything = await searched(browser)
        assert len(everything) == 3
        for place, count in (
            ("CIRCLE 150 17 0.1", 1),
            ("CIRCLE 150 17 0.36", 2),
            ("RANGE 149 150 16.9 17.1", 1),
            ("RANGE 0 360 -inf +Inf", 3),
            ("POLYGON 149.9 16.9 150.1 16.9 150.1 17.1 149.9 17.1", 1),
            ("POLYGON 340 10 355 10 355 25 340 25", 1),
        ):
            got = await browser.get(f"/sia2?pos={place.replace(' ', '+').replace('++', '+%2B')}")
            assert got.body.count(b"<TR>") == count, place


async def test_the_service_is_off_unless_asked_for(tmp_path: Path) -> None:
    """And says how to turn it on."""
    with made_by_hand(tmp_path):
        pass
    async with browsing(context_of(tmp_path), utc_now()) as browser:
        page = await browser.page("/sia2/query", 404)
        assert "sia2 = true under [pages]" in page.said


async def test_the_service_says_what_it_is(tmp_path: Path) -> None:
    """Capabilities under the name by which it was asked, available, its columns; else a page."""
    with made_by_hand(tmp_path):
        pass
    async with answering(context_of(tmp_path), utc_now()) as browser:
        port = browser.address.rpartition(":")[2]
        said = (await browser.get("/sia2/capabilities", Host=f"localhost:{port}")).body.decode()
        assert f'<accessURL use="base">http://localhost:{port}/sia2/query</accessURL>' in said
        assert b"<vosi:available>true<" in (await browser.get("/sia2/availability")).body
        assert b"<name>s_region</name>" in (await browser.get("/sia2/tables")).body
        await browser.page("/sia2/none", 404)


async def test_a_token_is_sent_by_a_session(tmp_path: Path) -> None:
    """By pyvo in a header, for the service and its files; without it nothing is answered."""
    with made_by_hand(tmp_path) as catalog:
        enter(catalog, [at(product(0), 150.0, 17.0)])
        publish(catalog, product(0), Facts(ra=150.0, dec=17.0))
    context = replace(context_of(tmp_path), sia2=True)
    sources = Sources(list, list, MirrorSite(lambda: context))
    access = Access(TOKEN)
    async with serving("127.0.0.1:0", sources, access=lambda: access) as address:

        def ask() -> int:
            session = requests.Session()
            session.headers["Authorization"] = f"Bearer {TOKEN}"
            return len(SIA2Service(f"http://{address}/sia2", session=session).search())

        assert await asyncio.to_thread(ask) == 1
        refused = await asyncio.to_thread(requests.get, f"http://{address}/sia2/query", timeout=9)
        assert (refused.status_code, b"token" in refused.content) == (401, True)


async def test_many_rows_are_sent_as_they_are_read(tmp_path: Path) -> None:
    """More than are read at a time, none twice, from the newest night; the address may be TLS's."""
    with made_by_hand(tmp_path) as catalog:
        images = [product(number, night=NIGHT.plus(number // 100)) for number in range(260)]
        enter(catalog, [at(image, 150.0, 17.0) for image in images])
        catalog.connection.execute(
            "UPDATE products SET state = 'published', digest = randomblob(32), size = 1", {}
        )
    context = replace(context_of(tmp_path), sia2=True)
    sources = Sources(list, list, MirrorSite(lambda: context))
    access = Access(trusted_proxy=True)
    async with serving("127.0.0.1:0", sources, access=lambda: access) as address:
        get = requests.Session().get
        secure = {"X-Forwarded-Proto": "https"}
        url = f"http://{address}/sia2/query"
        text = (await asyncio.to_thread(get, url, headers=secure, timeout=9)).text
        assert text.count("<TR>") == 260
        assert text.count(f"https://{address}/file/") == 260
        assert text.index(images[-1].filename) < text.index(images[0].filename)
        for most, is_cut in ((255, True), (260, False)):
            text = (await asyncio.to_thread(get, url, params={"MAXREC": most}, timeout=9)).text
            assert (text.count("<TR>"), 'value="OVERFLOW"' in text) == (most, is_cut)


async def test_few_queries_are_answered_at_a_time(tmp_path: Path) -> None:
    """Those that come at once, too; one more is refused in words, and answered when one ended."""
    with made_by_hand(tmp_path):
        pass
    context = replace(context_of(tmp_path), sia2=True)
    service = Sia2()
    request = PageRequest("/sia2/query", {}, (), "http://127.0.0.1")
    at_once = await asyncio.gather(*(service.answer(request, context) for _ in range(12)))
    assert sum(isinstance(answer, ByteStream) for answer in at_once) == 8
    answers = [await service.answer(request, context) for _ in range(8)]
    streams = [answer.chunks for answer in answers if isinstance(answer, ByteStream)]
    for stream in streams:
        await anext(stream)
    refused = await service.answer(request, context)
    assert isinstance(refused, Document)
    assert (refused.status, b"Ask again in a minute" in refused.body) == (503, True)
    for stream in streams:
        await stream.aclose()
    assert isinstance(await service.answer(request, context), ByteStream)
    await service.close()


@pytest.mark.slow
async def test_topcats_library_finds_images(mirrored: tuple[PageContext, datetime]) -> None:
    """By a cone: what pyvo finds there."""
    async with answering(*mirrored) as browser:
        found = await searched(browser, pos=(150 * u.deg, 17 * u.deg, 2 * u.deg))
        arguments = ("servicetype=sia2", f"serviceurl=http://{browser.address}/sia2/query")
        place = ("lon=150", "lat=17", "radius=2", "ofmt=csv", "ocmd=keepcols obs_publisher_did")
        said = await asyncio.to_thread(stilts, "cone", *arguments, *place)
        assert sorted(said.split()[1:]) == sorted(one.obs_publisher_did for one in found)
