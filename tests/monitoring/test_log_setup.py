"""Logs: JSON for machines, lines for people, one a poll that found something, no secret in any."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
import warnings
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from support.command import KEYS, PASSWORD, PROGRAM, USER, leaked, travelling_forms

from winter_sync.core import (
    INTERRUPTED,
    Backlog,
    BatchEnded,
    BatchStarted,
    ConnectionsChanged,
    Event,
    Polled,
    PollFailed,
    ProductFinished,
    ProductsLeftOut,
    Received,
    Recovered,
    Retrying,
    RowsLeftOut,
    ServerFailing,
    ServerRecovered,
    WithdrawalHeld,
)
from winter_sync.core.credentials import Credentials
from winter_sync.core.downloads import (
    Batch,
    Candidate,
    Evidence,
    Failed,
    Missing,
    Published,
    Unchanged,
)
from winter_sync.core.marks import Marks
from winter_sync.core.products import Night, Product
from winter_sync.core.queries import Query, Subject
from winter_sync.core.redaction import redactor
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.monitoring.event_log import log_events
from winter_sync.monitoring.log_setup import LogFormat, configure_logging, take_over_logging
from winter_sync.monitoring.metric_changes import EFFECTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from structlog.typing import FilteringBoundLogger

REDACT = redactor(Credentials(USER, PASSWORD, KEYS))
QUERY = Query(Subject(PROGRAM, Instrument.WINTER, ImageType.STACK), date(2025, 10, 23))
PRODUCTS = tuple(
    Product(
        Instrument.WINTER,
        f"/data/loki/data/winter/20251023/final/WINTERcamera_20251024-03215{number}-508_stack.fits",
        ImageType.STACK,
        Night("20251023"),
    )
    for number in range(9)
)
CANDIDATE = Candidate(PRODUCTS[0], PROGRAM, "winter/20251023/final/x.fits", 0, Marks(), 8640)
AGAIN_AND_AGAIN = replace(CANDIDATE, attempts=3)
BATCH = Batch("b1", (CANDIDATE,))
EVIDENCE = Evidence(
    Instrument.WINTER, PRODUCTS[0].savepath, CANDIDATE.path, 8640, "00" * 32, Marks()
)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave logging as the other tests know it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def polled(**counts: Any) -> Polled:  # noqa: ANN401 - by the names of its fields
    """Make the event of a poll."""
    return replace(Polled(QUERY, 20, 0, 0, 0, 0, 0.1), **counts)


def written(*events: Event, level: str = "debug") -> list[dict[str, Any]]:
    """Return what is logged of events, as a machine reads it."""
    stream = io.StringIO()
    emit = log_events(configure_logging(REDACT, level=level, form="auto", stream=stream))
    for event in events:
        emit(event)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_poll_that_found_something_is_one_line() -> None:
    """It names the selection and counts what is not nothing; other polls are for debugging."""
    (line,) = written(polled(), polled(new=3, withdrawn=1), level="info")
    line.pop("timestamp")
    assert line == {
        "level": "info",
        "event": "polled",
        "program": PROGRAM,
        "instrument": "winter",
        "image_type": "stack",
        "listed": 20,
        "new": 3,
        "withdrawn": 1,
    }


def test_withdrawals_are_of_the_program_that_listed_the_products() -> None:
    """Also where the last query about them was put to another program."""
    other = replace(QUERY.subject, program="2024B001")
    asked = polled(withdrawn=1, missed_by=other)
    log, held = written(asked, WithdrawalHeld(other, 12, 40), level="info")
    assert (log["program"], log["withdrawn_from"]) == (PROGRAM, other.program)
    assert held["program"] == other.program
    (counted,) = (each for each in EFFECTS.of(asked) or () if "withdrawn" in each.labels)
    assert (counted.labels[0], counted.value) == (other.program, 1)


@pytest.mark.parametrize(
    ("event", "level", "said"),
    [
        (polled(), "debug", "polled"),
        (PollFailed(QUERY, "it broke"), "warning", "it broke"),
        (RowsLeftOut(QUERY, ("no savepath",)), "warning", "no savepath"),
        (ProductsLeftOut(PRODUCTS[:1]), "warning", PRODUCTS[0].savepath),
        (Retrying("it broke", 1.5), "debug", "it broke"),
        (ConnectionsChanged(2, 4, "it is busy"), "debug", "it is busy"),
        (ServerFailing("it is down", 15.0), "warning", "it is down"),
        (ServerRecovered(90.0), "info", "90"),
        (Recovered(1, 2), "info", "recovered after crash"),
        (BatchStarted(BATCH), "debug", "b1"),
        (BatchEnded(BATCH, 1.0), "debug", "b1"),
        (BatchEnded(BATCH, 1.0, "it was cut"), "warning", "it was cut"),
        (BatchEnded(BATCH, 1.0, INTERRUPTED), "info", "b1"),
        (ProductFinished(Published(CANDIDATE, EVIDENCE)), "debug", CANDIDATE.path),
        (ProductFinished(Unchanged(CANDIDATE, EVIDENCE)), "debug", CANDIDATE.path),
        (ProductFinished(Missing(CANDIDATE)), "debug", PRODUCTS[0].savepath),
        (ProductFinished(Failed(CANDIDATE, "no FITS", blamed=True)), "debug", "no FITS"),
        (ProductFinished(Failed(AGAIN_AND_AGAIN, "no FITS", blamed=True)), "warning", "no FITS"),
        (ProductFinished(Failed(CANDIDATE, "it was cut")), "debug", "it was cut"),
    ],
)
def test_what_happens_is_logged_as_gravely_as_it_is(event: Event, level: str, said: str) -> None:
    """Each event has one line with its facts: warnings for what a person may have to act on."""
    (line,) = written(event)
    assert line["level"] == level
    assert said in json.dumps(line)


def test_what_is_too_small_for_a_log_is_left_out() -> None:
    """Neither each piece of a download nor the size of the backlog is a line."""
    assert written(Received(BATCH, 65536), Backlog(5)) == []


@pytest.mark.parametrize(
    ("event", "count"),
    [
        (RowsLeftOut(QUERY, tuple(f"row {number}" for number in range(5000))), "rows"),
        (ProductsLeftOut(PRODUCTS * 500), "products"),
    ],
)
def test_a_multitude_is_counted(event: Event, count: str) -> None:
    """Thousands of like things make one line that can be read, with their number."""
    (line,) = written(event)
    assert line[count] >= 4500
    assert len(json.dumps(line)) < 1000


def test_a_line_begins_with_when_how_grave_and_what() -> None:
    """A line of JSON can be read by a person as well: its time, level and event come first."""
    (line,) = written(PollFailed(QUERY, "it broke"))
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize(
    ("stream", "form", "is_json"),
    [
        (io.StringIO, "auto", True),
        (Terminal, "auto", False),
        (io.StringIO, "human", False),
        (Terminal, "json", True),
    ],
)
def test_people_read_lines_and_machines_read_json(
    stream: type[io.StringIO], form: LogFormat, *, is_json: bool
) -> None:
    """A terminal gets lines for people, all else JSON, unless one of them is asked for."""
    out = stream()
    log_events(configure_logging(REDACT, form=form, stream=out))(polled(new=3))
    assert out.getvalue().startswith("{") is is_json
    assert out.getvalue().count("\n") == 1


def loggers() -> Iterator[tuple[io.StringIO, FilteringBoundLogger]]:
    """Return a logger of each form, and its stream."""
    for stream in (io.StringIO(), Terminal()):
        yield stream, configure_logging(REDACT, stream=stream)


@pytest.mark.parametrize("form", list(travelling_forms(USER, PASSWORD, KEYS[PROGRAM])))
def test_a_secret_is_taken_out_of_every_part_of_a_line(form: str) -> None:
    """Wherever it hides, in text, fields, lists, tables, objects or errors, it is not written."""
    said = f"asked for {form}"
    for stream, logger in loggers():
        logger.info(said, url=f"http://x/?k={form}", fields={"a": [form, (form,)]})
        logger.warning("object", object=ValueError(form))
        logger.error("it broke", exc_info=RuntimeError(form))
        assert not leaked(stream.getvalue())
        assert stream.getvalue().count("[secret]") >= 5


def test_what_libraries_log_and_warn_of_is_written_the_same_way() -> None:
    """A library's own lines and Python's warnings are JSON like ours, without secrets."""
    stream = io.StringIO()
    take_over_logging(configure_logging(REDACT, stream=stream))
    logging.getLogger("asyncio").error("never retrieved: %s", PASSWORD)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"old {PASSWORD}", DeprecationWarning, stacklevel=1)
    logging.getLogger("aiohttp").info("not worth a line")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["logger"], line["level"]) for line in lines] == [
        ("asyncio", "error"),
        ("py.warnings", "warning"),
    ]
    assert not leaked(stream.getvalue())


def test_what_it_dies_of_is_written_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    """A fault of our own ends in one line with its traceback, without secrets."""
    stream = io.StringIO()
    take_over_logging(configure_logging(REDACT, stream=stream))
    fault = RuntimeError(PASSWORD)
    sys.excepthook(RuntimeError, fault, None)
    (line,) = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert line["level"] == "critical"
    assert "RuntimeError" in line["exception"]
    assert not leaked(stream.getvalue() + "".join(capsys.readouterr()))


async def test_what_a_task_dies_of_is_written_the_same_way() -> None:
    """A task that nobody waits for and that fails is logged, without secrets."""
    stream = io.StringIO()
    take_over_logging(configure_logging(REDACT, stream=stream))
    asyncio.get_running_loop().call_exception_handler(
        {"message": f"nobody heard of {PASSWORD}", "exception": RuntimeError(PASSWORD)}
    )
    (line,) = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert "nobody heard of [secret]" in line["event"]
    assert not leaked(stream.getvalue())


def test_lines_go_to_what_is_standard_error_when_they_are_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While a progress bar has standard error, lines go through it and do not tear it."""
    before, during = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", before)
    logger = configure_logging(REDACT)
    monkeypatch.setattr(sys, "stderr", during)
    logger.info("through the bar")
    assert before.getvalue() == ""
    assert "through the bar" in during.getvalue()
