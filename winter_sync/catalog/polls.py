"""How the polls went: the last of each kind, sweeps, successes and failures."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from winter_sync.catalog.records import PollState
from winter_sync.catalog.rows import covers, last_poll_of
from winter_sync.catalog.values import poll_values, subject_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from winter_sync.catalog.connection import Connection
    from winter_sync.catalog.records import LastPoll, Poll
    from winter_sync.core import Night, Subject

_POLLS_KEPT = 100_000
"""How many polls are kept, sweeps aside: months of them."""
_ADD_POLL = """
INSERT INTO polls (at, program, instrument, image_type, region, start, "end", sweep, listed, new,
  changed, returned, withdrawn, faults, seconds, error)
VALUES (:at, :program, :instrument, :image_type, :region, :start, :end, :sweep, :listed, :new,
  :changed, :returned, :withdrawn, :faults, :seconds, :error)
"""
_FORGET_POLLS = """
DELETE FROM polls WHERE id <= (SELECT max(id) FROM polls) - :kept AND NOT sweep
"""
_OF_SUBJECT = """
program = :program AND instrument = :instrument AND image_type = :image_type AND region = :region
"""


def add_poll(connection: Connection, poll: Poll) -> None:
    """Add a poll inside the open transaction, and forget the oldest."""
    connection.execute(_ADD_POLL, poll_values(poll, connection.now()))
    connection.execute(_FORGET_POLLS, {"kept": _POLLS_KEPT})


def next_poll(connection: Connection) -> int:
    """Return the number of the poll that is added next, inside the open transaction."""
    (row,) = connection.rows("SELECT coalesce(max(id), 0) + 1 AS number FROM polls")
    return int(row["number"])


class Polls:
    """The polls of each subject: when, with what result."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    _MARK_SWEEP = f"""
    UPDATE polls SET sweep = 1 WHERE id = (
      SELECT max(id) FROM polls WHERE error IS NULL AND {_OF_SUBJECT})
    """  # noqa: S608 - our own condition

    def record_sweep(self, subject: Subject) -> None:
        """Record that the whole span of a subject was listed, its last poll being the end of it."""
        with self._connection.writing():
            self._connection.execute(self._MARK_SWEEP, subject_values(subject))

    _LAST_SWEEP = f"""
    SELECT max(at) AS at FROM polls
    WHERE sweep AND error IS NULL AND {_OF_SUBJECT} AND at <= :now
    """  # noqa: S608 - our own condition

    def last_sweep(self, subject: Subject) -> datetime | None:
        """Return when the whole span of a subject was last listed with success.

        A time that is yet to come is of a clock that was wrong, and tells nothing.
        """
        row = self._connection.row(self._LAST_SWEEP, self._until_now(subject))
        return datetime.fromisoformat(row["at"]) if row and row["at"] else None

    _LAST_POLLS = """
    SELECT program, instrument, image_type, at, listed, error FROM polls WHERE id IN (
      SELECT max(id) FROM polls GROUP BY program, instrument, image_type)
    ORDER BY program, instrument, image_type
    """

    def last(self) -> list[LastPoll]:
        """Return the latest poll of every program, instrument and type."""
        return self._connection.read(last_poll_of, self._LAST_POLLS)

    _LAST_SUCCESS = f"""
    SELECT max(at) AS at FROM polls WHERE error IS NULL AND {_OF_SUBJECT} AND at <= :now
    """  # noqa: S608 - our own condition

    def last_successes(self, subjects: Iterable[Subject]) -> dict[Subject, datetime]:
        """Return when each of these subjects last answered; those that never did are left out.

        So are answers at a time that is yet to come.
        """
        found = {}
        for subject in subjects:
            row = self._connection.row(self._LAST_SUCCESS, self._until_now(subject))
            if row and row["at"]:
                found[subject] = datetime.fromisoformat(row["at"])
        return found

    def _until_now(self, subject: Subject) -> dict[str, Any]:
        return {**subject_values(subject), "now": self._connection.now()}

    _EVER_LISTED = f"""
    SELECT 1 FROM polls WHERE listed > 0 AND {_OF_SUBJECT} LIMIT 1
    """  # noqa: S608 - our own condition

    def may_be_unserved(self, subject: Subject) -> bool:
        """Return whether the archive may have nothing of a subject, and never has listed any.

        A camera's pipeline lacks tables of some types, and what the archive answers about those
        is unknown (winter-api.md, "Products").
        """
        if subject.image_type.for_camera(subject.instrument).is_in_pipeline:
            return False
        return self._connection.row(self._EVER_LISTED, subject_values(subject)) is None

    _LATEST = f"""
    SELECT at, error FROM polls WHERE {_OF_SUBJECT} ORDER BY id DESC LIMIT 1
    """  # noqa: S608 - our own condition

    def last_refusal(self, subject: Subject) -> datetime | None:
        """Return when the latest poll of a subject was, if that failed."""
        row = self._connection.row(self._LATEST, subject_values(subject))
        return datetime.fromisoformat(row["at"]) if row and row["error"] else None

    def states(self, subjects: Iterable[Subject], night: Night) -> list[PollState]:
        """Return how the polls of these subjects went lately, as seen from a night.

        What the archive may not serve, and never has, is left out.

        A product of a night has the date of that night or of the day after (winter-api.md,
        "Nights and times"), so both must have been listed, if not by one poll.
        """
        return [
            self._state(subject, night) for subject in subjects if not self.may_be_unserved(subject)
        ]

    def _state(self, subject: Subject, night: Night) -> PollState:
        dates = [night.day.isoformat(), night.plus(1).day.isoformat()]
        last = self._last_answer(subject)
        answers = {day: self._answer_for_date(subject, day) for day in dates}
        listed = [row for row in answers.values() if row is not None]
        latest = last["id"] if last else 0
        failures = self._failures(
            subject, latest, {day: row["id"] if row else 0 for day, row in answers.items()}
        )
        down = [row["at"] for row in failures if row["id"] > latest]
        return PollState(
            subject=subject,
            answered_at=datetime.fromisoformat(last["at"]) if last else None,
            night_answered_at=min(datetime.fromisoformat(row["at"]) for row in listed)
            if len(listed) == len(dates)
            else None,
            failing_since=datetime.fromisoformat(failures[0]["at"]) if failures else None,
            error=failures[-1]["error"] if failures else None,
            down_since=datetime.fromisoformat(down[0]) if down else None,
            unusable=max((row["faults"] for row in listed), default=0),
        )

    _LAST_ANSWER = f"""
    SELECT id, at FROM polls INDEXED BY polls_latest
    WHERE {_OF_SUBJECT} AND error IS NULL ORDER BY id DESC LIMIT 1
    """  # noqa: S608 - our own condition

    def _last_answer(self, subject: Subject) -> dict[str, Any] | None:
        return self._connection.row(self._LAST_ANSWER, subject_values(subject))

    _ANSWER_FOR_DATE = f"""
    SELECT id, at, faults FROM polls INDEXED BY polls_latest
    WHERE {_OF_SUBJECT} AND error IS NULL AND start <= :day AND ("end" IS NULL OR "end" >= :day)
    ORDER BY id DESC LIMIT 1
    """  # noqa: S608 - our own condition

    def _answer_for_date(self, subject: Subject, day: str) -> dict[str, Any] | None:
        return self._connection.row(self._ANSWER_FOR_DATE, {**subject_values(subject), "day": day})

    _FAILURES_SINCE = f"""
    SELECT id, at, error, start, "end" FROM polls INDEXED BY polls_latest
    WHERE {_OF_SUBJECT} AND error IS NOT NULL AND id > :since ORDER BY id
    """  # noqa: S608 - our own condition

    def _failures(
        self, subject: Subject, latest: int, succeeded: dict[str, int]
    ) -> Sequence[dict[str, Any]]:
        """Return the failures since the latest answer, or since the one for a date they cover."""
        since = min(latest, *succeeded.values())
        rows = self._connection.rows(
            self._FAILURES_SINCE, {**subject_values(subject), "since": since}
        )
        return [
            row
            for row in rows
            if row["id"] > latest
            or any(row["id"] > answer and covers(row, day) for day, answer in succeeded.items())
        ]
