"""However the server fails, and even if it repeats all it was sent, no secret appears anywhere."""

from __future__ import annotations

import base64
import io
import itertools
import json
import traceback
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, urlencode

import aiohttp
import pytest
from support.faulty_rig import PROGRAM, TYPES, FaultyRig
from support.rig import path_of

from winter_sync.catalog.thread import CatalogThread
from winter_sync.config.readiness import read_credentials
from winter_sync.core.layout import CATALOG, STATE_DIR
from winter_sync.core.redaction import redactor
from winter_sync.monitoring.event_log import log_events
from winter_sync.monitoring.log_setup import configure_logging
from winter_sync.monitoring.metric_sources import Watched
from winter_sync.monitoring.metrics import Metrics
from winter_sync.monitoring.status import read_status
from winter_sync.monitoring.status_json import status_as_json
from winter_sync.pages import MirrorSite, PageContext
from winter_sync.simulator import (
    DEMO_NIGHT,
    Account,
    Accounts,
    Answer,
    Call,
    Faults,
    Observatory,
    Reset,
    Simulator,
    Universe,
    ZipStyle,
    program_record,
)
from winter_sync.simulator.packing.zips import DESCRIPTOR_FLAG, ENCRYPTED_FLAG, pack
from winter_sync.web import Sources, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator
    from pathlib import Path

    from winter_sync.simulator.packing.zips import Member
    from winter_sync.sync.engine import Mirror
    from winter_sync.sync.report import Report

USER = "obs+erver@example.org"
PASSWORD = "p@ss/w+rd & 100%:x"
KEY = "k/e+y=&é'7 of A"
SECRETS = (USER, PASSWORD, KEY)
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
REQUEST = "GET /images/download_list?" + urlencode({"program_api_key": KEY, "user": USER})
STYLE = ZipStyle("stored", built="streamed", chunk_size=4096)
BEGINNING = 10
"""So many characters of a secret already tell too much."""


def travelling() -> Iterator[str]:
    """Return every form in which a secret is sent, or a server may write it."""
    for secret in SECRETS:
        for form in (secret, quote(secret, safe=""), quote(secret), quote_plus(secret)):
            yield form
            yield json.dumps(form)[1:-1]
            yield repr(form)[1:-1]
    yield BASIC


SENT = sorted(set(travelling()))
ECHO = " ".join([REQUEST, f"Authorization: Basic {BASIC}", *SENT])
FORMS = [*SENT, *(base64.b64encode(secret.encode()).decode() for secret in SECRETS)]


def secrets_in(text: str) -> list[str]:
    """Return which of the secrets a text reveals."""
    return [form for form in FORMS if form[:BEGINNING] in text]


def answers() -> Iterator[Answer | None]:
    """Return every kind of answer that repeats the request, each after a good one.

    Blanks before it put the place where we stop quoting into each part of it.
    """
    detail = json.dumps({"detail": ECHO})
    listed = json.dumps({"detail": [{"msg": ECHO}]})
    pages = [f"<html>{' ' * blanks}{ECHO}" for blanks in range(0, 90, 7)]
    for page in (ECHO, detail, listed, json.dumps({"body": ECHO}), f"PK{ECHO}", *pages):
        for status in (200, 404, 422, 500):
            yield None
            yield Answer(status, page.encode(), "text/html", {"X-Request": REQUEST})
    yield Answer(302, b"", "text/html", {"Location": f"http://127.0.0.1:1/{REQUEST}"})
    yield Answer(503, ECHO.encode(), "text/html", {"Retry-After": REQUEST})
    yield Answer(401, detail.encode())


def pages() -> Iterator[str]:
    """Return files that repeat a secret, of which our quote of their beginning may have a part."""
    for blanks in itertools.cycle((0, 38, 42)):
        for form in SENT:
            yield f"<html>{' ' * blanks}{form}"


class Echo(Faults):
    """Repeats to the client, in every place that there is, what the client sent."""

    def __init__(self) -> None:
        self._answers = answers()
        self._pages = pages()
        self.answered = 0
        self.over = False

    async def before(self, call: Call) -> Answer | None:
        """Answer with the next of the answers, until there are no more."""
        del call
        try:
            answer = next(self._answers)
        except StopIteration:
            self.over = True
            return None
        self.answered += answer is not None
        if self.answered % 9 == 5:
            raise Reset
        return answer

    def listing(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        """Add rows that cannot be used, with all the secrets in them."""
        del call
        if self.over:
            return body
        rows = [{"savepath": form} for form in SENT]
        up = [{"savepath": f"/data/20251023/../{form}"} for form in SENT]
        return {**body, "body": [*rows, *up, ECHO, *body["body"]]}

    def members(self, call: Call, members: Iterator[Member]) -> Iterator[Member]:
        """Name members after the request, and put it into files."""
        del call
        for number, member in enumerate(members):
            if self.over:
                yield member
                continue
            yield replace(member, name=f"{REQUEST}/{ECHO[:500]}")
            page = next(self._pages).encode()
            yield replace(member, pack=lambda page=page: pack(page, STYLE))  # type: ignore[misc]
            if number:
                name = f"{REQUEST}/{member.name}"
                yield replace(member, name=name, flags=ENCRYPTED_FLAG | DESCRIPTOR_FLAG)


@dataclass
class Overheard:
    """All output of some runs, by source."""

    stream: io.StringIO = field(default_factory=io.StringIO)
    errors: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    def report(self, report: Report) -> None:
        """Keep all that a run's errors say, and what is behind them."""
        self.shown.append(repr(report))
        for error in report.errors:
            self.errors += traceback.format_exception(error)
            self.errors.append(f"{error!s} {error!r} {error.remedy} {vars(error)}")

    def objects(self, *objects: object) -> None:
        """Keep how objects show themselves, and what is in them."""
        for thing_ in objects:
            self.shown += [repr(thing_), str(thing_), repr(getattr(thing_, "__dict__", ""))]


class SecretRig(FaultyRig):
    """A rig with secrets that are hard to hide, and a log as the command writes it."""

    def __init__(self, simulator: Simulator, root: Path) -> None:
        super().__init__(simulator, root)
        self.programs = [{"name": PROGRAM, "image_types": list(TYPES), "api_key": KEY}]
        self.changes["api"] = {"user": USER, "password": PASSWORD}
        self.overheard = Overheard()
        redact = redactor(read_credentials(self.settings()))
        out = self.overheard.stream
        logger = configure_logging(redact, level="debug", form="json", stream=out)
        self.listeners.append(log_events(logger))

    async def sync(self) -> Report:
        """Run one sync, and overhear it."""

        async def work(mirror: Mirror) -> Report:
            report = await mirror.sync()
            self.overheard.objects(
                mirror, mirror.api, mirror.api.server.circuit_breaker, mirror.session
            )
            return report

        report = await self._run(work)
        self.overheard.report(report)
        self.overheard.objects(self.settings(), self.settings().api, *self.settings().programs)
        return report


@pytest.fixture
async def secret_rig(tmp_path: Path) -> AsyncIterator[SecretRig]:
    """Return a mirror of a small archive that asks for secrets, and repeats them."""
    universe = Universe(nights=(DEMO_NIGHT,), products_a_night=60, gone_fraction=0)
    record = replace(program_record(PROGRAM, universe.nights), api_key=KEY)
    accounts = Accounts((Account(USER, PASSWORD),), (record,))
    observatory = Observatory(universe, accounts=accounts)
    async with Simulator(observatory, faults=Echo(), zip_style=STYLE) as simulator:
        yield SecretRig(simulator, tmp_path / "winter")


@pytest.mark.fault(
    kind="errors, pages, rows, member names and files that repeat the request, with all secrets",
    injected="(the tests' own archive)",
    outcome="no secret appears in any log line, error, catalog or object",
    kept="everything",
)
async def test_no_secret_is_shown_in_a_faulty_life(secret_rig: SecretRig) -> None:
    """Log, errors and their causes, catalog, settings and objects are without secrets."""
    rig = secret_rig
    echo = rig.simulator.faults
    assert isinstance(echo, Echo)
    runs = 0
    while not echo.over or runs == 0:
        await rig.sync()
        runs += 1
        rig.observatory.clock.advance(timedelta(hours=8))
        assert runs < 100
    _nothing_shown({"catalog": _catalog(rig.root)})
    rig.observatory.clock.advance(timedelta(hours=24))
    await rig.sync()
    _nothing_shown(
        {
            "log": rig.overheard.stream.getvalue().splitlines(),
            "errors": rig.overheard.errors,
            "objects": rig.overheard.shown,
            "events": map(repr, rig.events),
            "catalog": _catalog(rig.root),
        }
    )
    kept = [product for product in rig.observatory.products(PROGRAM) if product.image_type in TYPES]
    assert rig.files() == rig.truth(kept)
    assert {path_of(product) for product in kept} == set(rig.files())


async def test_no_secret_is_on_a_page(secret_rig: SecretRig) -> None:
    """In the middle of such a run, neither the metrics nor the status reveal a secret."""
    rig = secret_rig
    metrics = Metrics(rig.observatory.clock.now)
    rig.listeners.append(metrics.handle)
    pages: list[str] = []
    for _ in range(8):
        await rig.sync()
        rig.observatory.clock.advance(timedelta(hours=8))
        pages += await _pages(rig, metrics)
    assert any('"attempts": ' in page for page in pages)
    assert any('"error": "' in page for page in pages)
    _nothing_shown({"pages": pages})


async def _pages(rig: SecretRig, metrics: Metrics) -> list[str]:
    """Return all pages, as they are served."""
    settings = rig.settings()
    path = rig.root / STATE_DIR / CATALOG
    async with CatalogThread(path, rig.observatory.clock.now) as catalog:
        watched = Watched(catalog, settings.selections, rig.root, 0)

        async def shown() -> str:
            now = rig.observatory.clock.now()
            return status_as_json(await read_status(catalog, settings.selections, now))

        context = PageContext(rig.root, rig.root / STATE_DIR, selections=settings.selections)
        site = MirrorSite(lambda: context, rig.observatory.clock.now)
        sources = Sources(list, list, site, lambda: metrics.page(watched), shown)
        async with serving("127.0.0.1:0", sources) as address, aiohttp.ClientSession() as client:
            texts = []
            for page in ("/", "/healthz", "/readyz", "/metrics", "/api/status"):
                async with client.get(f"http://{address}{page}") as answer:
                    assert answer.status == 200
                    texts.append(f"{answer.headers} {await answer.text()}")
            return texts


def test_what_is_looked_for_would_be_found() -> None:
    """The echo repeats every secret in every form, so that the search could have found it."""
    assert set(secrets_in(ECHO)) >= set(SENT)
    assert secrets_in("nothing") == []


def _nothing_shown(places: dict[str, Iterable[str]]) -> None:
    for place, texts in places.items():
        looked_at = list(texts)
        assert looked_at, f"there was nothing to look at in the {place}"
        leaks = {_around(text, form) for text in looked_at for form in secrets_in(text)}
        assert not leaks, f"the {place} tells {sorted(leaks)[:10]}"


def _around(text: str, form: str) -> str:
    at = text.index(form[:BEGINNING])
    return text[max(0, at - 120) : at + 60]


def _catalog(root: Path) -> list[str]:
    files = [path for path in (root / STATE_DIR).rglob("*") if path.is_file()]
    return [path.read_bytes().decode("latin-1") for path in files] + [
        path.read_bytes().decode("utf-8", errors="replace") for path in files
    ]
