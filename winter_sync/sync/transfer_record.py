"""A small file of how the last downloads went, so that the next process need not learn again.

It is only good for speed: if it is lost, or holds nonsense, nothing is known of the server, which
is how every mirror begins. So it is written in place, and not forced to the disk.
"""

from __future__ import annotations

import json
import math
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from winter_sync.sync.server_model import Transfer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SERVER_RECORD = "server.json"
"""The name of the file in the mirror's own directory."""
_LARGEST_FILE = 65_536
_WRITING = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


class TransferRecord:
    """The file of one mirror.

    Parameters
    ----------
    directory
        The mirror's own directory; None to keep nothing.
    address
        The archive's; what another server did does not count.
    """

    def __init__(self, directory: Path | None, address: str) -> None:
        self._directory = directory
        self._address = address

    def read(self) -> tuple[Transfer, ...]:
        """Return how the last downloads went; nothing if that is not known."""
        if self._directory is None:
            return ()
        try:
            with (self._directory / SERVER_RECORD).open("rb") as file:
                said = json.loads(file.read(_LARGEST_FILE))
            return _transfers(said["transfers"]) if said["address"] == self._address else ()
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return ()

    def write(self, transfers: Sequence[Transfer]) -> None:
        """Keep how the last downloads went; a disk that cannot take it is left alone."""
        if self._directory is None:
            return
        kept = [
            [each.at, each.products, each.size, each.waited, each.receiving] for each in transfers
        ]
        content = json.dumps({"address": self._address, "transfers": kept}).encode()
        with suppress(OSError):
            descriptor = os.open(self._directory / SERVER_RECORD, _WRITING, 0o666)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)


def _transfers(rows: Any) -> tuple[Transfer, ...]:  # noqa: ANN401 - whatever the file holds
    """Return what rows of the file say.

    Raises
    ------
    ValueError, TypeError
        If they make no sense.
    """
    return tuple(
        Transfer(
            _number(at),
            int(_number(products)),
            int(_number(size)),
            None if waited is None else _number(waited),
            _number(receiving),
        )
        for at, products, size, waited, receiving in rows
    )


def _number(value: Any) -> float:  # noqa: ANN401 - whatever the file holds
    number = float(value)
    if not math.isfinite(number) or number < 0:
        raise ValueError
    return number
