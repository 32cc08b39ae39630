"""The rows of the table, in its order; each names the function that measures it."""

from __future__ import annotations

from benchmarks.measuring import Row

ROWS = (
    Row("curl", "1.2 GB, beside `curl` and `unzip`", "benchmarks.against_curl:measure"),
    Row("zipping", "A server that zips before its first byte", "benchmarks.zipping:measure"),
    Row("polls", "A poll of rows that are all known", "benchmarks.polls:measure"),
    Row("first_poll", "The first poll of many rows", "benchmarks.polls:measure_first"),
    Row("small", "10,000 files of 6 kB", "benchmarks.small_files:measure"),
    Row("commands", "Commands with nothing to do", "benchmarks.commands:measure"),
    Row("idle", "A daemon with nothing to do", "benchmarks.idle:measure"),
    Row("memory", "Peak memory of `sync`", "benchmarks.memory:measure"),
    Row("decade", "Ten years of the whole survey", "benchmarks.decade:measure"),
    Row("limit", "Beside the least that can be done", "benchmarks.bare:measure"),
    Row("profile", "Where the CPU goes", "benchmarks.profiles:measure"),
    Row("verify", "`verify`, beside `sha256sum -c`", "benchmarks.verify:measure", in_table=False),
    Row(
        "hostile",
        "A daemon under listings made to hurt it",
        "benchmarks.hostile_listing:measure",
        in_table=False,
    ),
    Row(
        "covers",
        "`Mirror.covers` on a million products",
        "benchmarks.covers:measure_row",
        in_table=False,
    ),
    Row("export", "Exports of a large catalog", "benchmarks.export:measure", in_table=False),
)
"""Every row. Add one here; its function takes a `Run` and yields `Measurement`s."""


def named(names: list[str]) -> list[Row]:
    """Return the rows of these names, or those of the table if there are none.

    Raises
    ------
    KeyError
        If there is no row of a name.
    """
    by_name = {row.name: row for row in ROWS}
    return [by_name[name] for name in names] or [row for row in ROWS if row.in_table]
