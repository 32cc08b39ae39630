"""A catalog that was used for a while: programs, nights, states, positions, facts of images."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from support.catalogs import OTHER, poll, query, subject
from support.makers import PROGRAM, candidate, evidence, path_of, product, row

from winter_sync.catalog.records import Check, Poll
from winter_sync.core.downloads import Missing, Published
from winter_sync.core.products import Damage
from winter_sync.core.sphere import Footprint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from winter_sync.catalog.catalog import Catalog
    from winter_sync.core.facts import Facts
    from winter_sync.core.products import Product, Row


def enter(catalog: Catalog, rows: Iterable[Row], program: str = PROGRAM) -> None:
    """Record a poll that lists these rows."""
    listed = [(each, path_of(each.product)) for each in rows]
    found = Poll(query(subject(program)), sweep=False, listed=len(listed))
    catalog.listings.record_poll(found, listed=listed)


def at(one: Product, ra: float, dec: float, target: str | None = None, fid: int = 2) -> Row:
    """Return the listing of a product at a position."""
    return replace(row(one), ra=ra, dec=dec, target=target, fid=fid)


def publish(catalog: Catalog, one: Product, facts: Facts | None = None) -> None:
    """Record that a product was downloaded, and its facts."""
    outcome = Published(candidate(one), evidence(one, one.savepath.encode()))
    catalog.outcomes.commit([outcome], lambda *_: timedelta())
    if facts is not None:
        (held,) = (each for each in catalog.facts.due(10_000) if each.product == one)
        catalog.facts.record([(held, facts)])


def miss(catalog: Catalog, one: Product) -> None:
    """Record that the archive has no file of a product."""
    catalog.outcomes.commit([Missing(candidate(one))], lambda *_: timedelta(days=1))


def withdraw(catalog: Catalog, *products: Product, program: str = PROGRAM) -> None:
    """Record that the archive no longer lists products under a program."""
    poll(catalog, program=program, withdrawn=products)


def damage(catalog: Catalog, one: Product) -> None:
    """Record that the file of a product was found missing."""
    (held,) = (each for each in catalog.facts.due(10_000) if each.product == one)
    catalog.checks.record([Check(held, Damage.MISSING, "gone")])


def square(ra: float, dec: float, half: float = 0.25) -> Footprint:
    """Return a footprint around a position away from the poles."""
    return Footprint(
        (
            (ra - half, dec - half),
            (ra + half, dec - half),
            (ra + half, dec + half),
            (ra - half, dec + half),
        )
    )


def used(catalog: Catalog) -> dict[str, Product]:
    """Fill a catalog with one product of each state, of two programs; return them by state."""
    by_state = dict(
        zip(
            ("downloaded", "pending", "missing", "withdrawn", "damaged"),
            map(product, range(5)),
            strict=True,
        )
    )
    enter(catalog, (at(entry, 150.0, 17.0, "SN2024wex") for entry in by_state.values()))
    enter(catalog, [at(by_state["downloaded"], 150.0, 17.0, "SN2024wex")], OTHER)
    for state in ("downloaded", "withdrawn", "damaged"):
        publish(catalog, by_state[state])
    miss(catalog, by_state["missing"])
    damage(catalog, by_state["damaged"])
    withdraw(catalog, by_state["withdrawn"])
    return by_state
