"""Runs a whole session of the released `winterapi` client against a running simulator.

The client is the judge of the simulator (winter-api.md): it is the unmodified release, in an
environment of its own, and talks to 127.0.0.1:7000. One line a check; the exit code is 1 when
any of them failed. Run by `run_winterapi_session.sh`.
"""

# The client and its keyring are in its own environment, which mypy does not see.
# mypy: disable-error-code="import-not-found, misc"

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import subprocess
import sys
import tempfile
import urllib.request
import warnings
import zipfile
from contextlib import contextmanager, redirect_stdout
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.file_keyring import use_file_keyring

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = "http://127.0.0.1:7000"
RELEASE = {"winterapi": "1.7.1", "wintertoo": "1.10.1"}
PROGRAM, OTHER = "2024A000", "2025B001"
IMAGE_TYPES = ("exposure", "raw", "science", "stack", "diff", "avro")
SPAN = {"start_date": "20240101", "end_date": "20251028"}
SETTLED = "2025-10-28T12:00:00+00:00"
FIRST_NIGHT = "2024-02-12T05:00:00+00:00"

Listed = dict[str, dict[str, Any]]


class Checks:
    """Prints each check in one line and counts how many failed."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0

    def that(self, true: object, promise: str) -> None:
        """Check one promise."""
        if true:
            self.passed += 1
        else:
            self.failed += 1
        print("ok  " if true else "FAIL", promise, flush=True)  # noqa: T201 - its purpose

    @contextmanager
    def refuses(self, words: str, promise: str) -> Iterator[None]:
        """Check that the client raises its ValueError with some words in it."""
        try:
            with redirect_stdout(io.StringIO()):
                yield
        except ValueError as error:
            self.that(words in str(error), promise)
        else:
            self.that(False, promise)  # noqa: FBT003 - nothing was raised


def main() -> int:
    """Run the session; give the exit code."""
    with tempfile.TemporaryDirectory() as home:
        prepare(Path(home))
        checks = Checks()
        session = Session(checks, Path(home))
        session.run()
    print(f"{checks.passed} checks passed, {checks.failed} failed")  # noqa: T201 - its purpose
    return 1 if checks.failed else 0


def prepare(home: Path) -> None:
    """Set up a home and a keyring for the client alone; call this before its import."""
    os.environ.update(HOME=str(home), WINTER_API_LOCAL="1", NO_PROXY="127.0.0.1")
    os.environ.pop("XDG_CONFIG_HOME", None)
    os.chdir(home)
    logging.disable(logging.ERROR)
    warnings.simplefilter("ignore")
    use_file_keyring(home)


class Session:
    """What an astronomer does with the client, from the first ping to the last download."""

    def __init__(self, checks: Checks, home: Path) -> None:
        self.checks = checks
        self.home = home
        accounts = json.loads(os.environ["OBSERVATORY_ACCOUNTS"])
        self.user, self.password = accounts["user"], accounts["password"]
        self.keys: dict[str, str] = accounts["keys"]

    def run(self) -> None:
        """Do all of it, in the order a user would."""
        from winterapi import WinterAPI  # noqa: PLC0415 - after the environment is prepared
        from winterapi.endpoints import BASE_URL  # noqa: PLC0415 - the same

        for package, version in RELEASE.items():
            self.checks.that(metadata.version(package) == version, f"{package} is {version}")
        self.checks.that(BASE_URL == URL, "the client talks to the simulator")
        _drive(SETTLED)
        self.client = WinterAPI()
        self.greet()
        self.validate_user()
        self.validate_programs()
        self.remember(WinterAPI)
        self.take_over()
        self.refuse_future()
        self.query_all()
        self.query_regions()
        self.download_all()
        self.download_wrongly()
        self.watch_the_night()
        self.forget(WinterAPI)

    def greet(self) -> None:
        """Ping, and be new enough."""
        self.checks.that(self.client.ping(), "ping succeeds")
        with _warnings_of("winterapi.messenger") as told:
            self.client.check_version()
        self.checks.that(not told, "version is new enough for the server")

    def validate_user(self) -> None:
        """Be refused with a wrong password, and let in with the right one."""
        refused = "Incorrect email or password"
        with self.checks.refuses(refused, "a wrong password raises ValueError with the detail"):
            self.client.check_user_details(user=self.user, password="wrong")
        with self.checks.refuses(refused, "an unknown user raises ValueError with the detail"):
            self.client.check_user_details(user="nobody", password=self.password)
        with self.checks.refuses(refused, "wrong user details are not added"):
            self.client.add_user_details(user=self.user, password="wrong", overwrite=True)
        answer = self.client.check_user_details(user=self.user, password=self.password)
        self.checks.that(answer.status_code == 200, "the right password is accepted")
        # winterapi 1.7.1 has this test the wrong way round: without a user it wants overwrite.
        self.client.add_user_details(user=self.user, password=self.password, overwrite=True)
        self.checks.that(self.client.get_user() == self.user, "user details are added")

    def validate_programs(self) -> None:
        """Be refused with a wrong key, and add both programs."""
        with self.checks.refuses("401", "a wrong key raises ValueError"):
            self.client.add_program(program_name=PROGRAM, program_api_key="wrong")
        with self.checks.refuses("401", "the key of another program raises ValueError"):
            self.client.add_program(program_name=PROGRAM, program_api_key=self.keys[OTHER])
        with self.checks.refuses("401", "an unknown program raises ValueError"):
            self.client.add_program(program_name="2019A000", program_api_key=self.keys[OTHER])
        for program, key in self.keys.items():
            self.client.add_program(program_name=program, program_api_key=key)
            details = self.client.get_program_details(program)
            same = (details.progname, details.prog_key) == (program, key)
            self.checks.that(same, f"program {program} is added and passes the client's model")
            span = details.startdate <= details.enddate
            self.checks.that(span and details.pi_name, f"program {program} has its details")
        with self.checks.refuses("already set", "a program is not added twice"):
            self.client.add_program(program_name=PROGRAM, program_api_key=self.keys[PROGRAM])

    def remember(self, fresh: Any) -> None:  # noqa: ANN401 - the client's class
        """Find the credentials again in a new client, encrypted at rest."""
        self.client = fresh()
        programs = self.client.get_programs()
        self.checks.that(programs == [PROGRAM, OTHER], "a new client remembers the programs")
        kept = (self.home / ".winterapi.txt").read_bytes()
        secrets = [self.password, *self.keys.values()]
        hidden = not any(secret.encode() in kept for secret in secrets)
        self.checks.that(hidden, "the credentials are kept encrypted")

    def take_over(self) -> None:
        """Let winter-sync take over what the client keeps: settings that its archive accepts."""
        command = [os.environ["MIRROR_PYTHON"], "-m", "winter_sync"]
        environment = {name: os.environ[name] for name in ("HOME", "PATH", "MIRROR_PYTHONPATH")}
        environment["PYTHONPATH"] = environment.pop("MIRROR_PYTHONPATH")
        kept = (self.home / ".winterapi.txt").read_bytes()
        options = ["--root", "mirror", "--type", "stack", "--base-url", URL]
        for arguments in (["init", "--from-winterapi", *options], ["check"]):
            ended = subprocess.run(  # noqa: S603 - ours
                [*command, *arguments], env=environment, capture_output=True, text=True, check=False
            )
            print(ended.stdout + ended.stderr)  # noqa: T201 - its purpose
            self.checks.that(ended.returncode == 0, f"winter-sync {arguments[0]} succeeds")
        directory = self.home / ".config/winter-sync"
        secrets = {path.name: path.read_text().strip() for path in directory.glob("*-*-*")}
        expected = {f"winter-sync-key-{name}": key for name, key in self.keys.items()}
        expected["winter-sync-password"] = self.password
        self.checks.that(secrets == expected, "winter-sync took over password and keys")
        same = (self.home / ".winterapi.txt").read_bytes() == kept
        self.checks.that(same, "what the client keeps was only read")

    def refuse_future(self) -> None:
        """Be refused for dates after the simulated today: the client's defaults end in ours."""
        promise = "default dates end after the server's today: 422 raises ValueError"
        with self.checks.refuses("in the future, (today is 20251028)", promise):
            self.client.query_images_by_program(program_name=PROGRAM)
        with self.checks.refuses("[422]", "an end date of tomorrow raises ValueError"):
            self.client.query_images_by_program(
                program_name=PROGRAM, start_date="20251001", end_date="20251029"
            )
        rows = self.query("program", end_date="20251028", start_date="20251001")
        self.checks.that(len(rows), "an end date of the server's today is answered")

    def query_all(self) -> None:
        """List each type of each instrument of each program, and compare with the manifest."""
        for program in (PROGRAM, OTHER):
            for instrument in ("winter", "spring"):
                for image_type in IMAGE_TYPES:
                    self._query_one(program, instrument, image_type)

    def _query_one(self, program: str, instrument: str, image_type: str) -> None:
        asked = {"program_name": program, "instrument": instrument, "image_type": image_type}
        rows = self.query("program", **asked)
        listed = {
            path
            for path, line in _manifest().items()
            if all(line[key] == asked[key] for key in ("instrument", "image_type"))
            and line["program"] == program
        }
        found = set(rows["savepath"]) if len(rows) else set()
        expected = instrument == "winter" or program == OTHER
        told = f"{len(rows)} {image_type} rows of {program} with {instrument}"
        self.checks.that(found == listed and bool(found) == expected, told)

    def query_regions(self) -> None:
        """Ask by target, by cone and by rectangle; the answers are parts of the whole."""
        whole = self.query("program", image_type="exposure")
        named = whole[whole["targname"].notna()]
        place = named.iloc[0]
        target = self.query("target_name", target_name=place["targname"], image_type="exposure")
        same = whole[whole["targname"] == place["targname"]]
        self.checks.that(set(target["savepath"]) == set(same["savepath"]), "query by target name")
        unknown = self.query("target_name", target_name="SN1987A")
        self.checks.that(len(unknown) == 0, "an unknown target has no rows")
        ra, dec = float(place["ra"]), float(place["dec"])
        cone = self.query("cone", ra_deg=ra, dec_deg=dec, image_type="exposure")
        near = place["savepath"] in set(cone["savepath"]) and len(cone) < len(whole)
        self.checks.that(near, "query by cone")
        sky = self.query("cone", ra_deg=ra, dec_deg=dec, radius_deg=90, image_type="exposure")
        self.checks.that(len(cone) < len(sky), "a wider cone holds more")
        limits = {"ra_min_deg": max(ra - 1, 0), "ra_max_deg": min(ra + 1, 360)}
        limits |= {"dec_min_deg": dec - 1, "dec_max_deg": dec + 1}
        box = self.query("rectangle", image_type="exposure", **limits)
        inside = box["ra"].between(ra - 1, ra + 1) & box["dec"].between(dec - 1, dec + 1)
        self.checks.that(len(box) and inside.all(), "query by rectangle")

    def download_all(self) -> None:
        """Fetch some of every type with both instruments; compare with the manifest."""
        manifest = _manifest()
        for instrument in ("winter", "spring"):
            for image_type in IMAGE_TYPES:
                asked = {"instrument": instrument, "image_type": image_type}
                rows = self.query("program", program_name=OTHER, **asked)
                paths = [path for path in rows["savepath"] if not manifest[path]["gone"]][:3]
                self._download_one(paths, manifest, asked)

    def _download_one(self, paths: list[str], manifest: Listed, asked: dict[str, str]) -> None:
        members, answer = self.download(OTHER, paths, **asked)
        expected = {path.rpartition("/")[2]: manifest[path]["sha256"] for path in paths}
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
        told = f"{len(paths)} {asked['image_type']} files with {asked['instrument']} as listed"
        self.checks.that(digests == expected and len(paths) > 0, told)
        headers = answer.headers["missing-images"], answer.headers["total-images"]
        typed = answer.headers["image-type"] == asked["image_type"]
        self.checks.that(typed and headers == ("0", str(len(paths))), "with the headers of it")

    def download_wrongly(self) -> None:
        """Ask for what is gone or not ours; and see what the client makes of an error."""
        manifest = _manifest()
        gone = [path for path, line in manifest.items() if line["gone"]]
        self.checks.that(gone, "some listed science images are gone")
        asked = {"instrument": "winter", "image_type": "science"}
        foreign = next(path for path, line in manifest.items() if line["program"] == OTHER)
        members, answer = self.download(PROGRAM, [gone[0], foreign], **asked)
        nothing = not members and answer.headers["missing-images"] == "2"
        self.checks.that(nothing, "what is gone or of another program is missing, not served")
        self.client.get_program_details(PROGRAM).prog_key = "wrong"
        answer, path = self.client.download_image_list(
            program_name=PROGRAM, paths=foreign, output_dir=self.home, **asked
        )
        # The client does not look at the status: the error page is what it keeps.
        kept = json.loads(Path(path).read_text())
        refused = answer.status_code == 401 and "detail" in kept
        self.checks.that(refused, "a download with a wrong key is a 401 with a detail")

    def watch_the_night(self) -> None:
        """Drive the clock into the first night: little is listed yet, and more in the morning."""
        today = {"start_date": "20240211", "end_date": "20240212"}
        self.client.fidelius.reload_secrets()
        counts = []
        for order in ({"now": FIRST_NIGHT}, {"advance": 8 * 3600}):
            _drive(**order)
            counts.append(len(self.query("program", image_type="exposure", **today)))
        self.checks.that(0 < counts[0] < counts[1], "exposures appear while the night goes on")
        stacks = self.query("program", **today)
        self.checks.that(len(stacks) == 0, "stacks do not exist before the night is over")
        _drive(SETTLED)
        stacks = self.query("program", **today)
        self.checks.that(len(stacks) > 0, "stacks exist in the end")

    def forget(self, fresh: Any) -> None:  # noqa: ANN401 - the client's class
        """Clear the credentials."""
        self.client.clear_cache()
        self.checks.that(fresh().get_programs() == [], "cleared credentials are gone")

    def query(self, by: str, **asked: Any) -> Any:  # noqa: ANN401 - a DataFrame
        """Return the rows of one of the client's four queries."""
        call = getattr(self.client, f"query_images_by_{by}")
        with redirect_stdout(io.StringIO()):
            _, rows = call(**{"program_name": PROGRAM} | SPAN | asked)
        return rows

    def download(self, program: str, paths: list[str], **asked: str) -> tuple[Any, Any]:
        """Fetch a zip with the client; give its members, tested, and the answer."""
        answer, path = self.client.download_image_list(
            program_name=program, paths=paths, output_dir=self.home, **asked
        )
        with zipfile.ZipFile(path) as archive:
            self.checks.that(archive.testzip() is None, f"{Path(path).name} is whole")
            members = {name: archive.read(name) for name in archive.namelist()}
        Path(path).unlink()
        return members, answer


@contextmanager
def _warnings_of(name: str) -> Iterator[list[str]]:
    """Collect the warnings a logger gives."""
    told: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logging.disable(logging.NOTSET)
    logging.getLogger(name).addHandler(handler)
    try:
        yield told
    finally:
        logging.getLogger(name).removeHandler(handler)
        logging.disable(logging.ERROR)


def _manifest() -> Listed:
    with urllib.request.urlopen(URL + "/simulator/manifest") as answer:  # noqa: S310 - our own
        lines = json.load(answer)["products"]
    return {line["savepath"]: line for line in lines}


def _drive(now: str | None = None, advance: float | None = None) -> None:
    order = {"now": now} if now is not None else {"advance": advance}
    request = urllib.request.Request(URL + "/simulator/clock", json.dumps(order).encode())  # noqa: S310 - our own
    urllib.request.urlopen(request).close()  # noqa: S310 - our own


if __name__ == "__main__":
    sys.exit(main())
