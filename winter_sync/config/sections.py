"""The tables of the settings file: their keys, the values each may have, and the defaults.

The names of the keys are a contract.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ByteSize, ConfigDict, Field, HttpUrl, SecretStr, model_validator

from winter_sync.config.values import (
    Address,
    Argument,
    Declination,
    Degrees,
    Duration,
    HostName,
    ListeningAddress,
    NightSetting,
    PathSetting,
    ProgramName,
    ProxySetting,
    Rate,
    SinkName,
    Size,
    Wait,
    WebhookUrl,
)
from winter_sync.core import (
    DEFAULT_LAYOUT,
    STATE_DIR,
    Cone,
    EventFilter,
    EventKind,
    ImageType,
    Instrument,
    Rectangle,
    Region,
    Selection,
    Target,
)

EXAMPLE = "config/winter-sync.toml"
"""The annotated settings file that comes with the program and explains every key."""


class Section(BaseModel):
    """A table of the settings file: frozen, and unknown keys are refused."""

    # `Settings` validates its tables itself: nearly none is ever validated alone.
    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True
    )


def table(description: str | None = None) -> Any:  # noqa: ANN401 - a field of any type
    """Return a field that is a table, with the defaults of its keys unless it is written."""
    return Field(default_factory=dict, validate_default=True, description=description)


class ApiSettings(Section):
    """[api]: the observatory's server and how gently to treat it."""

    base_url: Address = Field(
        default=HttpUrl("http://winter.caltech.edu:82"), description="The observatory's query API."
    )
    user: SecretStr | None = Field(default=None, description="Your account, an e-mail address.")
    password: SecretStr | None = Field(default=None, description="Its password.")
    password_file: PathSetting | None = Field(
        default=None, description="A file holding the password."
    )
    proxy: ProxySetting | None = Field(
        default=None, description="The HTTP proxy to use; empty for none at all."
    )
    connections: int = Field(default=4, ge=1, le=16, description="Most simultaneous downloads.")
    request_interval: Duration = Field(
        default=timedelta(seconds=1), description="Minimum time between the starts of two requests."
    )
    query_timeout: Wait = Field(
        default=timedelta(minutes=2), description="Longest wait for the answer to a query."
    )
    first_byte_timeout: Wait = Field(
        default=timedelta(minutes=10),
        description="Longest silence before a download begins; the server builds its zip then.",
    )
    silence_timeout: Wait = Field(
        default=timedelta(minutes=1), description="Longest silence inside a download."
    )


class MirrorSettings(Section):
    """[mirror]: where the tree is and how it is maintained."""

    root: PathSetting | None = Field(default=None, description="The directory of the tree.")
    layout: str = Field(
        default=DEFAULT_LAYOUT, description="Path of a product relative to the root."
    )
    state: PathSetting | None = Field(
        default=None, description=f"Directory of the catalog; <root>/{STATE_DIR} unless set."
    )
    min_free: Size = Field(
        default=ByteSize(10 * 1024**3),
        description="Free space always left on the file system of the root.",
    )
    on_change: Literal["keep", "replace"] = Field(
        default="keep", description="Whether the older revision of a reprocessed product is kept."
    )
    keep_revisions: int | None = Field(
        default=None, ge=0, description="Most older revisions kept of a product; all unless set."
    )
    keep_revisions_for: Duration | None = Field(
        default=None, description="How long an older revision is kept; for ever unless set."
    )
    keep_revisions_space: Size | None = Field(
        default=None, description="Most bytes of older revisions kept; no limit unless set."
    )
    refetch_per_day: Size = Field(
        default=ByteSize(20 * 1024**3),
        description="Most bytes a day fetched again because marks changed; 0: none is.",
    )
    on_withdrawn: Literal["keep", "move", "delete"] = Field(
        default="keep", description="What to do with the files of withdrawn products."
    )
    max_withdrawn: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="The part of a listing that may vanish at once and count as withdrawn.",
    )
    follow_links: bool = Field(
        default=False,
        description="Whether directories of the tree may be symbolic links to others on its disk.",
    )
    verify_rate: Rate = Field(
        default=ByteSize(0),
        description="Most bytes a second that `winter-sync verify` reads; 0: no limit.",
    )


class ScheduleOverrides(Section):
    """How the schedule differs for a part of what is mirrored."""

    poll_every: Wait | None = Field(default=None, description="Instead of schedule.poll_every.")
    lookback_nights: int | None = Field(
        default=None, ge=1, le=366, description="Instead of schedule.lookback_nights."
    )
    sweep_every: Duration | None = Field(
        default=None, description="Instead of schedule.sweep_every."
    )


TypeSchedules = dict[ImageType, ScheduleOverrides]


class ProgramScheduleSettings(ScheduleOverrides):
    """[programs.schedule]: how the schedule differs for a program."""

    types: TypeSchedules = Field(default={}, description="And for single image types of it.")


class ScheduleSettings(Section):
    """[schedule]: how often to poll, and how far back."""

    poll_every: Wait = Field(
        default=timedelta(minutes=10), description="Time between two polls of the last nights."
    )
    lookback_nights: int = Field(
        default=7, ge=1, le=366, description="How many of the last nights each poll covers."
    )
    sweep_every: Duration = Field(
        default=timedelta(days=1), description="Time between two sweeps of the whole program."
    )
    settle_after: Duration = Field(
        default=timedelta(days=2),
        description="How long nothing of a night may change before it counts as settled.",
    )
    types: TypeSchedules = Field(default={}, description="How it differs for single image types.")


class DaemonSettings(Section):
    """[daemon]: how the daemon stops, recovers and checks files."""

    grace: Duration = Field(
        default=timedelta(minutes=1),
        description="How long downloads may continue after the daemon is told to stop or reload.",
    )
    stall_after: Wait = Field(
        default=timedelta(minutes=15),
        description="Time without progress, though there is work, after which the daemon exits.",
    )
    retry_refused_every: Wait = Field(
        default=timedelta(hours=6),
        description="Time between two attempts with credentials that the archive refuses.",
    )
    check_rate: Rate = Field(
        default=ByteSize(5_000_000),
        description="Bytes a second that the daemon reads to check files; 0: no checks.",
    )
    recheck_per_day: Size = Field(
        default=ByteSize(0),
        description="Bytes a day fetched again to compare files with the archive; 0: none.",
    )
    check_every: Wait = Field(
        default=timedelta(days=30), description="Minimum time between two checks of the same file."
    )


class FactsSettings(Section):
    """[facts]: what is read of the headers of images."""

    enabled: bool = Field(
        default=True,
        description="Whether times, filters, depths and footprints of images go to the catalog.",
    )


class ToOSettings(Section):
    """[too]: the observatory's queue of requests, which is only read."""

    enabled: bool = Field(
        default=False, description="Whether the requests of the programs are read and shown."
    )
    poll_every: Wait = Field(
        default=timedelta(hours=1), description="Time between two readings of the queue."
    )


class HttpSettings(Section):
    """[http]: where the pages, health, metrics and status are served, and to whom."""

    listen: ListeningAddress = Field(default="127.0.0.1:8765", description="Address and port.")
    hosts: tuple[HostName, ...] = Field(
        default=(), description="Names of this machine that a browser or Prometheus uses for it."
    )
    token_file: PathSetting | None = Field(
        default=None, description="A file holding the token that whoever looks at the pages gives."
    )
    trusted_proxy: bool = Field(
        default=False,
        description="Whether only a reverse proxy that asks for a password reaches the address.",
    )


class PagesSettings(Section):
    """[pages]: what the pages show, beside what the catalog says."""

    previews: Size = Field(
        default=ByteSize(1_000_000_000),
        description="How large all previews of images together may be on the disk; 0 for none.",
    )
    sia2: bool = Field(
        default=False,
        description="Whether other programs may ask for images at /sia2, by SIA 2.0 of the IVOA.",
    )


class EventsSettings(Section):
    """[events]: how long events are kept."""

    keep: Wait = Field(
        default=timedelta(days=90),
        description="How long events are kept that every sink has; those that one lacks, longer.",
    )
    most: int = Field(
        default=1_000_000,
        ge=1000,
        description="How many events are kept at most, whether or not every sink has them.",
    )


class SinkSettings(Section):
    """[[sinks]]: another program that is told what happens."""

    name: SinkName = Field(description="By which the mirror remembers what it was told.")
    command: tuple[Argument, ...] | None = Field(
        default=None, min_length=1, description="A program and its arguments; no shell is used."
    )
    url: WebhookUrl | None = Field(default=None, description="An address to post to.")
    secret: SecretStr | None = Field(default=None, description="Signs what is posted.")
    secret_file: PathSetting | None = Field(default=None, description="A file holding that secret.")
    events: tuple[EventKind, ...] = Field(default=(), description="Only these kinds of events.")
    programs: tuple[ProgramName, ...] = Field(default=(), description="Only of these programs.")
    targets: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(), description='Only of these targets; "*" stands for any text.'
    )
    types: tuple[ImageType, ...] = Field(default=(), description="Only of these image types.")
    batch: Literal["none", "visit", "night"] = Field(
        default="none", description="Which events are delivered together."
    )
    at_most: int = Field(
        default=100, ge=1, le=1000, description="Most events in one call, unless batched."
    )
    quiet: Wait = Field(
        default=timedelta(minutes=2),
        description="A batch is complete when nothing was added to it for this long.",
    )
    timeout: Wait = Field(default=timedelta(minutes=1), description="Longest time of one call.")

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise ValueError("a sink has either a command or a url")
        if self.url is None and (self.secret or self.secret_file):
            raise ValueError("a secret signs what is posted to a url; a command needs none")
        return self

    @property
    def wanted(self) -> EventFilter:
        """Which events it is told."""
        return EventFilter(
            kinds=tuple(kind.value for kind in self.events),
            programs=self.programs,
            targets=self.targets,
            image_types=tuple(kind.value for kind in self.types),
        )


class ConeSettings(Section):
    """A cone on the sky, degrees."""

    ra: Degrees = Field(description="Right ascension of its centre.")
    dec: Declination = Field(description="Declination of its centre.")
    radius: float = Field(default=1.0, gt=0, le=90, description="Its radius.")


class RectangleSettings(Section):
    """A rectangle on the sky, degrees: from ra_min eastwards to ra_max."""

    ra_min: Degrees = Field(description="Its western end.")
    ra_max: Degrees = Field(description="Its eastern end; it may lie beyond right ascension 0.")
    dec_min: Declination = Field(description="Its southern end.")
    dec_max: Declination = Field(description="Its northern end.")

    @model_validator(mode="after")
    def _has_an_area(self) -> Self:
        if self.dec_max <= self.dec_min:
            raise ValueError("dec_max must be above dec_min")
        if not self.rectangle.parts or self.ra_min == self.ra_max:
            raise ValueError("ra_min and ra_max are the same meridian: it has no area")
        return self

    @property
    def rectangle(self) -> Rectangle:
        """The rectangle itself."""
        return Rectangle(self.ra_min, self.ra_max, self.dec_min, self.dec_max)


class ProgramSettings(Section):
    """[[programs]]: what to mirror of one program."""

    name: ProgramName = Field(description="Eight characters, like 2024A000.")
    api_key: SecretStr | None = Field(default=None, description="The program's key.")
    api_key_file: PathSetting | None = Field(default=None, description="A file holding the key.")
    image_types: tuple[ImageType, ...] = Field(
        default=(ImageType.STACK,), min_length=1, description="Image types to mirror."
    )
    instruments: tuple[Instrument, ...] = Field(
        default=(Instrument.WINTER,), min_length=1, description="Cameras to mirror."
    )
    targets: tuple[Annotated[str, Field(min_length=1, max_length=30)], ...] = Field(
        default=(), description="Only these targets, or products matching a cone or rectangle."
    )
    cones: tuple[ConeSettings, ...] = Field(default=(), description="Only within these cones.")
    rectangles: tuple[RectangleSettings, ...] = Field(
        default=(), description="Only within these rectangles."
    )
    since: NightSetting | None = Field(
        default=None, description="First night; the program's own start unless set."
    )
    schedule: ProgramScheduleSettings = table("How [schedule] differs for it.")

    @property
    def selection(self) -> Selection:
        """What to mirror of the program."""
        regions: list[Region] = [Target(name) for name in self.targets]
        regions += [Cone(cone.ra, cone.dec, cone.radius) for cone in self.cones]
        regions += [each.rectangle for each in self.rectangles]
        return Selection(
            program=self.name,
            image_types=tuple(dict.fromkeys(self.image_types)),
            instruments=tuple(dict.fromkeys(self.instruments)),
            regions=tuple(dict.fromkeys(regions)),
            since=self.since,
        )
