"""`winter-sync init`: from an account to settings that work."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from winter_sync.cli.options import LISTS, choice_of, lists_of
from winter_sync.cli.process import own_name, run_until_interrupted, say
from winter_sync.cli.wrapping import terminal_width, wrap
from winter_sync.core import (
    ExitCode,
    ImageType,
    Instrument,
    WinterSyncError,
    escape_unprintable,
)

if TYPE_CHECKING:
    from winter_sync.cli.setup.answers import Answers
    from winter_sync.cli.setup.survey import Held
    from winter_sync.config import Settings

Root = Annotated[
    Path | None,
    typer.Option("--root", metavar="DIR", help="The directory to mirror into."),
]
User = Annotated[str | None, typer.Option(metavar="USER", help="Your account, an e-mail address.")]
Programs = Annotated[
    list[str] | None,
    typer.Option(
        "--program",
        metavar="PROGRAM",
        callback=lists_of(str),
        help=f"A program to mirror ({LISTS}).",
    ),
]
Types = Annotated[
    list[ImageType] | None,
    typer.Option(
        "--type",
        parser=str,
        callback=lists_of(choice_of(tuple(ImageType))),
        autocompletion=lambda: list(ImageType),
        metavar="TYPE",
        help=f"An image type to mirror ({LISTS}): {', '.join(ImageType)}. Default: stack.",
    ),
]
Instruments = Annotated[
    list[Instrument] | None,
    typer.Option(
        "--instrument",
        parser=str,
        callback=lists_of(choice_of(tuple(Instrument))),
        autocompletion=lambda: list(Instrument),
        metavar="INSTRUMENT",
        help=f"A camera to mirror ({LISTS}): {', '.join(Instrument)}. Default: winter.",
    ),
]
FromWinterapi = Annotated[
    bool,
    typer.Option(
        "--from-winterapi",
        help="Take over user, password and programs from the client winterapi.",
    ),
]
BaseUrl = Annotated[
    str | None,
    typer.Option("--base-url", metavar="URL", help="Another address of the archive's API."),
]
Yes = Annotated[
    bool,
    typer.Option("--yes", help="Write without asking, even if the archive refuses or is down."),
]
NoCheck = Annotated[bool, typer.Option("--no-check", help="Ask the archive nothing.")]
Force = Annotated[
    bool, typer.Option("--force", help="Keep files that are there as backups, and write new ones.")
]


def init(  # noqa: PLR0913 - one option each
    context: typer.Context,
    *,
    root: Root = None,
    user: User = None,
    programs: Programs = None,
    types: Types = None,
    instruments: Instruments = None,
    from_winterapi: FromWinterapi = False,
    base_url: BaseUrl = None,
    yes: Yes = False,
    no_check: NoCheck = False,
    force: Force = False,
) -> None:
    """Ask for what a mirror needs, check it, and write settings.

    It shows what the archive lists of each program, and about how many bytes that is.

    Password and keys are asked for, or taken from WINTER_API_PASSWORD and WINTER_API_KEY (or
    WINTER_API_KEY_<PROGRAM>), and stored in files that only you can read, beside the settings.
    """
    from winter_sync.cli.core_dumps import forbid_core_dumps
    from winter_sync.cli.setup.answers import (
        BASE_URL_VARIABLE,
        Wanted,
        answers_of,
        is_interactive,
        variables_used,
    )
    from winter_sync.cli.setup.files import refuse_existing, refuse_unwritable
    from winter_sync.cli.setup.text import secret_paths
    from winter_sync.cli.setup.winterapi_store import Stored, read_store
    from winter_sync.config import new_file

    forbid_core_dumps()
    file = new_file(context.obj.config)
    refuse_unwritable(file.parent)
    if not force:
        refuse_existing([file])
    try:
        stored = read_store(Path.home()) if from_winterapi else Stored()
        if from_winterapi:
            say(escape_unprintable(stored.said))
        chosen = tuple(programs or ()), tuple(types or ()), tuple(instruments or ())
        base_url = base_url or os.environ.get(BASE_URL_VARIABLE)
        wanted = Wanted(root, user, *chosen, base_url, stored)
        if used := variables_used(wanted):
            text = f"from the environment: {', '.join(used)}"
            say(wrap(text, terminal_width(sys.stdout), "  "))
        answers = answers_of(wanted)
        if not force:
            refuse_existing(secret_paths(file, tuple(answers.keys)))
        ask = is_interactive() and not yes
        held: list[Held] = []
        if not no_check:
            answers, held = _check(answers, ask=ask, yes=yes)
        answers = _choose(answers, held, ask=ask)
        if ask:
            say(f"Settings: {file}\nSecrets: in files beside it that only you can read")
            typer.confirm("Write them?", default=True, abort=True)
        _write(file, answers, held, force=force)
    except (typer.Abort, KeyboardInterrupt, EOFError):
        say("\nwinter-sync: interrupted; nothing was written.", sys.stderr)
        sys.exit(ExitCode.INTERRUPTED)


def _check(answers: Answers, *, ask: bool, yes: bool) -> tuple[Answers, list[Held]]:
    """Ask the archive about the answers; what it refuses is asked for again at a terminal."""
    from winter_sync.cli.setup.answers import ask_again
    from winter_sync.cli.setup.survey import RefusedError

    while True:
        try:
            work = _survey(answers, yes=yes)
            return answers, run_until_interrupted(work, "nothing was written.")
        except RefusedError as refused:
            if not ask:
                raise
            text = escape_unprintable(f"  {refused.message}. Once more:")
            say(wrap(text, terminal_width(sys.stdout)))
            answers = ask_again(answers, refused.program)


async def _survey(answers: Answers, *, yes: bool) -> list[Held]:
    """Show what the archive says of the account, and return what it lists."""
    from winter_sync.cli.setup.survey import survey
    from winter_sync.config import read_credentials

    settings = _settings(answers)
    types = answers.image_types or tuple(ImageType)
    text = "\n"
    held: list[Held] = []
    try:
        async for part in survey(settings, read_credentials(settings), types):
            text = part.text
            sys.stdout.write(text)
            sys.stdout.flush()
            held += [] if part.held is None else [part.held]
    except WinterSyncError as failed:
        if not yes:
            raise
        say(f"winter-sync: {escape_unprintable(failed.message)}", sys.stderr)
    finally:
        if not text.endswith("\n"):
            say("")
    return held


def _choose(answers: Answers, held: list[Held], *, ask: bool) -> Answers:
    """Return the answers with types and cameras, and say what a mirror of them would hold."""
    from winter_sync.cli.setup.answers import ask_instruments, ask_types
    from winter_sync.cli.setup.survey import volume_lines

    types = answers.image_types or (ask_types() if ask else (ImageType.STACK,))
    instruments = answers.instruments or (Instrument.WINTER,)
    has_spring = any(each.count for each in held if each.instrument is Instrument.SPRING)
    if ask and has_spring and not answers.instruments:
        instruments = ask_instruments()
    answers = replace(answers, image_types=types, instruments=instruments)
    for line in volume_lines(held, answers) if held else ():
        say(line)
    return answers


def _settings(answers: Answers) -> Settings:
    from winter_sync.config import make_settings

    api = {"user": answers.user, "password": answers.password}
    if answers.base_url is not None:
        api["base_url"] = answers.base_url
    programs = [{"name": name, "api_key": key} for name, key in answers.keys.items()]
    return make_settings({"api": api, "mirror": {"root": answers.root}, "programs": programs})


def _write(file: Path, answers: Answers, held: list[Held], *, force: bool) -> None:
    from winter_sync.cli.setup.files import write_files
    from winter_sync.cli.setup.text import files_of
    from winter_sync.config import find_file

    _settings(answers)
    suffix = f".backup-{datetime.now(UTC):%Y%m%dT%H%M%SZ}" if force else None
    texts = files_of(file, answers)
    for backup in write_files(texts, backup_suffix=suffix):
        say(f"kept    {backup}")
    for path in texts:
        say(f"written {path}")
    option = "" if file == find_file() else f" --config {shlex.quote(str(file))}"
    start = min((each.start for each in held), default=None)
    say("Next:")
    for command, purpose in (
        ("check", "is everything ready?"),
        ("sync", "download the last 7 nights"),
        (f"backfill --from {start:%Y%m%d}" if start else "", "and all nights before"),
        ("status", "is everything here?"),
        ("run", "keep it up to date"),
    ):
        if command:
            line = f"{own_name()} {command}{option}"
            say(f"  {line:<36}  # {purpose}")
