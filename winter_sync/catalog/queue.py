"""The queue: products to fetch now or later, and which session is fetching them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from winter_sync.catalog.identities import NUMBER, PATH, PRODUCT
from winter_sync.catalog.programs import of_kinds, unless_all
from winter_sync.catalog.rows import candidate_of, share_of, waiting_of
from winter_sync.catalog.scopes import EVERYTHING, in_scope, listed_now, parameters, within
from winter_sync.catalog.totals import Totals
from winter_sync.catalog.values import identity_values
from winter_sync.core import Refetch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from winter_sync.catalog.connection import Connection
    from winter_sync.catalog.records import Scope, Waiting
    from winter_sync.core import Candidate, ImageType, Share

LONG_AGO = timedelta(hours=1)
"""The same content, received again after this long, is what the archive holds, not half a file."""
_LONGEST_WAIT = timedelta(days=2)
"""No wait is longer: a time further ahead was written by a wrong clock, and counts as past."""
_QUEUED = "p.state IN ('wanted', 'missing') AND p.withdrawn_at IS NULL"
_IS_WANTED = "p.state = 'wanted' AND p.withdrawn_at IS NULL"
_MAY_BE_TRIED = "(p.not_before <= :now OR p.not_before > :too_far)"
_COMPARED = "p.refetch != '' AND p.state = 'published' AND p.withdrawn_at IS NULL"
"""What counts as here, and is fetched again to compare it."""
_ORDER = "p.attempts, p.night DESC, instr(:order, p.image_type), p.filename, p.id"
"""The order of fetching. It sorts all of a night: so by what is in its rows."""


class Queue:
    """The products that are not here, in the order of fetching, and their leases."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._totals = Totals(connection)

    _CANDIDATES = f"""
    WITH chosen AS MATERIALIZED (
      SELECT p.id FROM products p INDEXED BY {{index}}
      WHERE {{queued}} AND p.refetch = :refetch AND p.claimed_by IS NULL
        AND {_MAY_BE_TRIED} AND p.recheck IS NOT 'held'
        AND {{condition}}
      ORDER BY {_ORDER} LIMIT :limit
    )
    SELECT {PRODUCT}, {PATH}, p.attempts, p.size, p.sha256, p.state, p.refetch,
      CASE WHEN p.refused_at <= :long_ago OR p.refused_at > :too_far THEN p.refused_sha256 END
        AS refused_long_ago,
      u.size AS usual_size, group_concat(l.lastmodified, char(10)) AS lastmodified,
      group_concat(l.pipeversion, char(10)) AS pipeversion,
      min(l.program) FILTER (WHERE l.program IN ({{programs}})) AS program
    FROM chosen c CROSS JOIN products p ON p.id = c.id
    LEFT JOIN usual_sizes u ON u.instrument = p.instrument AND u.image_type = p.image_type
    CROSS JOIN listings l ON l.product = p.id
    WHERE l.withdrawn_at IS NULL
    GROUP BY p.id
    ORDER BY {_ORDER}
    """  # noqa: S608 - our own texts

    def candidates(
        self,
        scope: Scope,
        order: Sequence[ImageType],
        limit: int,
        refetch: Refetch = Refetch.NO,
    ) -> list[Candidate]:
        """Return products that may be fetched now: the untroubled and the newest night first.

        Only those that are not here, or only those that are fetched again for one reason.
        Within a night they come in the given order of types. Of several programs of the scope
        that list a product, `program` is the first by name; its marks are those of all that do.
        Products held back until a sample of their night was fetched are left out.
        """
        also = EVERYTHING
        if not refetch.keeps_state:
            if not self._is_any_due(refetch):
                return []
            also = of_kinds(self._connection, scope.programs)
        condition = within(scope, also)
        programs, _ = parameters("program", scope.programs)
        values = {
            **condition.values,
            **self._times(),
            "order": " ".join(order),
            "limit": limit,
            "refetch": refetch.value,
            "long_ago": self._connection.at(-LONG_AGO),
        }
        index, queued = _place_of(refetch)
        sql = self._CANDIDATES.format(
            condition=condition.sql, programs=programs, index=index, queued=queued
        )
        return self._connection.read(candidate_of, sql, values)

    _DUE = f"""
    EXISTS (SELECT 1 FROM products p INDEXED BY products_due
      WHERE {_QUEUED} AND p.refetch = :refetch AND p.claimed_by IS NULL AND p.not_before {{}})
    """  # noqa: S608 - our own conditions
    _ANY_DUE = f"SELECT {_DUE.format('<= :now')} OR {_DUE.format('> :too_far')} AS due"

    def _is_any_due(self, refetch: Refetch) -> bool:
        """Return whether anything at all may be fetched now that is not here.

        Candidates are not in the order of time: there all that waits for later would be read.
        """
        row = self._connection.row(self._ANY_DUE, {**self._times(), "refetch": refetch.value})
        return row is not None and bool(row["due"])

    _COMPARED_BY_KIND = f"""
    SELECT night, instrument, image_type, count(*) AS products, sum(attempts > 0) AS failed
    FROM products p INDEXED BY products_compared
    WHERE {_COMPARED} AND p.refetch = 'asked' AND p.claimed_by IS NULL AND {{condition}}
    GROUP BY night, instrument, image_type
    """  # noqa: S608 - our own conditions
    _WANTED_BY_KIND = f"""
    SELECT night, instrument, image_type, count(*) AS products, sum(attempts > 0) AS failed
    FROM products p INDEXED BY products_queue
    WHERE {_QUEUED} AND p.state = 'wanted' AND p.claimed_by IS NULL
      AND (p.refetch IN ({{reasons}}) OR p.attempts > 0) AND {{condition}}
    GROUP BY night, instrument, image_type
    """  # noqa: S608 - our own conditions
    _CLAIMED = f"""
    SELECT night, instrument, image_type, -count(*) AS products, -sum(attempts > 0) AS failed
    FROM products p INDEXED BY products_claimed
    WHERE p.claimed_by IS NOT NULL AND {_IS_WANTED} AND {{condition}}
    GROUP BY night, instrument, image_type
    """  # noqa: S608 - our own conditions
    _LEFT_OUT = f"""
    SELECT night, instrument, image_type, -count(*) AS products, 0 AS failed
    FROM products p INDEXED BY products_queue
    WHERE {_QUEUED} AND p.state = 'wanted' AND p.claimed_by IS NULL AND p.attempts = 0
      AND p.refetch IN ({{others}}) AND {{condition}}
    GROUP BY night, instrument, image_type
    """  # noqa: S608 - our own conditions
    _SUM_OF_KINDS = """
    SELECT night, instrument, image_type, sum(products) AS products, sum(failed) AS failed
    FROM ({parts}) GROUP BY night, instrument, image_type HAVING sum(products) > 0
    """

    def wanted(
        self, scope: Scope, reasons: Iterable[Refetch] = tuple(Refetch)
    ) -> tuple[Share, ...]:
        """Count products to fetch now or later, and not leased yet, by night and type.

        Those that somebody asked to compare with the archive count, too. What is fetched again for
        other reasons than these, and did not fail, does not.
        """
        condition = within(scope)
        names, chosen = parameters("reason", tuple(reasons))
        others, left = parameters("other", tuple(set(Refetch) - set(reasons)))
        parts, values = [self._COMPARED_BY_KIND], {**condition.values, **chosen, **left}
        if self._totals.may_count(scope):
            counted = self._totals.wanted(scope)
            parts += [counted.sql, self._CLAIMED, *([self._LEFT_OUT] if left else ())]
            values |= counted.values
        else:
            parts.append(self._WANTED_BY_KIND)
        sql = " UNION ALL ".join(
            part.format(condition=condition.sql, reasons=names, others=others) for part in parts
        )
        sql = self._SUM_OF_KINDS.format(parts=sql)
        return tuple(self._connection.read(share_of, sql, values))

    _BY_TIME = f"""
    SELECT p.not_before FROM products p INDEXED BY products_due
    WHERE {_QUEUED} AND p.refetch = r.value AND p.claimed_by IS NULL
      AND p.recheck IS NOT 'held' AND {{condition}}
    ORDER BY p.not_before
    """  # noqa: S608 - our own conditions
    _NEXT_RETRY = f"""
    SELECT min(CASE WHEN not_before > :too_far THEN '' ELSE not_before END) AS soonest
    FROM (
      SELECT ({_BY_TIME} LIMIT 1) AS not_before FROM json_each(json_array({{reasons}})) r
      UNION ALL SELECT ({_BY_TIME} DESC LIMIT 1) FROM json_each(json_array({{reasons}})) r
      UNION ALL SELECT p.not_before FROM products p INDEXED BY products_compared
      WHERE {_COMPARED} AND p.refetch IN ({{reasons}}) AND p.claimed_by IS NULL
        AND {{condition}})
    """  # noqa: S608 - our own conditions

    def next_retry(
        self, scope: Scope, reasons: Iterable[Refetch] = tuple(Refetch)
    ) -> datetime | None:
        """Return when the next product of a scope may be fetched; None if there is none.

        What is fetched again for other reasons than these does not count.
        """
        condition = of_kinds(self._connection, scope.programs) & within(scope)
        names, chosen = parameters("reason", tuple(reasons))
        sql = self._NEXT_RETRY.format(condition=condition.sql, reasons=names)
        row = self._connection.row(sql, {**condition.values, **chosen, **self._times()})
        if row is None or row["soonest"] is None:
            return None
        if not row["soonest"]:
            return self._connection.clock()
        return datetime.fromisoformat(row["soonest"])

    _RETRY_NOW = f"""
    UPDATE products AS p SET state = 'wanted', not_before = ''
    WHERE {_QUEUED} AND p.not_before > '' AND {{condition}}
    """  # noqa: S608 - our own conditions

    def retry_now(self, scope: Scope) -> int:
        """Allow products that failed or were missing to be fetched now, once; return how many."""
        condition = in_scope(scope) & listed_now(scope.programs)
        with self._connection.writing():
            sql = self._RETRY_NOW.format(condition=condition.sql)
            return self._connection.execute(sql, condition.values)

    _WAITING = f"""
    SELECT p.state, count(*) AS products, min(p.not_before) AS soonest
    FROM products p INDEXED BY products_due
    WHERE {_QUEUED} AND p.refetch IN ({{reasons}})
      AND p.not_before > :now AND p.not_before <= :too_far AND {{condition}}
    GROUP BY p.state
    """  # noqa: S608 - our own conditions

    def waiting(self, scope: Scope) -> list[Waiting]:
        """Return how many products of each state wait for a later time, and when that is."""
        condition = in_scope(scope) & unless_all(self._connection, listed_now, scope.programs)
        reasons, values = parameters("reason", tuple(Refetch))
        sql = self._WAITING.format(condition=condition.sql, reasons=reasons)
        bound = {**condition.values, **values, **self._times()}
        return self._connection.read(waiting_of, sql, bound)

    _CLAIM = f"""
    UPDATE products AS p SET claimed_by = :session WHERE p.id = {NUMBER}
      AND p.claimed_by IS NULL AND (p.state IN ('wanted', 'missing') OR p.refetch != '')
      AND {_MAY_BE_TRIED}
    """  # noqa: S608 - our own texts

    def claim(self, candidates: Sequence[Candidate], session: str) -> tuple[Candidate, ...]:
        """Lease products to a session; return those that no other process took meanwhile.

        One that another process asked for in vain meanwhile waits as that one decided.
        """
        values = {"session": session, **self._times()}
        with self._connection.writing():
            return tuple(
                candidate
                for candidate in candidates
                if self._connection.execute(
                    self._CLAIM, {**values, **identity_values(candidate.product)}
                )
            )

    _RELEASE = f"UPDATE products SET claimed_by = NULL WHERE id = {NUMBER}"  # noqa: S608 - our own texts

    def release(self, candidates: Iterable[Candidate]) -> None:
        """Release products unchanged: nothing was learnt about them."""
        with self._connection.writing():
            self._connection.execute_many(
                self._RELEASE, (identity_values(candidate.product) for candidate in candidates)
            )

    def release_all(self, session: str) -> int:
        """Take back all that is leased to one session, none of whose workers is running."""
        with self._connection.writing():
            return self._connection.execute(
                "UPDATE products SET claimed_by = NULL WHERE claimed_by = :session",
                {"session": session},
            )

    def claimants(self) -> list[str]:
        """Return the sessions that have products on lease."""
        rows = self._connection.rows(
            "SELECT DISTINCT claimed_by FROM products WHERE claimed_by IS NOT NULL"
        )
        return [row["claimed_by"] for row in rows]

    def release_sessions(self, alive: Iterable[str], among: Iterable[str] | None = None) -> int:
        """Take back what is leased to sessions that are not alive; return how many products.

        Parameters
        ----------
        alive
            Sessions whose processes live.
        among
            The claimants that are judged. Call `claimants` first, before looking for those alive:
            a session that began in between is in neither, and must keep its leases.
        """
        judged = self.claimants() if among is None else among
        return sum(self.release_all(session) for session in set(judged) - set(alive))

    def _times(self) -> dict[str, str]:
        return {"now": self._connection.now(), "too_far": self._connection.at(_LONGEST_WAIT)}


def _place_of(refetch: Refetch) -> tuple[str, str]:
    """Return the index and the condition of the products that are fetched for a reason."""
    if refetch.keeps_state:
        return "products_compared", _COMPARED
    return "products_queue", _QUEUED
