"""Asks with `list` what the released client asked in its notebooks, and compares the answers.

Once of the archive, and once of a mirror that was filled from it. Run by
`run_winterapi_session.sh`, against the same simulator, in the project's own environment.

    python winterapi_comparison.py ANSWERS
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

URL = "http://127.0.0.1:7000"
PROGRAM = "2024A000"
TYPES = ["exposure", "raw", "science", "stack", "diff", "avro"]
SPAN = ("--from", "20240101", "--to", "20240229")
"""The nights of the notebook's UTC dates."""


def conditions(asked: dict[str, Any]) -> list[str]:
    """Return the options that ask what the client asked."""
    options = ["--type", asked["image_type"]]
    match asked["by"]:
        case "target_name":
            options += ["--target", asked["target_name"]]
        case "cone":
            options += ["--cone", f"{asked['ra_deg']},{asked['dec_deg']},1"]
        case "rectangle":
            edges = ("ra_min_deg", "ra_max_deg", "dec_min_deg", "dec_max_deg")
            options += ["--rectangle", ",".join(str(asked[edge]) for edge in edges)]
    return options


class Command:
    """The command, for a user with a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def run(self, *arguments: str) -> str:
        """Run it to its end; return what it wrote."""
        known = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        accounts = json.loads(os.environ["OBSERVATORY_ACCOUNTS"])
        settings = {
            "HOME": str(self.home),
            "WINTER_API_USER": accounts["user"],
            "WINTER_API_PASSWORD": accounts["password"],
            "WINTER_SYNC_API__BASE_URL": URL,
            "WINTER_SYNC_API__REQUEST_INTERVAL": "0s",
            "WINTER_SYNC_MIRROR__ROOT": str(self.home / "mirror"),
            "WINTER_SYNC_PROGRAMS": json.dumps(
                [{"name": PROGRAM, "api_key": accounts["keys"][PROGRAM], "image_types": TYPES}]
            ),
        }
        ended = subprocess.run(  # noqa: S603 - our own code
            [sys.executable, "-m", "winter_sync", *arguments],
            env={**known, **settings},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return ended.stdout

    def find(self, *arguments: str) -> list[str]:
        """Return the savepaths that `list` finds."""
        answer = self.run("list", "--program", PROGRAM, *SPAN, *arguments)
        return sorted(row["savepath"] for row in csv.DictReader(io.StringIO(answer)))


def main(answers: Path) -> int:
    """Compare all answers; return the exit code."""
    failed = 0
    with tempfile.TemporaryDirectory() as home:
        command = Command(Path(home))
        command.run("--log-level", "error", "sync")
        for asked in json.loads(answers.read_text()):
            options = conditions(asked)
            for where in ("--remote", "--newest"):
                same = command.find(*options, where) == asked["savepaths"]
                failed += not same
                place = "the archive" if where == "--remote" else "the mirror"
                count = len(asked["savepaths"])
                verdict = "ok  " if same else "FAIL"
                print(f"{verdict} list finds the client's {count} in {place}: {' '.join(options)}")  # noqa: T201 - its purpose
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
