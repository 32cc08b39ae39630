"""The status as a person reads it: first whether the last night is here, then what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from winter_sync.cli.views.grouping import grouped
from winter_sync.cli.views.sentences import ABOUT_SHARED, INDENT, print_sentence
from winter_sync.cli.views.status_polls import show_polls
from winter_sync.cli.views.status_tables import adds_up_to_more, nights_table, programs_table
from winter_sync.cli.views.status_too import show_too
from winter_sync.core import (
    Damage,
    Numbers,
    State,
    end_of,
    escape_unprintable,
    show_instant,
    show_size,
)
from winter_sync.monitoring import all_here, headline, remainder, when

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from winter_sync.catalog import Damaged, RefetchStatus, Trouble
    from winter_sync.core import Night
    from winter_sync.monitoring import Status

_REASONS_SHOWN = 5
_PRODUCTS_NAMED = 3
_FILES_NAMED = 5
_NIGHTS_SHOWN = 14


def show(console: Console, status: Status) -> None:
    """Print a status for a person; its first line says whether the last night is here."""
    _show_only(console, status)
    _show_last_night(console, status)
    _show_tonight(console, status)
    show_polls(console, status)
    _show_nights(console, status)
    if len(status.programs) > 1:
        console.print(programs_table(status), crop=False)
        if adds_up_to_more(status):
            print_sentence(console, ABOUT_SHARED)
    show_too(console, status)
    _show_troubles(console, status)
    _show_refetches(console, status.refetches)
    _show_damaged(console, status.damaged)
    _show_sinks(console, status)
    _show_held(console, status)


# --- nights --------------------------------------------------------------------------------------


def _show_only(console: Console, status: Status) -> None:
    only = status.only
    if only.image_types and not status.states:
        kinds = " and ".join(only.image_types)
        print_sentence(console, f"Not polled by the settings: {kinds}.", "red")


def _show_last_night(console: Console, status: Status) -> None:
    last, latest = status.last, status.latest_with_data
    parts = [
        headline(last.numbers, may_say_all=last.is_all_here),
        *remainder(last.numbers, status.queue_of_last_night, status.now),
    ]
    said = f"Last night ({last.night}): {', '.join(parts)}"
    if not last.numbers.listed and latest is not None and latest != last.night:
        said += f"; latest with data {latest}"
    print_sentence(console, f"{said}.", "bold")
    if last.is_all_here and not last.is_listed_since:
        ended = show_instant(end_of(last.night), status.now)
        print_sentence(
            console, f"It was not listed again since that night ended ({ended}): more may come."
        )


def _show_tonight(console: Console, status: Status) -> None:
    if (night := status.tonight) is None:
        return
    numbers = status.numbers_of(night)
    parts = [headline(numbers, may_say_all=False), *remainder(numbers, None, status.now)]
    print_sentence(console, f"Tonight ({night}) so far: {', '.join(parts)}.")


def _show_nights(console: Console, status: Status) -> None:
    nights = status.nights
    if not nights:
        return
    detailed = status.last_night if status.last_night in nights else status.latest_with_data
    others = [night for night in nights if night != detailed]
    if detailed is not None and detailed != status.last_night:
        _show_night(console, status, detailed)
    shown = {*others[:_NIGHTS_SHOWN], detailed}
    tabled = {night: counts for night, counts in nights.items() if night in shown}
    console.print(nights_table(detailed, tabled, console.width), crop=False)
    _show_older(console, status, others[_NIGHTS_SHOWN:])
    if len(nights) > 1:
        may_say_all = all_here(status.numbers, status.states)
        parts = [
            headline(status.numbers, may_say_all=may_say_all),
            *remainder(status.numbers, status.queue, status.now),
        ]
        print_sentence(console, f"All {len(nights)} nights: {', '.join(parts)}.")
    _show_settled(console, status)


def _show_settled(console: Console, status: Status) -> None:
    """Print how many nights of each program are settled, if any is."""
    by_program = grouped(status.settled, lambda settled: settled.program)
    said = [
        f"{program} {len(nights)}, newest {max(night.night for night in nights)}"
        for program, nights in sorted(by_program.items())
    ]
    if said:
        print_sentence(console, f"Settled nights: {'; '.join(said)}.")


def _show_night(console: Console, status: Status, night: Night) -> None:
    numbers = status.numbers_of(night)
    may_say_all = all_here(numbers, status.states)
    parts = [headline(numbers, may_say_all=may_say_all), *remainder(numbers, None, status.now)]
    print_sentence(console, f"Night {night}: {', '.join(parts)}.")


def _show_older(console: Console, status: Status, older: Sequence[Night]) -> None:
    """Print a sentence for the nights that are too old for the table."""
    if not older:
        return
    nights = status.nights
    rest = [Numbers.of(nights[night]) for night in older]
    lacking = sum(numbers.here < numbers.listed for numbers in rest)
    complete = f"of {lacking} not all listed is here" if lacking else "all listed of them is here"
    size = show_size(sum(numbers.size for numbers in rest))
    print_sentence(console, f"And {len(older)} older nights, {size}: {complete}.")


# --- troubles ------------------------------------------------------------------------------------


def _show_troubles(console: Console, status: Status) -> None:
    """Print what could not be downloaded yet, by reason; products are named where they are few."""
    missing = [trouble for trouble in status.troubles if _is_missing(trouble)]
    if count := status.numbers.missing:
        asked = when(status.queue.asked_at, status.now)
        print_sentence(
            console, f"Missing on the server, retried periodically (next {asked}): {count}"
        )
        _name_products(console, missing)
    _show_failed(console, status)


def _show_failed(console: Console, status: Status) -> None:
    failed = grouped(
        (trouble for trouble in status.troubles if trouble.state is not State.MISSING),
        lambda trouble: trouble.last_error,
    )
    commonest = sorted(failed, key=lambda reason: len(failed[reason]), reverse=True)
    for reason in commonest[:_REASONS_SHOWN]:
        soonest = when(min(trouble.not_before for trouble in failed[reason]), status.now)
        print_sentence(console, f"Failed, next retried {soonest}: {len(failed[reason])}")
        print_sentence(console, f"{INDENT}{reason}", "red")
        _name_products(console, failed[reason])
    if rarer := commonest[_REASONS_SHOWN:]:
        count = sum(len(failed[reason]) for reason in rarer)
        print_sentence(console, f"Failed for {len(rarer)} other reasons: {count}")


def _is_missing(trouble: Trouble) -> bool:
    return trouble.state is State.MISSING and trouble.product.image_type.traits.is_kept


def _name_products(console: Console, troubles: Sequence[Trouble]) -> None:
    if len(troubles) <= _PRODUCTS_NAMED:
        for trouble in troubles:
            name = f"{INDENT}{trouble.product.night} {escape_unprintable(trouble.product.filename)}"
            console.print(Text(name), soft_wrap=True)


def _show_refetches(console: Console, again: RefetchStatus) -> None:
    """Print what waits to be fetched again because its marks changed, and what that came to."""
    if again.waiting:
        print_sentence(
            console,
            f"Reprocessed, waiting for mirror.refetch_per_day: {again.waiting} "
            f"({show_size(again.waiting_size)}; {show_size(again.size_today)} fetched again "
            "today). The earlier revisions are here.",
        )
    if again.products:
        print_sentence(
            console,
            f"Fetched again in 7 days because marks changed: {again.products} "
            f"({show_size(again.size)}), {again.changed} with new content; {again.settled} others "
            "settled by a sample.",
        )


def _show_damaged(console: Console, damaged: Sequence[Damaged]) -> None:
    """Name files that are missing here or changed, and print what to do."""
    for kind, what in ((Damage.MISSING, "Deleted here"), (Damage.CHANGED, "Changed here")):
        these = [product for product in damaged if product.damage is kind]
        if these:
            print_sentence(console, f"{what} after the download: {len(these)}", "red")
        for product in these[:_FILES_NAMED]:
            console.print(Text(f"{INDENT}{product.path}"), soft_wrap=True)
    if damaged:
        print_sentence(console, "Run `winter-sync verify --repair` to download them again.")


# --- other programs ------------------------------------------------------------------------------


def _show_sinks(console: Console, status: Status) -> None:
    """Print how the delivery of events to other programs stands."""
    for sink in status.sinks:
        last = show_instant(sink.last_success, status.now) if sink.last_success else "never"
        print_sentence(console, f"Sink {sink.name}: {sink.waiting} waiting, last delivered {last}.")
        if sink.failing_since is not None:
            since = show_instant(sink.failing_since, status.now)
            print_sentence(console, f"{INDENT}failing since {since}: {sink.error}", "red")
        if sink.lost:
            print_sentence(console, f"{INDENT}{sink.lost} events removed before it had them", "red")


def _show_held(console: Console, status: Status) -> None:
    """Print what vanished from listings at once, and how it comes to be believed."""
    for held in status.held:
        about, left = held.subject, held.answers_left
        more = f"{left} more complete {'answer does' if left == 1 else 'answers do'}"
        print_sentence(
            console,
            f"Held: {held.products} products ({about.program}, "
            f"{about.instrument} {about.image_type}) vanished from the listing at once, at "
            f"{show_instant(held.since, status.now)}. They count as withdrawn if {more} "
            f"not list them, the last after {show_instant(held.until, status.now)}; "
            "`winter-sync sync --accept-withdrawals` believes it now.",
            "red",
        )
