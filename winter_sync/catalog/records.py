"""The records of the catalog, as frozen types: scopes, polls, counts, troubles, files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from winter_sync.core import Damage, Evidence, Marks, State

if TYPE_CHECKING:
    from datetime import datetime

    from winter_sync.core import (
        ImageType,
        Instrument,
        Night,
        OutboxEvent,
        Product,
        Query,
        Refetch,
        Subject,
    )


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of the catalog that a run works on.

    An empty tuple means all types, instruments or subjects, but no programs means nothing at all.
    With subjects, a product counts if one of them listed it last.
    """

    programs: tuple[str, ...]
    image_types: tuple[ImageType, ...] = ()
    instruments: tuple[Instrument, ...] = ()
    first_night: Night | None = None
    last_night: Night | None = None
    subjects: tuple[Subject, ...] = ()
    nights: tuple[Night, ...] = ()
    """Only these nights; all of the span when empty."""
    damaged: bool = False
    """Only products whose file was found missing or changed."""
    identities: tuple[tuple[Instrument, str], ...] = ()
    """Only these products; all when empty."""

    def of_everyone(self) -> Scope:
        """Return this scope for any program, region or target."""
        return replace(self, programs=(), subjects=())


@dataclass(frozen=True, slots=True)
class Poll:
    """What one poll did, as it is recorded."""

    query: Query
    sweep: bool
    listed: int = 0
    new: int = 0
    changed: int = 0
    returned: int = 0
    withdrawn: int = 0
    faults: int = 0
    seconds: float = 0.0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class RecordedPoll:
    """A poll as it was recorded, and what followed from it."""

    poll: Poll
    """Less what was left out, with what was withdrawn."""
    left_out: list[Product]
    """New products whose path another product has already."""
    held: list[Product]
    """Products that vanished and are not believed to be withdrawn yet."""
    newly_held: int = 0
    """How many of those are held since this poll."""
    renamed: int = 0
    """How many of the withdrawn have a successor."""
    cleared: int = 0
    """How many that were held so are not any more, because some of them are listed again."""
    corrected: int = 0
    """How many were listed with another target or program before."""


@dataclass(frozen=True, slots=True)
class NightCount:
    """How many products of one kind a night has, by state."""

    night: Night
    instrument: Instrument
    image_type: ImageType
    published: int
    wanted: int
    missing: int
    withdrawn: int
    size: int
    withdrawn_here: int = 0
    """Both published and withdrawn: in the tree, and no longer listed."""
    withdrawn_size: int = 0
    """The bytes of those, a part of `size`."""
    damaged: int = 0
    """Listed and downloaded, but the file was found missing or changed since; not among the
    published."""


@dataclass(frozen=True, slots=True)
class QueueCount:
    """Products of a program, or of several together, that are listed now, by what remains to do.

    `science` products that the server does not have are counted apart: the archive lists them
    and as a rule does not keep them (winter-api.md, "Products").
    """

    program: str | None
    """None for several together, where a product that two of them list counts once."""
    listed: int = 0
    """All of them: here, wanted, missing, not kept and damaged."""
    wanted: int = 0
    failed: int = 0
    """Those of the wanted that failed before."""
    missing: int = 0
    not_kept: int = 0
    retried_at: str | None = None
    """When the first of the failed is retried: ISO 8601, UTC; empty for at once, None for none."""
    asked_at: str | None = None
    """When the first of the missing is requested again; likewise."""
    damaged: int = 0
    """Downloaded, but the file was found missing or changed since."""

    @property
    def here(self) -> int:
        """How many are in the tree."""
        return self.listed - self.wanted - self.missing - self.not_kept - self.damaged


@dataclass(frozen=True, slots=True)
class PollState:
    """How the polls of one subject went lately, as seen from one night."""

    subject: Subject
    answered_at: datetime | None
    """When a poll last succeeded, whatever dates it was for; None if none ever did."""
    night_answered_at: datetime | None
    """When a poll that covers the night last succeeded."""
    failing_since: datetime | None
    """The first failure since the last success, or, where that did not cover the night, since the
    last one that did, of those that were for the night; None if there was none."""
    error: str | None
    """Why the latest of those failed."""
    down_since: datetime | None = None
    """The first failure since the last success of any dates; None if there was none."""
    unusable: int = 0
    """Rows that made no sense in the last listing that covers the night."""


@dataclass(frozen=True, slots=True)
class ProgramSummary:
    """How far the mirror is, in a few numbers; each product counts in one of them at most.

    What is not here counts only if a given program lists it.
    """

    published: int
    wanted: int
    missing: int
    claimed: int
    """Wanted or missing, and being fetched now."""
    withdrawn: int
    last_night: Night | None
    """The newest night of which anything is listed."""
    last_complete_night: Night | None
    """The newest night of which all that is listed is here."""
    damaged: int = 0
    """Downloaded, but the file was found missing or changed since; not among the published."""


@dataclass(frozen=True, slots=True)
class Refetched:
    """What fetching products again came to: of one that arrived, or of several settled."""

    reason: Refetch
    size: int = 0
    """Bytes that arrived, also of what was refused."""
    arrived: int = 0
    changed: int = 0
    """Those that arrived with other content."""
    settled: int = 0
    """Those that were taken as unchanged because a sample of their night was."""


@dataclass(frozen=True, slots=True)
class RefetchStatus:
    """What waits to be fetched again because its marks changed, and what was in the last week."""

    waiting: int = 0
    """Products; the earlier revision of each is here."""
    waiting_size: int = 0
    size_today: int = 0
    """Bytes fetched again today (UTC)."""
    products: int = 0
    size: int = 0
    changed: int = 0
    settled: int = 0


@dataclass(frozen=True, slots=True)
class NotCompared:
    """How many products a recheck leaves out, by the reason."""

    recent: int = 0
    """The archive sent them a short while ago."""
    damaged: int = 0
    """Their files are not as they were downloaded: `verify` sees to them."""
    failed: int = 0
    """The archive did not send them now; what is here stays."""


@dataclass(frozen=True, slots=True)
class KeptRevision:
    """An older revision of a product whose file is kept; `kept` is relative to the root."""

    instrument: Instrument
    savepath: str
    revision: int
    kept: str
    size: int
    sha256: str
    replaced_at: str


@dataclass(frozen=True, slots=True)
class Revision:
    """A content that a product had, or has; times are ISO 8601, UTC."""

    revision: int
    """Counted from 1."""
    published_at: str
    replaced_at: str | None
    """None for the current one."""
    confirmed_at: str | None
    """When these bytes last came from the archive; None where that was not recorded."""
    removed_at: str | None
    """When its kept file was removed, as the settings asked."""
    lastmodified: str | None
    pipeversion: str | None
    """The marks of the listing when it came; None where they were not recorded."""
    size: int
    sha256: str
    kept: str | None
    """Where the file of an older one is kept, relative to the root."""


@dataclass(frozen=True, slots=True)
class ProductHistory:
    """What happened to a product, the newest first."""

    product: Product
    path: str
    state: State
    withdrawn_at: str | None
    damage: Damage | None
    is_set_aside: bool
    """Whether its file was taken out of the tree because it is withdrawn."""
    set_aside: str | None
    """Where that file was moved, relative to the root; None if it was deleted."""
    successor: str | None
    """The path of what a withdrawn product was renamed to, if that is known."""
    revisions: tuple[Revision, ...]
    events: tuple[OutboxEvent, ...]
    """Other events: withdrawals, returns; only since events are recorded."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A product that could not be downloaded yet, and why."""

    product: Product
    state: State
    attempts: int
    not_before: str
    last_error: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many products of a state wait, and when the first of them may be fetched."""

    state: State
    products: int
    soonest: datetime


@dataclass(frozen=True, slots=True)
class LastPoll:
    """When a type of a program was last polled, and with what result."""

    program: str
    instrument: Instrument
    image_type: ImageType
    at: str
    listed: int
    error: str | None


@dataclass(frozen=True, slots=True)
class Held:
    """A product that the catalog says is in the tree, and what its file should look like.

    Times are those of the catalog, as text. `mtime_ns` is None until it is known.
    """

    product: Product
    path: str
    size: int
    sha256: str
    mtime_ns: int | None
    published_at: str
    checked_at: str
    damage: Damage | None = None
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class FileSetAside:
    """The file of a withdrawn product that is moved out of the tree, or deleted.

    Parameters
    ----------
    product, path
        The product, and the path of its file in the tree.
    kept
        Where the file is moved, relative to the root; None if it is deleted.
    size, sha256
        What the file has.
    is_done
        Whether that has happened, as far as the catalog knows.
    is_here
        Whether the catalog says that the file is in the tree.
    """

    product: Product
    path: str
    kept: str | None
    size: int
    sha256: str
    is_done: bool = False
    is_here: bool = False

    @property
    def evidence(self) -> Evidence:
        """What the tree must have for the file to be in its place."""
        product = self.product
        return Evidence(
            product.instrument, product.savepath, self.path, self.size, self.sha256, Marks()
        )


@dataclass(frozen=True, slots=True)
class Check:
    """The result of looking at one file: `damage` is None if nothing is wrong with it.

    `mtime_ns` is set where the content was read and is right.
    """

    held: Held
    damage: Damage | None = None
    reason: str | None = None
    mtime_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Damaged:
    """A product whose file was found missing or changed and is not right again yet."""

    product: Product
    path: str
    damage: Damage
    reason: str
    state: State
    withdrawn: bool
    not_before: str
    last_error: str | None
    programs: tuple[str, ...]
    """Those that list it."""
    size: int = 0
    """The bytes that were downloaded of it."""

    @classmethod
    def of(cls, check: Check, programs: tuple[str, ...] = ()) -> Damaged:
        """Return the finding of a check that is not recorded."""
        held = check.held
        return cls(
            product=held.product,
            path=held.path,
            damage=check.damage or Damage.CHANGED,
            reason=check.reason or "",
            state=State.PUBLISHED,
            withdrawn=held.withdrawn,
            not_before="",
            last_error=None,
            programs=programs,
            size=held.size,
        )


@dataclass(frozen=True, slots=True)
class Verification:
    """A full check of a selection: when it began, and whether it continues an interrupted one."""

    number: int
    started_at: str
    resumed: bool
