"""The results of checking files: recorded, and damaged products wanted again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.catalog.identities import NUMBER
from winter_sync.catalog.programs import held_in
from winter_sync.catalog.records import Verification
from winter_sync.catalog.values import check_values, guard_values

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from winter_sync.catalog.connection import Connection
    from winter_sync.catalog.records import Check, Held, Scope

_VERIFICATIONS_KEPT = 1000
_SAME_FILE = f"""
id = {NUMBER} AND sha256 = :sha256
  AND published_at = :published_at AND state = 'published' AND claimed_by IS NULL
"""


class Checks:
    """The results of checking files, and the full checks that were begun.

    A product that was published again, or is being fetched, since it was read from the catalog is
    left as it is. A scope without programs means all of them.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    _RECORD = f"""
    UPDATE products SET damage = :damage, damage_reason = :reason,
      mtime_ns = coalesce(:mtime_ns, mtime_ns), checked_ms = :now WHERE {_SAME_FILE}
    """  # noqa: S608 - our own condition

    def record(self, checks: Iterable[Check]) -> list[Check]:
        """Record the results of reading files; return those that still mattered."""
        return self._apply(self._RECORD, checks)

    _RECORD_QUICK = f"""
    UPDATE products SET damage = :damage, damage_reason = :reason WHERE {_SAME_FILE}
    """  # noqa: S608 - our own condition

    def record_quick(self, checks: Iterable[Check]) -> list[Check]:
        """Record the results of comparing size and time only; return as `record` does."""
        return self._apply(self._RECORD_QUICK, checks)

    _WANT_LOST = f"""
    UPDATE products SET state = 'wanted', attempts = 0, not_before = '', last_error = NULL,
      recheck = NULL, refetch = '', damage = 'missing', damage_reason = :reason WHERE {_SAME_FILE}
    """  # noqa: S608 - our own condition

    def want_lost(self, checks: Iterable[Check]) -> list[Check]:
        """Want products again whose files are gone; return those that were still held."""
        return self._apply(self._WANT_LOST, checks)

    _RECORD_EARLIER = f"""
    UPDATE products SET damage = :damage, damage_reason = :reason, recheck = NULL, refetch = '',
      attempts = CASE state WHEN 'wanted' THEN 0 ELSE attempts END,
      not_before = CASE state WHEN 'wanted' THEN '' ELSE not_before END
    WHERE id = {NUMBER} AND sha256 = :sha256
      AND published_at = :published_at AND state IN ('wanted', 'missing') AND claimed_by IS NULL
      AND damage IS NOT :damage
    """  # noqa: S608 - our own texts

    def record_earlier(self, checks: Iterable[Check]) -> list[Check]:
        """Record the same of the earlier contents of products that are not here otherwise."""
        return self._apply(self._RECORD_EARLIER, checks)

    def _apply(self, sql: str, checks: Iterable[Check]) -> list[Check]:
        now = self._connection.now_ms()
        with self._connection.writing():
            return [
                check
                for check in checks
                if self._connection.execute(sql, {**check_values(check), "now": now})
            ]

    _POSTPONE = f"UPDATE products SET checked_ms = :now WHERE {_SAME_FILE}"  # noqa: S608 - our own condition

    def postpone(self, held: Held) -> None:
        """Record that a file could not be read: it is retried when all others were."""
        with self._connection.writing():
            now = self._connection.now_ms()
            self._connection.execute(self._POSTPONE, {**guard_values(held), "now": now})

    _WANT_DAMAGED = """
    UPDATE products AS p SET state = 'wanted', attempts = 0, not_before = '', last_error = NULL,
      recheck = NULL, refetch = ''
    WHERE p.damage IS NOT NULL AND p.claimed_by IS NULL
      AND (p.damage = 'missing' OR p.withdrawn_at IS NULL) AND {condition}
    """

    def want_damaged(self, scope: Scope) -> int:
        """Want all products again whose files were found missing or changed; return how many.

        A changed file of a product that the archive no longer lists stays as it is.
        """
        return self._update(self._WANT_DAMAGED, scope)

    _CHECK_DAMAGED_AGAIN = """
    UPDATE products AS p SET checked_ms = 0
    WHERE p.damage IS NOT NULL AND p.state = 'published' AND {condition}
    """

    def check_damaged_again(self, scope: Scope) -> None:
        """Make the next check begin with what was found damaged before."""
        self._update(self._CHECK_DAMAGED_AGAIN, scope)

    def _update(self, sql: str, scope: Scope) -> int:
        condition = held_in(self._connection, scope)
        with self._connection.writing():
            return self._connection.execute(sql.format(condition=condition.sql), condition.values)

    _UNFINISHED = """
    SELECT id, started_at FROM verifications WHERE selection = :selection
      AND finished_at IS NULL AND started_at > :oldest AND started_at <= :now
    ORDER BY id DESC LIMIT 1
    """

    def begin(self, selection: str, resumable: timedelta) -> Verification:
        """Continue the full check of a selection that was interrupted, or begin a new one.

        Files that it found right are not read again; those that it found wrong are. One that
        began longer than `resumable` ago is not continued.
        """
        with self._connection.writing():
            now = self._connection.now()
            found = self._connection.row(
                self._UNFINISHED,
                {"selection": selection, "oldest": self._connection.at(-resumable), "now": now},
            )
            if found is not None:
                return Verification(found["id"], found["started_at"], resumed=True)
            return Verification(self._add_verification(selection, now), now, resumed=False)

    _FORGET_VERIFICATIONS = """
    DELETE FROM verifications WHERE id <= (SELECT max(id) FROM verifications) - :kept
    """

    def _add_verification(self, selection: str, now: str) -> int:
        self._connection.execute(
            "INSERT INTO verifications (selection, started_at) VALUES (:selection, :now)",
            {"selection": selection, "now": now},
        )
        self._connection.execute(self._FORGET_VERIFICATIONS, {"kept": _VERIFICATIONS_KEPT})
        return int(self._connection.rows("SELECT last_insert_rowid() AS id")[0]["id"])

    def finish(self, verification: Verification) -> None:
        """Record that a full check is finished."""
        with self._connection.writing():
            self._connection.execute(
                "UPDATE verifications SET finished_at = :now WHERE id = :id",
                {"now": self._connection.now(), "id": verification.number},
            )
