"""What the mirror knows: the sole owner of the SQLite database.

A `Catalog` belongs to the thread that made it, as its connection does. `CatalogThread` gives it a
thread of its own and lets a coroutine call it. Every write is one short `BEGIN IMMEDIATE`
transaction, durable when it returns; two processes may share one catalog.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from random import random
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_delay

from winter_sync.catalog import statements
from winter_sync.catalog.errors import explained, is_busy, rows_explained
from winter_sync.catalog.readonly import Reader, connect, refuse_odd
from winter_sync.catalog.records import (
    Check,
    Damaged,
    Held,
    LastPoll,
    NightCount,
    Poll,
    PollState,
    QueueCount,
    Scope,
    Standing,
    Trouble,
    Verification,
    Waiting,
)
from winter_sync.catalog.rows import (
    candidate_of,
    check_row,
    check_values,
    covers,
    damaged_of,
    group_values,
    guard_values,
    held_columns,
    held_of,
    instant_text,
    key,
    known_of,
    last_poll_of,
    listing_values,
    mark_columns,
    night_count_of,
    night_of,
    plain,
    poll_columns,
    product_of,
    product_values,
    queue_count_of,
    settled_marks_of,
    share_of,
    subject_values,
    trouble_of,
    waiting_of,
)
from winter_sync.catalog.schema import migrations, refuse_others
from winter_sync.catalog.sqlite import Database
from winter_sync.core import (
    BUSY_CATALOG,
    SAMPLE,
    Candidate,
    Damage,
    Evidence,
    Failed,
    ImageType,
    Instrument,
    Known,
    Marks,
    Missing,
    Night,
    Outcome,
    Product,
    Published,
    Query,
    Row,
    Share,
    State,
    StorageError,
    Subject,
    Unchanged,
    marks,
    off_loop,
    spread,
)
from winter_sync.core import explained as explained_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

P = ParamSpec("P")
T = TypeVar("T")

_PATIENCE_SECONDS = 30.0
_CHUNK = 400
"""Savepaths in one statement: below SQLite's oldest limit of 999 variables."""
_RECENT = 100
"""The last so many published products of a kind tell how large the next will be."""
_POLLS_KEPT = 100_000
"""How many polls are kept, sweeps aside: months of them."""
_VERIFICATIONS_KEPT = 1000
_NO_NIGHT = ":"
"""Sorts after every night."""
_LONG_AGO = timedelta(hours=1)
"""The same content, come again so much later, is what the archive holds, and not half written."""
_NEVER_SO_FAR = timedelta(days=2)
"""No wait is so long. A time further ahead is of a clock that was wrong, and counts as past."""


class Catalog:
    """The database of one mirror.

    Parameters
    ----------
    path
        The database file; its directory must exist.
    clock
        Gives the current UTC time.
    patience
        For how many seconds to wait while another process writes.
    reading
        Whether it is only read: nothing is written then, not even beside it. It must exist.

    Raises
    ------
    StorageError
        From every method, when SQLite cannot do its work.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], datetime],
        *,
        patience: float = _PATIENCE_SECONDS,
        reading: bool = False,
    ) -> None:
        self.path = path
        self._clock = clock
        self._reader: Reader | None = None
        with explained_files(path):
            refuse_odd(path)
        with explained(path):
            if reading:
                self._reader = connect(path, patience)
                connection = self._reader.connection
            else:
                connection = sqlite3.connect(path, timeout=patience, isolation_level=None)
            self._db = Database(connection, execute_plugins=False)
            try:
                self._open_for_reading() if reading else self._open(patience)
            except BaseException:
                connection.close()
                raise

    def _open_for_reading(self) -> None:
        refuse_others(self._db, self.path)
        self._db.execute("PRAGMA temp_store=MEMORY")
        if migrations.pending(self._db):
            raise StorageError(
                f"the catalog {self.path} was written by an earlier winter-sync than this one",
                remedy="Let the user who runs winter-sync run this version once: it brings the "
                "catalog up to date.",
            )

    def _open(self, patience: float) -> None:
        """Make the database ours, or the newest edition of ours."""
        refuse_others(self._db, self.path)
        self._enable_wal(patience)
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY"):
            self._db.execute(f"PRAGMA {pragma}")
        if migrations.pending(self._db):
            with self._writing():
                migrations.apply(self._db)

    def _enable_wal(self, patience: float) -> None:
        """Turn the write-ahead log on, as patiently as everything else is done.

        When several processes do so with a new database, SQLite gives up at once, without the
        patience it was told to have: each would wait for the others to end their reading.
        """
        for attempt in Retrying(
            retry=retry_if_exception(is_busy),
            stop=stop_after_delay(patience),
            wait=lambda _: BUSY_CATALOG.delay(1, random()).total_seconds(),  # noqa: S311 - no secret
            reraise=True,
        ):
            with attempt:
                self._db.enable_wal()

    def close(self) -> None:
        """Close the database; nothing is lost by not doing so."""
        self._db.close()

    def mirror_name(self) -> str | None:
        """Give the name of the mirror this catalog belongs to; None while it is new."""
        row = self._row("SELECT id FROM mirror")
        return str(row["id"]) if row else None

    def take_mirror_name(self, name: str) -> None:
        """Bind a new catalog to a mirror; one that is bound already stays as it is."""
        with self._writing():
            self._db.execute(
                "INSERT INTO mirror (id, created_at) SELECT ?, ?"
                " WHERE NOT EXISTS (SELECT 1 FROM mirror)",
                [name, self._now()],
            )

    # --- polls ---------------------------------------------------------------------------------

    def known(self, identities: Iterable[tuple[Instrument, str]]) -> list[Known]:
        """Give what is known of these products; nothing of those that were never listed."""
        return self._read(known_of, self._about(statements.KNOWN, identities))

    def expected(self, query: Query, today: date) -> list[Product]:
        """Return the products that this query, asked before, listed, and must list again.

        Only those well inside its dates count, because how the server treats the ends is
        inferred; of a query without an end, those up to `today`, the server's date; and only
        those this very region listed last.
        """
        subject, end = query.subject, query.end or date.max
        inside = (query.start + timedelta(days=1), end, today)
        rows = self._rows(
            statements.EXPECTED,
            [*subject_values(subject), *(day.isoformat() for day in inside)],
        )
        return self._read(product_of, rows)

    def record_poll(
        self,
        poll: Poll,
        *,
        listed: Sequence[tuple[Row, str]] = (),
        wanted: Sequence[Row] = (),
        withdrawn: Sequence[Product] = (),
    ) -> list[Product]:
        """Record a poll and all it found, in one transaction.

        Parameters
        ----------
        poll
            What was asked and how it went.
        listed
            All rows, each with the path its product is to have below the root.
        wanted
            Those rows whose products are known and whose content is to be fetched again.
        withdrawn
            Products that this poll should have listed and did not.

        Returns
        -------
        list of Product
            New products that were left out, because another product has their path already.
        """
        with self._writing():
            now = self._now()
            self._run_many(
                statements.ENTER, [product_values(row.product, path, now) for row, path in listed]
            )
            rows, left_out = self._split([row for row, _ in listed])
            self._list(rows, poll.query, now)
            self._run_many(statements.WANT, [row.product.identity for row in wanted])
            self._withdraw(poll.query.subject.program, withdrawn, now)
            self._sample_all([*(row.product for row in wanted), *withdrawn])
            told = replace(poll, new=poll.new - len(left_out))
            self._db.table("polls").insert(poll_columns(told, now))
            self._db.execute(statements.FORGET_POLLS, [_POLLS_KEPT])
        return left_out

    def _split(self, rows: Sequence[Row]) -> tuple[list[Row], list[Product]]:
        """Tell the rows whose products are in the catalog from products that found no place."""
        present = self._present(row.product for row in rows)
        left_out = [row.product for row in rows if row.product.identity not in present]
        return [row for row in rows if row.product.identity in present], left_out

    def _present(self, products: Iterable[Product]) -> set[tuple[Instrument, str]]:
        """Give the identities of those products that are in the catalog."""
        rows = self._about(statements.PRESENT, (product.identity for product in products))
        return {(Instrument(row["instrument"]), row["savepath"]) for row in rows}

    def _list(self, rows: Sequence[Row], query: Query, now: str) -> None:
        """Note that these products are listed, under the program that was asked for.

        It is that program's key which can fetch them, whatever `progname` a row has.
        """
        identities = [row.product.identity for row in rows]
        self._run_many(statements.SEE, [(now, *identity) for identity in identities])
        self._run_many(statements.RETURN, identities)
        self._run_many(statements.LIST, [listing_values(row, query, now) for row in rows])

    def _withdraw(self, program: str, products: Sequence[Product], now: str) -> None:
        identities = [product.identity for product in products]
        self._run_many(statements.UNLIST, [(now, program, *identity) for identity in identities])
        self._run_many(statements.WITHDRAW, [(now, *identity) for identity in identities])

    def record_sweep(self, subject: Subject) -> None:
        """Record that the whole span of a subject was listed, its last poll being the end of it."""
        with self._writing():
            self._db.execute(statements.MARK_SWEEP, subject_values(subject))

    def last_sweep(self, subject: Subject) -> datetime | None:
        """Tell when the whole span of a subject was last asked for with success."""
        row = self._row(statements.LAST_SWEEP, subject_values(subject))
        return datetime.fromisoformat(row["at"]) if row and row["at"] else None

    # --- the queue -----------------------------------------------------------------------------

    def candidates(self, scope: Scope, order: Sequence[ImageType], limit: int) -> list[Candidate]:
        """Give products that may be fetched now: the untroubled and the newest night first.

        Within a night they come in the given order of types. Of several programs of the scope
        that list a product, the first by name is to be asked; its marks are those of all that do.
        What is held back until a sample of its night was looked at is not among them.
        """
        condition, values = statements.where(scope)
        programs = statements.placeholders(len(scope.programs))
        rows = self._rows(
            statements.CANDIDATES.format(condition=condition, programs=programs),
            [
                *(self._now(), self._too_far, *values, *scope.programs, " ".join(order), limit),
                *(_RECENT, instant_text(self._clock() - _LONG_AGO), self._too_far),
                *(*scope.programs, " ".join(order)),
            ],
        )
        return self._read(candidate_of, rows)

    def wanted(self, scope: Scope) -> tuple[Share, ...]:
        """Count what is to be fetched, now or later, and by nobody yet, by night and type."""
        rows = self._rows(*statements.within(scope, statements.WANTED))
        return tuple(self._read(share_of, rows))

    def next_retry(self, scope: Scope) -> datetime | None:
        """Tell when the next product of a scope may be fetched; None if none is to be."""
        sql, values = statements.within(scope, statements.NEXT_RETRY)
        row = self._row(sql, [self._too_far, *values])
        if row is None or row["soonest"] is None:
            return None
        return datetime.fromisoformat(row["soonest"]) if row["soonest"] else self._clock()

    def ask_again(self, scope: Scope) -> int:
        """Let what failed or was missing be asked for now, once; return how many that is."""
        condition, values = statements.where(scope)
        listed = statements.LISTED_UNDER.format(
            programs=statements.placeholders(len(scope.programs))
        )
        sql = statements.ASK_AGAIN.format(condition=condition, listed=listed)
        with self._writing():
            return self._db.execute(sql, [plain(v) for v in (*values, *scope.programs)]).rowcount

    def waiting(self, scope: Scope) -> list[Waiting]:
        """Return what is not asked for before some later time, by state: how many, and when."""
        sql, values = statements.within(scope, statements.WAITING)
        rows = self._rows(sql, [self._now(), self._too_far, *values])
        return self._read(waiting_of, rows)

    def claim(self, candidates: Sequence[Candidate], session: str) -> tuple[Candidate, ...]:
        """Lease products to a session; gives those that nobody else had taken meanwhile."""
        with self._writing():
            return tuple(
                candidate
                for candidate in candidates
                if self._db.execute(statements.CLAIM, [session, *key(candidate.product)]).rowcount
            )

    def release(self, candidates: Iterable[Candidate]) -> None:
        """Give products back as they were claimed: nothing was learnt of them."""
        with self._writing():
            for candidate in candidates:
                self._settle(candidate.product, {})

    def release_all(self, session: str) -> int:
        """Take back all that is leased to one session, none of whose workers is at work."""
        with self._writing():
            sql = "UPDATE products SET claimed_by = NULL WHERE claimed_by = ?"
            return self._db.execute(sql, [session]).rowcount

    def claimants(self) -> list[str]:
        """Give the sessions that have products on lease."""
        sql = "SELECT DISTINCT claimed_by FROM products WHERE claimed_by IS NOT NULL"
        return [row["claimed_by"] for row in self._rows(sql)]

    def release_sessions(self, alive: Iterable[str], among: Iterable[str] | None = None) -> int:
        """Take back what is leased to sessions that are not alive; gives how many products.

        Parameters
        ----------
        alive
            Sessions whose processes live.
        among
            The claimants that are judged. To be asked for (`claimants`) before `alive` is: a
            session that began in between is in neither, and must keep its leases.
        """
        judged = self.claimants() if among is None else among
        return sum(self.release_all(session) for session in set(judged) - set(alive))

    def commit(
        self, outcomes: Sequence[Outcome], when_again: Callable[[int, Outcome], timedelta]
    ) -> tuple[Share, ...]:
        """Record what became of claimed products, and end their leases, in one transaction.

        `when_again` gives the wait before the next attempt from the number of attempts so far.

        Returns
        -------
        tuple of Share
            What need not be fetched again after all, because a sample of it had not changed.
        """
        with self._writing():
            for outcome in outcomes:
                match outcome:
                    case Published(candidate, evidence) | Unchanged(candidate, evidence):
                        self._hold(candidate.product, evidence)
                    case Missing(candidate) | Failed(candidate):
                        self._postpone(candidate, outcome, when_again)
            return self._sample_all(outcome.candidate.product for outcome in outcomes)

    def _hold(self, product: Product, evidence: Evidence) -> None:
        """Record that the tree holds this content of a product."""
        held = self._row(statements.HELD_CONTENT, product.identity)
        if held is None:
            return
        now, revision = self._now(), held["revision"]
        is_new = held["sha256"] != evidence.sha256
        if is_new:
            revision += 1
            self._add_revision(evidence, revision, now)
        columns = held_columns(evidence, revision, now)
        settled = settled_marks_of(held).united(evidence.marks)
        recheck = None if is_new or held["recheck"] is None else "same"
        self._settle(product, {**columns, **mark_columns(settled), "recheck": recheck})
        if is_new and held["recheck"] is not None:
            self._db.execute(statements.END_RECHECK, group_values(product))
        if evidence.kept is not None:
            self._db.execute(statements.KEEP, [evidence.kept, *key(product), now])

    def _add_revision(self, evidence: Evidence, revision: int, now: str) -> None:
        identity = {"instrument": evidence.instrument.value, "savepath": evidence.savepath}
        self._db.execute(
            "UPDATE revisions SET replaced_at = ?, kept = ?"
            " WHERE instrument = ? AND savepath = ? AND revision = ?",
            [now, evidence.kept, *identity.values(), revision - 1],
        )
        self._db.table("revisions").insert(
            {
                **identity,
                "revision": revision,
                "path": evidence.path,
                "size": evidence.size,
                "sha256": evidence.sha256,
                "published_at": now,
            }
        )

    def _postpone(
        self,
        candidate: Candidate,
        outcome: Missing | Failed,
        when_again: Callable[[int, Outcome], timedelta],
    ) -> None:
        attempts = candidate.attempts + 1
        not_before = instant_text(self._clock() + when_again(attempts, outcome))
        common = {"attempts": attempts, "not_before": not_before, "recheck": None}
        match outcome:
            case Missing():
                settled = self._settled(candidate.product).united(candidate.marks)
                columns = {"state": State.MISSING.value, **mark_columns(settled)}
                self._settle(candidate.product, {**common, **columns, "last_error": None})
            case Failed():
                columns = {"state": State.WANTED.value, "last_error": outcome.reason}
                self._settle(candidate.product, {**common, **columns})
                self._note_refusal(candidate.product, outcome.sha256)

    def _settled(self, product: Product) -> Marks:
        row = self._row(statements.HELD_CONTENT, product.identity)
        return settled_marks_of(row) if row else Marks()

    def _sample_all(self, products: Iterable[Product]) -> tuple[Share, ...]:
        """Go on with looking again at the nights and types of these products.

        Of what changed its marks only a few products of each night and type are fetched at first.
        When these come back the same, the rest is taken for the same; when one does not, all are
        fetched. One that cannot be had is replaced by another.
        """
        groups = {group_values(product): product for product in products}
        found = (self._sample(group, product) for group, product in groups.items())
        return tuple(share for share in found if share is not None)

    def _sample(self, group: tuple[str, str, str], product: Product) -> Share | None:
        (counts,) = self._rows(statements.RECHECKED, group)
        held = self._rows(statements.HELD_BACK, group) if counts["held"] else []
        if held and counts["same"] < SAMPLE:
            lacking = SAMPLE - counts["same"] - counts["sample"]
            chosen = spread(held, lacking)
            self._run_many(
                statements.SAMPLE, [(row["instrument"], row["savepath"]) for row in chosen]
            )
            return None
        for row in held:
            self._take_for_the_same(row)
        if not counts["sample"]:
            self._db.execute(statements.END_RECHECK, group)
        if not held:
            return None
        return Share(product.night, product.instrument, product.image_type, len(held))

    def _take_for_the_same(self, row: dict[str, Any]) -> None:
        """Take a product for unchanged under the marks that it is listed with now."""
        identity = (row["instrument"], row["savepath"])
        (listed,) = self._rows(statements.LISTED_MARKS, identity)
        settled = settled_marks_of(row).united(marks(listed["lastmodified"], listed["pipeversion"]))
        columns = {"state": State.PUBLISHED.value, "recheck": None, **mark_columns(settled)}
        self._set(identity, columns)

    def _note_refusal(self, product: Product, sha256: str | None) -> None:
        """Remember since when it is this content that contradicts itself."""
        if sha256 is not None:
            self._db.execute(statements.NOTE_REFUSAL, [sha256, self._now(), *key(product), sha256])

    def _settle(self, product: Product, columns: dict[str, Any]) -> None:
        """Set columns of a product, and end its lease."""
        self._set(key(product), {**columns, "claimed_by": None})

    def _set(self, identity: tuple[str, str], columns: dict[str, Any]) -> None:
        names = ", ".join(f"{name} = ?" for name in columns)
        sql = f"UPDATE products SET {names} WHERE instrument = ? AND savepath = ?"  # noqa: S608 - our own column names
        self._db.execute(sql, [*columns.values(), *identity])

    def adopt(self, evidence: Evidence) -> bool:
        """Record a file that a crash left in the tree between its rename and its commit.

        Gives whether it was news.
        """
        with self._writing():
            row = self._row(
                "SELECT * FROM products WHERE instrument = ? AND savepath = ?",
                [evidence.instrument, evidence.savepath],
            )
            if row is None or (row["state"] == "published" and row["sha256"] == evidence.sha256):
                return False
            product = product_of(row)
            self._hold(product, evidence)
            self._sample_all([product])
            return True

    # --- looking -------------------------------------------------------------------------------

    def night_counts(self, scope: Scope) -> list[NightCount]:
        """Count products by night, instrument, type and state; the newest night first."""
        condition, values = statements.where(scope)
        listed, programs = self._listed(statements.EVER_LISTED_UNDER, scope.programs)
        sql = statements.NIGHT_COUNTS.format(condition=condition, listed=listed)
        rows = self._rows(sql, [*values, *programs])
        return self._read(night_count_of, rows)

    def troubles(self, scope: Scope, limit: int) -> list[Trouble]:
        """Give products that failed or are missing, the newest night first."""
        sql, values = statements.within(scope, statements.TROUBLES)
        return self._read(trouble_of, self._rows(sql, [*values, limit]))

    def last_polls(self) -> list[LastPoll]:
        """Give the latest poll of every program, instrument and type."""
        return self._read(last_poll_of, self._rows(statements.LAST_POLLS))

    def standing(self, programs: Sequence[str]) -> Standing:
        """Tell in a few numbers how far these programs are.

        Cheap enough to be asked all the time: what is here is counted by an index, and only what
        is still to come is looked at.
        """
        (held,) = self._rows(statements.HELD)
        listed, values = self._listed(statements.LISTED_UNDER, programs)
        queue = self._rows(statements.QUEUE.format(listed=listed), values)
        to_come = dict.fromkeys(("wanted", "missing", "claimed"), 0)
        for part in queue:
            to_come["claimed" if part["claimed"] else part["state"]] += part["products"]
        return Standing(
            **held,
            **to_come,
            last_night=next(self._nights_down(), None),
            last_complete_night=self._last_complete_night(listed, values),
        )

    def _last_complete_night(self, listed: str, values: Sequence[str]) -> Night | None:
        sql = statements.NIGHTS_NOT_ALL_HERE.format(listed=listed)
        lacking = {row["night"] for row in self._rows(sql, values)}
        lacking |= {row["night"] for row in self._rows(statements.DAMAGED_NIGHTS)}
        nights = self._nights_down(statements.NIGHT_HERE_BEFORE)
        return next((night for night in nights if night.name not in lacking), None)

    def _listed(self, condition: str, programs: Sequence[str]) -> tuple[str, Sequence[str]]:
        """Give the condition that some of these programs list a product, and its values.

        Each product was listed by some program, and what is still to come is listed yet: so the
        listings need not be looked at where all programs there are count.
        """
        known = {row["program"] for row in self._rows(statements.PROGRAMS_LISTED)}
        if known <= set(programs):
            return "1", ()
        return condition.format(programs=statements.placeholders(len(programs))), programs

    def _nights_down(self, statement: str = statements.NIGHT_BEFORE) -> Iterator[Night]:
        """Give the nights of which anything is listed, the newest first."""
        before = _NO_NIGHT
        while (row := self._row(statement, [before])) and row["night"]:
            before = row["night"]
            yield night_of(before)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let several looks see the catalog at one moment, whatever others write meanwhile."""
        with explained(self.path):
            self._db.execute("BEGIN")
        try:
            yield
        finally:
            with explained(self.path):
                self._db.execute("ROLLBACK")

    def queue_count(self, programs: Sequence[str], night: Night | None = None) -> QueueCount:
        """Count what these programs list and the tree lacks, each product once.

        Only of one night if it is given. What is here is not counted: `night_counts` does that.
        """
        listed, values = self._listed(statements.LISTED_UNDER, programs)
        name = night.name if night else None
        sql = statements.QUEUED.format(listed=listed)
        row = self._row(sql, [name, name, *values])
        if row is None or not row["queued"]:
            return QueueCount(None)
        return queue_count_of(row, None, row["queued"])

    def program_counts(
        self, programs: Sequence[str], night: Night | None = None
    ) -> list[QueueCount]:
        """Count what each of these programs lists, of all nights or of one, in the given order."""
        marks = statements.placeholders(len(programs))
        name = night.name if night else None
        listed = statements.LISTED_BY_PROGRAM if night is None else statements.LISTED_OF_NIGHT
        rows = self._rows(listed.format(programs=marks), [*([name] if name else []), *programs])
        products = {row["program"]: row["products"] for row in rows}
        sql = statements.QUEUED_BY_PROGRAM.format(programs=marks)
        queued = {row["program"]: row for row in self._rows(sql, [name, name, *programs])}
        sql = statements.DAMAGED_BY_PROGRAM.format(programs=marks)
        rows = self._rows(sql, [name, name, *programs])
        damaged = {row["program"]: row["products"] for row in rows}
        return [
            replace(
                queue_count_of(queued.get(one), one, products.get(one, 0)),
                damaged=damaged.get(one, 0),
            )
            for one in programs
        ]

    def poll_states(self, subjects: Iterable[Subject], night: Night) -> list[PollState]:
        """Return how the polls of these subjects went lately, as seen from a night.

        A product of a night has the date of that night or of the day after (winter-api.md,
        "Nights and times"), so both must have been listed, if not by one poll.
        """
        return [self._poll_state(subject, night) for subject in subjects]

    def _poll_state(self, subject: Subject, night: Night) -> PollState:
        values = subject_values(subject)
        last = self._row(statements.LAST_ANSWER, values)
        dates = [night.day.isoformat(), night.plus(1).day.isoformat()]
        answers = {day: self._row(statements.ANSWER_FOR_DATE, [*values, day, day]) for day in dates}
        listed = [row for row in answers.values() if row is not None]
        succeeded = {day: row["id"] if row else 0 for day, row in answers.items()}
        latest = last["id"] if last else 0
        failures = [
            row
            for row in self._rows(
                statements.FAILURES_SINCE, [*values, min(latest, *succeeded.values())]
            )
            if row["id"] > latest
            or any(row["id"] > at and covers(row, day) for day, at in succeeded.items())
        ]
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

    def last_successes(self, subjects: Iterable[Subject]) -> dict[Subject, datetime]:
        """Tell when each of these was last listed with success, those that ever were."""
        found = {}
        for subject in subjects:
            row = self._row(statements.LAST_SUCCESS, subject_values(subject))
            if row and row["at"]:
                found[subject] = datetime.fromisoformat(row["at"])
        return found

    # --- files ---------------------------------------------------------------------------------

    def newest_night(self) -> Night | None:
        """Return the newest night of which anything is listed."""
        return next(self._nights_down(), None)

    def held_nights(self, scope: Scope) -> list[Night]:
        """Return the nights of which files are here, the newest first."""
        span = replace(scope, programs=(), subjects=())
        condition, values = statements.where(span)
        rows = self._rows(statements.HELD_NIGHTS.format(condition=condition), values)
        return self._read(lambda row: night_of(row["night"]), rows)

    def held(self, scope: Scope, night: Night) -> list[Held]:
        """Return the products of one night that are in the tree, those of all programs if none."""
        condition, values, listed, programs = self._held_in(scope)
        sql = statements.HELD_OF_NIGHT.format(condition=condition, listed=listed)
        return self._read(held_of, self._rows(sql, [night.name, *values, *programs]))

    def to_check(self, scope: Scope, before: str, after: tuple[str, str], limit: int) -> list[Held]:
        """Return products whose content was last read before a time, least recently read first.

        `after` is (`checked_at`, `path`) of the last product of the page before; ("", "") begins.
        """
        condition, values, listed, programs = self._held_in(scope)
        sql = statements.TO_CHECK.format(condition=condition, listed=listed)
        rows = self._rows(sql, [before, *after, *values, *programs, limit])
        return self._read(held_of, rows)

    def count_held(self, scope: Scope, before: str) -> dict[str, int]:
        """Count `files` and their `size`, and of those last read before a time, as `..left`."""
        condition, values, listed, programs = self._held_in(scope)
        sql = statements.COUNT_HELD.format(condition=condition, listed=listed)
        (row,) = self._rows(sql, [before, before, *values, *programs])
        return row

    def record_checks(self, checks: Iterable[Check]) -> list[Check]:
        """Record the results of reading files; returns those that still mattered.

        A product that was published again, or is being fetched, since it was looked up is left
        as it is.
        """
        now = self._now()
        return self._record(statements.RECORD_CHECK, checks, now)

    def record_looks(self, checks: Iterable[Check]) -> list[Check]:
        """Record what a look at size and time found; returns as `record_checks` does."""
        return self._record(statements.RECORD_LOOK, checks)

    def _record(self, sql: str, checks: Iterable[Check], *now: str) -> list[Check]:
        width = 2 + 2 * bool(now)
        with self._writing():
            return [
                check
                for check in checks
                if self._db.execute(
                    sql, [*(*check_values(check), *now)[:width], *guard_values(check.held)]
                ).rowcount
            ]

    def postpone_check(self, held: Held) -> None:
        """Record that a file could not be read: it is tried again when all others were."""
        with self._writing():
            self._db.execute(statements.POSTPONE_CHECK, [self._now(), *guard_values(held)])

    def want_lost(self, checks: Iterable[Check]) -> list[Check]:
        """Want products again whose files are gone; returns those that were still held."""
        with self._writing():
            return [
                check
                for check in checks
                if self._db.execute(
                    statements.WANT_LOST, [check.reason, *guard_values(check.held)]
                ).rowcount
            ]

    def want_damaged(self, scope: Scope) -> int:
        """Want all products again whose files were found missing or changed; returns how many.

        A changed file of a product that the archive no longer lists stays as it is.
        """
        condition, values, listed, programs = self._held_in(scope)
        sql = statements.WANT_DAMAGED.format(condition=condition, listed=listed)
        with self._writing():
            return self._db.execute(sql, [plain(one) for one in (*values, *programs)]).rowcount

    def damaged(self, scope: Scope, limit: int) -> list[Damaged]:
        """Return products whose files are not right, the newest night first."""
        condition, values, listed, programs = self._held_in(scope)
        sql = statements.DAMAGED.format(condition=condition, listed=listed)
        return self._read(damaged_of, self._rows(sql, [*values, *programs, limit]))

    def count_damaged(self, scope: Scope) -> dict[Damage, int]:
        """Count products whose files are not right, by what is wrong."""
        condition, values, listed, programs = self._held_in(scope)
        sql = statements.COUNT_DAMAGED.format(condition=condition, listed=listed)
        rows = self._rows(sql, [*values, *programs])
        return dict.fromkeys(Damage, 0) | {Damage(row["damage"]): row["files"] for row in rows}

    def listing_programs(
        self, identities: Iterable[tuple[Instrument, str]]
    ) -> dict[tuple[Instrument, str], tuple[str, ...]]:
        """Return the programs that list each of these products now."""
        found: defaultdict[tuple[Instrument, str], tuple[str, ...]] = defaultdict(tuple)
        for row in self._about(statements.LISTING_PROGRAMS, identities):
            found[Instrument(row["instrument"]), row["savepath"]] += (row["program"],)
        return found

    def known_paths(self, paths: Sequence[str]) -> set[str]:
        """Return which of these paths, relative to the root, are those of products."""
        return self._among(statements.PATHS, paths)

    def known_kept(self, paths: Sequence[str]) -> set[str]:
        """Return which of these paths are files that were kept aside, as far as is recorded."""
        return self._among(statements.KEPT, paths, times=2)

    def _among(self, sql: str, paths: Sequence[str], *, times: int = 1) -> set[str]:
        found: set[str] = set()
        for at in range(0, len(paths), _CHUNK):
            some = paths[at : at + _CHUNK]
            statement = sql.format(statements.placeholders(len(some)))
            found |= {row["path"] for row in self._rows(statement, [*some] * times)}
        return found

    def begin_verification(self, selection: str, resumable: timedelta) -> Verification:
        """Continue the full check of a selection that was interrupted, or begin a new one.

        Files that it found right are not read again; those that it found wrong are. One that
        began longer than `resumable` ago is not continued.
        """
        oldest = instant_text(self._clock() - resumable)
        with self._writing():
            now = self._now()
            found = self._row(statements.UNFINISHED, [selection, oldest, now])
            if found is not None:
                return Verification(found["id"], found["started_at"], resumed=True)
            self._db.table("verifications").insert({"selection": selection, "started_at": now})
            self._db.execute(statements.FORGET_VERIFICATIONS, [_VERIFICATIONS_KEPT])
            return Verification(self._last_id(), now, resumed=False)

    def _last_id(self) -> int:
        return int(self._rows("SELECT last_insert_rowid() AS id")[0]["id"])

    def check_damaged_again(self, scope: Scope) -> None:
        """Let the next check begin with what was found wrong before."""
        condition, values, listed, programs = self._held_in(scope)
        sql = statements.CHECK_DAMAGED_AGAIN.format(condition=condition, listed=listed)
        with self._writing():
            self._db.execute(sql, [plain(one) for one in (*values, *programs)])

    def finish_verification(self, verification: Verification) -> None:
        """Record that a full check has come to its end."""
        with self._writing():
            self._db.execute(
                "UPDATE verifications SET finished_at = ? WHERE id = ?",
                [self._now(), verification.number],
            )

    def _held_in(self, scope: Scope) -> tuple[str, Sequence[object], str, Sequence[str]]:
        """Return the conditions of a scope, where no programs means all of them."""
        condition, values = statements.where(scope)
        if not scope.programs:
            return condition, values, "1", ()
        listed, programs = self._listed(statements.EVER_LISTED_UNDER, scope.programs)
        return condition, values, listed, programs

    # --- plumbing ------------------------------------------------------------------------------

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Run one write transaction, waiting for other processes to end theirs."""
        with explained(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._db.rollback()
                raise

    def _about(
        self, sql: str, identities: Iterable[tuple[Instrument, str]]
    ) -> Iterator[dict[str, Any]]:
        """Ask about products by their identities, so many at a time as SQLite takes."""
        by_instrument: defaultdict[Instrument, list[str]] = defaultdict(list)
        for instrument, savepath in identities:
            by_instrument[instrument].append(savepath)
        for instrument, savepaths in by_instrument.items():
            for at in range(0, len(savepaths), _CHUNK):
                some = savepaths[at : at + _CHUNK]
                marks = statements.placeholders(len(some))
                yield from self._rows(sql.format(marks), [instrument, *some])

    def _run_many(self, sql: str, records: Sequence[Sequence[object]]) -> None:
        """Run one statement for many records, inside the transaction that is open."""
        self._db.conn.executemany(sql, records)

    def _rows(self, sql: str, values: Iterable[object] = ()) -> list[dict[str, Any]]:
        with explained(self.path):
            found = list(self._db.query(sql, [plain(value) for value in values]))
        if self._reader is not None:
            self._reader.check()
        with rows_explained(self.path):
            for row in found:
                check_row(row)
        return found

    def _read(self, read: Callable[[dict[str, Any]], T], rows: Iterable[dict[str, Any]]) -> list[T]:
        """Read rows by a function of `columns`."""
        found = list(rows)
        with rows_explained(self.path):
            return [read(row) for row in found]

    def _row(self, sql: str, values: Iterable[object] = ()) -> dict[str, Any] | None:
        return next(iter(self._rows(sql, values)), None)

    def _now(self) -> str:
        return instant_text(self._clock())

    @property
    def _too_far(self) -> str:
        return instant_text(self._clock() + _NEVER_SO_FAR)


class CatalogThread:
    """A catalog on a thread of its own, for coroutines.

    Use as an async context manager; `await thread(Catalog.claim, ...)` calls a method there. With
    `reading` it is only looked at, beside whoever writes.
    """

    def __init__(self, path: Path, clock: Callable[[], datetime], *, reading: bool = False) -> None:
        self._path = path
        self._clock = clock
        self._reading = reading
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="catalog")
        self._catalog: Catalog | None = None

    async def __aenter__(self) -> Self:
        try:
            self._catalog = await off_loop(
                self._executor, Catalog, self._path, self._clock, reading=self._reading
            )
        except BaseException:
            self._executor.shutdown()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self(Catalog.close)
        finally:
            self._executor.shutdown()

    async def __call__(
        self, method: Callable[Concatenate[Catalog, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a method of the catalog on its thread.

        A call is never abandoned half-way: a cancelled caller is told so when it has ended.
        """
        if self._catalog is None:
            raise RuntimeError("the catalog is not open")
        return await off_loop(self._executor, method, self._catalog, *args, **kwargs)
