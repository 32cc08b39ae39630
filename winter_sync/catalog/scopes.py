"""The part of the catalog that a scope means, as SQL conditions on `products` (named p).

Only our own conditions and names of parameters are put into statements.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.catalog.identities import IDENTIFIED, identities_of
from winter_sync.catalog.values import subject_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from winter_sync.catalog.records import Scope
    from winter_sync.core import ImageType, Instrument


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition in SQL, and the values of its parameters."""

    sql: str
    values: Mapping[str, object]

    def __and__(self, other: Condition) -> Condition:
        """Return the condition that both hold."""
        return Condition(f"{self.sql} AND {other.sql}", {**self.values, **other.values})


EVERYTHING = Condition("1", {})


def parameters(name: str, values: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Return a list of named parameters for `IN (...)`, and their values."""
    named = {f"{name}_{number}": str(value) for number, value in enumerate(values)}
    return ", ".join(f":{parameter}" for parameter in named), named


def within(scope: Scope, also: Condition = EVERYTHING) -> Condition:
    """Return the condition that a product is in a scope and listed now by one of its programs.

    What must hold as well is compared before any listing is looked up.
    """
    return _of_rows(scope) & also & _listed_by_subjects(scope) & listed_now(scope.programs)


def in_scope(scope: Scope) -> Condition:
    """Return the condition that a product is in a scope, whichever programs list it."""
    return _of_rows(scope) & _listed_by_subjects(scope)


def _of_rows(scope: Scope) -> Condition:
    """Return what a scope asks of a product's own row."""
    condition = EVERYTHING
    for part in _parts(scope):
        condition &= part
    return condition


def _parts(scope: Scope) -> Iterator[Condition]:
    for column, words in (
        ("instrument", scope.instruments),
        ("night", tuple(night.name for night in scope.nights)),
    ):
        if words:
            names, values = parameters(column, words)
            yield Condition(f"p.{column} IN ({names})", values)
    if scope.image_types:
        yield of_types(scope.image_types)
    if scope.first_night is not None:
        yield Condition("p.night >= :first_night", {"first_night": scope.first_night.name})
    if scope.last_night is not None:
        yield Condition("p.night <= :last_night", {"last_night": scope.last_night.name})
    if scope.damaged:
        yield Condition("p.damage IS NOT NULL", {})
    if scope.identities:
        yield _among(scope.identities)
    if scope.subjects:
        yield _of_subjects(scope)


def of_types(image_types: Sequence[ImageType]) -> Condition:
    """Return the condition that a product is of one of these types; of any when there are none."""
    if not image_types:
        return EVERYTHING
    names, values = parameters("image_type", image_types)
    return Condition(f"p.image_type IN ({names})", values)


def _among(identities: Sequence[tuple[Instrument, str]]) -> Condition:
    """Return the condition that a product is one of these."""
    return Condition(
        f"p.id IN (SELECT p.id FROM {IDENTIFIED})",  # noqa: S608 - see the top
        {"identities": identities_of(identities)},
    )


def _of_subjects(scope: Scope) -> Condition:
    """Return the condition that one of the scope's subjects is of a product's instrument and type.

    Indexes have what it compares: so that of another type, of which very many may wait, no listing
    is looked up.
    """
    kinds, values = list[str](), dict[str, str]()
    for name, subject in _named_subjects(scope):
        kinds.append(f"(:{name}_instrument, :{name}_image_type)")
        values[f"{name}_instrument"] = subject["instrument"]
        values[f"{name}_image_type"] = subject["image_type"]
    return Condition(f"(+p.instrument, p.image_type) IN (VALUES {', '.join(kinds)})", values)


def _listed_by_subjects(scope: Scope) -> Condition:
    """Return the condition that one of the scope's subjects, if any, listed a product last."""
    if not scope.subjects:
        return EVERYTHING
    rows, values = list[str](), dict[str, str]()
    for name, subject in _named_subjects(scope):
        named = {f"{name}_{key}": value for key, value in subject.items()}
        rows.append(f"({', '.join(f':{parameter}' for parameter in named)})")
        values |= named
    return Condition(
        "+EXISTS (SELECT 1 FROM listings b"  # noqa: S608 - see the top
        " WHERE b.product = p.id AND (b.program, p.instrument, p.image_type, b.region) IN"
        f" (VALUES {', '.join(rows)}))",
        values,
    )


def _named_subjects(scope: Scope) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the subjects of a scope with a name for their parameters, and their values."""
    for number, subject in enumerate(scope.subjects):
        yield f"subject_{number}", subject_values(subject)


def listed_now(programs: Sequence[str]) -> Condition:
    """Return the condition that one of these programs lists a product now."""
    return _listed(programs, " AND l.withdrawn_at IS NULL")


def listed_ever(programs: Sequence[str]) -> Condition:
    """Return the condition that one of these programs lists a product or once did."""
    return _listed(programs, "")


def _listed(programs: Sequence[str], when: str) -> Condition:
    # The sign changes no value. Without it SQLite since 3.51 makes a join of such a condition, and
    # then reads all products of an instrument to choose a few from the head of the queue.
    names, values = parameters("program", programs)
    return Condition(
        f"+EXISTS (SELECT 1 FROM listings l WHERE l.program IN ({names})"  # noqa: S608 - see the top
        f" AND l.product = p.id{when})",
        values,
    )
