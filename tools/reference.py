"""Write the pages of docs/reference from the code; --check compares."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import typer.main
from pydantic import BaseModel, ByteSize, HttpUrl
from pydantic_core import PydanticUndefined

from winter_sync.cli.app import app
from winter_sync.cli.explanations import EXPLANATIONS
from winter_sync.config.environment import ENV_PREFIX
from winter_sync.config.sections import EXAMPLE
from winter_sync.config.settings import Settings
from winter_sync.core.errors import EXIT_CODES, Cause
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.monitoring.metric_definitions import METRICS, SUCCEEDED, Metric

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "reference"
WIDTH = 80
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_SIZES = (("GiB", 1024**3), ("MB", 1_000_000))

_SETTINGS = f"""# Settings

Every key of the settings file, as the program reads it.
[{EXAMPLE}](../../{EXAMPLE}) is a file to copy, with the reasons.
A duration is a number with `s`, `m`, `h` or `d`; a size is a number of bytes, or one with a unit
like `10 GiB` or `5 MB`. A key that is a single value can also be set by the environment, under the
name given; the environment wins over the file.
"""
_COMMANDS = """# Commands

What each command says of itself with `--help`, in a terminal of 80 columns.
"""


_METRICS = """# Metrics

Every metric that `winter-sync run` answers on `/metrics`, with its labels and their values.
[Watching the daemon](../monitoring.md) says how to collect them, and which alerts there are.

A counter begins at 0 with every start of the daemon. A histogram has the names `..._bucket`,
`..._sum` and `..._count`. The numbers of the process (`process_resident_memory_bytes`,
`process_cpu_seconds_total`, `process_start_time_seconds` and others) are those that every program
with Prometheus' Python client has.
"""
_METRICS_END = """Where a program is narrowed to several targets or regions, its last successful
poll is that of the region polled least recently. `wanted`, `missing` and `claimed` count what the
configured programs list. When the catalog or the disk cannot be read, its metrics are absent,
`winter_sync_unreadable` is 1, and all others are there.
"""
_CAUSES = {
    Cause.TRANSIENT: "the server or the connection failed",
    Cause.REFUSED: "credentials were refused",
    Cause.BAD_ANSWER: "not what the archive's contract says",
    Cause.DAMAGED: "incomplete, or not what it claims to be",
    Cause.STORAGE: "our disk or catalog",
    Cause.OTHER: "anything else",
}
_LABELS = {
    "result": (
        f"`{SUCCEEDED}`, or a `cause`; of a reload `taken` or `refused`; of facts `complete` or "
        "`odd` (something in the file could not be read; the catalog says what); of previews "
        "`drawn` or `failed`"
    ),
    "cause": ", ".join(f"`{cause}` ({meaning})" for cause, meaning in _CAUSES.items()),
    "change": ("`new`, `changed`, `returned` or `withdrawn`; of a manifest `settled` or `changed`"),
    "outcome": (
        "`published`, `unchanged`, `adopted` (the file was here, and the catalog did not know "
        "it), `missing` or `failed`"
    ),
    "state": (
        "`wanted`, `claimed` (being fetched), `missing` (listed, but the archive has no file "
        "now), `published` (in the tree), `damaged` (downloaded, but the file was found missing "
        "or changed since), `withdrawn` (no longer listed); of the last night `here`, `pending`, "
        "`missing`, `damaged` or `not_kept`"
    ),
    "damage": (
        "`missing` (the file was deleted; it is downloaded again), `changed` or `unreadable`"
    ),
    "how": (
        "`adopted` (published before the crash, and now known) or `released` (to be fetched again)"
    ),
    "part": "`catalog` or `disk`",
    "program": "the programs of the settings",
    "instrument": ", ".join(f"`{name}`" for name in Instrument),
    "image_type": ", ".join(f"`{name}`" for name in ImageType),
    "sink": "the names of the sinks in the settings",
    "version": "of winter-sync",
    "python": "of Python",
}


def metrics_page() -> str:
    """Return the page on metrics: a table of them, and one of the values of their labels."""
    labels = dict.fromkeys(label for metric in METRICS for label in metric.labels)
    lines = [
        _METRICS,
        "| metric | type | labels | meaning |\n|---|---|---|---|",
        *map(_metric_row, METRICS),
        "\n## Labels\n",
        "| label | values |\n|---|---|",
        *(f"| `{label}` | {_LABELS[label]} |" for label in labels),
        f"\n{_METRICS_END}",
    ]
    return "\n".join(lines)


def _metric_row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    bounds = ", ".join(f"{bound:g}" for bound in metric.buckets)
    meaning = metric.about + (f" Upper bounds: {bounds}." if bounds else "")
    return f"| `{metric.full_name}` | {metric.kind} | {labels} | {meaning} |"


_ERRORS = """# Errors

Each error has a code that stays the same, in brackets at the end of the first line of its message,
and as `code` in the log. `winter-sync explain CODE` says the same as this page, without a network.
The exit code is that of a command that ends because of it.
"""


def settings_page() -> str:
    """Return the page on settings: a table for each section of the file."""
    parts = [_SETTINGS]
    for name, field in Settings.model_fields.items():
        parts += _section(name, _model_of(field), is_list=_is_list(field), in_file=_is_list(field))
    return "\n".join(parts)


def _section(name: str, model: type[BaseModel], *, is_list: bool, in_file: bool) -> Iterator[str]:
    """Return the heading, the description and the keys of a section, then those within it.

    Those of a list, or of one image type, can be set in the file only.
    """
    brackets = f"[[{name}]]" if is_list else f"[{name}]"
    said = " ".join((model.__doc__ or "").split())
    about = said.partition(": ")[2] if said.startswith("[") else said
    yield f"## `{brackets}`\n\n{about[:1].upper()}{about[1:]}\n"
    yield "| key | default | meaning | environment |\n|---|---|---|---|"
    inner = []
    for key, field in model.model_fields.items():
        nested = _nested_model(field)
        if nested is not None:
            of_types = _is_mapping(field)
            path = f"{name}.{key}.TYPE" if of_types else f"{name}.{key}"
            inner.append((path, nested, _is_list(field), in_file or of_types))
        else:
            yield _row(name, key, field, in_file=in_file)
    yield ""
    for path, nested, nested_list, nested_in_file in inner:
        yield from _section(path, nested, is_list=nested_list, in_file=nested_in_file)


def _row(section: str, key: str, field: FieldInfo, *, in_file: bool) -> str:
    variable = f"{ENV_PREFIX}{section}__{key}".upper().replace(".", "__")
    settable = not in_file and not _is_list(field)
    cells = (
        f"`{key}`",
        _default(field),
        " ".join(filter(None, (field.description, _limits(field), _choices(field)))),
        f"`{variable}`" if settable else "",
    )
    return f"| {' | '.join(cells)} |"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "(must be set)"
    value = field.default
    if value in (None, PydanticUndefined, (), {}):
        return ""
    return f"`{_written(value)}`"


def _written(value: object) -> str:
    """Return a value as it is written in the file."""
    match value:
        case bool():
            written = str(value).lower()
        case timedelta():
            written = f'"{_duration(int(value.total_seconds()))}"'
        case ByteSize():
            written = _size(int(value))
        case tuple():
            written = f"[{', '.join(map(_written, value))}]"
        case Enum() | str() | HttpUrl():
            written = f'"{str(value).rstrip("/")}"'
        case _:
            written = str(value)
    return written


def _duration(seconds: int) -> str:
    unit, length = next((unit, n) for unit, n in _UNITS if seconds % n == 0)
    return f"{seconds // length}{unit}"


def _size(count: int) -> str:
    for unit, length in _SIZES:
        if count and count % length == 0:
            return f'"{count // length} {unit}"'
    return str(count)


def _limits(field: FieldInfo) -> str:
    """Return between what a number must be."""
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    limits = [
        f"{word} {limit:g}"
        for each in field.metadata
        for name, word in words.items()
        if isinstance(limit := getattr(each, name, None), int | float)
    ]
    return f"({', '.join(limits)})" if limits else ""


def _choices(field: FieldInfo) -> str:
    """Return the words that a key takes, where they are few."""
    kinds = [*_leaves(field.annotation)]
    words = [word for word in kinds if isinstance(word, str)]
    words += [
        member.value
        for kind in kinds
        if isinstance(kind, type) and issubclass(kind, Enum)
        for member in kind
    ]
    return f"One of {', '.join(f'`{word}`' for word in words)}." if words else ""


def _leaves(annotation: object) -> Iterator[object]:
    arguments = get_args(annotation)
    if not arguments:
        yield annotation
    for argument in arguments:
        yield from _leaves(argument)


def _nested_model(field: FieldInfo) -> type[BaseModel] | None:
    kinds = (kind for kind in _leaves(field.annotation) if isinstance(kind, type))
    return next((kind for kind in kinds if issubclass(kind, BaseModel)), None)


def _model_of(field: FieldInfo) -> type[BaseModel]:
    model = _nested_model(field)
    if model is None:
        raise TypeError(f"{field!r} is no section")
    return model


def _is_mapping(field: FieldInfo) -> bool:
    return getattr(field.annotation, "__origin__", None) is dict


def _is_list(field: FieldInfo) -> bool:
    return getattr(field.annotation, "__origin__", None) is tuple


def commands_page() -> str:
    """Return the page on commands: what `--help` prints, for the program and each command."""
    os.environ.update(COLUMNS=str(WIDTH), TERM="dumb")
    program = typer.main.get_command(app)
    options: dict[str, Any] = {"resilient_parsing": True, "terminal_width": WIDTH}
    with program.make_context("winter-sync", [], **options) as context:
        parts = [_COMMANDS, _help(context.get_help())]
        for name, command in program.commands.items():  # type: ignore[attr-defined] # a group
            inner = command.make_context(name, [], parent=context, **options)
            parts += [f"## {name}\n", _help(inner.get_help())]
    return "\n".join(parts)


def _help(text: str) -> str:
    lines = (line.rstrip() for line in text.splitlines())
    return "```\n" + "\n".join(lines) + "\n```\n"


def errors_page() -> str:
    """Return the page on errors: what `explain` says of each code."""
    parts = [_ERRORS]
    for code, explained in EXPLANATIONS.items():
        parts.append(f"## `{code}`\n\n{explained.what}\n")
        meaning = EXIT_CODES[explained.exit_code].meaning
        parts += [
            f"- **Why:** {explained.why}",
            f"- **What is kept:** {explained.kept}",
            f"- **What to do:** {explained.do}",
            f"- **Exit code:** {explained.exit_code:d} ({meaning})\n",
        ]
    return "\n".join(parts)


MADE = {
    "settings.md": settings_page,
    "commands.md": commands_page,
    "metrics.md": metrics_page,
    "errors.md": errors_page,
}
"""The pages, and what makes each."""


def main() -> None:
    """Write the pages, or complain of those that are not as the code would have them."""
    stale = [name for name, make in MADE.items() if not _is_current(PAGES / name, make())]
    if stale and "--check" in sys.argv:
        sys.exit(f"docs/reference: {', '.join(stale)} not as tools/reference.py makes it")
    for name in stale:
        (PAGES / name).write_text(MADE[name](), encoding="utf-8")


def _is_current(page: Path, text: str) -> bool:
    return page.exists() and page.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    main()
