"""`winter-sync init`: from an account to settings that work."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from winter_sync.cli.options import LISTS, RootDirectory, choice_of, lists_of
from winter_sync.cli.process import run_until_interrupted, say
from winter_sync.core import ExitCode, ImageType, WinterSyncError

if TYPE_CHECKING:
    from winter_sync.cli.setup.answers import Answers
    from winter_sync.config import Settings

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
    root: RootDirectory = None,
    user: User = None,
    programs: Programs = None,
    types: Types = None,
    base_url: BaseUrl = None,
    yes: Yes = False,
    no_check: NoCheck = False,
    force: Force = False,
) -> None:
    """Write settings: ask for what is needed, check it, show what a mirror would hold.

    Password and keys are asked for, or taken from WINTER_API_PASSWORD and WINTER_API_KEY (or
    WINTER_API_KEY_<PROGRAM>), and stored in files that only you can read, beside the settings.
    """
    from winter_sync.cli.core_dumps import forbid_core_dumps
    from winter_sync.cli.setup.answers import Wanted, answers_of, ask_types, is_interactive
    from winter_sync.cli.setup.files import refuse_existing, refuse_unwritable
    from winter_sync.cli.setup.text import secret_paths
    from winter_sync.config import new_file

    forbid_core_dumps()
    file = new_file(context.obj.config)
    refuse_unwritable(file.parent)
    if not force:
        refuse_existing([file])
    wanted = Wanted(root, user, tuple(programs or ()), tuple(types or ()), base_url)
    try:
        answers = answers_of(wanted)
        if not force:
            refuse_existing(secret_paths(file, tuple(answers.keys)))
        if not no_check:
            run_until_interrupted(_survey(answers, yes=yes))
        if not answers.image_types:
            asked = is_interactive() and not yes
            answers = replace(answers, image_types=ask_types() if asked else (ImageType.STACK,))
        if is_interactive() and not yes:
            typer.confirm(f"Write {file} and the secrets beside it?", default=True, abort=True)
        _write(file, answers, force=force)
    except (typer.Abort, KeyboardInterrupt, EOFError):
        say("\nwinter-sync: interrupted; nothing was written.", sys.stderr)
        sys.exit(ExitCode.INTERRUPTED)


async def _survey(answers: Answers, *, yes: bool) -> None:
    from winter_sync.cli.setup.survey import survey
    from winter_sync.config import read_credentials

    settings = _settings(answers)
    types = answers.image_types or tuple(ImageType)
    try:
        async for line in survey(settings, read_credentials(settings), types):
            say(line)
    except WinterSyncError as failed:
        if not yes:
            raise
        say(f"winter-sync: {failed.message}", sys.stderr)


def _settings(answers: Answers) -> Settings:
    from winter_sync.config import make_settings

    api = {"user": answers.user, "password": answers.password}
    if answers.base_url is not None:
        api["base_url"] = answers.base_url
    programs = [{"name": name, "api_key": key} for name, key in answers.keys.items()]
    return make_settings({"api": api, "mirror": {"root": answers.root}, "programs": programs})


def _write(file: Path, answers: Answers, *, force: bool) -> None:
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
    say("Next:")
    for command in ("check", "sync", "status"):
        say(f"  winter-sync {command}{option}")
