"""Benchmarks: what the mirror costs beside its peers, measured in one run on one machine.

`python -m benchmarks` measures every row of the table in docs/performance.md. A row is a function
that yields `Measurement`s, named in `benchmarks.rows`; `benchmarks.measuring` has what it needs.
"""
