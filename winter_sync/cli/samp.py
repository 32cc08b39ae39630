"""Files and answers of the mirror sent to TOPCAT, Aladin and DS9."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from winter_sync.api import PRODUCT_COLUMNS, product_row
from winter_sync.cli.process import say
from winter_sync.core import ExitCode
from winter_sync.science import SampMessage, SampType, TableFormat, message_for, send, write_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winter_sync.api import Mirror, Question

_NAME = "winter-sync list"


def send_files(paths: Sequence[Path], client: str | None) -> ExitCode:
    """Send images and tables, each once; print where to.

    Raises
    ------
    UsageError
        If a file cannot be sent, or there is nobody to send it to.
    """
    tools = send([message_for(path) for path in paths], client=client)
    _tell(f"{len(paths)} file{'' if len(paths) == 1 else 's'}", tools)
    return ExitCode.DONE


def send_products(mirror: Mirror, question: Question, client: str | None) -> ExitCode:
    """Send the products that answer a question, as one table; print where to.

    Raises
    ------
    UsageError
        If the question makes no sense, or there is nobody to send the answer to.
    """
    rows = [product_row(product) for product in mirror.stream(question)]
    if not rows:
        say("No products match; nothing was sent.")
        return ExitCode.DONE
    with tempfile.TemporaryDirectory(prefix="winter-sync-") as directory:
        table = Path(directory) / "list.vot"
        write_rows(PRODUCT_COLUMNS, rows, table, TableFormat.VOTABLE)
        tools = send([SampMessage(SampType.VOTABLE, table, _NAME)], client=client)
    _tell(f"a table of {len(rows)} product{'' if len(rows) == 1 else 's'}", tools)
    return ExitCode.DONE


def _tell(what: str, tools: Sequence[str]) -> None:
    say(f"Sent {what} to {', '.join(tools)}.")
