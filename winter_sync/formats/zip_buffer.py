"""The bytes of a zip that have arrived and are not read yet, and where its damage is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.core import DamagedError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Generator


class Buffer:
    """What has arrived and is not read yet.

    `take`, `wait_for` and `skip` are generators: each yields None whenever more must arrive first.
    """

    def __init__(self) -> None:
        self.pending = b""
        self.at = 0
        """Where in `pending` the next byte to be read is."""
        self.damage: DamagedError | None = None
        """Why the archive can no longer be followed; None as long as it can."""
        self._consumed = 0

    @property
    def offset(self) -> int:
        """How many bytes of the archive have been read."""
        return self._consumed + self.at

    @property
    def arrived(self) -> int:
        """How many bytes of the archive have arrived."""
        return self._consumed + len(self.pending)

    @property
    def left(self) -> int:
        """How many bytes have arrived and are not read yet."""
        return len(self.pending) - self.at

    def add(self, block: bytes) -> None:
        """Add the next bytes; those that are read are forgotten."""
        self._consumed += self.at
        self.pending = self.pending[self.at :] + block if self.left else block
        self.at = 0

    def take(self, count: int) -> Generator[None, None, bytes]:
        """Read the given number of bytes."""
        while len(self.pending) - self.at < count:
            yield None
        taken = self.pending[self.at : self.at + count]
        self.at += count
        return taken

    def wait_for(self, count: int) -> Generator[None, None, None]:
        """Return once the given number of bytes can be read."""
        while self.left < count:
            yield None

    def skip(self, count: int) -> Generator[None, None, None]:
        """Pass over the given number of bytes."""
        while count:
            step = min(count, self.left)
            self.at += step
            count -= step
            if count:
                yield None

    def view(self, count: int) -> memoryview:
        """Read the given number of bytes, which have arrived, without copying them."""
        data = memoryview(self.pending)[self.at : self.at + count]
        self.at += count
        return data

    def damaged(self, fault: str) -> DamagedError:
        """Record what is wrong with the archive, at the byte to be read next; return the error."""
        self.damage = DamagedError(
            f"the zip is damaged at byte {self.offset}: {fault}", code=ErrorCode.FILE_ZIP
        )
        return self.damage
