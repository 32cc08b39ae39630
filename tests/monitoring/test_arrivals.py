"""What arrives is logged by night and program, and not by the file."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from support.makers import PROGRAM, batch, candidate, evidence, product

from winter_sync.core.download_events import BatchEnded, BatchStarted, ProductFinished
from winter_sync.core.downloads import Failed, Published
from winter_sync.core.products import Night
from winter_sync.core.traits import ImageType
from winter_sync.monitoring.arrivals import Arrivals
from winter_sync.monitoring.log_setup import configure_logging

if TYPE_CHECKING:
    from winter_sync.core.products import Product

LAST = Night("20261124")
BEFORE = LAST.plus(-1)


class Heard:
    """Arrivals at times that a test sets, and what is logged of them at info."""

    def __init__(self) -> None:
        self.now = 0.0
        self._stream = io.StringIO()
        logger = configure_logging(str, level="info", form="json", stream=self._stream)
        self._arrivals = Arrivals(logger, lambda: self.now)
        self.batch = batch(candidate(product(0)))

    def begin(self) -> None:
        """Begin a download."""
        self._arrivals.handle(BatchStarted(self.batch))

    def end(self) -> None:
        """End a download."""
        self._arrivals.handle(BatchEnded(self.batch, 1.0))

    def arrive(self, *products: Product) -> None:
        """Let products arrive."""
        for each in products:
            arrived = Published(candidate(each), evidence(each, b"x" * 1000))
            self._arrivals.handle(ProductFinished(arrived))

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Return the lines of the log so far."""
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]


def some(kind: ImageType, number: int, night: Night = LAST) -> list[Product]:
    """Return products of a night."""
    return [product(each, kind, night=night) for each in range(number)]


def test_a_line_for_each_night_when_no_download_is_left() -> None:
    """With all types of it, however many downloads brought them; what failed is not among them."""
    heard = Heard()
    heard.begin()
    heard.begin()
    heard.arrive(*some(ImageType.STACK, 12), *some(ImageType.DIFF, 1, BEFORE))
    heard._arrivals.handle(
        ProductFinished(Failed(candidate(product(99)), "it was cut", blamed=True))
    )
    heard.end()
    assert heard.lines == []
    heard.arrive(*some(ImageType.RAW, 40))
    heard.end()
    assert [
        {key: line[key] for key in ("level", "event", "night", "program", "products", "size")}
        for line in heard.lines
    ] == [
        {
            "level": "info",
            "event": "arrived",
            "night": night,
            "program": PROGRAM,
            "products": said,
            "size": size,
        }
        for night, said, size in (
            (BEFORE.name, "1 diff", 1000),
            (LAST.name, "12 stacks, 40 raws", 52_000),
        )
    ]
    heard.begin()
    heard.end()
    assert len(heard.lines) == 2


def test_a_long_backlog_is_told_of_once_a_minute() -> None:
    """Downloads that go on do not keep the log silent."""
    heard = Heard()
    heard.begin()
    for _ in range(10):
        heard.begin()
        heard.arrive(*some(ImageType.STACK, 3))
        heard.now += 20.0
        heard.end()
    assert [(line["products"], line["size"]) for line in heard.lines] == [("9 stacks", 9000)] * 3
