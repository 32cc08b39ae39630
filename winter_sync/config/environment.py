"""The environment variables that are settings, checked: a misspelt one is not ignored."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from winter_sync.config.files import CONFIG_ENV
from winter_sync.config.messages import nearest
from winter_sync.config.sections import Section
from winter_sync.config.values import program_name
from winter_sync.core import ErrorCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel

ENV_PREFIX = "WINTER_SYNC_"
_PROGRAMS_ENV = f"{ENV_PREFIX}PROGRAMS"
_JSON_ENV = {
    _PROGRAMS_ENV: '[{"name": "2024A000", "image_types": ["stack"]}]',
    f"{ENV_PREFIX}SCHEDULE__TYPES": '{"exposure": {"poll_every": "1h"}}',
    f"{ENV_PREFIX}SINKS": '[{"name": "reduce", "command": ["/opt/reduce/start"]}]',
    f"{ENV_PREFIX}HTTP__HOSTS": '["mirror.example.org"]',
}
"""The variables whose values are lists or tables, written in JSON, with an example of each."""
_KUBERNETES = re.compile(rf"{ENV_PREFIX}(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_\w+)?)")
"""Variables that Kubernetes sets beside a service called winter-sync."""


def check_environment(environ: Mapping[str, str], settings: type[BaseModel]) -> None:
    """Check the names of all variables that look like settings, and the JSON of some.

    Raises
    ------
    UsageError
        If one is not a setting, or is not JSON where it must be.
    """
    known = [f"{ENV_PREFIX}{word}" for word in _words(settings)]
    for variable, value in environ.items():
        name = variable.upper()
        if not name.startswith(ENV_PREFIX) or name == CONFIG_ENV or _KUBERNETES.fullmatch(name):
            continue
        if name not in known:
            raise UsageError(
                f"the environment variable {variable} is not a setting{nearest(name, known)}",
                remedy="Rename or unset it.",
                code=ErrorCode.SETTINGS_VALUE,
            )
        if name in _JSON_ENV and value and (fault := _json_fault(value)):
            raise UsageError(
                f"the environment variable {variable} is not JSON: {fault}",
                remedy=f"Write it like {_JSON_ENV[name]}.",
                code=ErrorCode.SETTINGS_VALUE,
            )


def program_from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return a program for `WINTER_API_PROGRAM`, unless the environment lists programs itself.

    Raises
    ------
    UsageError
        If that is not the name of a program.
    """
    name = environ.get("WINTER_API_PROGRAM")
    if not name or any(key.upper() == _PROGRAMS_ENV and environ[key] for key in environ):
        return {}
    try:
        program_name(name)
    except ValueError as wrong:
        # The variable has to be named: programs[1].name, as pydantic says, was never written.
        raise UsageError(
            f"WINTER_API_PROGRAM: {wrong}",
            remedy="Run `export WINTER_API_PROGRAM=2024A000`, with the name of your program.",
            code=ErrorCode.SETTINGS_VALUE,
        ) from None
    return {"programs": ({"name": name},)}


def _json_fault(text: str) -> str | None:
    try:
        json.loads(text)
    except json.JSONDecodeError as broken:
        return f"{broken.msg} at character {broken.pos + 1}"
    except (RecursionError, ValueError):
        return "it is nested too deep, or has a number that is too long"
    return None


def _words(settings: type[BaseModel]) -> Iterator[str]:
    """Return the names of all settings as they are in the environment, without the prefix."""
    for section, described in settings.model_fields.items():
        if isinstance(described.annotation, type) and issubclass(described.annotation, Section):
            yield from (f"{section}__{key}".upper() for key in described.annotation.model_fields)
        else:
            yield section.upper()
