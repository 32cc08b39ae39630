"""Bytes that others wrote, shown to people."""

from __future__ import annotations

from winter_sync.core.printable import quote_bytes


def test_bytes_are_quoted_as_people_read_them() -> None:
    """ASCII is itself, anything else an escape; never as a programming language writes bytes."""
    assert quote_bytes(b"PK\x03\x04") == r'"PK\x03\x04"'
    assert quote_bytes(b"<!DOCTYPE") == '"<!DOCTYPE"'
    assert quote_bytes(b"\x1b[2J\n") == r'"\x1b[2J\n"'
