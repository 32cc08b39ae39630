"""The outcomes of fetching: recorded, and leases ended."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from winter_sync.catalog.identities import (
    ALL_OF_PRODUCT,
    IDENTIFIED,
    IDENTITY,
    NUMBER,
    identity_of,
)
from winter_sync.catalog.outbox import ABOUT, Outbox
from winter_sync.catalog.rechecks import Rechecks
from winter_sync.catalog.records import Refetched
from winter_sync.catalog.refetches import Refetches
from winter_sync.catalog.rows import product_of, settled_marks_of
from winter_sync.catalog.values import digest_bytes, identity_values, settled_mark_values
from winter_sync.core import (
    Adopted,
    EventKind,
    Failed,
    Instrument,
    Marks,
    Missing,
    Published,
    Refetch,
    State,
    Unchanged,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import timedelta

    from winter_sync.catalog.connection import Connection
    from winter_sync.core import Evidence, ImageType, Outcome, Product, Share

_RECENT = 100
"""About as many of the last published products of a type predict the size of the next."""
_IDENTITY = f"id = {NUMBER}"


class Outcomes:
    """The results of fetching."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rechecks = Rechecks(connection)
        self._outbox = Outbox(connection)
        self._refetches = Refetches(connection)
        self._arrived: defaultdict[tuple[Instrument, ImageType], list[int]] = defaultdict(list)

    def commit(
        self, outcomes: Sequence[Outcome], when_again: Callable[[int, Outcome], timedelta]
    ) -> tuple[Share, ...]:
        """Record the outcomes of claimed products, and end their leases, in one transaction.

        `when_again` returns the wait before the next attempt from the number of attempts so far.

        Returns
        -------
        tuple of Share
            Products that need not be fetched again after all: a sample of them had not changed.
        """
        self._arrived.clear()
        with self._connection.writing():
            refetched = list[Refetched]()
            contents = self._contents(outcome.candidate.product for outcome in outcomes)
            for outcome in outcomes:
                held = contents.get(outcome.candidate.product.identity)
                match outcome:
                    case Published(candidate, evidence):
                        refetched += self._hold(candidate.product, held, evidence)
                    case Unchanged(candidate, evidence):
                        refetched += self._hold(candidate.product, held, evidence, untouched=True)
                    case Adopted():
                        self._adopt(outcome)
                    case Missing(candidate) | Failed(candidate):
                        attempts = candidate.attempts + 1
                        not_before = self._connection.at(when_again(attempts, outcome))
                        self._postpone(outcome, held, attempts, not_before)
                        refetched += _refused(outcome)
            self._count_sizes()
            self._refetches.count(refetched)
            return self._rechecks.proceed(outcome.candidate.product for outcome in outcomes)

    def adopt(self, evidence: Evidence) -> bool:
        """Record a file that a crash left in the tree between its rename and its commit.

        Return whether the catalog did not know it yet.
        """
        with self._connection.writing():
            row = self._connection.row(
                f"SELECT {ALL_OF_PRODUCT} FROM products p WHERE {_IDENTITY}",  # noqa: S608 - our own condition
                identity_of(evidence.instrument, evidence.savepath),
            )
            if row is None or (row["state"] == "published" and row["sha256"] == evidence.sha256):
                return False
            product = product_of(row)
            self._refetches.count(self._hold(product, self._content(product), evidence))
            self._count_sizes()
            self._rechecks.proceed([product])
            return True

    _CONTENT = f"""
    SELECT {IDENTITY}, {ABOUT}, p.state, p.revision, p.sha256, p.recheck, p.refetch,
      p.published_ms, p.confirmed_ms, p.settled_lastmodified, p.settled_pipeversion
    FROM {IDENTIFIED}
    """  # noqa: S608 - our own texts

    def _content(self, product: Product) -> dict[str, Any] | None:
        return self._contents([product]).get(product.identity)

    def _contents(
        self, products: Iterable[Product]
    ) -> dict[tuple[Instrument, str], dict[str, Any]]:
        """Return what is known of the content of products, by what identifies them."""
        identities = (product.identity for product in products)
        return {
            (Instrument(row["instrument"]), row["savepath"]): row
            for row in self._connection.rows_about(self._CONTENT, identities)
        }

    _COUNT_EARLIER = f"""
    UPDATE products SET revision = :earlier WHERE {_IDENTITY} AND revision = 0
    """  # noqa: S608 - our own condition
    _ADD_EARLIER = f"""
    INSERT INTO revisions (product, revision, size, sha256, published_at, replaced_at, kept)
    VALUES ({NUMBER}, :revision, :size, :sha256, :now, :now, :kept)
    """  # noqa: S608 - our own texts

    def _adopt(self, adopted: Adopted) -> None:
        """Record a file that was here before the catalog knew it, and its older revisions."""
        product, evidence = adopted.candidate.product, adopted.evidence
        identity = {**identity_values(product), "now": self._connection.now()}
        counted = {**identity, "earlier": len(adopted.earlier)}
        is_new = bool(self._connection.execute(self._COUNT_EARLIER, counted))
        self._hold(product, self._content(product), evidence)
        for number, earlier in enumerate(adopted.earlier if is_new else (), start=1):
            values = {
                **identity,
                "revision": number,
                "size": earlier.size,
                "sha256": earlier.sha256,
                "kept": earlier.path,
            }
            self._connection.execute(self._ADD_EARLIER, values)
            self._record_kept(product, earlier.path)

    _STILL = """
    UPDATE products SET state = 'published', attempts = 0, not_before = '', last_error = NULL,
      refused_sha256 = NULL, refused_at = NULL, damage = NULL, damage_reason = NULL, refetch = '',
      claimed_by = NULL, recheck = :recheck, size = :size, digest = :digest, mtime_ns = :mtime_ns,
      checked_ms = :now, confirmed_ms = :confirmed_ms,
      settled_lastmodified_s = :settled_lastmodified_s, settled_pipeversion = :settled_pipeversion
    """
    _STILL_HOLD = f"{_STILL} WHERE id = :id"
    """When it was published, and what its header says, stays."""
    _HOLD = f"""
    {_STILL}, revision = :revision, published_ms = :now, facts_due = 1 WHERE id = :id
    """

    def _hold(
        self,
        product: Product,
        held: dict[str, Any] | None,
        evidence: Evidence,
        *,
        untouched: bool = False,
    ) -> Sequence[Refetched]:
        """Record that the tree holds this content of a product; return whether it was a re-fetch.

        `held` is what is known of its content. `untouched` says that the tree held this one before,
        so that nothing was put there.
        """
        if held is not None and held["recheck"] is not None:
            held = self._content(product)  # another product may have ended the recheck meanwhile
        if held is None:
            return ()
        is_new = held["sha256"] != evidence.sha256
        revision = held["revision"] + int(is_new)
        settled = settled_marks_of(held).united(evidence.marks)
        now = self._connection.now_ms()
        unmoved = untouched and not is_new
        values = {
            "id": held["id"],
            "revision": revision,
            "size": evidence.size,
            "digest": digest_bytes(evidence.sha256),
            "mtime_ns": evidence.mtime_ns,
            "now": now,
            "confirmed_ms": _confirmed_ms(held, evidence, now, is_new=is_new, unmoved=unmoved),
            "recheck": None if is_new or held["recheck"] is None else "same",
            **settled_mark_values(settled),
        }
        self._connection.execute(self._STILL_HOLD if unmoved else self._HOLD, values)
        if is_new:
            self._add_revision(held["id"], evidence, revision, settled)
            self._arrived[product.instrument, product.image_type].append(evidence.size)
            self._tell_of_content(product, held, evidence, revision)
        if is_new and held["recheck"] is not None:
            self._rechecks.end(product)
        if evidence.kept is not None:
            self._record_kept(product, evidence.kept)
        reason = Refetch(held["refetch"])
        return (Refetched(reason, evidence.size, 1, int(is_new)),) if reason else ()

    _COUNT_SIZES = """
    INSERT INTO usual_sizes AS u (instrument, image_type, size, products)
    VALUES (:instrument, :image_type, :size, :products) ON CONFLICT DO UPDATE SET
      size = u.size + (excluded.size - u.size)
        * min(:products, :recent) / min(u.products + :products, :recent),
      products = u.products + :products
    """

    def _count_sizes(self) -> None:
        """Take the sizes of what arrived into the averages of their cameras and types."""
        for (instrument, image_type), sizes in self._arrived.items():
            values = {
                "instrument": instrument.value,
                "image_type": image_type.value,
                "size": sum(sizes) / len(sizes),
                "products": len(sizes),
                "recent": _RECENT,
            }
            self._connection.execute(self._COUNT_SIZES, values)
        self._arrived.clear()

    def _tell_of_content(
        self, product: Product, held: dict[str, Any], evidence: Evidence, revision: int
    ) -> None:
        """Record the event that the tree holds content of a product that it did not hold before."""
        downloaded = EventKind.DOWNLOADED if revision == 1 else EventKind.REPLACED
        self._outbox.append_product(
            EventKind.ADOPTED if evidence.adopted else downloaded,
            product,
            about=held,
            revision=revision,
            path=evidence.path,
            previous_sha256=held["sha256"],
            pipeline=evidence.marks.pipeversion if evidence.adopted else None,
            kept=evidence.kept,
        )

    _REPLACE_REVISION = """
    UPDATE revisions SET replaced_at = :now, kept = :kept
    WHERE product = :product AND revision = :revision - 1
    """
    _ADD_REVISION = """
    INSERT INTO revisions (product, revision, size, sha256, published_at, lastmodified, pipeversion)
    VALUES (:product, :revision, :size, :sha256, :now, :lastmodified, :pipeversion)
    """

    def _add_revision(self, number: int, evidence: Evidence, revision: int, settled: Marks) -> None:
        """Record that a revision was replaced, and its successor if `products` does not say all."""
        marks = Marks() if evidence.adopted else evidence.marks
        if revision == 1 and marks == settled:
            return
        values = {
            "product": number,
            "revision": revision,
            "size": evidence.size,
            "sha256": evidence.sha256,
            "kept": evidence.kept if evidence.kept_is_revision else None,
            "lastmodified": marks.lastmodified,
            "pipeversion": marks.pipeversion,
            "now": self._connection.now(),
        }
        if revision > 1:
            self._connection.execute(self._REPLACE_REVISION, values)
        if marks != settled:
            self._connection.execute(self._ADD_REVISION, values)

    _KEEP = f"""
    INSERT INTO kept_files (path, product, kept_at)
    VALUES (:path, {NUMBER}, :now) ON CONFLICT DO NOTHING
    """  # noqa: S608 - our own texts

    def _record_kept(self, product: Product, path: str) -> None:
        """Record a file that was moved aside."""
        values = {"path": path, **identity_values(product), "now": self._connection.now()}
        self._connection.execute(self._KEEP, values)

    def _postpone(
        self,
        outcome: Missing | Failed,
        known: dict[str, Any] | None,
        attempts: int,
        not_before: str,
    ) -> None:
        """Record that a product did not arrive, and when it is fetched again."""
        candidate = outcome.candidate
        if known is None:
            return
        columns = {"attempts": attempts, "not_before": not_before, "recheck": None}
        if candidate.refetch.keeps_state:
            # Only a comparison did not come about: what is here is as good as before.
            self._end_lease(known["id"], columns)
            return
        match outcome:
            case Missing() if not self._lists(known["id"], candidate.program):
                # The program's key no longer opens it, which says nothing of the file.
                self._end_lease(known["id"], columns)
            case Missing():
                settled = settled_marks_of(known).united(candidate.marks)
                columns |= {"state": State.MISSING.value, "last_error": None}
                columns |= settled_mark_values(settled)
                self._end_lease(known["id"], columns)
                if known["state"] != State.MISSING:
                    self._outbox.append_product(EventKind.MISSING, candidate.product, about=known)
            case Failed():
                columns |= {"state": State.WANTED.value, "last_error": outcome.reason}
                self._end_lease(known["id"], columns)
                self._record_refusal(candidate.product, outcome.sha256)

    _LISTS = """
    SELECT 1 AS listed FROM listings
    WHERE product = :number AND program = :program AND withdrawn_at IS NULL AND missed_in IS NULL
    """

    def _lists(self, number: int, program: str) -> bool:
        """Return whether a program listed a product when it was last asked."""
        values = {"number": number, "program": program}
        return self._connection.row(self._LISTS, values) is not None

    _RECORD_REFUSAL = f"""
    UPDATE products SET refused_sha256 = :sha256, refused_at = :now
    WHERE {_IDENTITY} AND refused_sha256 IS NOT :sha256
    """  # noqa: S608 - our own condition

    def _record_refusal(self, product: Product, sha256: str | None) -> None:
        """Record when this content, which contradicts itself, was first received."""
        if sha256 is not None:
            values = {"sha256": sha256, "now": self._connection.now(), **identity_values(product)}
            self._connection.execute(self._RECORD_REFUSAL, values)

    def _end_lease(self, number: int, columns: dict[str, Any]) -> None:
        """Set columns of a product, and end its lease."""
        self._connection.update_product(number, {**columns, "claimed_by": None})


def _refused(outcome: Missing | Failed) -> Sequence[Refetched]:
    """Return what a re-fetch that brought nothing has cost: a refused product did arrive."""
    if isinstance(outcome, Failed) and outcome.blamed and outcome.candidate.refetch:
        return (Refetched(outcome.candidate.refetch, outcome.candidate.expected_size),)
    return ()


def _confirmed_ms(
    held: dict[str, Any], evidence: Evidence, now: int, *, is_new: bool, unmoved: bool
) -> int | None:
    """Return when the archive last sent what is here, as `products.confirmed_ms` has it."""
    if evidence.adopted and is_new:
        return 0
    if evidence.adopted:
        confirmed: int | None = held["confirmed_ms"]
        return held["published_ms"] if confirmed is None else confirmed
    return now if unmoved else None
