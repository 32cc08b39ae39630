"""The listings of the archive: compared with an answer, recorded, withdrawn."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from winter_sync.catalog.connection import chunks
from winter_sync.catalog.identities import IDENTIFIED, IDENTITY, NUMBER, PRODUCT, identities_of
from winter_sync.catalog.outbox import Outbox
from winter_sync.catalog.packing import pack_day
from winter_sync.catalog.polls import add_poll, next_poll
from winter_sync.catalog.rechecks import Rechecks
from winter_sync.catalog.records import RecordedPoll
from winter_sync.catalog.renames import Renames
from winter_sync.catalog.rows import known_of, listed_row_of, product_of
from winter_sync.catalog.values import (
    identity_values,
    listing_values,
    product_values,
    subject_values,
)
from winter_sync.catalog.withdrawals import Withdrawals
from winter_sync.core import (
    COVERED,
    EXPECTED,
    EventKind,
    Instrument,
    KnownRows,
    fingerprint_salt,
    parse_marks,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from winter_sync.catalog.connection import Connection
    from winter_sync.catalog.records import Poll
    from winter_sync.core import Expectation, KnownProduct, Product, Query, Region, Row, Subject


class _Entered(NamedTuple):
    """A row whose product is in the catalog."""

    row: Row
    number: int
    is_new: bool
    """Whether the product was entered just now."""
    was_withdrawn: bool


class Listings:
    """The products that the archive lists, and by which program, region and date."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rechecks = Rechecks(connection)
        self._outbox = Outbox(connection)
        self._renames = Renames(connection, self._outbox)
        self._withdrawals = Withdrawals(connection, self._outbox)

    _KNOWN = f"""
    SELECT p.id AS number, {PRODUCT}, p.state, p.withdrawn_at,
      p.settled_lastmodified, p.settled_pipeversion
    FROM {IDENTIFIED}
    """  # noqa: S608 - our own texts

    def known(self, identities: Iterable[tuple[Instrument, str]]) -> list[KnownProduct]:
        """Return what is known of these products; nothing of those that were never listed."""
        rows = self._connection.rows_about(self._KNOWN, identities)
        return self._connection.converted(known_of, rows)

    _IS_SETTLED = """
    p.state = 'wanted' OR NOT :reprocessed
    OR p.settled_pipeversion IS l.pipeversion AND p.settled_lastmodified_s IS
      CASE typeof(l.lastmodified_us) WHEN 'integer' THEN l.lastmodified_us / 1000000
      ELSE l.lastmodified_us END
    """
    _ROWS = f"""
    SELECT p.id, (l.nightdate_days BETWEEN :start AND :end) * {COVERED}
        + (l.nightdate_days >= :first AND l.nightdate_days < :end
          AND l.nightdate_days <= :today) * {EXPECTED},
      CASE WHEN p.withdrawn_at IS NULL AND l.missed_in IS NULL
        AND p.state IN ('wanted', 'published', 'missing') THEN l.fingerprint END,
      CASE WHEN {_IS_SETTLED} THEN NULL ELSE json_array(
        p.settled_lastmodified, p.settled_pipeversion, l.lastmodified, l.pipeversion) END
    FROM listings l INDEXED BY listings_of_window CROSS JOIN products p ON p.id = l.product
    WHERE l.program = :program AND p.instrument = :instrument AND p.image_type = :image_type
      AND l.region = :region AND l.withdrawn_at IS NULL
      AND l.nightdate_days BETWEEN :earliest AND :latest LIMIT :most
    """  # noqa: S608 - our own texts

    def known_rows(
        self, query: Query, today: date, reader: str, most: int | None = None
    ) -> KnownRows:
        """Return what a query, asked before, listed: what it may list as before, and what it must.

        It must list what is well inside its dates, because how the server treats the ends is
        inferred; of a query without an end, what is up to `today`, the server's date; and only what
        this very region listed last. A row means nothing new if its product is neither withdrawn
        nor missed, and is either wanted or held with the marks that the row has. One in a state
        that no version writes is looked at itself, so that this is reported.

        Parameters
        ----------
        query
            What is asked.
        today
            The server's date.
        reader
            Who reads its rows, as `fingerprint_salt` has it.
        most
            So many products at most; all if None.
        """
        subject = query.subject
        values = {
            **subject_values(subject),
            **_dates(query, today),
            "reprocessed": subject.image_type.traits.may_be_reprocessed,
            "most": -1 if most is None else most,
        }
        rows = self._connection.tuples(self._ROWS, values)
        return KnownRows(fingerprint_salt(subject, reader), _trusted(rows))

    _OF_NUMBERS = f"""
    SELECT {PRODUCT} FROM products p WHERE p.id IN (SELECT value FROM json_each(:numbers))
    """  # noqa: S608 - our own texts

    def products(self, numbers: Sequence[int]) -> list[Product]:
        """Return the products of these numbers in the catalog."""
        if not numbers:
            return []
        return self._connection.read(product_of, self._OF_NUMBERS, {"numbers": json.dumps(numbers)})

    _LISTED = f"""
    SELECT {PRODUCT}, l.program, l.progname, l.nightdate, l.target, l.ra, l.dec, l.fid, l.utctime,
      l.fieldid, l.lastmodified, l.pipeversion, l.extra, l.fingerprint
    FROM json_each(:numbers) g CROSS JOIN products p ON p.id = g.value
    CROSS JOIN listings l ON l.product = p.id AND l.program = :program
    """  # noqa: S608 - our own texts

    def rows(self, program: str, numbers: Sequence[int]) -> list[Row]:
        """Return the rows by which a program lists the products of these numbers."""
        values = {"program": program, "numbers": json.dumps(numbers)}
        return self._connection.read(listed_row_of, self._LISTED, values)

    _SPAN = f"""
    SELECT min(l.nightdate) AS first, max(l.nightdate) AS last FROM {IDENTIFIED}
    CROSS JOIN listings l ON l.product = p.id AND l.program = :program
    """  # noqa: S608 - our own texts

    def span(self, subject: Subject, products: Iterable[Product]) -> tuple[date, date] | None:
        """Return the first and the last date of products that a subject lists; None without any."""
        identities = identities_of(product.identity for product in products)
        values = {"program": subject.program, "identities": identities}
        row = self._connection.row(self._SPAN, values)
        if row is None or row["first"] is None:
            return None
        return date.fromisoformat(row["first"]), date.fromisoformat(row["last"])

    _PROGRAMS = f"""
    SELECT {IDENTITY}, l.program FROM {IDENTIFIED}
    CROSS JOIN listings l ON l.product = p.id WHERE l.withdrawn_at IS NULL
    """  # noqa: S608 - our own texts

    def programs(
        self, identities: Iterable[tuple[Instrument, str]]
    ) -> dict[tuple[Instrument, str], tuple[str, ...]]:
        """Return the programs that list each of these products now."""
        found: defaultdict[tuple[Instrument, str], tuple[str, ...]] = defaultdict(tuple)
        for row in self._connection.rows_about(self._PROGRAMS, identities):
            found[Instrument(row["instrument"]), row["savepath"]] += (row["program"],)
        return found

    def record_poll(  # noqa: PLR0913 - all by name
        self,
        poll: Poll,
        *,
        listed: Sequence[tuple[Row, str]] = (),
        wanted: Sequence[Row] = (),
        withdrawn: Sequence[Product] = (),
        missed: Sequence[int] = (),
        expectation: Expectation | None = None,
        missed_by: Subject | None = None,
        by_hand: Region | None = None,
    ) -> RecordedPoll:
        """Record a poll and all it found, in one transaction.

        Parameters
        ----------
        poll
            What was asked and how it went.
        listed
            All rows, each with the path of its product below the root.
        wanted
            Those rows whose products are known and whose content must be fetched again.
        withdrawn
            Products that this poll should have listed and did not.
        missed
            The numbers of all products that it does not list though it was asked for their dates.
        expectation
            What these are compared with before they are believed to be withdrawn; without it they
            are.
        missed_by
            The subject that should have listed them, if this query was put to another: what this
            answer lists of them was moved to its program.
        by_hand
            What somebody asked for only now, if less than the program: then what is listed stays
            with the region that lists it already, otherwise with the program, so that later polls
            of what is mirrored find it; and the poll counts as one of this part.
        """
        subject = missed_by or poll.query.subject
        with self._connection.writing(), self._outbox.bounded(subject):
            now = self._connection.now()
            number = next_poll(self._connection)
            self._miss(subject, missed, withdrawn, number)
            values_of = _values_of(poll.query, now, number, by_hand=by_hand is not None)
            rows, left_out = self._record_rows(listed, values_of, now)
            corrected = self._tell_of_corrections(number)
            cleared = self._withdrawals.clear(poll.query.subject, rows)
            self._want(wanted)
            if subject.program != poll.query.subject.program:
                self._withdrawals.move(subject.program, [row.product for row in rows])
            vanished = self._withdrawals.record(subject, withdrawn, expectation)
            if poll.new > len(left_out):
                self._renames.link(self._renames.find_late(poll.query.subject))
            self._rechecks.proceed([*(row.product for row in wanted), *vanished.withdrawn])
            recorded = replace(
                poll,
                new=poll.new - len(left_out),
                withdrawn=poll.withdrawn - len(vanished.held),
            )
            add_poll(self._connection, _of_region(recorded, by_hand))
        return RecordedPoll(
            recorded,
            left_out,
            held=vanished.held,
            newly_held=vanished.newly_held,
            renamed=vanished.renamed,
            cleared=cleared,
            corrected=corrected,
        )

    _ENTER_DIRECTORY = """
    INSERT INTO directories (source, place) VALUES (:source, :place) ON CONFLICT DO NOTHING
    """
    _ENTER = """
    INSERT INTO products (instrument, directory, filename, image_type, night, state,
      listed_ms)
    SELECT :instrument, d.id, :filename, :image_type, :night, 'wanted', :now
    FROM directories d WHERE d.source = :source AND d.place = :place
    ON CONFLICT DO NOTHING
    """

    def _record_rows(
        self,
        listed: Sequence[tuple[Row, str]],
        values_of: Callable[[_Entered], dict[str, object]],
        now: str,
    ) -> tuple[list[Row], list[Product]]:
        """Enter the products of rows, and record that they are listed.

        Some rows at a time: what a row is recorded with takes as much memory as the row. Return
        those whose products are in the catalog, and the products of all others.
        """
        (newest,) = self._connection.rows(self._NEWEST)
        directories = set[tuple[str, str]]()
        rows: list[Row] = []
        left_out: list[Product] = []
        for chunk in chunks(listed):
            entering = self._products_of(chunk, now, directories)
            self._connection.execute_many(self._ENTER, entering)
            entered = self._entered(chunk, newest["number"], left_out)
            self._list((each, values_of(each)) for each in entered)
            self._return([each for each in entered if each.was_withdrawn])
            rows += (each.row for each in entered)
        return rows, left_out

    def _products_of(
        self, listed: Iterable[tuple[Row, str]], now: str, entered: set[tuple[str, str]]
    ) -> Iterator[dict[str, str]]:
        """Yield the values to enter products with, their directories being entered before."""
        for row, path in listed:
            values = product_values(row.product, path, now)
            directory = values["source"], values["place"]
            if directory not in entered:
                self._connection.execute(self._ENTER_DIRECTORY, values)
                entered.add(directory)
            yield values

    _NEWEST = "SELECT coalesce(max(id), 0) AS number FROM products"
    _NUMBERS = f"""
    SELECT g.key, p.id, p.withdrawn_at IS NOT NULL FROM {IDENTIFIED}
    """  # noqa: S608 - our own texts

    def _entered(
        self, listed: Sequence[tuple[Row, str]], newest: int, left_out: list[Product]
    ) -> list[_Entered]:
        """Return the rows whose products are in the catalog; add the products of all others.

        `newest` is the last product that was there before.
        """
        identities = identities_of(row.product.identity for row, _ in listed)
        found = {
            key: (number, bool(withdrawn))
            for key, number, withdrawn in self._connection.tuples(
                self._NUMBERS, {"identities": identities}
            )
        }
        left_out += (row.product for key, (row, _) in enumerate(listed) if key not in found)
        return [
            _Entered(row, found[key][0], found[key][0] > newest, found[key][1])
            for key, (row, _) in enumerate(listed)
            if key in found
        ]

    _RETURN = """
    UPDATE products SET withdrawn_at = NULL,
      state = CASE WHEN EXISTS (SELECT 1 FROM withdrawn_files w
        WHERE w.product = products.id AND w.done_at IS NOT NULL) THEN 'published' ELSE state END
    WHERE id = :number
    """
    _IS_CORRECTED = """
    listings.withdrawn_at IS NULL AND (listings.target IS NOT excluded.target
      OR listings.progname IS NOT excluded.progname)
    """
    _LIST = f"""
    INSERT INTO listings (product, program, region, target, nightdate_days, ra, dec, fid,
      utctime_us, fieldid, lastmodified_us, pipeversion, extra, progname, listed_ms, listed_at,
      fingerprint)
    VALUES (:number, :program, :region, :target, :nightdate_days, :ra, :dec, :fid,
      :utctime_us, :fieldid, :lastmodified_us, :pipeversion, :extra, :progname, :now, :listed_at,
      :fingerprint)
    ON CONFLICT (product, program) DO UPDATE SET
      region = CASE WHEN :by_hand AND listings.withdrawn_at IS NULL
        THEN listings.region ELSE excluded.region END,
      target = excluded.target, nightdate_days = excluded.nightdate_days, ra = excluded.ra,
      dec = excluded.dec, fid = excluded.fid, utctime_us = excluded.utctime_us,
      fieldid = excluded.fieldid, lastmodified_us = excluded.lastmodified_us,
      pipeversion = excluded.pipeversion, extra = excluded.extra, progname = excluded.progname,
      missed_in = NULL, listed_at = excluded.listed_at, fingerprint = excluded.fingerprint,
      withdrawn_at = NULL,
      target_was = CASE WHEN {_IS_CORRECTED} THEN listings.target ELSE listings.target_was END,
      progname_was =
        CASE WHEN {_IS_CORRECTED} THEN listings.progname ELSE listings.progname_was END,
      corrected_in = CASE WHEN {_IS_CORRECTED} THEN :poll ELSE listings.corrected_in END
    """  # noqa: S608 - our own condition

    _LISTED_AS_BEFORE = """
    UPDATE listings SET missed_in = NULL, listed_at = :listed_at, fingerprint = :fingerprint
    WHERE product = :number AND program = :program
      AND withdrawn_at IS NULL AND (:by_hand OR region = :region) AND target IS :target
      AND nightdate_days IS :nightdate_days AND ra IS :ra AND dec IS :dec AND fid IS :fid
      AND utctime_us IS :utctime_us AND fieldid IS :fieldid
      AND lastmodified_us IS :lastmodified_us
      AND pipeversion IS :pipeversion AND extra IS :extra AND progname IS :progname
    """

    _ASK_ANOTHER_PROGRAM = """
    UPDATE products SET state = 'wanted', attempts = 0, not_before = ''
    WHERE id = :number AND state = 'missing' AND NOT EXISTS (
      SELECT 1 FROM listings
      WHERE product = :number AND program = :program AND withdrawn_at IS NULL
    )
    """
    """A file that another program's key did not bring may be there for this one's."""

    def _list(self, entered: Iterable[tuple[_Entered, dict[str, object]]]) -> None:
        """Record that these products are listed, each with its values.

        Of a row that is as before no index and no trigger costs anything.
        """
        changed = [
            (each, record)
            for each, record in entered
            if each.is_new or not self._connection.execute(self._LISTED_AS_BEFORE, record)
        ]
        known = (record for each, record in changed if not each.is_new)
        self._connection.execute_many(self._ASK_ANOTHER_PROGRAM, known)
        self._connection.execute_many(self._LIST, (record for _, record in changed))

    _CORRECTED = f"""
    SELECT {PRODUCT}, l.target_was, l.target,
      coalesce(l.progname_was, l.program) AS program_was, coalesce(l.progname, l.program) AS program
    FROM listings l JOIN products p ON p.id = l.product WHERE l.corrected_in = :poll
    """  # noqa: S608 - our own texts

    def _tell_of_corrections(self, poll: int) -> int:
        """Record an event of each target or program that a poll corrected; return how many."""
        corrected = self._connection.rows(self._CORRECTED, {"poll": poll})
        for row in corrected:
            self._tell_of_correction(row)
        return len(corrected)

    def _tell_of_correction(self, row: dict[str, Any]) -> None:
        """Record the event that a product's target or program was corrected."""
        changed = {
            name: row[name]
            for about in ("target", "program")
            if row[about] != row[f"{about}_was"]
            for name in (f"{about}_was", about)
        }
        self._outbox.append_product(EventKind.CORRECTED, product_of(row), **changed)

    def _return(self, returned: Sequence[_Entered]) -> None:
        """Record that listed products, which had been withdrawn, are back.

        One whose file was set aside is not fetched before it is tried to bring the file back.
        """
        for each in returned:
            self._connection.execute(self._RETURN, {"number": each.number})
            product = each.row.product
            self._renames.forget(product)
            self._outbox.append_product(EventKind.RETURNED, product)

    _MISS = """
    UPDATE listings SET missed_in = :poll
    WHERE program = :program AND missed_in IS NULL AND product {products}
    """
    _MISS_NUMBERS = _MISS.format(products="IN (SELECT value FROM json_each(:numbers))")
    _MISS_PRODUCT = _MISS.format(products=f"= {NUMBER}")

    def _miss(
        self, subject: Subject, numbers: Sequence[int], withdrawn: Sequence[Product], poll: int
    ) -> None:
        """Record that a poll does not list products that its subject has listed until now."""
        if not numbers and not withdrawn:
            return
        values = {"poll": poll, "program": subject.program}
        self._connection.execute(self._MISS_NUMBERS, {**values, "numbers": json.dumps(numbers)})
        of_products = ({**values, **identity_values(product)} for product in withdrawn)
        self._connection.execute_many(self._MISS_PRODUCT, of_products)

    _WANT = f"""
    UPDATE products SET state = 'wanted', attempts = 0, not_before = '', last_error = NULL,
      recheck = CASE WHEN sha256 IS NULL OR damage IS NOT NULL THEN NULL ELSE 'held' END,
      refetch = CASE WHEN sha256 IS NULL OR damage IS NOT NULL THEN '' ELSE 'marks' END
    WHERE id = {NUMBER}
    """  # noqa: S608 - our own texts

    def _want(self, rows: Sequence[Row]) -> None:
        self._connection.execute_many(self._WANT, (identity_values(row.product) for row in rows))


def _values_of(
    query: Query, now: str, poll: int, *, by_hand: bool
) -> Callable[[_Entered], dict[str, object]]:
    """Return what returns the values to record with that a product is listed by a query's program.

    It is that program's key which can fetch its product, whatever `progname` the row has.
    """
    if by_hand:
        query = replace(query, subject=replace(query.subject, region=None))
    values_of = listing_values(query, now)
    more = {"poll": poll, "by_hand": by_hand}
    return lambda each: {**values_of(each.row), **more, "number": each.number}


def _of_region(poll: Poll, region: Region | None) -> Poll:
    """Return a poll as one of a region of its program, if one is given."""
    if region is None:
        return poll
    subject = replace(poll.query.subject, region=region)
    return replace(poll, query=replace(poll.query, subject=subject))


def _dates(query: Query, today: date) -> dict[str, int | str | None]:
    """Return the first and last date of a query, of what it must list, and of what it may."""
    day = timedelta(days=1)
    end = query.end or date.max
    dates = {
        "start": query.start,
        "first": query.start + day,
        "end": end,
        "today": today,
        "earliest": query.start - day,
        "latest": min(end, date.max - day) + day,
    }
    return {name: pack_day(value.isoformat()) for name, value in dates.items()}


def _trusted(
    rows: Iterable[tuple[int, int, int | None, str | None]],
) -> Iterator[tuple[int, int, int | None]]:
    """Yield rows with a fingerprint only if they are of the content that is held."""
    are_settled: dict[str, bool] = {}
    for number, kind, fingerprint, doubt in rows:
        if doubt is None:
            yield number, kind, fingerprint
            continue
        if doubt not in are_settled:
            are_settled[doubt] = _are_settled(json.loads(doubt))
        yield number, kind, fingerprint if are_settled[doubt] else None


def _are_settled(texts: Sequence[str | None]) -> bool:
    """Return whether the first two of four texts, the marks of a content, cover the others."""
    if not all(text is None or isinstance(text, str) for text in texts):
        return False
    held_lastmodified, held_pipeversion, lastmodified, pipeversion = texts
    listed = parse_marks(lastmodified, pipeversion)
    return parse_marks(held_lastmodified, held_pipeversion).cover(listed)
