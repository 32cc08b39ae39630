"""Mirror a simulated archive, let the pipeline mirar read the tree, and say how that went.

Started by scripts/try_mirar. The archive is what `winter-sync simulate` shows without options, the
mirror is made by two runs of a sync, and the judge is tests/mirar_session.py.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from debian_trial import ENTER, PACKAGES_FOUND_BY
from trial import TrialError, hold

from winter_sync.config import load_settings
from winter_sync.core import ExitCode, Time
from winter_sync.factory import open_mirror
from winter_sync.simulator import DEFAULT_PASSWORD, DEFAULT_USER, Simulator, SimulatorOptions

CHECKOUT = Path(__file__).parent.parent
SESSION = CHECKOUT / "tests/mirar_session.py"
REQUIREMENTS = CHECKOUT / "tests/mirar-requirements.txt"
WINTER_SYNC = (sys.executable, "-m", "winter_sync")
ENVIRONMENT = "/opt/mirar"
INSTALL = f"""
apt-get -qq update
apt-get -qq install --yes --no-install-recommends python3-torch python3-requests python3-yaml
python3 -m venv --system-site-packages {ENVIRONMENT}
{ENVIRONMENT}/bin/python -m pip install --quiet --no-compile --no-deps --prefer-binary \
    --requirement /root/requirements.txt
apt-get clean
"""
LEAST_FILES = 50
_BETWEEN = timedelta(hours=2)
SETTINGS = """
[api]
base_url = "{url}"
user = "{user}"
password = "{password}"
request_interval = 0
[mirror]
root = "{root}"
min_free = 0
[[programs]]
name = "2024A000"
api_key = "{keys[2024A000]}"
image_types = ["stack", "diff"]
[[programs]]
name = "2025B001"
api_key = "{keys[2025B001]}"
image_types = ["exposure", "raw", "stack", "diff"]
instruments = ["winter", "spring"]
"""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Where mirar is: in an environment of this machine, or in a Debian root."""

    python: str
    root: Path | None = None

    @property
    def directory(self) -> Path | None:
        """Where what it reads must be; None for anywhere."""
        return None if self.root is None else self.root / "tmp"

    def judge(self, directory: Path) -> dict[str, Any]:
        """Let it read the tree in a directory, and return what it made of it.

        Raises
        ------
        TrialError
            If it fails.
        """
        shutil.copy(SESSION, directory)
        tree = self._seen(directory / "tree")
        command = (
            f"export RAW_DATA_DIR={tree} OUTPUT_DATA_DIR={tree} HOME={self._seen(directory)}; "
            f"cd {self._seen(directory)}; exec {self.python} {SESSION.name} verdict.json"
        )
        run = _inside(self.root, command) if self.root else ["sh", "-euc", command]
        done = subprocess.run(run, capture_output=True, text=True, check=False)  # noqa: S603 - our own
        hold(done.returncode == 0, f"mirar failed:\n{done.stderr[-3000:]}")
        verdict: dict[str, Any] = json.loads((directory / "verdict.json").read_text())
        return verdict

    def _seen(self, path: Path) -> Path:
        """Return a path as mirar sees it."""
        return path if self.root is None else Path("/", path.relative_to(self.root))


def _inside(root: Path, command: str) -> list[str]:
    namespaces = ["unshare", "--mount", "--pid", "--ipc", "--fork", "--kill-child"]
    return [*namespaces, "sh", "-euc", ENTER, "enter", str(root), "sh", "-euc", command]


def install(root: Path) -> None:
    """Install mirar and what it needs in a Debian root."""
    for name in PACKAGES_FOUND_BY:
        if Path("/", name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path("/", name), root / name)
    shutil.copy(REQUIREMENTS, root / "root/requirements.txt")
    subprocess.run(_inside(root, INSTALL), check=True)  # noqa: S603 - our own


def mirror(directory: Path) -> Path:
    """Mirror the simulated archive; return the settings file.

    Raises
    ------
    TrialError
        If not everything was downloaded.
    """
    settings = directory / "settings.toml"
    asyncio.run(_mirror(directory / "tree", settings))
    return settings


async def _mirror(root: Path, settings: Path) -> None:
    start = datetime.now(UTC) - 2 * _BETWEEN
    observatory = SimulatorOptions(start=start, rate=0.0, scale=0.1).observatory()
    async with Simulator(observatory) as simulator:
        keys = {record.name: record.api_key for record in observatory.accounts.programs}
        account = {"user": DEFAULT_USER, "password": DEFAULT_PASSWORD}
        text = SETTINGS.format(url=simulator.url, keys=keys, root=root, **account)
        _write(settings, text)
        time = Time(observatory.clock.now)
        # Exposures that lack boards are taken when they are the same a while later.
        for _ in range(2):
            async with open_mirror(load_settings(settings), lambda _: None, time=time) as opened:
                report = await opened.sync()
            observatory.clock.advance(_BETWEEN)
        hold(report.exit_code is ExitCode.DONE, f"the mirror is not complete: {report}")


def _write(settings: Path, text: str) -> None:
    settings.touch(0o600)
    settings.write_text(text)


def _winter_sync(settings: Path, *command: str) -> int:
    run = (*WINTER_SYNC, "--config", str(settings), "--log-level", "warning", *command)
    return subprocess.run(run, check=False, stdout=sys.stderr).returncode  # noqa: S603 - our own


def weigh(verdict: dict[str, Any]) -> None:
    """Print what mirar made of each type, and hold it to what is promised.

    Raises
    ------
    TrialError
        If it refused, complained, or took an exposure for something else than science.
    """
    for kind, found in verdict.items():
        counts = f"{found['files']} files, {found['images']} images, {found['rows']} database rows"
        print(
            f"{kind:26} {counts}: {len(found['refused'])} files and "
            f"{len(found['rows_refused'])} rows refused, boards {found['boards']}"
        )
        for complaint in (*found["refused"], *found["rows_refused"], *found["complaints"]):
            print(f"    {complaint}")
    for kind, found in verdict.items():
        hold(found["files"] > 0, f"{kind}: mirar saw no file")
        refused = found["refused"] or found["rows_refused"] or found["complaints"]
        hold(not refused, f"{kind}: mirar refuses some, or complains")
        hold(set(found["classes"]) == {"science"}, f"{kind}: some are not science")
    files = sum(found["files"] for found in verdict.values())
    hold(files >= LEAST_FILES, f"only {files} files were read")
    print(f"mirar read all {files} files")


def attempt(pipeline: Pipeline) -> None:
    """Mirror, let mirar read the tree, and verify that it is as it was."""
    with tempfile.TemporaryDirectory(dir=pipeline.directory) as temporary:
        directory = Path(temporary)
        settings = mirror(directory)
        weigh(pipeline.judge(directory))
        hold(_winter_sync(settings, "verify") == 0, "mirar changed the tree")


def main() -> int:
    """Return the exit code: 0 if everything held."""
    parser = argparse.ArgumentParser(description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--python", help="the Python of an environment that has mirar")
    where.add_argument("--root", type=Path, help="a Debian root that has it")
    where.add_argument("--install", type=Path, help="a Debian root to install it in")
    given = parser.parse_args()
    if given.install:
        install(given.install)
        return 0
    python = given.python or f"{ENVIRONMENT}/bin/python"
    try:
        attempt(Pipeline(python, given.root))
    except TrialError as broken:
        print(f"FAILED: {broken}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
