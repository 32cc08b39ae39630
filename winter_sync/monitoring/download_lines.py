"""The lines of the event log about downloads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from winter_sync.core import (
    FAILED_DOWNLOAD,
    INTERRUPTED,
    Adopted,
    BatchEnded,
    BatchStarted,
    DownloadsPaused,
    EventTable,
    Failed,
    FoundUnchanged,
    Missing,
    ProductFinished,
    Published,
    Unchanged,
)
from winter_sync.monitoring.log_line import Line, debug, info, warning

if TYPE_CHECKING:
    from winter_sync.core import Batch

DOWNLOAD_LINES = EventTable[tuple[Line, ...]]()
"""The lines of each event of downloads."""


def _batch_ended(event: BatchEnded) -> tuple[Line, ...]:
    fields = {**_contents(event.batch), "seconds": round(event.seconds, 3)}
    if event.trouble is None:
        return debug("download ended", **fields)
    if event.trouble == INTERRUPTED:
        return info("download interrupted", **fields)
    return warning("download failed", **fields, reason=event.trouble)


def _contents(batch: Batch) -> dict[str, object]:
    return {
        "batch": batch.identifier,
        "program": batch.program,
        "image_type": batch.image_type.value,
        "products": len(batch.candidates),
    }


def _finished(event: ProductFinished) -> tuple[Line, ...]:
    product = event.outcome.candidate.product
    fields: dict[str, object] = {
        "instrument": product.instrument.value,
        "savepath": product.savepath,
    }
    match event.outcome:
        case Published(_, evidence, None):
            return debug("published", path=evidence.path, size=evidence.size, kept=evidence.kept)
        case Published(_, evidence, note):
            return info("published, but odd", path=evidence.path, size=evidence.size, note=note)
        case Unchanged(_, evidence):
            return debug("unchanged", path=evidence.path)
        case Adopted(_, evidence, note):
            return debug("adopted", path=evidence.path, size=evidence.size, note=note)
        case Missing():
            return debug("missing on the server", **fields)
        case Failed() as failed:
            fields["reason"] = failed.reason
            return (Line(_failure_level(failed), "failed", fields),)


def _failure_level(failed: Failed) -> Literal["debug", "warning"]:
    """Return how grave a failure is: what arrived damaged is often complete at the next attempt."""
    if not failed.blamed or FAILED_DOWNLOAD.is_immediate(failed.candidate.attempts + 1):
        return "debug"
    return "warning"


DOWNLOAD_LINES.add(BatchStarted, lambda event: debug("download started", **_contents(event.batch)))
DOWNLOAD_LINES.add(BatchEnded, _batch_ended)
DOWNLOAD_LINES.add(ProductFinished, _finished)
DOWNLOAD_LINES.add(
    FoundUnchanged,
    lambda event: tuple(
        line
        for share in event.shares
        for line in info(
            "reprocessing marks without new content",
            night=share.night.name,
            instrument=share.instrument.value,
            image_type=share.image_type.value,
            products=share.products,
        )
    ),
)
DOWNLOAD_LINES.add(
    DownloadsPaused,
    lambda event: warning("downloads paused", reason=event.reason, wait_seconds=event.wait),
)
