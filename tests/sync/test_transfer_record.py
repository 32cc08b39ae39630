"""What was learnt of the server is known to the next process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from winter_sync.sync.server_model import Transfer
from winter_sync.sync.transfer_record import SERVER_RECORD, TransferRecord

if TYPE_CHECKING:
    from pathlib import Path

URL = "http://archive.example.org"
numbers = st.floats(0, 1e9)
transfers = st.builds(
    Transfer, numbers, st.integers(0, 999), st.integers(0, 10**12), st.none() | numbers, numbers
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.lists(transfers, max_size=40))
def test_what_was_written_is_read(tmp_path: Path, known: list[Transfer]) -> None:
    """Number for number; of another server nothing is known."""
    TransferRecord(tmp_path, URL).write(known)
    assert TransferRecord(tmp_path, URL).read() == tuple(known)
    assert TransferRecord(tmp_path, "http://another.example.org").read() == ()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"address": "http://archive.example.org"}',
        b"[" * 60_000,
        b'{"address": "http://archive.example.org", "transfers": [[1, 1, 1e999, 1, 1]]}',
        *(
            json.dumps({"address": URL, "transfers": nonsense}).encode()
            for nonsense in (
                [[1]],
                [["x", 1, 1, 1, 1]],
                [[1, 1, -1, 1, 1]],
                7,
                [[1, 1, 1e999, 1, 1]],
            )
        ),
    ],
)
def test_nonsense_is_nothing_known(tmp_path: Path, content: bytes) -> None:
    """Whatever became of the file, a mirror begins as a new one does."""
    (tmp_path / SERVER_RECORD).write_bytes(content)
    record = TransferRecord(tmp_path, URL)
    assert record.read() == ()
    record.write([Transfer(1.0, 1, 1, 1.0, 1.0)])
    assert len(record.read()) == 1


def test_a_directory_that_cannot_be_written_is_left_alone(tmp_path: Path) -> None:
    """What is learnt is lost then, and nothing else."""
    (tmp_path / SERVER_RECORD).mkdir()
    record = TransferRecord(tmp_path, URL)
    record.write([Transfer(1.0, 1, 1, 1.0, 1.0)])
    assert record.read() == ()
    nowhere = TransferRecord(tmp_path / "gone", URL)
    nowhere.write([])
    assert nowhere.read() == ()
    assert TransferRecord(None, URL).read() == ()
