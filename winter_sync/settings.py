"""What the user wants, read from a TOML file, the environment and secret files, and checked.

The names of the keys are a contract. Secrets never leave this module except inside `Credentials`.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from winter_sync.errors import StorageError, UsageError
from winter_sync.layout import DEFAULT_LAYOUT, OURS, Layout
from winter_sync.models import (
    Cone,
    Credentials,
    ImageType,
    Instrument,
    Night,
    Rectangle,
    Region,
    Rhythm,
    Selection,
    Target,
)
from winter_sync.units import parse_duration, parse_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic_core import ErrorDetails

    from winter_sync.models import Subject

ENV_PREFIX = "WINTER_SYNC_"
CONFIG_ENV = "WINTER_SYNC_CONFIG"
EXAMPLE = "config/winter-sync.toml"
FILE = "winter-sync/winter-sync.toml"
"""Where the settings are below `$XDG_CONFIG_HOME` (else `~/.config`) or `/etc`."""
_PROGRAMS_ENV = f"{ENV_PREFIX}PROGRAMS"
_KUBERNETES = re.compile(rf"{ENV_PREFIX}(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_\w+)?)")
"""What Kubernetes puts into the environment beside a service that is called winter-sync."""
_SECRET_DIRECTORY = Path("/run/secrets")
_LAST_PORT = 65535


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError('a duration is written like "30s", "10m" or "1d"')  # noqa: TRY004 - pydantic shows only ValueErrors
    return parse_duration(value if isinstance(value, str) else f"{value}s")


def _some(wait: timedelta) -> timedelta:
    if wait <= timedelta(0):
        raise ValueError("it must be longer than nothing")
    return wait


def _size(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError('a size is written like "10 GiB"')  # noqa: TRY004 - as above
    return parse_size(value) if isinstance(value, str) else value


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
        raise ValueError(f"nobody knows the home directory {path.parts[0]}") from None


def _bare_address(url: HttpUrl) -> HttpUrl:
    """Refuse what does not belong into an address, least of all a secret."""
    if url.username or url.password:
        raise ValueError("no user and password in the address: set user and password_file")
    if url.query or url.fragment:
        raise ValueError("an address has no ? and no # in it")
    try:
        (url.host or "").encode("idna")
    except UnicodeError:
        raise ValueError("its host cannot be the name of a machine") from None
    return url


def _listening_address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not re.fullmatch(r"\d{1,5}", port, re.ASCII) or int(port) > _LAST_PORT:
        raise ValueError('an address and a port are written like "127.0.0.1:8765"')
    return text


def _program_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]{8}", text, re.ASCII):
        raise ValueError("a program name has eight letters and digits, like 2024A000")
    return text


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Wait = Annotated[Duration, AfterValidator(_some)]
Size = Annotated[int, BeforeValidator(_size), Field(ge=0)]
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
        default=None, description=f"Where the catalog lives; <root>/{OURS} unless set."
    )
    min_free: Size = Field(
        default=10 * 1024**3, description="Free bytes always left on the file system of the root."
    )
    on_change: Literal["keep", "replace"] = Field(
        default="keep", description="Whether the older revision of a reprocessed product is kept."
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


class HttpSettings(Section):
    """[http]: where health, metrics and status are served."""

    listen: Annotated[str, AfterValidator(_listening_address)] = Field(
        default="127.0.0.1:8765", description="Address and port."
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


class Settings(BaseSettings):
    """All settings. `load` reads them; made directly, they are what is given and nothing else."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        hide_input_in_errors=True,
        nested_model_default_partial_update=True,
    )

    api: ApiSettings = ApiSettings()
    mirror: MirrorSettings = MirrorSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    daemon: DaemonSettings = DaemonSettings()
    http: HttpSettings = HttpSettings()
    programs: tuple[ProgramSettings, ...] = ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let nothing in but what is given; `load` adds the environment and the file."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [program.name for program in self.programs]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"program {twice} stands twice; put its types into one [[programs]]")
        if self.daemon.stall_after <= max(self.api.first_byte_timeout, self.api.query_timeout):
            raise ValueError(
                "daemon.stall_after must be longer than api.first_byte_timeout and "
                "api.query_timeout: no such wait is a stall"
            )
        return self

    @property
    def root(self) -> Path:
        """The directory of the tree.

        Raises
        ------
        UsageError
            If none is set.
        """
        if self.mirror.root is None:
            raise UsageError(
                "no directory for the mirror is set",
                remedy=f"Set root under [mirror] in the settings file (see {EXAMPLE}), "
                "or WINTER_SYNC_MIRROR__ROOT.",
            )
        return self.mirror.root

    @property
    def state(self) -> Path:
        """The directory of the catalog."""
        return self.mirror.state or self.root / OURS

    @property
    def layout(self) -> Layout:
        """The rule for paths in the tree."""
        return Layout(self.mirror.layout)

    @property
    def base_url(self) -> str:
        """The server's address without a slash at its end."""
        return str(self.api.base_url).rstrip("/")

    @property
    def selections(self) -> tuple[Selection, ...]:
        """What to mirror, program by program.

        Raises
        ------
        UsageError
            If no program is set.
        """
        if not self.programs:
            raise UsageError(
                "no program is set, so there is nothing to mirror",
                remedy=f"Add a [[programs]] table (see {EXAMPLE}), or set WINTER_API_PROGRAM "
                "and WINTER_API_KEY.",
            )
        return tuple(program.selection for program in self.programs)

    def rhythm(self, subject: Subject) -> Rhythm:
        """Give how often and how far back to look at a subject.

        What is set for its type in its program counts first, then for its program, then for its
        type, then for all.
        """
        own = next(one.schedule for one in self.programs if one.name == subject.program)
        types = own.types.get(subject.image_type), self.schedule.types.get(subject.image_type)
        written = [one for one in (types[0], own, types[1], self.schedule) if one is not None]

        def first(key: str) -> Any:  # noqa: ANN401 - as the keys are
            return next(value for one in written if (value := getattr(one, key)) is not None)

        return Rhythm(first("poll_every"), first("lookback_nights"), first("sweep_every"))


def load(config: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read and check the settings.

    What is said in several places is taken from the first of: `overrides`, the environment
    (`WINTER_SYNC_<SECTION>__<KEY>`; `WINTER_SYNC_PROGRAMS` as JSON), the file. With no `config`,
    `$WINTER_SYNC_CONFIG`, then the user's and the machine's usual places are tried, and no file at
    all is fine. An empty variable counts as none.

    Raises
    ------
    UsageError
        With one line for each thing that is wrong, naming the nearest known key for a wrong one,
        and no value of a secret.
    """
    path = _find(config)
    _check_environment(os.environ)
    written = _read_toml(path) if path is not None else {}
    given = dict(overrides or {})
    if "programs" not in {**given, **written}:
        given.update(_environment_program(os.environ))
    try:
        settings = _with_sources(written)(**given)
    except ValidationError as invalid:
        # Raised below, because the cause of an error has the secrets in it that were given.
        fault = _explain(invalid, path)
    else:
        Layout(settings.mirror.layout)
        return settings
    raise fault


def _with_sources(written: dict[str, Any]) -> type[Settings]:
    class Located(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            del dotenv_settings, file_secret_settings
            return init_settings, env_settings, InitSettingsSource(settings_cls, written)

    return Located


def check_root(root: Path) -> None:
    """Make sure that a root is a directory or can become one.

    Raises
    ------
    StorageError
        If it is something else, or its parent is not there. That is not made: where it is
        absent, a file system is likely not mounted.
    """
    if root.is_dir():
        return
    if os.path.lexists(root):
        raise StorageError(
            f"the root of the mirror, {root}, is no directory",
            remedy="Move it away, or set another mirror.root.",
        )
    if not root.parent.is_dir():
        raise StorageError(
            f"there is no directory {root.parent} to make the root of the mirror, {root.name}, in",
            remedy="Create or mount it, or set another mirror.root.",
        )


def credentials(settings: Settings) -> Credentials:
    """Collect the secrets from the settings, secret files and the usual environment variables.

    Each is taken from the first of: the settings themselves, the file the settings name,
    `WINTER_API_*` in the environment, a file in `$CREDENTIALS_DIRECTORY` or `/run/secrets`.
    `WINTER_API_KEY` is that of `WINTER_API_PROGRAM`, or of the only program there is.

    Raises
    ------
    UsageError
        If some are missing or their files cannot be read, naming all of them.
    """
    found: list[str] = []
    faults: list[UsageError] = []
    for secret in _secrets(settings):
        try:
            found.append(secret.find())
        except UsageError as fault:
            faults.append(fault)
    if faults:
        raise _together(faults)
    user, password, *keys = found
    names = [program.name for program in settings.programs]
    return Credentials(user, password, dict(zip(names, keys, strict=True)))


def _together(faults: list[UsageError]) -> UsageError:
    if len(faults) == 1:
        return faults[0]
    lines = [f"{fault.message}. {fault.remedy}" for fault in faults]
    return UsageError(
        "secrets cannot be had:\n  " + "\n  ".join(lines),
        remedy=f"{EXAMPLE} shows every place a secret may be in.",
    )


def _secrets(settings: Settings) -> Iterator[_Secret]:
    """Give the user, the password and the key of each program, in this order."""
    api, programs = settings.api, settings.programs
    yield _Secret("user", "api.user", api.user, None, "WINTER_API_USER", "winter_api_user")
    yield _Secret(
        "password",
        "api.password_file",
        api.password,
        api.password_file,
        "WINTER_API_PASSWORD",
        "winter_api_password",
    )
    for program in programs:
        only = program.name if len(programs) == 1 else None
        ours = os.environ.get("WINTER_API_PROGRAM") or only
        yield _Secret(
            f"API key of program {program.name}",
            "api_key_file of the program",
            program.api_key,
            program.api_key_file,
            "WINTER_API_KEY" if program.name == ours else None,
            f"winter_api_key_{program.name}",
        )


@dataclass(frozen=True, slots=True)
class _Secret:
    """A secret and the places it can be in, in their order."""

    what: str
    setting: str
    value: SecretStr | None = field(repr=False)
    file: Path | None
    variable: str | None
    credential: str

    def find(self) -> str:
        """Give the secret from the first place that has it."""
        if self.value is not None and self.file is not None:
            raise UsageError(
                f"the {self.what} is given both as a value and as a file",
                remedy="Keep one of the two.",
            )
        if self.value is not None and self.value.get_secret_value():
            return self.value.get_secret_value()
        if self.file is not None:
            return _read_secret(self.file, self.what)
        if self.variable and (found := os.environ.get(self.variable)):
            return found
        for directory in _secret_directories(os.environ):
            if os.path.lexists(directory / self.credential):
                return _read_secret(directory / self.credential, self.what)
        raise self._missing()

    def _missing(self) -> UsageError:
        places = f"{self.setting}, {self.variable}" if self.variable else self.setting
        return UsageError(
            f"the {self.what} is missing",
            remedy=f"Give it as {places}, or as a file {self.credential} in "
            f"$CREDENTIALS_DIRECTORY or {_SECRET_DIRECTORY}.",
        )


def _read_secret(path: Path, what: str) -> str:
    """Read a file that holds one line, which is the secret."""
    where = f"the file of the {what}, {path},"
    text: str | None = None
    try:
        text = path.read_bytes().decode("utf-8-sig").strip()
    except OSError as unreadable:
        reason = unreadable.strerror
    except UnicodeDecodeError:
        reason = "it is not UTF-8"
    if text is None:
        raise UsageError(
            f"{where} cannot be read: {reason}",
            remedy="Check its path, its owner and its mode (0400 for the service's user).",
        )
    if not text or len(text.splitlines()) > 1:
        fault = "has more than one line" if text else "is empty"
        raise UsageError(f"{where} {fault}", remedy="Put the secret into it, on one line.")
    return text


def _secret_directories(environ: Mapping[str, str]) -> Iterator[Path]:
    if given := environ.get("CREDENTIALS_DIRECTORY"):
        yield Path(given)
    yield _SECRET_DIRECTORY


def _find(config: Path | None) -> Path | None:
    given = config or (Path(found) if (found := os.environ.get(CONFIG_ENV)) else None)
    if given is None:
        return next((path for path in _usual_places(os.environ) if _is_file(path)), None)
    if not _is_file(given):
        raise UsageError(
            f"there is no settings file {given}, or we may not see it",
            remedy=f"Copy {EXAMPLE} there and fill it in, or give another with --config.",
        )
    return given


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except PermissionError:
        return False


def _usual_places(environ: Mapping[str, str]) -> tuple[Path, ...]:
    home = environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111 - never fails
    return Path(home, FILE), Path("/etc", FILE)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        content = path.read_bytes()
    except OSError as unreadable:
        raise UsageError(
            f"{path} cannot be read: {unreadable.strerror}", remedy="Check its owner and mode."
        ) from None
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as broken:
        fault = f"line {content[: broken.start].count(10) + 1} is not UTF-8"
    except tomllib.TOMLDecodeError as broken:
        fault = str(broken).splitlines()[0]
    # Raised here, because those exceptions hold the whole file, and with it the secrets.
    raise UsageError(f"{path} is not TOML: {fault}", remedy="Mend that line of the file.")


def _environment_program(environ: Mapping[str, str]) -> dict[str, Any]:
    """Make a program of `WINTER_API_PROGRAM`, unless the environment names programs itself."""
    name = environ.get("WINTER_API_PROGRAM")
    if not name or any(one.upper() == _PROGRAMS_ENV and environ[one] for one in environ):
        return {}
    return {"programs": ({"name": name},)}


def _check_environment(environ: Mapping[str, str]) -> None:
    known = [f"{ENV_PREFIX}{word}" for word in _environment_words()]
    for variable, value in environ.items():
        name = variable.upper()
        if not name.startswith(ENV_PREFIX) or name == CONFIG_ENV or _KUBERNETES.fullmatch(name):
            continue
        if name not in known:
            raise UsageError(
                f"the environment variable {variable} is no setting{nearest(name, known)}",
                remedy="Rename or unset it.",
            )
        if name == _PROGRAMS_ENV and value and (fault := _json_fault(value)):
            raise UsageError(
                f"the environment variable {variable} is not JSON: {fault}",
                remedy="""Write it like [{"name": "2024A000", "image_types": ["stack"]}].""",
            )


def _json_fault(text: str) -> str | None:
    try:
        json.loads(text)
    except json.JSONDecodeError as broken:
        return f"{broken.msg} at character {broken.pos + 1}"
    return None


def _environment_words() -> Iterator[str]:
    for section, described in Settings.model_fields.items():
        if isinstance(described.annotation, type) and issubclass(described.annotation, Section):
            yield from (f"{section}__{key}".upper() for key in described.annotation.model_fields)
        else:
            yield section.upper()


def _explain(invalid: ValidationError, path: Path | None) -> UsageError:
    errors = invalid.errors(include_url=False)
    places = [error["loc"] for error in errors]
    lines = [
        _complaint(error)
        for error in errors
        if not any(place[: len(error["loc"])] == error["loc"] != place for place in places)
    ]
    where = f"{path} or the environment" if path else "the environment"
    return UsageError(
        "the settings are wrong:\n  " + "\n  ".join(dict.fromkeys(lines)),
        remedy=f"Mend them in {where}; {EXAMPLE} explains every key.",
    )


def _complaint(error: ErrorDetails) -> str:
    name = _dotted(error["loc"])
    return f"{name}: {_fault(error)}" if name else _fault(error)


def _fault(error: ErrorDetails) -> str:
    """Say what is wrong in words of the settings file rather than of Python."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        where = error["loc"]
        return f"there is no such key{nearest(str(where[-1]), _siblings(where))}"
    if kind in {"enum", "literal_error"}:
        known = re.findall(r"'([^']+)'", context["expected"])
        return f"{str(error['input'])[:40]!r} is not known{nearest(str(error['input']), known)}"
    if kind in _FAULTS:
        return _FAULTS[kind].format_map(context)
    text = error["msg"].removeprefix("Value error, ")
    return f"{text[:1].lower()}{text[1:]}"


_ADDRESS = 'an address is written like "http://winter.caltech.edu:82"'
_FAULTS = {
    "missing": "it is missing",
    "string_type": 'a text is wanted, in "quotes"',
    "path_type": 'a path is wanted, in "quotes"',
    "tuple_type": "a list is wanted, in [brackets]; of tables, in [[double brackets]]",
    "model_type": "a table is wanted",
    "int_type": "a whole number is wanted",
    "int_parsing": "a whole number is wanted",
    "int_from_float": "a whole number is wanted",
    "float_type": "a number is wanted",
    "float_parsing": "a number is wanted",
    "greater_than": "it must be more than {gt:g}",
    "greater_than_equal": "it must be at least {ge:g}",
    "less_than_equal": "it must be at most {le:g}",
    "too_short": "at least one is wanted",
    "string_too_short": "it is empty",
    "string_too_long": "it has more than {max_length} characters",
    "url_parsing": _ADDRESS,
    "url_scheme": _ADDRESS,
    "url_type": _ADDRESS,
}


def _dotted(where: tuple[int | str, ...]) -> str:
    name = ""
    for part in where:
        name += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if name else part
    return name


def _siblings(where: tuple[int | str, ...]) -> list[str]:
    """Give the keys that are known beside an unknown one."""
    tables: dict[str, type[BaseModel]] = {
        "api": ApiSettings,
        "mirror": MirrorSettings,
        "schedule": ScheduleSettings,
        "daemon": DaemonSettings,
        "http": HttpSettings,
        "programs": ProgramSettings,
        "cones": ConeSettings,
        "rectangles": RectangleSettings,
    }
    above = [part for part in where[:-1] if isinstance(part, str)]
    if "types" in above:
        return list(RhythmSettings.model_fields)
    return list((tables[above[-1]] if above else Settings).model_fields)


def nearest(word: str, known: list[str]) -> str:
    """Give the end of a sentence about an unknown word: the known one it is most like, or all."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"
