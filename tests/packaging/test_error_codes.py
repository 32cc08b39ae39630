"""Every error that reaches a person has a code that stays the same and is explained."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.command import run

import winter_sync
from winter_sync.archive.listing import TooManyRowsError
from winter_sync.cli.explanations import EXPLANATIONS
from winter_sync.cli.setup.survey import RefusedError
from winter_sync.core import errors
from winter_sync.core.error_codes import ErrorCode
from winter_sync.core.errors import ExitCode, WinterSyncError
from winter_sync.maintenance.facts_process import HeadersNotReadError

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(winter_sync.__file__).parent
STABLE = Path(__file__).parent / "error_codes.txt"
KINDS: dict[str, type[WinterSyncError]] = {
    kind.__name__: kind
    for kind in [
        *(each for each in vars(errors).values() if isinstance(each, type)),
        HeadersNotReadError,
        RefusedError,
        TooManyRowsError,
    ]
    if issubclass(kind, WinterSyncError)
}


def places() -> Iterator[tuple[str, ast.Call]]:
    """Yield each place of the program that makes an error, and its module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] == "simulator":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id in KINDS:
                yield str(path.relative_to(PACKAGE)), node


def says_enough(module: str, kind: str) -> bool:
    """Return whether the usual code of a kind of error says what is wrong at a place.

    It does not where the disk or the credentials are at fault, or where a fault of the settings
    would be taken for one of the options.
    """
    if kind == "UsageError":
        return module.startswith(("cli/", "pages/", "vo/"))
    return kind not in {"WinterSyncError", "StorageError", "CredentialsRefusedError"}


def test_every_place_gives_its_error_a_code() -> None:
    """Unless that which is usual of its kind says enough."""
    without = [
        f"{module}:{call.lineno}"
        for module, call in places()
        if not any(keyword.arg == "code" for keyword in call.keywords)
        and isinstance(call.func, ast.Name)
        and not says_enough(module, call.func.id)
    ]
    assert not without, f"no code: {without}"


def test_the_codes_are_those_that_were_given_out() -> None:
    """One is added at the end of its group in the list, and none is ever removed or renamed."""
    given_out = [line.split() for line in STABLE.read_text().splitlines()]
    assert len({code for code, _ in given_out}) == len(given_out)
    assert {code: int(exits) for code, exits in given_out} == {
        code.value: int(explained.exit_code) for code, explained in EXPLANATIONS.items()
    }


def test_every_code_is_explained_and_used() -> None:
    """In the order in which they are listed; none is explained that no error can have."""
    assert list(EXPLANATIONS) == list(ErrorCode)
    source = "".join(
        path.read_text()
        for path in PACKAGE.rglob("*.py")
        if path.name not in {"explanations.py", "error_codes.py"}
    )
    assert not [code for code in ErrorCode if f"ErrorCode.{code.name}" not in source]


@pytest.mark.parametrize("name", sorted(KINDS.keys() - {"WinterSyncError"}))
def test_a_code_ends_a_command_as_it_is_explained(name: str) -> None:
    """The kind of each error has the exit code that its explanation has."""
    kind = KINDS[name]
    assert EXPLANATIONS[kind.usual_code].exit_code is kind.exit_code
    for module, call in places():
        code = next((word.value for word in call.keywords if word.arg == "code"), None)
        is_its = isinstance(call.func, ast.Name) and call.func.id == name
        if is_its and isinstance(code, ast.Attribute) and code.attr in ErrorCode.__members__:
            explained = EXPLANATIONS[ErrorCode[code.attr]]
            assert explained.exit_code is kind.exit_code, f"{module}:{call.lineno}"


def test_a_message_has_its_code_at_the_end_of_the_first_line(tmp_path: Path) -> None:
    """Whatever follows; and the code is one that `explain` knows."""
    (tmp_path / "bad.toml").write_text("[api]\nusre = 1\n[mirro]\n")
    said = run("--config", "bad.toml", "status", home=tmp_path)
    assert said.code == ExitCode.USAGE
    first, *rest = said.err.splitlines()
    assert first.endswith(" [WS-SETTINGS-VALUE]")
    assert rest
    assert not any("[WS-" in line for line in rest)
    told = run("explain", "[ws-settings-value]", home=tmp_path)
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("WS-SETTINGS-VALUE: Settings have ")
    assert "Exit code: 2, usage or settings" in told.out


def test_explain_lists_all_without_settings(tmp_path: Path) -> None:
    """One a line with its exit code; one that is misspelt is refused with the nearest."""
    said = run("explain", home=tmp_path, environment={"WINTER_SYNC_CONFIG": "/nowhere"})
    assert [line.split()[:2] for line in said.out.splitlines()] == [
        [code.value, str(int(EXPLANATIONS[code].exit_code))] for code in ErrorCode
    ]
    wrong = run("explain", "WS-NET-TSL", home=tmp_path)
    assert wrong.code == ExitCode.USAGE
    assert "did you mean WS-NET-TLS?" in wrong.err
