"""Runs the cells of the released client's two notebooks on data against a default simulator.

"Finding observatory data" and "Downloading observatory data", as they are: the calls, the dates
and the programs are theirs, and so is what they find. Run by `run_winterapi_session.sh`, against
`winter-sync simulate` without options.
"""

# The client is in its own environment, which mypy does not see.
# mypy: disable-error-code="import-not-found, misc"

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import zipfile
from collections import Counter
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from winterapi_session import Checks, prepare

PROGRAM, DOWNLOADED = "2024A000", "2023A002"
SPAN = {"start_date": "20240101", "end_date": "20240301"}
TARGET = "ZTF24aaahxwr"
FIRST_TIME, LAST_TIME = "2024-02-25T15:05:12.022000+00:00", "2024-02-25T15:20:00.358000+00:00"
STACKED_TIME, NEXT_TIME = "2024-02-25T15:13:39.990000+00:00", "2024-02-25T15:15:46.646000+00:00"


class Notebooks:
    """What the two notebooks do, and what they find."""

    def __init__(self, checks: Checks, home: Path) -> None:
        from winterapi import WinterAPI  # noqa: PLC0415 - after the environment is prepared

        self.checks = checks
        self.home = home
        self.answers: list[dict[str, Any]] = []
        """What was asked, and the savepaths that were found."""
        accounts = json.loads(os.environ["OBSERVATORY_ACCOUNTS"])
        self.client = WinterAPI()
        user, password = accounts["user"], accounts["password"]
        # winterapi 1.7.1 has this test the wrong way round: without a user it wants overwrite.
        self.client.add_user_details(user=user, password=password, overwrite=True)
        for program, key in accounts["keys"].items():
            self.client.add_program(program_name=program, program_api_key=key)

    def run(self) -> None:
        """Run the cells of both, in their order."""
        self.find_by_program()
        self.find_by_target_and_place()
        self.find_each_type()
        self.download()

    def find_by_program(self) -> None:
        """Find 166 exposures of the program."""
        answer, rows = self.ask("program", PROGRAM, image_type="exposure")
        message = answer.json()["msg"]
        words = "Request passed validation! Found 166 images."
        self.checks.that(message == words and len(rows) == 166, f"notebook: {message}")
        first, last = rows.iloc[0], rows.iloc[-1]
        known = first["targname"] == "ZTF24aaecooj" and last["targname"] == TARGET
        known &= first["utctime"] == "2024-02-12T12:52:16.785000+00:00"
        known &= last["utctime"] == LAST_TIME
        known &= (last["ra"], last["dec"]) == (150.959309, 17.825813)
        self.checks.that(known, "notebook: the first and the last exposure")
        unmarked = rows["lastmodified"].isna().all() and rows["pipeversion"].isna().all()
        fieldless = (rows["fieldid"] == 999_999_999).all()
        self.checks.that(unmarked and fieldless, "notebook: no field, no marks")

    def find_by_target_and_place(self) -> None:
        """Find eight exposures by name and by cone, and one stack by rectangle."""
        _, named = self.ask("target_name", PROGRAM, target_name=TARGET, image_type="exposure")
        self.checks.that(len(named) == 8, "notebook: 8 exposures of the target")
        place = {"ra_deg": 150.959309, "dec_deg": 17.825813}
        _, around = self.ask("cone", PROGRAM, image_type="exposure", **place)
        self.checks.that(around.equals(named), "notebook: the same 8 in the cone")
        limits = {"ra_min_deg": 146.0, "ra_max_deg": 147.0}
        limits |= {"dec_min_deg": -5.0, "dec_max_deg": -4.0}
        _, inside = self.ask("rectangle", PROGRAM, image_type="stack", **limits)
        known = len(inside) == 1
        known &= list(inside[["ra", "dec"]].iloc[0]) == [146.3724, -4.437986]
        self.checks.that(known, "notebook: 1 stack in the rectangle, at its centre")

    def find_each_type(self) -> None:
        """Find what there is of the target, type by type."""
        raws = self.of_target("raw")
        times = {FIRST_TIME: 1, STACKED_TIME: 4, NEXT_TIME: 5}
        self.checks.that(Counter(raws["utctime"]) == times, "notebook: 10 raw images")
        science = self.of_target("science")
        temporary = science["savepath"].str.contains("/20240224/astrostats/temp_").all()
        self.checks.that(len(science) == 4 and temporary, "notebook: 4 science images")
        for image_type, directory in (("stack", "final"), ("diff", "diffs"), ("avro", "avro")):
            rows = self.of_target(image_type)
            known = len(rows) == 1 and rows["utctime"].iloc[0] == STACKED_TIME
            known &= list(rows[["ra", "dec"]].iloc[0]) == [151.28848, 17.529896]
            known &= f"/20240224/{directory}/" in rows["savepath"].iloc[0]
            self.checks.that(known, f"notebook: 1 {image_type}, at the stack's centre")

    def download(self) -> None:
        """Find five stacks from a day until today, and download them."""
        with redirect_stdout(io.StringIO()):
            _, images = self.client.query_images_by_program(
                DOWNLOADED, image_type="stack", start_date="20240129"
            )
        savepaths = images["savepath"].tolist()
        self.checks.that(len(savepaths) == 5, "notebook: 5 stacks until today")
        res, output_path = self.client.download_image_list(
            DOWNLOADED, image_type="stack", paths=savepaths
        )
        res.raise_for_status()
        told = res.headers["missing-images"], res.headers["total-images"]
        self.checks.that(told == ("0", "5"), "notebook: none of 5 is missing")
        with zipfile.ZipFile(output_path) as archive:
            whole = archive.testzip() is None
            names = set(archive.namelist())
        expected = {path.rpartition("/")[2] for path in savepaths}
        self.checks.that(whole and names == expected, "notebook: the zip has the 5 stacks")

    def of_target(self, image_type: str) -> Any:  # noqa: ANN401 - a DataFrame
        """Return the rows of the target."""
        _, rows = self.ask("target_name", PROGRAM, target_name=TARGET, image_type=image_type)
        return rows

    def ask(self, by: str, program: str, **asked: Any) -> tuple[Any, Any]:  # noqa: ANN401 - the client's
        """Ask one of the client's four queries in the notebook's span."""
        call = getattr(self.client, f"query_images_by_{by}")
        with redirect_stdout(io.StringIO()):
            answer, rows = call(program, **SPAN, **asked)
        self.answers.append({"by": by, **asked, "savepaths": sorted(rows["savepath"])})
        return answer, rows


def main() -> int:
    """Run both notebooks; return the exit code."""
    with tempfile.TemporaryDirectory() as home:
        prepare(Path(home))
        checks = Checks()
        notebooks = Notebooks(checks, Path(home))
        notebooks.run()
        if answers := os.environ.get("ANSWERS"):
            Path(answers).write_text(json.dumps(notebooks.answers))
    print(f"{checks.passed} checks passed, {checks.failed} failed")  # noqa: T201 - its purpose
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
