"""The tables of the settings file: their keys, which values each may have, and its default.

The names of the keys are a contract.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    model_validator,
)

from winter_sync.core import (
    DEFAULT_LAYOUT,
    STATE_DIR,
    Cone,
    ImageType,
    Instrument,
    Night,
    Rectangle,
    Region,
    Selection,
    Target,
    parse_duration,
    parse_proxy,
    parse_size,
)
from winter_sync.core import SETTING as PROXY_SETTING

EXAMPLE = "config/winter-sync.toml"
"""The settings file that comes with the program and explains every key."""
_LAST_PORT = 65535


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError('a duration is written like "30s", "10m" or "1d"')  # noqa: TRY004 - pydantic shows only ValueErrors
    return parse_duration(value if isinstance(value, str) else f"{value}s")


def _some(wait: timedelta) -> timedelta:
    if wait <= timedelta(0):
        raise ValueError("it must be more than 0")
    return wait


def _size(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError('a size is written like "10 GiB"')  # noqa: TRY004 - as above
    return parse_size(value) if isinstance(value, str) else value


def _rate(value: object) -> object:
    """Read a size per second, the "/s" being understood."""
    if isinstance(value, str):
        return parse_size(value.strip().removesuffix("/s").rstrip())
    return _size(value)


def _night(value: object) -> object:
    if isinstance(value, Night):
        return value
    if isinstance(value, date):
        return Night.of(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError('a night is written like "20240211"')  # noqa: TRY004 - as above
    return Night(str(value).replace("-", ""))


def _written_path(value: object) -> object:
    if isinstance(value, str) and (not value.strip() or "\0" in value):
        raise ValueError("a path is wanted")
    return value


def _absolute(path: Path) -> Path:
    try:
        return path.expanduser().absolute()
    except RuntimeError:
        raise ValueError(f"there is no home directory {path.parts[0]}") from None


def _bare_address(url: HttpUrl) -> HttpUrl:
    """Refuse what does not belong in an address, least of all a secret."""
    if url.username or url.password:
        raise ValueError("no user and password in the address: set user and password_file")
    if url.query or url.fragment:
        raise ValueError("an address has no ? and no # in it")
    try:
        (url.host or "").encode("idna")
    except UnicodeError:
        raise ValueError("its host is not a valid name") from None
    return url


def _proxy(given: SecretStr) -> SecretStr:
    """Refuse what is no proxy; an empty text stands for none at all."""
    if given.get_secret_value():
        parse_proxy(given.get_secret_value(), PROXY_SETTING)
    return given


def _listening_address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not re.fullmatch(r"\d{1,5}", port, re.ASCII) or int(port) > _LAST_PORT:
        raise ValueError('an address and a port are written like "127.0.0.1:8765"')
    return text


def _host_name(text: str) -> str:
    if not re.fullmatch(r"[\w-]+(\.[\w-]+)*\.?", text, re.ASCII):
        raise ValueError('a host name is written like "mirror.example.org", without a port')
    return text.lower().removesuffix(".")


def _program_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]{8}", text, re.ASCII):
        raise ValueError("a program name has eight letters and digits, like 2024A000")
    return text


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Wait = Annotated[Duration, AfterValidator(_some)]
Size = Annotated[int, BeforeValidator(_size), Field(ge=0)]
Rate = Annotated[int, BeforeValidator(_rate), Field(ge=0)]
NightSetting = Annotated[Night, BeforeValidator(_night)]
PathSetting = Annotated[Path, BeforeValidator(_written_path), AfterValidator(_absolute)]
Degrees = Annotated[float, Field(ge=0, le=360)]
Declination = Annotated[float, Field(ge=-90, le=90)]


class Section(BaseModel):
    """A table of the settings file: frozen, and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ApiSettings(Section):
    """[api]: the observatory's server and how gently to treat it."""

    base_url: Annotated[HttpUrl, AfterValidator(_bare_address)] = Field(
        default=HttpUrl("http://winter.caltech.edu:82"), description="The observatory's query API."
    )
    user: SecretStr | None = Field(default=None, description="Your account, an e-mail address.")
    password: SecretStr | None = Field(default=None, description="Its password.")
    password_file: PathSetting | None = Field(
        default=None, description="A file holding the password."
    )
    proxy: Annotated[SecretStr, AfterValidator(_proxy)] | None = Field(
        default=None, description="The HTTP proxy to go by; empty for none at all."
    )
    connections: int = Field(default=4, ge=1, le=16, description="Downloads at the same time.")
    request_interval: Duration = Field(
        default=timedelta(seconds=1), description="Least time between the starts of two requests."
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
    """[mirror]: where the tree is and how it is kept."""

    root: PathSetting | None = Field(default=None, description="The directory of the tree.")
    layout: str = Field(default=DEFAULT_LAYOUT, description="Path of a product below the root.")
    state: PathSetting | None = Field(
        default=None, description=f"Where the catalog lives; <root>/{STATE_DIR} unless set."
    )
    min_free: Size = Field(
        default=10 * 1024**3, description="Free bytes always left on the file system of the root."
    )
    on_change: Literal["keep", "replace"] = Field(
        default="keep", description="Whether the older revision of a reprocessed product is kept."
    )
    follow_links: bool = Field(
        default=False,
        description="Whether directories of the tree may be symbolic links to others on its disk.",
    )
    verify_rate: Rate = Field(
        default=0,
        description="Bytes a second that `winter-sync verify` reads at most; 0: no limit.",
    )


class RhythmSettings(Section):
    """What of a schedule is different for a part of what is mirrored."""

    poll_every: Wait | None = Field(default=None, description="Instead of schedule.poll_every.")
    lookback_nights: int | None = Field(
        default=None, ge=1, le=366, description="Instead of schedule.lookback_nights."
    )
    sweep_every: Duration | None = Field(
        default=None, description="Instead of schedule.sweep_every."
    )


TypeRhythms = dict[ImageType, RhythmSettings]


class ProgramScheduleSettings(RhythmSettings):
    """[programs.schedule]: what of the schedule is different for a program."""

    types: TypeRhythms = Field(default={}, description="And for single types of it.")


class ScheduleSettings(Section):
    """[schedule]: how often to look, and how far back."""

    poll_every: Wait = Field(
        default=timedelta(minutes=10), description="Time between two looks at the last nights."
    )
    lookback_nights: int = Field(
        default=7, ge=1, le=366, description="How many of the last nights every poll asks for."
    )
    sweep_every: Duration = Field(
        default=timedelta(days=1), description="Time between two looks at the whole program."
    )
    types: TypeRhythms = Field(default={}, description="What is different for single types.")


class DaemonSettings(Section):
    """[daemon]: how the daemon lives."""

    grace: Duration = Field(
        default=timedelta(minutes=1),
        description="How long downloads may go on after it is told to stop or to reload.",
    )
    stall_after: Wait = Field(
        default=timedelta(minutes=15),
        description="After so long without any progress where there is work, it ends itself.",
    )
    retry_refused_every: Wait = Field(
        default=timedelta(hours=6),
        description="Time between two tries of a program whose credentials are refused.",
    )
    check_rate: Rate = Field(
        default=5_000_000,
        description="Bytes a second that the daemon reads to check files; 0: it does not.",
    )
    check_every: Wait = Field(
        default=timedelta(days=30), description="The daemon reads no file again sooner than this."
    )


class HttpSettings(Section):
    """[http]: where health, metrics and status are served."""

    listen: Annotated[str, AfterValidator(_listening_address)] = Field(
        default="127.0.0.1:8765", description="Address and port."
    )
    hosts: tuple[Annotated[str, AfterValidator(_host_name)], ...] = Field(
        default=(), description="Names of this machine under which a browser or Prometheus asks."
    )


class ConeSettings(Section):
    """A circle on the sky, degrees."""

    ra: Degrees = Field(description="Right ascension of its centre.")
    dec: Declination = Field(description="Declination of its centre.")
    radius: float = Field(default=1.0, gt=0, le=90, description="At most 90.")


class RectangleSettings(Section):
    """A box on the sky, degrees."""

    ra_min: Degrees
    ra_max: Degrees
    dec_min: Declination
    dec_max: Declination

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.ra_max <= self.ra_min or self.dec_max <= self.dec_min:
            raise ValueError("each maximum must be above its minimum")
        return self


class ProgramSettings(Section):
    """[[programs]]: what to mirror of one program."""

    name: Annotated[str, AfterValidator(_program_name)] = Field(
        description="Eight characters, like 2024A000."
    )
    api_key: SecretStr | None = Field(default=None, description="The program's key.")
    api_key_file: PathSetting | None = Field(default=None, description="A file holding the key.")
    image_types: tuple[ImageType, ...] = Field(
        default=(ImageType.STACK,), min_length=1, description="Which kinds of product."
    )
    instruments: tuple[Instrument, ...] = Field(
        default=(Instrument.WINTER,), min_length=1, description="Which cameras."
    )
    targets: tuple[Annotated[str, Field(min_length=1, max_length=30)], ...] = Field(
        default=(), description="Only these target names; with cones and rectangles: either."
    )
    cones: tuple[ConeSettings, ...] = Field(default=(), description="Only within these circles.")
    rectangles: tuple[RectangleSettings, ...] = Field(
        default=(), description="Only within these boxes."
    )
    since: NightSetting | None = Field(
        default=None, description="First night; the program's own start unless set."
    )
    schedule: ProgramScheduleSettings = Field(
        default=ProgramScheduleSettings(), description="What of [schedule] is different for it."
    )

    @property
    def selection(self) -> Selection:
        """The part of these settings that says what to mirror."""
        regions: list[Region] = [Target(name) for name in self.targets]
        regions += [Cone(cone.ra, cone.dec, cone.radius) for cone in self.cones]
        regions += [Rectangle(**box.model_dump()) for box in self.rectangles]
        return Selection(
            program=self.name,
            image_types=tuple(dict.fromkeys(self.image_types)),
            instruments=tuple(dict.fromkeys(self.instruments)),
            regions=tuple(dict.fromkeys(regions)),
            since=self.since,
        )
