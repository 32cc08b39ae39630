"""What the user wants, read from a TOML file and the environment, and checked."""

from __future__ import annotations

import os
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Self

from pydantic import ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from winter_sync.config.environment import (
    ENV_PREFIX,
    check_environment,
    program_from_environment,
)
from winter_sync.config.files import find_file, read_toml
from winter_sync.config.messages import explain
from winter_sync.config.sections import (
    ApiSettings,
    DaemonSettings,
    EventsSettings,
    FactsSettings,
    HttpSettings,
    MirrorSettings,
    PagesSettings,
    ProgramSettings,
    ScheduleSettings,
    SinkSettings,
    ToOSettings,
    table,
)
from winter_sync.core import (
    STATE_DIR,
    ErrorCode,
    Layout,
    PollSchedule,
    Selection,
    UsageError,
    choose_proxy,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from winter_sync.core import EventFilter, Proxy, Subject


_WRITTEN: ContextVar[dict[str, Any] | None] = ContextVar("written", default=None)
"""What the settings file has while it is read."""


@contextmanager
def _reading(written: dict[str, Any]) -> Iterator[None]:
    """Have the environment and a file read as well.

    A class of settings for each file would have all tables built anew.
    """
    token = _WRITTEN.set(written)
    try:
        yield
    finally:
        _WRITTEN.reset(token)


class Settings(BaseSettings):
    """All settings.

    `load_settings` reads them; constructed directly, they are the arguments and nothing else.
    """

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    api: ApiSettings = table()
    mirror: MirrorSettings = table()
    schedule: ScheduleSettings = table()
    daemon: DaemonSettings = table()
    facts: FactsSettings = table()
    too: ToOSettings = table()
    http: HttpSettings = table()
    pages: PagesSettings = table()
    events: EventsSettings = table()
    sinks: tuple[SinkSettings, ...] = ()
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
        """Use the arguments alone, except where `load_settings` reads a file."""
        del dotenv_settings, file_secret_settings
        if (written := _WRITTEN.get()) is None:
            return (init_settings,)
        return init_settings, env_settings, InitSettingsSource(settings_cls, written)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [program.name for program in self.programs]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"program {twice} appears twice; put its types into one [[programs]]")
        sinks = [sink.name for sink in self.sinks]
        if twice := next((name for name in sinks if sinks.count(name) > 1), None):
            raise ValueError(f"sink {twice} appears twice; give one of the two another name")
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
                remedy='Write root = "/data/winter" under [mirror], or set '
                "WINTER_SYNC_MIRROR__ROOT.",
                code=ErrorCode.SETTINGS_MISSING,
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
        """The proxy to the archive: from the settings, or from the environment as for curl.

        Raises
        ------
        UsageError
            If the environment names something that is not a proxy.
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
                remedy='Write [[programs]] and below it name = "2024A000", or set '
                "WINTER_API_PROGRAM and WINTER_API_KEY.",
                code=ErrorCode.SETTINGS_MISSING,
            )
        return tuple(program.selection for program in self.programs)

    @property
    def sink_filters(self) -> dict[str, EventFilter]:
        """Which events each sink is told, by its name."""
        return {sink.name: sink.wanted for sink in self.sinks}

    def poll_schedule(self, subject: Subject) -> PollSchedule:
        """Return how often and how far back to poll a subject.

        The setting for its type in its program comes first, then that for its program, for its
        type, and for all.
        """
        usual, kind = self.schedule, subject.image_type
        own = next(table.schedule for table in self.programs if table.name == subject.program)
        places = (own.types.get(kind), own, usual.types.get(kind), usual)
        written = [table for table in places if table is not None]

        def first(key: str) -> Any:  # noqa: ANN401 - as the keys are
            return next(value for table in written if (value := getattr(table, key)) is not None)

        return PollSchedule(first("poll_every"), first("lookback_nights"), first("sweep_every"))


def make_settings(tables: Mapping[str, Any]) -> Settings:
    """Return the settings that these tables and the environment are, whatever files say.

    So a proxy that the environment names is used.

    Raises
    ------
    UsageError
        As `load_settings` does.
    """
    check_environment(os.environ, Settings)
    try:
        with _reading({}):
            return Settings(**tables)
    except ValidationError as invalid:
        fault = explain(invalid, Settings, None)
    raise UsageError(fault.message, remedy="Give another value.", code=ErrorCode.SETTINGS_VALUE)


def load_settings(
    config: Path | None = None, overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Read and check the settings.

    A setting made in several places is taken from the first of: `overrides`, the environment
    (`WINTER_SYNC_<SECTION>__<KEY>`; `WINTER_SYNC_PROGRAMS` as JSON), the file. With no `config`,
    `$WINTER_SYNC_CONFIG`, then the usual places of the user and of the machine are tried; no file
    at all is fine. An empty variable counts as unset.

    Raises
    ------
    UsageError
        With a line for each fault, which names the nearest known key for an unknown one, and never
        the value of a secret.
    """
    path = find_file(config)
    check_environment(os.environ, Settings)
    written = read_toml(path) if path is not None else {}
    given = dict(overrides or {})
    if "programs" not in {**given, **written}:
        given.update(program_from_environment(os.environ))
    try:
        with _reading(written):
            settings = Settings(**given)
    except ValidationError as invalid:
        # Raised below, because the cause of an error would contain the secrets that were given.
        fault = explain(invalid, Settings, path)
    else:
        Layout(settings.mirror.layout)
        return settings
    raise fault
