"""The pages: the right codes, nothing more than asked, and no fault of ours is shown."""

from __future__ import annotations

import json

import pytest
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from web.client import PATHS, Site

from winter_sync.core.errors import StorageError


@pytest.mark.parametrize(("path", "of"), [("/healthz", "troubles"), ("/readyz", "unready")])
async def test_health_is_a_code_and_its_reasons(site: Site, path: str, of: str) -> None:
    """The code is 200 while all is well, and 503 with the reasons while it is not."""
    well = await site.get(path)
    assert (well.status, json.loads(well.text)) == (200, {"ok": True, "troubles": []})
    setattr(site.shown, of, ["the disk is full"])
    ill = await site.get(path)
    assert ill.status == 503
    assert json.loads(ill.text) == {"ok": False, "troubles": ["the disk is full"]}
    others = [await site.get(other) for other in PATHS if other != path]
    assert {other.status for other in others} == {200}


async def test_metrics_and_status_are_what_is_handed_in(site: Site) -> None:
    """They are passed on as they are, as what they are."""
    metrics, status = await site.get("/metrics"), await site.get("/api/status")
    assert (metrics.status, metrics.text) == (200, "made 1\n")
    assert metrics.headers["Content-Type"] == CONTENT_TYPE_PLAIN_0_0_4
    assert (status.status, json.loads(status.text)) == (200, {"made": 2})
    assert status.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", [*PATHS, "/absent"])
async def test_no_page_may_be_kept_guessed_at_or_framed(site: Site, path: str) -> None:
    """The headers say so, whatever the answer; none reveals the software."""
    headers = (await site.get(path)).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["Server"] == "winter-sync"


@pytest.mark.parametrize("path", PATHS)
async def test_head_returns_the_same_without_the_page(site: Site, path: str) -> None:
    """A HEAD has the code and the length of the GET, and no body."""
    head = await site.get(path, "HEAD")
    assert head.status == 200
    assert head.text == ""
    assert int(head.headers["Content-Length"]) > 0


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
async def test_nothing_can_be_done_there(site: Site, method: str) -> None:
    """Any other method is refused, and named are those that are not."""
    answer = await site.get("/healthz", method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "path", ["/absent", "/metrics/", "/api", "/../etc/passwd", "/%2e%2e/etc/passwd", "//healthz/"]
)
async def test_there_is_nothing_else(site: Site, path: str) -> None:
    """Any other path is 404."""
    assert (await site.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())).startswith(
        b"HTTP/1.1 404 "
    )


@pytest.mark.parametrize("path", ["/metrics", "/api/status"])
async def test_a_failing_catalog_is_reported_and_no_traceback(site: Site, path: str) -> None:
    """What a source says of its trouble is the answer; the next one may be well again."""

    async def fail() -> None:
        raise StorageError("the catalog is locked", remedy="Wait.")

    site.shown.make = fail
    ill = await site.get(path)
    assert ill.status == 503
    assert json.loads(ill.text) == {"ok": False, "troubles": ["the catalog is locked"]}
    site.shown.make = None
    assert (await site.get(path)).status == 200


async def test_a_fault_of_ours_is_logged_and_not_shown(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """The client learns nothing of it; the log has all of it."""

    async def fail() -> None:
        raise RuntimeError("very private")

    site.shown.make = fail
    answer = await site.get("/api/status")
    assert answer.status == 500
    assert "private" not in answer.text
    assert "Traceback" not in answer.text
    assert "very private" in caplog.text


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /secret-thing\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nSecret-Thing\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["words", "tls", "nul", "header", "long"],
)
async def test_what_is_no_request_is_refused_quietly(
    site: Site, request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """It is answered with 400, not repeated, without a banner, and not logged."""
    answer = await site.send(request_)
    assert answer.startswith(b"HTTP/1.0 400 ")
    assert b"Server: winter-sync\r\n" in answer
    for word in (b"aiohttp", b"Python", b"ecret", b"aaaa"):
        assert word not in answer
    assert not caplog.records
    assert (await site.get("/healthz")).status == 200


@pytest.mark.parametrize("expected", ["100-continue", "something-else"])
async def test_no_body_is_ever_expected(site: Site, expected: str) -> None:
    """A client that waits before it sends a body gets its answer at once, and our headers."""
    expected_codes = {"GET /healthz": b"200", "GET /absent": b"404", "OPTIONS *": b"405 417"}
    for line, codes in expected_codes.items():
        answer = await site.send(
            f"{line} HTTP/1.1\r\nHost: localhost\r\nExpect: {expected}\r\n\r\n".encode()
        )
        assert answer.rpartition(b"HTTP/1.1 ")[2][:3] in codes.split()
        assert b"Server: winter-sync\r\n" in answer
        assert b"aiohttp" not in answer
