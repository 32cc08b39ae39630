"""A status as JSON, for a machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from winter_sync.core import Numbers
from winter_sync.monitoring.completeness import ArchiveState, by_program, never_answered

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from winter_sync.catalog import (
        Damaged,
        LastPoll,
        NightCount,
        PollState,
        QueueCount,
        SettledNight,
        Trouble,
    )
    from winter_sync.core import HeldWithdrawal, ToOProgress
    from winter_sync.monitoring.sink_states import SinkState
    from winter_sync.monitoring.status import Status

_COUNTED = ("published", "wanted", "missing", "withdrawn", "size", "damaged")


def status_as_json(status: Status) -> str:
    """Return a status as JSON for a machine. These keys stay; more may come.

    Times are ISO 8601, UTC; a night is eight digits.

    - `as_of`: when this was read.
    - `only`: the `programs` and `image_types` that all of this is narrowed to; an empty list means
      all that are configured.
    - `last_night`: the archive's own last night, by the calendar: the newest that is over. A night
      is over at 16:00 UTC (08:00 standard time at Palomar) of the day after its evening.
    - `last_night_complete`: true only when something is listed of it and all of that is here, all
      that is mirrored was listed and nothing failed when it was last asked, and every program that
      lists something of it was listed since the night ended. `science` that the archive does not
      keep does not count.
    - `last_night_numbers`: `listed`, `here`, `pending`, `missing`, `not_kept` and `damaged`
      (products), `size` (bytes of those that are here), `next_asked` (when the first of the
      missing is asked for again) and `next_retry` (of the failed; each null for none, or a time
      that may have passed).
      `listed` is `here` + `pending` + `missing` + `damaged`; `not_kept` is `science` without a
      file; `damaged` was downloaded, and its file is missing here or changed since.
    - `latest_night_with_data`: the newest night of which something is listed; null for none.
    - `tonight`: the night under way, or null.
    - `archive`: `last_answer` (null for never), and, when everything fails that was ever asked,
      `failing_since` and `error` (else null).
    - `programs`: the same keys and `program`, `never_listed` and `failing` (lists of what was never
      asked and of what fails: `instrument`, `image_type`, and of the latter `since` and `error`),
      `totals` and `last_night` (`listed`, `here`, `pending`, `missing`, `not_kept`, `damaged`,
      `next_asked`, `next_retry`). A product of two programs counts in both.
    - `totals`: `published`, `wanted`, `missing`, `withdrawn`, `damaged` (products) and `size`
      (bytes), each product once; what was published and withdrawn since counts in both, and
      `missing` has what is `not_kept`, too.
    - `nights`: a list of `night`, `instrument`, `image_type` and the keys of `totals`, the newest
      night first.
    - `troubles`: what could not be downloaded yet, at most 10 000, the newest night first:
      `instrument`, `savepath`, `night`, `state` (`wanted` or `missing`), `attempts`, `not_before`
      (null for at once), `last_error` (or null).
    - `refetches`: of what is here and changed its marks: `waiting` (products that are fetched again
      within `mirror.refetch_per_day`; they count as pending, and the earlier revision of each is
      here), `waiting_size`, `size_today` (bytes, UTC day), and of the last seven days `products`,
      `size`, `changed` (came with other content) and `settled` (taken as unchanged by a sample).
    - `polls`: the latest of each selection: `program`, `instrument`, `image_type`, `at`, `listed`,
      `error` (or null).
    - `settled`: the nights that are settled, the newest first: `program`, `night`, `settled_at` and
      `manifest` (relative to the state directory); see docs/nights.md.
    - `held_withdrawals`: what vanished from a listing at once and does not count as withdrawn yet:
      `program`, `instrument`, `image_type`, `products`, `expected` (how many the listing had to
      have), `since`, `answers` (complete listings without them), `until` (the earliest time at
      which they can be believed to be withdrawn).
    - `damaged`: files that are missing here or changed, at most 10 000: `path` (relative to the
      root), `instrument`, `savepath`, `night`, `damage` (`missing` or `changed`), `reason`.
    - `sinks`: other programs that are told what happens: `name`, `waiting` (events, at most
      10 000), `last_success` (null for never), `failures` in a row, `failing_since` and `error`
      (null if it takes events), `lost` (events removed before it had them).
    - `too`: requests in the observatory's queue that still wait: `program`, `schedule`, `target`,
      `ra`, `dec` (degrees), `begins`, `ends` (each null for unknown), `stage` (`requested`,
      `observed`, `listed`, or `not observed` when the window is over), `listed` and `here`
      (products).
    """
    last, latest, tonight_ = status.last, status.latest_with_data, status.tonight
    return json.dumps(
        {
            "as_of": _instant(status.now),
            "only": {
                "programs": list(status.only.programs),
                "image_types": [kind.value for kind in status.only.image_types],
            },
            "last_night": last.night.name,
            "last_night_complete": last.is_complete,
            "last_night_numbers": {
                **_numbers_record(last.numbers, status.queue_of_last_night),
                "size": last.numbers.size,
            },
            "latest_night_with_data": latest.name if latest else None,
            "tonight": tonight_.name if tonight_ else None,
            "archive": _archive_record(ArchiveState.of(status.states)),
            "programs": _program_records(status),
            "totals": _totals(status.counts),
            "nights": [_count_record(count) for count in status.counts],
            "troubles": [_trouble_record(trouble) for trouble in status.troubles],
            "refetches": asdict(status.refetches),
            "polls": [_poll_record(poll) for poll in status.polls],
            "settled": [_settled_record(night) for night in status.settled],
            "damaged": [_damaged_record(file) for file in status.damaged],
            "sinks": [_sink_record(sink) for sink in status.sinks],
            "held_withdrawals": [_held_record(held) for held in status.held],
            "too": [_too_record(progress) for progress in status.too],
        },
        indent=2,
    )


def _sink_record(sink: SinkState) -> dict[str, Any]:
    return {
        "name": sink.name,
        "waiting": sink.waiting,
        "last_success": _instant(sink.last_success),
        "failures": sink.failures,
        "failing_since": _instant(sink.failing_since),
        "error": sink.error,
        "lost": sink.lost,
    }


def _too_record(progress: ToOProgress) -> dict[str, Any]:
    request = progress.request
    return {
        "program": request.program,
        "schedule": request.schedule,
        "target": request.target,
        "ra": request.ra,
        "dec": request.dec,
        "begins": _instant(request.begins),
        "ends": _instant(request.ends),
        "stage": progress.stage.value,
        "listed": progress.listed,
        "here": progress.here,
    }


def _instant(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds") if at else None


def _numbers_record(numbers: Numbers, queue: QueueCount) -> dict[str, Any]:
    return {
        "listed": numbers.listed,
        "here": numbers.here,
        "pending": numbers.pending,
        "missing": numbers.missing,
        "not_kept": numbers.not_kept,
        "damaged": numbers.damaged,
        "next_asked": queue.asked_at or None,
        "next_retry": queue.retried_at or None,
    }


def _archive_record(archive: ArchiveState) -> dict[str, Any]:
    return {
        "last_answer": _instant(archive.last_answer),
        "failing_since": _instant(archive.failing_since),
        "error": archive.error,
    }


def _program_records(status: Status) -> list[dict[str, Any]]:
    states = by_program(status.states)
    nights = {count.program: count for count in status.programs_of_last_night}
    return [
        {
            "program": count.program,
            **_archive_record(ArchiveState.of(states.get(str(count.program), []))),
            **_listing_record(states.get(str(count.program), [])),
            "totals": _numbers_record(Numbers.of_program(count), count),
            "last_night": _numbers_record(
                Numbers.of_program(nights[count.program]), nights[count.program]
            ),
        }
        for count in status.programs
    ]


def _listing_record(states: Sequence[PollState]) -> dict[str, Any]:
    return {
        "never_listed": [_subject_record(state) for state in never_answered(states)],
        "failing": [
            {**_subject_record(state), "since": _instant(state.failing_since), "error": state.error}
            for state in states
            if state.failing_since is not None
        ],
    }


def _subject_record(state: PollState) -> dict[str, Any]:
    subject = state.subject
    return {"instrument": subject.instrument.value, "image_type": subject.image_type.value}


def _settled_record(settled: SettledNight) -> dict[str, str | None]:
    return {
        "program": settled.program,
        "night": settled.night.name,
        "settled_at": _instant(settled.settled_at),
        "manifest": f"manifests/{settled.program}/{settled.night}.ecsv",
    }


def _totals(counts: Iterable[NightCount]) -> dict[str, int]:
    counts = tuple(counts)
    return {name: sum(getattr(count, name) for count in counts) for name in _COUNTED}


def _count_record(count: NightCount) -> dict[str, Any]:
    return {
        "night": count.night.name,
        "instrument": count.instrument.value,
        "image_type": count.image_type.value,
        **_totals([count]),
    }


def _trouble_record(trouble: Trouble) -> dict[str, Any]:
    return {
        "instrument": trouble.product.instrument.value,
        "savepath": trouble.product.savepath,
        "night": trouble.product.night.name,
        "state": trouble.state.value,
        "attempts": trouble.attempts,
        "not_before": trouble.not_before or None,
        "last_error": trouble.last_error,
    }


def _poll_record(poll: LastPoll) -> dict[str, Any]:
    return {
        "program": poll.program,
        "instrument": poll.instrument.value,
        "image_type": poll.image_type.value,
        "at": poll.at,
        "listed": poll.listed,
        "error": poll.error,
    }


def _held_record(held: HeldWithdrawal) -> dict[str, Any]:
    return {
        "program": held.subject.program,
        "instrument": held.subject.instrument.value,
        "image_type": held.subject.image_type.value,
        "products": held.products,
        "expected": held.expected,
        "since": _instant(held.since),
        "answers": held.answers,
        "until": _instant(held.until),
    }


def _damaged_record(file: Damaged) -> dict[str, Any]:
    return {
        "path": file.path,
        "instrument": file.product.instrument.value,
        "savepath": file.product.savepath,
        "night": file.product.night.name,
        "damage": file.damage.value,
        "reason": file.reason,
    }
