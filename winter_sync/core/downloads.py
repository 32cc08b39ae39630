"""Downloads: what may be fetched, what travels together, and how each product ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from winter_sync.core.errors import Cause
from winter_sync.core.products import State

if TYPE_CHECKING:
    from winter_sync.core.marks import Marks
    from winter_sync.core.products import Product
    from winter_sync.core.traits import ImageType, Instrument


class Refetch(StrEnum):
    """Why a product is fetched although a revision of it is here; in the order of fetching."""

    NO = ""
    """It is not here, or its file is missing or changed."""
    ASKED = "asked"
    """A person asked whether the archive still has the same."""
    MARKS = "marks"
    """Its marks changed: the night may have been reprocessed."""
    SPARE = "spare"
    """The daemon compares it with the archive in its spare time."""

    @property
    def keeps_state(self) -> bool:
        """Whether the product counts as here meanwhile: nothing says that it is another."""
        return self in {Refetch.ASKED, Refetch.SPARE}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A product that may be fetched now, under a program that lists it."""

    product: Product
    program: str
    path: str
    """Where it belongs in the tree, relative to the root."""
    attempts: int
    marks: Marks
    expected_size: int
    published_sha256: str | None = None
    refused_sha256: str | None = None
    """Content that was refused long enough ago, although no data seem to be missing in it."""
    state: State = State.WANTED
    """Where it stands before it is fetched: wanted, missing when last asked for, or here."""
    refetch: Refetch = Refetch.NO
    """Why it is fetched although a revision of it is here."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The products of one download request: one program, instrument and type, no name twice."""

    identifier: str
    candidates: tuple[Candidate, ...]

    @property
    def program(self) -> str:
        """The program whose key is used."""
        return self.candidates[0].program

    @property
    def instrument(self) -> Instrument:
        """The instrument of all its products."""
        return self.candidates[0].product.instrument

    @property
    def image_type(self) -> ImageType:
        """The type of all its products."""
        return self.candidates[0].product.image_type

    @property
    def kind(self) -> tuple[str, Instrument, ImageType]:
        """What all its products have in common."""
        return self.program, self.instrument, self.image_type

    @property
    def expected_size(self) -> int:
        """About how many bytes will arrive."""
        return sum(candidate.expected_size for candidate in self.candidates)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Proof, written before the rename, of what was put into the tree and where.

    `path` and `kept` are relative to the root; `kept` is where an older file of the same path
    went, if there was one. `mtime_ns` is the file's modification time, nanoseconds since 1970;
    None in journals of earlier versions. `adopted` says that it was not downloaded.
    `kept_is_revision` says that the file that was kept was the previous revision as it was
    downloaded: a person may have changed it.
    """

    instrument: Instrument
    savepath: str
    path: str
    size: int
    sha256: str
    marks: Marks
    kept: str | None = None
    mtime_ns: int | None = field(default=None, compare=False)
    adopted: bool = False
    kept_is_revision: bool = True


@dataclass(frozen=True, slots=True)
class Published:
    """The product is in the tree; `note` says what is odd about it, if anything."""

    candidate: Candidate
    evidence: Evidence
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """What arrived is byte for byte the revision that the tree already holds."""

    candidate: Candidate
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Missing:
    """The server answered and says that it has no such file."""

    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Failed:
    """The product did not arrive, or not complete.

    `blamed` says whether the product itself was at fault (its bytes were wrong), rather than
    the batch it travelled in. `refused` says whether it arrived complete and was refused for what
    it is, so that the archive holds it like that. `sha256` is that of a refused content of which no
    data seem to be missing: if the very same comes again much later, it is all that there is
    (`winter_sync.core.Fault.leaves_data_whole`); `doubtful` says the same of a file that was here.
    `cause` is for counting: what broke the batch,
    where the product is not to blame.
    """

    candidate: Candidate
    reason: str
    blamed: bool = False
    sha256: str | None = None
    cause: Cause = Cause.OTHER
    refused: bool = False
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class EarlierRevision:
    """An older revision that the tree keeps: its path, relative to the root, bytes and digest."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Adopted:
    """The tree has a whole file of the product that the catalog did not know: none is downloaded.

    `note` says what is odd about it, if anything; `earlier` are its older revisions, the oldest
    first.
    """

    candidate: Candidate
    evidence: Evidence
    note: str | None = None
    earlier: tuple[EarlierRevision, ...] = ()


Outcome = Published | Unchanged | Adopted | Missing | Failed
