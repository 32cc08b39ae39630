"""What the user wants, read from a TOML file, the environment and secret files, and checked.

The names of the keys are a contract. Secrets never leave this module except inside `Credentials`.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from winter_sync.errors import UsageError
from winter_sync.layout import DEFAULT_LAYOUT, OURS, Layout
from winter_sync.models import (
    Cone,
    Credentials,
    ImageType,
    Instrument,
    Night,
    Rectangle,
    Region,
    Selection,
    Target,
)
from winter_sync.units import parse_duration, parse_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ENV_PREFIX = "WINTER_SYNC_"
CONFIG_ENV = "WINTER_SYNC_CONFIG"
EXAMPLE = "config/winter-sync.toml"
_SECRET_DIRECTORY = Path("/run/secrets")


def _duration(value: object) -> object:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return parse_duration(f"{value}s")
    return value


def _size(value: object) -> object:
    return parse_size(value) if isinstance(value, str) else value


def _night(value: object) -> object:
    if isinstance(value, date):
        return Night.of(value)
    if isinstance(value, str | int) and not isinstance(value, bool):
        return Night(str(value).replace("-", ""))
    return value


Duration = Annotated[timedelta, BeforeValidator(_duration), Field(ge=timedelta(0))]
Size = Annotated[int, BeforeValidator(_size), Field(ge=0)]
NightSetting = Annotated[Night, BeforeValidator(_night)]
Degrees = Annotated[float, Field(ge=0, le=360)]
Declination = Annotated[float, Field(ge=-90, le=90)]


class Section(BaseModel):
    """A table of the settings file: frozen, and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ApiSettings(Section):
    """[api]: the observatory's server and how gently to treat it."""

    base_url: HttpUrl = Field(
        default=HttpUrl("http://winter.caltech.edu:82"), description="The observatory's query API."
    )
    user: SecretStr | None = Field(default=None, description="Your account, an e-mail address.")
    password: SecretStr | None = Field(default=None, description="Its password.")
    password_file: Path | None = Field(default=None, description="A file holding the password.")
    connections: int = Field(default=4, ge=1, le=16, description="Downloads at the same time.")
    request_interval: Duration = Field(
        default=timedelta(seconds=1), description="Least time between the starts of two requests."
    )
    query_timeout: Duration = Field(
        default=timedelta(minutes=2), description="Longest wait for the answer to a query."
    )
    first_byte_timeout: Duration = Field(
        default=timedelta(minutes=10),
        description="Longest silence before a download begins; the server builds its zip then.",
    )
    silence_timeout: Duration = Field(
        default=timedelta(minutes=1), description="Longest silence inside a download."
    )


class MirrorSettings(Section):
    """[mirror]: where the tree is and how it is kept."""

    root: Path | None = Field(default=None, description="The directory of the tree.")
    layout: str = Field(default=DEFAULT_LAYOUT, description="Path of a product below the root.")
    state: Path | None = Field(
        default=None, description=f"Where the catalog lives; <root>/{OURS} unless set."
    )
    min_free: Size = Field(
        default=10 * 1024**3, description="Free bytes always left on the file system of the root."
    )
    on_change: Literal["keep", "replace"] = Field(
        default="keep", description="Whether the older revision of a reprocessed product is kept."
    )

    @field_validator("root", "state")
    @classmethod
    def _expand(cls, path: Path | None) -> Path | None:
        return path.expanduser().absolute() if path is not None else None


class ScheduleSettings(Section):
    """[schedule]: how often to look, and how far back."""

    poll_every: Duration = Field(
        default=timedelta(minutes=10), description="Time between two looks at the last nights."
    )
    lookback_nights: int = Field(
        default=7, ge=1, le=366, description="How many of the last nights every poll asks for."
    )
    sweep_every: Duration = Field(
        default=timedelta(days=1), description="Time between two looks at the whole program."
    )


class HttpSettings(Section):
    """[http]: where health, metrics and status are served."""

    listen: str = Field(
        default="127.0.0.1:8765", pattern=r"^[^\s]+:\d{1,5}$", description="Address and port."
    )


class ConeSettings(Section):
    """A circle on the sky, degrees."""

    ra: Degrees
    dec: Declination
    radius: float = Field(default=1.0, gt=0, le=90)


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

    name: str = Field(pattern=r"^[A-Za-z0-9]{8}$", description="Eight characters, like 2024A000.")
    api_key: SecretStr | None = Field(default=None, description="The program's key.")
    api_key_file: Path | None = Field(default=None, description="A file holding the key.")
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
    """All settings. Read them with `load`."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        hide_input_in_errors=True,
        nested_model_default_partial_update=True,
    )

    api: ApiSettings = ApiSettings()
    mirror: MirrorSettings = MirrorSettings()
    schedule: ScheduleSettings = ScheduleSettings()
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
        """Let the environment win over the file; read nothing else."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [program.name for program in self.programs]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"program {twice} stands twice; put its types into one [[programs]]")
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


def load(config: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read and check the settings.

    What is said in several places is taken from the first of: `overrides`, the environment
    (`WINTER_SYNC_<SECTION>__<KEY>`), the file. With no `config`, `$WINTER_SYNC_CONFIG`, then the
    user's and the machine's usual places are tried, and no file at all is fine.

    Raises
    ------
    UsageError
        With one line for each thing that is wrong, naming the nearest known key for a wrong one,
        and no value of a secret.
    """
    path = _find(config)
    _check_environment(os.environ)

    class Located(Settings):
        model_config = SettingsConfigDict(toml_file=path)

    try:
        settings = Located(**_with_environment_program(path, dict(overrides or {})))
    except ValidationError as invalid:
        raise _explain(invalid, path) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as broken:
        raise UsageError(
            f"{path} is not TOML: {_first_line(broken)}", remedy="Mend that line of the file."
        ) from None
    except OSError as unreadable:
        raise _unreadable(path, unreadable) from None
    Layout(settings.mirror.layout)
    return settings


def credentials(settings: Settings) -> Credentials:
    """Collect the secrets from the settings, secret files and the usual environment variables.

    Each is taken from the first of: the settings themselves, the file the settings name,
    `WINTER_API_*` in the environment, a file in `$CREDENTIALS_DIRECTORY` or `/run/secrets`.

    Raises
    ------
    UsageError
        If one is missing or its file cannot be read.
    """
    api = settings.api
    return Credentials(
        user=_secret("user", api.user, None, "WINTER_API_USER", "winter_api_user", "api.user"),
        password=_secret(
            "password",
            api.password,
            api.password_file,
            "WINTER_API_PASSWORD",
            "winter_api_password",
            "api.password_file",
        ),
        keys={program.name: _key(program) for program in settings.programs},
    )


def _key(program: ProgramSettings) -> str:
    ours = os.environ.get("WINTER_API_PROGRAM", program.name) == program.name
    return _secret(
        f"API key of program {program.name}",
        program.api_key,
        program.api_key_file,
        "WINTER_API_KEY" if ours else None,
        f"winter_api_key_{program.name}",
        "api_key_file of the program",
    )


def _secret(  # noqa: PLR0913, PLR0917 - the places a secret can be in, in their order
    what: str,
    value: SecretStr | None,
    file: Path | None,
    variable: str | None,
    credential: str,
    setting: str,
) -> str:
    if value is not None and file is not None:
        raise UsageError(
            f"the {what} is given both as a value and as a file", remedy="Keep one of the two."
        )
    if value is not None and value.get_secret_value():
        return value.get_secret_value()
    if file is not None:
        return _read_secret(file.expanduser(), what)
    if variable and (found := os.environ.get(variable)):
        return found
    for directory in _secret_directories(os.environ):
        if (directory / credential).is_file():
            return _read_secret(directory / credential, what)
    places = f"{setting}, {variable}" if variable else setting
    raise UsageError(
        f"the {what} is missing",
        remedy=f"Give it as {places}, or as a file {credential} in $CREDENTIALS_DIRECTORY "
        f"or {_SECRET_DIRECTORY}.",
    )


def _read_secret(path: Path, what: str) -> str:
    try:
        text = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as unreadable:
        reason = getattr(unreadable, "strerror", None) or "it is not text"
        raise UsageError(
            f"the file of the {what}, {path}, cannot be read: {reason}",
            remedy="Check its path, its owner and its mode (0400 for the service's user).",
        ) from None
    if not text:
        raise UsageError(f"the file of the {what}, {path}, is empty", remedy="Fill it.")
    return text


def _secret_directories(environ: Mapping[str, str]) -> Iterator[Path]:
    if given := environ.get("CREDENTIALS_DIRECTORY"):
        yield Path(given)
    yield _SECRET_DIRECTORY


def _find(config: Path | None) -> Path | None:
    given = config or (Path(found) if (found := os.environ.get(CONFIG_ENV)) else None)
    if given is not None:
        if not given.is_file():
            raise UsageError(
                f"there is no settings file {given}",
                remedy=f"Copy {EXAMPLE} there and fill it in, or give another with --config.",
            )
        return given
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    usual = (home / "winter-sync/winter-sync.toml", Path("/etc/winter-sync/winter-sync.toml"))
    return next((path for path in usual if path.is_file()), None)


def _with_environment_program(path: Path | None, overrides: dict[str, Any]) -> dict[str, Any]:
    """Make a program of `WINTER_API_PROGRAM` where no other place names one."""
    name = os.environ.get("WINTER_API_PROGRAM")
    named = "programs" in overrides or f"{ENV_PREFIX}PROGRAMS" in os.environ
    if not name or named or (path is not None and "programs" in tomllib.loads(path.read_text())):
        return overrides
    return {**overrides, "programs": ({"name": name},)}


def _check_environment(environ: Mapping[str, str]) -> None:
    sections = {name.upper() for name in Settings.model_fields}
    for variable in environ:
        name = variable.upper()
        if not name.startswith(ENV_PREFIX) or name == CONFIG_ENV:
            continue
        section, _, key = name.removeprefix(ENV_PREFIX).partition("__")
        if section not in sections or not (key or section == "PROGRAMS"):
            known = [f"{ENV_PREFIX}{word}" for word in _environment_words()]
            raise UsageError(
                f"the environment variable {variable} is no setting{_nearest(name, known)}",
                remedy="Rename or unset it.",
            )


def _environment_words() -> Iterator[str]:
    for section, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from (f"{section}__{key}".upper() for key in field.annotation.model_fields)
        else:
            yield section.upper()


def _explain(invalid: ValidationError, path: Path | None) -> UsageError:
    lines = [_complaint(error["loc"], error["type"], error["msg"]) for error in invalid.errors()]
    where = f"{path} and the environment" if path else "the environment"
    return UsageError(
        "the settings are wrong:\n  " + "\n  ".join(lines),
        remedy=f"Mend them in {where}; {EXAMPLE} explains every key.",
    )


def _complaint(where: tuple[int | str, ...], kind: str, message: str) -> str:
    name = _dotted(where)
    if kind == "extra_forbidden":
        return f"{name}: there is no such key{_nearest(str(where[-1]), _siblings(where))}"
    text = message.removeprefix("Value error, ")
    return f"{name}: {text[:1].lower()}{text[1:]}" if name else text


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
        "http": HttpSettings,
        "programs": ProgramSettings,
        "cones": ConeSettings,
        "rectangles": RectangleSettings,
    }
    above = [part for part in where[:-1] if isinstance(part, str)]
    return list((tables[above[-1]] if above else Settings).model_fields)


def _nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if isinstance(error, tomllib.TOMLDecodeError) else "not UTF-8"


def _unreadable(path: Path | None, error: OSError) -> UsageError:
    return UsageError(
        f"{path} cannot be read: {error.strerror}", remedy="Check its owner and mode."
    )
