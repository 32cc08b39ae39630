"""How products are counted by night, kind, state and who lists them, as SQL."""

from __future__ import annotations

from winter_sync.core import NOT_KEPT

KEY = "night, instrument, image_type, state, withdrawn, damaged, failed, listed_by"
BYTES = "coalesce({0}.size, 0)"
NOT_KEPT_TYPES = f"({', '.join(f'{str(image_type)!r}' for image_type in NOT_KEPT)})"
"""What `QueueCount.not_kept` is of, as SQL."""


def kind_of(row: str) -> str:
    """Return the columns by which a product counts, all but who lists it, as SQL."""
    return f"""
    {row}.night AS night, {row}.instrument AS instrument, {row}.image_type AS image_type,
    {row}.state AS state, {row}.withdrawn_at IS NOT NULL AS withdrawn,
    {row}.damage IS NOT NULL AS damaged, {row}.attempts > 0 AS failed
    """


def listed_by(product: str, listed: str = "withdrawn_at IS NULL", more: str = "") -> str:
    """Return the programs that list a product or did, and whether they do now, as SQL.

    NULL if there are none. `more` is a condition on `listings`, or further rows.
    """
    return f"""
    (SELECT group_concat(json_array(program, is_listed)) FROM (
      SELECT program, {listed} AS is_listed FROM listings WHERE product = {product} {more}
      ORDER BY program))
    """  # noqa: S608 - our own words


COUNTED = f"""
SELECT {KEY}, count(*) AS products, sum(bytes) AS bytes FROM (
  SELECT {kind_of("p")}, {listed_by("p.id")} AS listed_by, {BYTES.format("p")} AS bytes
  FROM products p)
WHERE listed_by IS NOT NULL GROUP BY {KEY}
"""  # noqa: S608 - our own words
"""What `night_totals` has, but for rows of no products, counted anew."""
