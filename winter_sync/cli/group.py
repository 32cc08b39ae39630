"""The program as Typer has it: options of every command are taken before and after its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typer.core import TyperGroup

from winter_sync.cli.command_table import Commands

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import typer

COMMON = ("--config", "--log-level", "--log-format")
"""The options that every command has; each takes a value."""


class Program(TyperGroup):
    """The group of all commands."""

    def __init__(self, **described: Any) -> None:  # noqa: ANN401 - as Typer calls it
        super().__init__(**described)
        self.commands = Commands()  # type: ignore[assignment] # it is only read

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override] # Typer's own name for it
        """Read the arguments, with the common options wherever they stand."""
        return super().parse_args(ctx, common_first(args))


def common_first(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the common options before all others, in their order.

    What follows `--` is no option.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    common, others = list[str](), list[str]()
    for taken in _options(arguments[:end]):
        (common if taken[0].partition("=")[0] in COMMON else others).extend(taken)
    return [*common, *others, *arguments[end:]]


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Return each argument, and a common option together with its value."""
    rest = iter(arguments)
    for argument in rest:
        value = next(rest, None) if argument in COMMON else None
        yield (argument,) if value is None else (argument, value)
