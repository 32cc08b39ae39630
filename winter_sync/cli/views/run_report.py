"""The report of a run in words: its errors, what it found in the tree, and a summary line."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from winter_sync.core import State, WinterSyncError, escape_unprintable, show_size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from winter_sync.sync import Report


def error_lines(errors: Iterable[WinterSyncError]) -> tuple[str, ...]:
    """Return each error once, with its remedy."""
    lines = (
        f"winter-sync: {escape_unprintable(error.headline)}"
        + (f"\n  {escape_unprintable(error.remedy)}" if error.remedy else "")
        for error in errors
    )
    return tuple(dict.fromkeys(lines))


def about_files(report: Report) -> tuple[str, ...]:
    """Return a line for each kind of damage that was found in the tree."""
    lines = []
    if report.lost:
        files = _counted(report.lost, "file that was deleted is", "files that were deleted are")
        lines.append(f"winter-sync: {files} downloaded again")
    if report.unlisted:
        lines.append(
            f"winter-sync: {_counted(report.unlisted, 'deleted file is', 'deleted files are')} no "
            "longer listed by the archive and cannot be downloaded again"
        )
    if report.altered:
        files = _counted(report.altered, "file was", "files were")
        kept = "it is" if report.altered == 1 else "they are"
        lines.append(
            f"winter-sync: {files} changed after the download and left as {kept}\n"
            "  `winter-sync verify --repair` moves what was changed aside and downloads it again."
        )
    return tuple(lines)


def about_comparison(report: Report) -> tuple[str, ...]:
    """Return a line for each reason why a recheck did not compare something that is here."""
    left_out = report.not_compared
    if left_out is None:
        return ()
    reasons = (
        (
            left_out.recent,
            "the archive sent what is here within a day",
            "`--recheck-all` instead of `--recheck` compares it, too.",
        ),
        (
            left_out.damaged,
            "what is here is damaged, or was changed after the download",
            "`winter-sync verify --repair` moves it aside and downloads it again.",
        ),
        (
            left_out.failed,
            "the archive did not send its content; what is here stays",
            "Run this again to try again.",
        ),
    )
    return tuple(
        f"winter-sync: {_counted(products, 'product', 'products')} not compared: {why}\n  {remedy}"
        for products, why, remedy in reasons
        if products
    )


def summary(report: Report) -> str:
    """Return in one line what a run did."""
    done = []
    if report.published:
        done.append(f"{report.published} downloaded, {show_size(report.size)}")
    if report.unchanged:
        done.append(f"{report.unchanged} unchanged")
    if report.adopted:
        done.append(f"{report.adopted} already here, and adopted")
    if report.missing:
        done.append(f"{report.missing} missing on the server")
    if report.left:
        done.append(f"{report.left} not downloaded yet{_next(report, State.WANTED)}")
    if report.again:
        done.append(f"{report.again} reprocessed wait for mirror.refetch_per_day")
    if not done:
        done.append("nothing downloaded" if report.errors else _nothing(report))
    done += _not_asked_again(report)
    text = "; ".join(done)
    rows = _counted(report.listed, "row", "rows")
    asked = f"{_counted(report.queries, 'query', 'queries')}, {rows} listed"
    if report.matching is not None:
        asked += f", {_counted(len(report.matching), 'product', 'products')} asked for"
    return f"{text[:1].upper()}{text[1:]} ({asked})."


def _nothing(report: Report) -> str:
    """Return what a run that downloaded nothing has seen."""
    if not report.queries:
        return "no query was sent"
    if report.matching == frozenset() and report.listed:
        return "nothing that the archive lists matches"
    if report.not_compared is not None:
        return "nothing new, and nothing compared"
    return "nothing new" if report.listed else _nothing_listed(report)


def _nothing_listed(report: Report) -> str:
    """Return that the archive lists nothing, of which dates, and what that means for the tree."""
    said = f"the archive lists nothing of what was asked for{_dates(report)}"
    if not report.here:
        return said
    products = _counted(report.here, "product", "products")
    stays = "stays" if report.here == 1 else "stay"
    return f"{said}; the {products} here {stays}"


def _dates(report: Report) -> str:
    if report.asked is None:
        return ""
    first, last = report.asked
    return f", {first} and later" if last == date.max else f", {first} to {last}"


def _next(report: Report, state: State) -> str:
    """Return when products of a state are next retried, if that is later."""
    soonest = [waiting.soonest for waiting in report.waiting if waiting.state is state]
    return f", next {min(soonest):%d %b %H:%M} UTC" if soonest else ""


def _not_asked_again(report: Report) -> list[str]:
    """Return how many products are missing since an earlier run, and were not asked for again."""
    lacking = sum(waiting.products for waiting in report.waiting if waiting.state is State.MISSING)
    if lacking <= report.missing:
        return []
    others = lacking - report.missing
    return [f"{others} still missing{_next(report, State.MISSING)}"]


def not_asked(report: Report) -> tuple[str, ...]:
    """Return a line for each program for which no query was sent."""
    return tuple(
        f"winter-sync: no query was sent for {program}: {why}"
        for program, why in report.not_asked.items()
    )


def _counted(number: int, singular: str, plural: str) -> str:
    return f"{number} {singular if number == 1 else plural}"
