"""The listings of the archive: compared with an answer, recorded, withdrawn."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from winter_sync.catalog.outbox import Outbox
from winter_sync.catalog.polls import add_poll
from winter_sync.catalog.rechecks import Rechecks
from winter_sync.catalog.rows import known_of, product_of
from winter_sync.catalog.values import (
    identity_values,
    listing_values,
    product_values,
    subject_values,
)
from winter_sync.core import EventKind, Instrument

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from winter_sync.catalog.connection import Connection
    from winter_sync.catalog.records import Poll
    from winter_sync.core import KnownProduct, Product, Query, Row


class Listings:
    """The products that the archive lists, and by which program, region and date."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rechecks = Rechecks(connection)
        self._outbox = Outbox(connection)

    _KNOWN = """
    SELECT instrument, savepath, image_type, night, state, withdrawn_at,
      settled_lastmodified, settled_pipeversion
    FROM products WHERE instrument = :instrument AND savepath IN ({savepaths})
    """

    def known(self, identities: Iterable[tuple[Instrument, str]]) -> list[KnownProduct]:
        """Return what is known of these products; nothing of those that were never listed."""
        rows = self._connection.rows_about(self._KNOWN, identities)
        return self._connection.converted(known_of, rows)

    _EXPECTED = """
    SELECT p.instrument, p.savepath, p.image_type, p.night
    FROM listings l JOIN products p USING (instrument, savepath)
    WHERE l.program = :program AND l.instrument = :instrument AND p.image_type = :image_type
      AND l.region = :region AND l.withdrawn_at IS NULL
      AND l.nightdate >= :first AND l.nightdate < :end AND l.nightdate <= :today
    """

    def expected(self, query: Query, today: date) -> list[Product]:
        """Return the products that this query, asked before, listed, and must list again.

        Only those well inside its dates count, because how the server treats the ends is
        inferred; of a query without an end, those up to `today`, the server's date; and only
        those this very region listed last.
        """
        dates = {
            "first": query.start + timedelta(days=1),
            "end": query.end or date.max,
            "today": today,
        }
        values = {name: day.isoformat() for name, day in dates.items()}
        return self._connection.read(
            product_of, self._EXPECTED, {**subject_values(query.subject), **values}
        )

    _PROGRAMS = """
    SELECT instrument, savepath, program FROM listings
    WHERE instrument = :instrument AND savepath IN ({savepaths}) AND withdrawn_at IS NULL
    """

    def programs(
        self, identities: Iterable[tuple[Instrument, str]]
    ) -> dict[tuple[Instrument, str], tuple[str, ...]]:
        """Return the programs that list each of these products now."""
        found: defaultdict[tuple[Instrument, str], tuple[str, ...]] = defaultdict(tuple)
        for row in self._connection.rows_about(self._PROGRAMS, identities):
            found[Instrument(row["instrument"]), row["savepath"]] += (row["program"],)
        return found

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
            All rows, each with the path of its product below the root.
        wanted
            Those rows whose products are known and whose content must be fetched again.
        withdrawn
            Products that this poll should have listed and did not.

        Returns
        -------
        list of Product
            New products that were left out, because another product has their path already.
        """
        with self._connection.writing():
            now = self._connection.now()
            self._enter(listed, now)
            rows, left_out = self._split([row for row, _ in listed])
            self._list(rows, poll.query, now)
            self._want(wanted)
            self._withdraw(poll.query.subject.program, withdrawn, now)
            self._rechecks.proceed([*(row.product for row in wanted), *withdrawn])
            add_poll(self._connection, replace(poll, new=poll.new - len(left_out)))
        return left_out

    _ENTER = """
    INSERT INTO products (instrument, savepath, image_type, night, filename, path, state,
      first_listed, last_listed)
    VALUES (:instrument, :savepath, :image_type, :night, :filename, :path, 'wanted', :now, :now)
    ON CONFLICT DO NOTHING
    """

    def _enter(self, listed: Sequence[tuple[Row, str]], now: str) -> None:
        records = (product_values(row.product, path, now) for row, path in listed)
        self._connection.execute_many(self._ENTER, records)

    _PRESENT = """
    SELECT instrument, savepath FROM products
    WHERE instrument = :instrument AND savepath IN ({savepaths})
    """

    def _split(self, rows: Sequence[Row]) -> tuple[list[Row], list[Product]]:
        """Return the rows whose products are in the catalog, and the products that are not."""
        identities = (row.product.identity for row in rows)
        present = {
            (Instrument(found["instrument"]), found["savepath"])
            for found in self._connection.rows_about(self._PRESENT, identities)
        }
        left_out = [row.product for row in rows if row.product.identity not in present]
        return [row for row in rows if row.product.identity in present], left_out

    _SEEN = """
    UPDATE products SET last_listed = :now WHERE instrument = :instrument AND savepath = :savepath
    """
    _WITHDRAWN = """
    SELECT instrument, savepath, image_type, night FROM products
    WHERE instrument = :instrument AND savepath IN ({savepaths}) AND withdrawn_at IS NOT NULL
    """
    _RETURN = """
    UPDATE products SET withdrawn_at = NULL
    WHERE instrument = :instrument AND savepath = :savepath
    """
    _LIST = """
    INSERT INTO listings (program, instrument, savepath, region, target, nightdate, ra, dec, fid,
      utctime, fieldid, lastmodified, pipeversion, extra, progname, first_listed, last_listed)
    VALUES (:program, :instrument, :savepath, :region, :target, :nightdate, :ra, :dec, :fid,
      :utctime, :fieldid, :lastmodified, :pipeversion, :extra, :progname, :now, :now)
    ON CONFLICT (program, instrument, savepath) DO UPDATE SET region = excluded.region,
      target = excluded.target, nightdate = excluded.nightdate, ra = excluded.ra,
      dec = excluded.dec, fid = excluded.fid, utctime = excluded.utctime,
      fieldid = excluded.fieldid, lastmodified = excluded.lastmodified,
      pipeversion = excluded.pipeversion, extra = excluded.extra, progname = excluded.progname,
      last_listed = excluded.last_listed, withdrawn_at = NULL
    """

    def _list(self, rows: Sequence[Row], query: Query, now: str) -> None:
        """Record that these products are listed, under the program that was asked for.

        It is that program's key which can fetch them, whatever `progname` a row has.
        """
        identities = [{"now": now, **identity_values(row.product)} for row in rows]
        self._connection.execute_many(self._SEEN, identities)
        records = (listing_values(row, query, now) for row in rows)
        self._connection.execute_many(self._LIST, records)
        self._return([row.product for row in rows])

    def _return(self, products: Sequence[Product]) -> None:
        """Record which of these listed products had been withdrawn."""
        rows = self._connection.rows_about(
            self._WITHDRAWN, (product.identity for product in products)
        )
        for product in self._connection.converted(product_of, rows):
            self._connection.execute(self._RETURN, identity_values(product))
            self._outbox.append_product(EventKind.RETURNED, product)

    _WANT = """
    UPDATE products SET state = 'wanted', attempts = 0, not_before = '', last_error = NULL,
      recheck = CASE WHEN sha256 IS NULL OR damage IS NOT NULL THEN NULL ELSE 'held' END,
      refetch = CASE WHEN sha256 IS NULL OR damage IS NOT NULL THEN '' ELSE 'marks' END
    WHERE instrument = :instrument AND savepath = :savepath
    """

    def _want(self, rows: Sequence[Row]) -> None:
        self._connection.execute_many(self._WANT, (identity_values(row.product) for row in rows))

    _UNLIST = """
    UPDATE listings SET withdrawn_at = :now
    WHERE program = :program AND instrument = :instrument AND savepath = :savepath
    """
    _WITHDRAW = """
    UPDATE products SET withdrawn_at = :now WHERE instrument = :instrument AND savepath = :savepath
      AND withdrawn_at IS NULL AND NOT EXISTS (SELECT 1 FROM listings l
        WHERE l.instrument = products.instrument AND l.savepath = products.savepath
        AND l.withdrawn_at IS NULL)
    """

    def _withdraw(self, program: str, products: Sequence[Product], now: str) -> None:
        for product in products:
            record = {"now": now, "program": program, **identity_values(product)}
            self._connection.execute(self._UNLIST, record)
            if self._connection.execute(self._WITHDRAW, record):
                self._outbox.append_product(EventKind.WITHDRAWN, product)
