"""The simulated archive keeps the contract of winter-api.md, call by call."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from simulator.archive_client import OTHER_PROGRAM, PROGRAM, Client, credentials, unzipped

from winter_sync.core.traits import ImageType, Instrument
from winter_sync.simulator import DEFAULT_PASSWORD, DEFAULT_USER, Account, Simulator, key_of

if TYPE_CHECKING:
    from winter_sync.simulator import Observatory

NIGHT_AFTER = 20251024
ROW_COLUMNS = {
    "progname",
    "nightdate",
    "targname",
    "ra",
    "dec",
    "fid",
    "utctime",
    "fieldid",
    "image_type",
    "savepath",
    "lastmodified",
    "pipeversion",
}


async def test_ping_and_version_need_no_credentials(client: Client) -> None:
    """Anybody may ping and ask for the lowest version served."""
    assert (await client.get("/ping", auth=None)).status == 200
    version = await client.get("/validation/version", auth=None)
    assert (await version.json())["body"] == "1.4.0"


async def test_user_is_validated(client: Client) -> None:
    """The right password is accepted, a wrong one gets the archive's own 401."""
    assert (await client.get("/validation/user")).status == 200
    for auth in ((DEFAULT_USER, "wrong"), ("nobody", DEFAULT_PASSWORD)):
        refused = await client.get("/validation/user", auth=auth)
        assert refused.status == 401
        assert await refused.json() == {"detail": "Incorrect email or password"}


async def test_no_or_broken_credentials_are_refused(client: Client) -> None:
    """A call without a readable Authorization header gets a 401 with the challenge."""
    none = await client.get("/validation/user", auth=None)
    assert (none.status, none.headers["WWW-Authenticate"]) == (401, "Basic")
    for header in ("Basic ???", "Basic bm9jb2xvbg==", "Bearer x"):
        broken = await client.get("/validation/user", auth=None, headers={"Authorization": header})
        assert broken.status == 401


async def test_program_is_validated(client: Client) -> None:
    """The answer has exactly the columns of a program, and not the key in clear."""
    answer = await client.get("/validation/program", params=credentials())
    body = (await answer.json())["body"]
    assert set(body) == {
        "puid",
        "progid",
        "progname",
        "prog_key",
        "pi_name",
        "pi_email",
        "startdate",
        "enddate",
        "hours_allocated",
        "hours_used",
        "maxpriority",
        "progtitle",
    }
    assert body["progname"] == PROGRAM
    assert body["startdate"] <= "2025-10-23" <= body["enddate"]
    assert key_of(PROGRAM) not in await answer.text()


@pytest.mark.parametrize(
    "wrong",
    [
        {"program_name": "2024A000", "program_api_key": "wrong"},
        {"program_name": "2019A000", "program_api_key": key_of(PROGRAM)},
        {"program_name": OTHER_PROGRAM, "program_api_key": key_of(PROGRAM)},
    ],
)
async def test_wrong_program_or_key_is_refused(client: Client, wrong: dict[str, str]) -> None:
    """A wrong program or key is a 401 that differs from that of a wrong password."""
    for path in ("/validation/program", "/images/query"):
        refused = await client.get(path, params=wrong, json=[{"program_name": PROGRAM}])
        assert refused.status == 401
        assert (await refused.json())["detail"] != "Incorrect email or password"


async def test_missing_parameters_are_listed(client: Client) -> None:
    """What is left out of the query string is listed in the 422, FastAPI's way."""
    refused = await client.get("/images/download_list", json=[{"path": "/x"}])
    detail = (await refused.json())["detail"]
    assert refused.status == 422
    assert [problem["loc"] for problem in detail] == [
        ["query", "program_name"],
        ["query", "program_api_key"],
        ["query", "image_type"],
    ]
    assert all(set(problem) >= {"type", "loc", "msg", "input"} for problem in detail)


async def test_unknown_paths_and_methods(client: Client) -> None:
    """Unknown paths are a JSON 404, other methods a JSON 405 that names the right one."""
    unknown = await client.get("/images")
    assert (unknown.status, await unknown.json()) == (404, {"detail": "Not Found"})
    for method in ("POST", "HEAD", "DELETE"):
        wrong = await client.session.request(method, client.simulator.url + "/images/query")
        assert (wrong.status, wrong.headers["Allow"]) == (405, "GET")


async def test_rows_have_the_documented_columns(client: Client) -> None:
    """A row has the twelve columns, in their documented forms."""
    rows = await client.query()
    assert rows
    for row in rows:
        assert set(row) == ROW_COLUMNS
        assert row["nightdate"] == "2025-10-24"
        assert row["savepath"].startswith("/data/loki/data/winter/20251023/final/WINTERcamera_")
        assert datetime.fromisoformat(row["utctime"]).utcoffset() == timedelta(0)
    answer = await client.ask()
    assert (await answer.json())["msg"] == f"Request passed validation! Found {len(rows)} images."


async def test_utctime_is_wrong_by_the_pacific_offset(client: Client) -> None:
    """In summer `utctime` is seven hours after the time in the file name."""
    for row in await client.query(image_type="exposure"):
        stamp = re.search(r"_(\d{8}-\d{6})-", row["savepath"])
        assert stamp is not None
        named = datetime.strptime(stamp[1], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
        told = datetime.fromisoformat(row["utctime"]).replace(microsecond=0)
        assert told - named == timedelta(hours=7)


@pytest.mark.parametrize("image_type", list(ImageType))
async def test_every_type_of_both_instruments_is_listed(
    client: Client, image_type: ImageType
) -> None:
    """All six types are found with `image_type` and with the older `kind`."""
    for instrument in Instrument:
        asked = {"program_name": OTHER_PROGRAM, "instrument": instrument.value}
        rows = await client.query(image_type=image_type.value, **asked)
        assert rows
        assert {row["image_type"] for row in rows} == {image_type.value}
        assert all(f"/{instrument}/" in row["savepath"] for row in rows)
        assert await client.query(kind=image_type.value, **asked) == rows


async def test_instrument_defaults_to_winter_and_type_to_stack(client: Client) -> None:
    """Left out, the instrument is WINTER and the type is stack."""
    params = credentials(OTHER_PROGRAM)
    answer = await client.get(
        "/images/query", params=params, json=[{"program_name": OTHER_PROGRAM}]
    )
    rows = (await answer.json())["body"]
    assert rows
    assert all("/winter/" in row["savepath"] and row["image_type"] == "stack" for row in rows)


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
async def test_body_is_read_as_json_with_its_type(client: Client, content_type: str) -> None:
    """A body that says it is JSON is read."""
    body = json.dumps([{"program_name": PROGRAM}]).encode()
    headers = {"Content-Type": content_type}
    answer = await client.get("/images/query", params=credentials(), data=body, headers=headers)
    assert answer.status == 200


async def test_body_is_read_without_a_type_and_refused_with_another(client: Client) -> None:
    """The real client sends no content type, which is fine; any other than JSON is refused."""
    body = json.dumps([{"program_name": PROGRAM}]).encode()
    path, params = "/images/query", credentials()
    bare = await client.get(path, params=params, data=body, skip_auto_headers=["Content-Type"])
    assert bare.status == 200
    octets = await client.get(path, params=params, data=body)
    assert octets.status == 422
    assert (await octets.json())["detail"][0]["type"] == "list_type"


@pytest.mark.parametrize(
    ("body", "kind", "loc"),
    [
        (b"[{", "json_invalid", ["body", 2]),
        (b"", "missing", ["body"]),
        (b"{}", "list_type", ["body"]),
        (b"[]", "too_short", ["body"]),
        (b"[1]", "model_attributes_type", ["body", 0]),
        (b"[{}]", "missing", ["body", 0, "program_name"]),
        (b'[{"program_name": 5}]', "string_type", ["body", 0, "program_name"]),
    ],
)
async def test_bad_bodies_are_refused_in_detail(
    client: Client, body: bytes, kind: str, loc: list[Any]
) -> None:
    """A body that is no list of queries gets a 422 that says where and why."""
    headers = {"Content-Type": "application/json"}
    refused = await client.get("/images/query", params=credentials(), data=body, headers=headers)
    assert refused.status == 422
    problem = (await refused.json())["detail"][0]
    assert (problem["type"], problem["loc"]) == (kind, loc)


@pytest.mark.parametrize(
    ("asked", "kind", "field"),
    [
        ({"start_date": "2024-01-01"}, "int_parsing", "start_date"),
        ({"end_date": 20240101.5}, "int_from_float", "end_date"),
        ({"end_date": None}, "int_type", "end_date"),
        ({"image_type": "stacks"}, "literal_error", "image_type"),
        ({"kind": 3}, "literal_error", "kind"),
        ({"target_name": ""}, "string_too_short", "target_name"),
        ({"target_name": "x" * 31}, "string_too_long", "target_name"),
        ({"ra": -1, "dec": 0}, "greater_than_equal", "ra"),
        ({"ra": 361, "dec": 0}, "less_than_equal", "ra"),
        ({"ra": "here", "dec": 0}, "float_type", "ra"),
        ({"ra": 1}, "missing", "dec"),
        ({"ra": 1, "dec": 0, "radius_deg": 91}, "less_than_equal", "radius_deg"),
        ({"ra_min": 1, "ra_max": 2, "dec_min": 1}, "missing", "dec_max"),
    ],
)
async def test_bad_fields_are_refused_in_detail(
    client: Client, asked: dict[str, object], kind: str, field: str
) -> None:
    """Each wrong field of a query is reported by its place and kind."""
    refused = await client.ask(**asked)
    assert refused.status == 422
    problems = (await refused.json())["detail"]
    assert [(each["type"], each["loc"]) for each in problems] == [(kind, ["body", 0, field])]


@pytest.mark.parametrize("low_high", [("ra", 5, 5), ("dec", 9, 2)])
async def test_empty_rectangles_are_refused(client: Client, low_high: tuple[str, int, int]) -> None:
    """The maximum of a rectangle must be above its minimum."""
    axis, low, high = low_high
    box = {"ra_min": 1, "ra_max": 2, "dec_min": 1, "dec_max": 2}
    refused = await client.ask(**box | {f"{axis}_min": low, f"{axis}_max": high})
    assert refused.status == 422
    assert "range invalid" in (await refused.json())["detail"][0]["msg"]


async def test_unknown_instrument_is_refused(client: Client) -> None:
    """There are two cameras."""
    refused = await client.ask(instrument="summer")
    assert refused.status == 422
    assert (await refused.json())["detail"][0]["loc"] == ["query", "instrument"]


async def test_dates_are_inclusive_and_may_be_text(client: Client) -> None:
    """The first and the last day count; digits in a text are a date too."""
    day = {"start_date": NIGHT_AFTER, "end_date": str(NIGHT_AFTER)}
    assert await client.query(**day) == await client.query()
    assert await client.query(start_date=NIGHT_AFTER + 1) == []
    assert await client.query(end_date=NIGHT_AFTER - 1) == []


async def test_dates_follow_the_driven_clock(client: Client) -> None:
    """A day is refused as long as it is in the future of the simulated clock, in UTC."""
    clock = client.simulator.observatory.clock
    clock.set(datetime(2025, 10, 25, 23, 59, tzinfo=UTC))
    for late in ({"end_date": 20251026}, {"start_date": 20251026, "end_date": 20251026}):
        refused = await client.ask(**late)
        assert refused.status == 422
        detail = (await refused.json())["detail"]
        assert "in the future" in detail[0]["msg"]
        assert "20251025" in detail[0]["msg"]
    clock.advance(timedelta(minutes=1))
    assert (await client.ask(end_date=20251026)).status == 200


async def test_start_after_end_is_refused(client: Client) -> None:
    """Dates the wrong way round are a 422."""
    refused = await client.ask(start_date=20251024, end_date=20251023)
    assert refused.status == 422
    assert "after end" in (await refused.json())["detail"][0]["msg"]


async def test_default_dates_are_the_last_thirty_days(client: Client) -> None:
    """Left out, the query begins thirty days before the simulated today."""
    clock = client.simulator.observatory.clock
    clock.set(datetime(2025, 11, 23, 12, tzinfo=UTC))
    assert await client.query()
    clock.advance(timedelta(days=1))
    assert await client.query() == []
    assert await client.query(start_date=NIGHT_AFTER)


@pytest.mark.parametrize(
    ("program", "instrument"), [(PROGRAM, "winter"), (OTHER_PROGRAM, "spring")]
)
async def test_target_query_is_exact(client: Client, program: str, instrument: str) -> None:
    """A target's name selects its rows and no others; null selects what has no name."""
    asked = {"program_name": program, "instrument": instrument}
    rows = await client.query(**asked)
    names = {row["targname"] for row in rows}
    assert len(names) > 1
    for name in names:
        found = await client.query(target_name=name, **asked)
        assert found == [row for row in rows if row["targname"] == name]


async def test_cone_query(client: Client) -> None:
    """A cone holds what is within its radius, one degree if not said."""
    rows = await client.query(image_type="exposure")
    row = rows[0]
    place = {"image_type": "exposure", "ra": row["ra"], "dec": row["dec"]}
    near = await client.query(**place)
    assert row in near
    assert 0 < len(near) < len(rows)
    assert len(await client.query(**place, radius_deg=90)) == len(rows)
    assert await client.query(**place, radius_deg=0) == [row]
    for away, found in ((0.9, True), (1.1, False)):
        beside = place | {"dec": row["dec"] + away}
        assert (row in await client.query(**beside)) is found


async def test_rectangle_query(client: Client) -> None:
    """A rectangle holds what is within its limits, both included."""
    rows = await client.query(image_type="exposure")
    everywhere = {"ra_min": 0, "ra_max": 360, "dec_min": -90, "dec_max": 90}
    assert await client.query(image_type="exposure", **everywhere) == rows
    for axis in ("ra", "dec"):
        middle = sorted(row[axis] for row in rows)[len(rows) // 2]
        for side in ("min", "max"):
            box = everywhere | {f"{axis}_{side}": middle}
            inside = [
                row
                for row in rows
                if row[axis] == middle or (row[axis] > middle) == (side == "min")
            ]
            assert await client.query(image_type="exposure", **box) == inside
            assert 0 < len(inside) < len(rows)


async def test_programs_see_their_own_only(client: Client) -> None:
    """No row is of another program, and a body may not name one the key does not open."""
    paths = [
        {row["savepath"] for row in await client.query(program_name=each)}
        for each in (PROGRAM, OTHER_PROGRAM)
    ]
    assert all(paths)
    assert not paths[0] & paths[1]
    body = [{"program_name": OTHER_PROGRAM}]
    assert (await client.get("/images/query", params=credentials(), json=body)).status == 401


async def test_download_answers_a_zip(client: Client) -> None:
    """The zip has the documented headers, no length, and the products by their names."""
    paths = [row["savepath"] for row in await client.query()]
    answer = await client.download(paths, "stack")
    assert answer.headers["Content-Type"] == "application/x-zip-compressed"
    assert "Content-Length" not in answer.headers
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.headers["Content-Disposition"] == (
        "attachment; filename=WINTER_images_stack_2025_10_28_12_00_00.zip"
    )
    assert answer.headers["missing-images"] == "0"
    assert answer.headers["total-images"] == str(len(paths))
    assert answer.headers["image-type"] == "stack"
    members = await unzipped(answer)
    content = client.simulator.observatory.content
    assert members == {path.rpartition("/")[2]: content("winter", path) for path in paths}


async def test_what_is_not_there_is_counted_as_missing(client: Client) -> None:
    """Paths of another type or program, unknown ones and gone files are never served."""
    stacks = [row["savepath"] for row in await client.query()]
    raws = [row["savepath"] for row in await client.query(image_type="raw")]
    foreign = [row["savepath"] for row in await client.query(program_name=OTHER_PROGRAM)]
    gone = client.simulator.observatory.products(PROGRAM, Instrument.WINTER, ImageType.STACK)[1]
    client.simulator.observatory.remove_file(gone)
    asked = [stacks[0], raws[0], foreign[0], "/etc/passwd", gone.savepath]
    answer = await client.download(asked, "stack")
    assert list(await unzipped(answer)) == [stacks[0].rpartition("/")[2]]
    assert (answer.headers["missing-images"], answer.headers["total-images"]) == ("4", "5")


async def test_listed_science_may_be_gone(client: Client) -> None:
    """Some science images are listed though their file is gone, as on the real server."""
    rows = await client.query(image_type="science", program_name=OTHER_PROGRAM)
    rows += await client.query(image_type="science")
    manifest = await (await client.get("/simulator/manifest")).json()
    gone = {each["savepath"] for each in manifest["products"] if each["gone"]}
    assert gone & {row["savepath"] for row in rows}
    for each in manifest["products"]:
        assert (each["size"] is None) == (each["sha256"] is None) == each["gone"]
    assert len(gone) < 10


async def test_a_user_may_be_allowed_some_programs_only(observatory: Observatory) -> None:
    """A right key does not help a user to whom the program is closed."""
    accounts = observatory.accounts
    observatory.accounts = replace(accounts, users=(Account("guest", "word", (PROGRAM,)),))
    async with Simulator(observatory) as simulator, aiohttp.ClientSession() as session:
        guest = Client(simulator, session)
        statuses = [
            (
                await guest.get(
                    "/validation/program", params=credentials(name), auth=("guest", "word")
                )
            ).status
            for name in (PROGRAM, OTHER_PROGRAM)
        ]
    assert statuses == [200, 401]


async def test_answers_are_dated_by_the_simulated_clock(client: Client) -> None:
    """The Date header, also of refusals, follows the simulator's clock."""
    clock = client.simulator.observatory.clock
    for path in ("/ping", "/nowhere", "/validation/user"):
        clock.advance(timedelta(hours=7))
        answer = await client.get(path)
        assert parsedate_to_datetime(answer.headers["Date"]) == clock.now()


async def test_manifest_says_what_is_served(client: Client) -> None:
    """Sizes and digests of the manifest are those of the members served."""
    manifest = await (await client.get("/simulator/manifest")).json()
    lines = {each["savepath"]: each for each in manifest["products"]}
    assert len(lines) == len(client.simulator.observatory.products())
    path = next(path for path, each in lines.items() if each["image_type"] == "avro")
    line = lines[path]
    answer = await client.download(
        [path], "avro", program=line["program"], instrument=line["instrument"]
    )
    (content,) = (await unzipped(answer)).values()
    assert line["size"] == len(content)
    assert line["sha256"] == hashlib.sha256(content).hexdigest()


async def test_clock_is_driven_over_http(client: Client) -> None:
    """The clock is set and advanced by a call, and refuses what is neither."""
    url = client.simulator.url + "/simulator/clock"
    now = {"now": "2025-10-24T12:00:00+00:00"}
    for order in (now, {"advance": 90}):
        assert (await client.session.post(url, json=order)).status == 200
    assert await (await client.get("/simulator/clock")).json() == {
        "now": "2025-10-24T12:01:30+00:00"
    }
    nonsenses: list[object] = [{}, {"now": "2025-10-24"}, {"advance": "x"}, {"now": 5}, []]
    for nonsense in nonsenses:
        assert (await client.session.post(url, json=nonsense)).status == 422


async def test_requests_are_recorded_without_secrets(client: Client) -> None:
    """Calls of the real API are recorded in order; no password or key is kept."""
    rows = await client.query()
    await client.download([rows[0]["savepath"], "/nowhere"], "stack")
    await client.get("/validation/user", auth=(DEFAULT_USER, "wrong"))
    await client.get("/simulator/clock")
    first, second, third = client.simulator.requests
    assert (first.path, first.status, first.count) == ("/images/query", 200, len(rows))
    assert (second.program, second.instrument, second.image_type) == (PROGRAM, "winter", "stack")
    assert (second.count, second.missing, second.complete) == (2, 1, True)
    assert second.sent > 0
    assert third.status == 401
    told = await (await client.get("/simulator/requests")).text()
    for text in (
        told,
        repr(client.simulator.requests),
        repr(client.simulator.observatory.accounts),
    ):
        assert key_of(PROGRAM) not in text
        assert DEFAULT_PASSWORD not in text


async def test_the_delay_is_slept_before_each_answer(observatory: Observatory) -> None:
    """The archive waits for the given time, with the given sleep."""
    slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    delayed = Simulator(observatory, delay=0.7, sleep=sleep)
    async with delayed as simulator, aiohttp.ClientSession() as session:
        await session.get(simulator.url + "/ping")
    assert slept == [0.7]
