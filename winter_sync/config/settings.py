"""What the user wants, read from a TOML file and the environment, and checked."""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from winter_sync.config.messages import explain, nearest
from winter_sync.config.sections import (
    EXAMPLE,
    ApiSettings,
    DaemonSettings,
    HttpSettings,
    MirrorSettings,
    ProgramSettings,
    ScheduleSettings,
    Section,
)
from winter_sync.core import (
    STATE_DIR,
    KindError,
    Layout,
    Rhythm,
    Selection,
    StorageError,
    TooLargeError,
    UsageError,
    choose_proxy,
    is_directory,
    kind_of,
    read_regular,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from winter_sync.core import Proxy, Subject

ENV_PREFIX = "WINTER_SYNC_"
CONFIG_ENV = "WINTER_SYNC_CONFIG"
FILE = "winter-sync/winter-sync.toml"
"""Where the settings are below `$XDG_CONFIG_HOME` (else `~/.config`) or `/etc`."""
_LONGEST_FILE = 1024 * 1024
_PROGRAMS_ENV = f"{ENV_PREFIX}PROGRAMS"
_JSON_ENV = {
    _PROGRAMS_ENV: '[{"name": "2024A000", "image_types": ["stack"]}]',
    f"{ENV_PREFIX}SCHEDULE__TYPES": '{"exposure": {"poll_every": "1h"}}',
    f"{ENV_PREFIX}HTTP__HOSTS": '["mirror.example.org"]',
}
"""The variables whose values are lists or tables, written in JSON: an example of each."""
_KUBERNETES = re.compile(rf"{ENV_PREFIX}(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_\w+)?)")
"""What Kubernetes puts into the environment beside a service that is called winter-sync."""


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
            raise ValueError(f"program {twice} appears twice; put its types into one [[programs]]")
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
        return self.mirror.state or self.root / STATE_DIR

    @property
    def layout(self) -> Layout:
        """The rule for paths in the tree."""
        return Layout(self.mirror.layout)

    @property
    def base_url(self) -> str:
        """The server's address without a slash at its end."""
        return str(self.api.base_url).rstrip("/")

    @property
    def proxy(self) -> Proxy | None:
        """The proxy on the way to the archive: of the settings, or of the environment as for curl.

        Raises
        ------
        UsageError
            If the environment names what is no proxy.
        """
        given = self.api.proxy
        setting = None if given is None else given.get_secret_value()
        return choose_proxy(self.base_url, setting, os.environ)

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
        usual, kind = self.schedule, subject.image_type
        own = next(one.schedule for one in self.programs if one.name == subject.program)
        places = (own.types.get(kind), own, usual.types.get(kind), usual)
        written = [one for one in places if one is not None]

        def first(key: str) -> Any:  # noqa: ANN401 - as the keys are
            return next(value for one in written if (value := getattr(one, key)) is not None)

        return Rhythm(first("poll_every"), first("lookback_nights"), first("sweep_every"))


def load_settings(
    config: Path | None = None, overrides: Mapping[str, Any] | None = None
) -> Settings:
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
    path = find_file(config)
    _check_environment(os.environ)
    written = _read_toml(path) if path is not None else {}
    given = dict(overrides or {})
    if "programs" not in {**given, **written}:
        given.update(_environment_program(os.environ))
    try:
        settings = _with_sources(written)(**given)
    except ValidationError as invalid:
        # Raised below, because the cause of an error has the secrets in it that were given.
        fault = explain(invalid, Settings, path)
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
    if is_directory(root):
        return
    if os.path.lexists(root):
        raise StorageError(
            f"the root of the mirror, {root}, is no directory",
            remedy="Move it away, or set another mirror.root.",
        )
    if not is_directory(root.parent):
        raise StorageError(
            f"there is no directory {root.parent} to make the root of the mirror, {root.name}, in",
            remedy="Create or mount it, or set another mirror.root.",
        )


def holds_secret(path: Path) -> bool:
    """Return whether a settings file has a password or a key in it, and not only where they are.

    Raises
    ------
    UsageError
        If it cannot be read.
    """
    return _holds_secret(_read_toml(path))


def _holds_secret(table: Mapping[str, Any]) -> bool:
    for key, value in table.items():
        if key in {"password", "api_key"} and value:
            return True
        if key == "proxy" and "@" in str(value):
            return True
        tables = value if isinstance(value, list) else [value]
        if any(_holds_secret(one) for one in tables if isinstance(one, dict)):
            return True
    return False


def find_file(config: Path | None = None) -> Path | None:
    """Return the settings file that `load` reads; None if there is none.

    Raises
    ------
    UsageError
        If the one that is named is not there.
    """
    given = config or (Path(found) if (found := os.environ.get(CONFIG_ENV)) else None)
    if given is None:
        return next((path for path in _usual_places(os.environ) if _is_file(path)), None)
    if not _is_file(given):
        if (kind := _kind(given)) is not None:
            raise UsageError(
                f"{given} cannot be read: this is {kind}, not a regular file",
                remedy=f"Copy {EXAMPLE} there and fill it in, or give another with --config.",
            )
        raise UsageError(
            f"there is no settings file {given}, or it may not be read",
            remedy=f"Copy {EXAMPLE} there and fill it in, or give another with --config.",
        )
    return given


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except PermissionError:
        return False


def _kind(path: Path) -> str | None:
    """Return what could be waited for there in vain; None if nothing, or it cannot be known."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return None
    return None if stat.S_ISDIR(mode) else kind_of(mode)


def _usual_places(environ: Mapping[str, str]) -> tuple[Path, ...]:
    home = environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111 - never fails
    return Path(home, FILE), Path("/etc", FILE)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        content = read_regular(path, _LONGEST_FILE, follow=True)
    except OSError as unreadable:
        odd = isinstance(unreadable, KindError | TooLargeError)
        raise UsageError(
            f"{path} cannot be read: {unreadable.strerror}",
            remedy=f"Copy {EXAMPLE} there and fill it in." if odd else "Check its owner and mode.",
        ) from None
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as broken:
        fault = f"line {content[: broken.start].count(10) + 1} is not UTF-8"
    except RecursionError:
        fault = "it is nested too deep"
    except ValueError as broken:
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
        if name in _JSON_ENV and value and (fault := _json_fault(value)):
            raise UsageError(
                f"the environment variable {variable} is not JSON: {fault}",
                remedy=f"Write it like {_JSON_ENV[name]}.",
            )


def _json_fault(text: str) -> str | None:
    try:
        json.loads(text)
    except json.JSONDecodeError as broken:
        return f"{broken.msg} at character {broken.pos + 1}"
    except (RecursionError, ValueError):
        return "it is nested too deep, or has a number that is too long"
    return None


def _environment_words() -> Iterator[str]:
    for section, described in Settings.model_fields.items():
        if isinstance(described.annotation, type) and issubclass(described.annotation, Section):
            yield from (f"{section}__{key}".upper() for key in described.annotation.model_fields)
        else:
            yield section.upper()
