"""Install the wheel in clean places, and mirror a simulated night with what was installed."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.request import urlopen

from package import CHECKOUT, build, build_all, commit_time
from trial import TrialError, hold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOCK = CHECKOUT / "locks" / "runtime.txt"
PACKAGES_FOUND_BY = (
    "PIP_",
    "UV_INDEX",
    "UV_DEFAULT",
    "UV_FIND",
    "SSL_",
    "HTTP",
    "http",
    "no_",
    "NO_",
)
"""How the names begin of what says where packages are found."""
PATIENCE_SECONDS = 60
_EXPORT = re.compile(r'^export (\w+)="?([^"\n]*)"?$', re.MULTILINE)
_PYTHON = "import winter_sync as w; print(sum(1 for _ in w.Mirror.open({root!r}).find()))"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is installed: a home that was empty."""

    home: Path
    tools: Path
    wheel: Path

    @property
    def environment(self) -> dict[str, str]:
        """What programs find there: nothing of this checkout, nor of whoever runs this."""
        found = {k: v for k, v in os.environ.items() if k.startswith(PACKAGES_FOUND_BY)}
        return {
            **found,
            "HOME": str(self.home),
            "PATH": f"{self.home}/.local/bin:/usr/bin:/bin",
            "PYTHONUNBUFFERED": "1",
            "UV_PYTHON_DOWNLOADS": "never",
        }

    def run(self, *command: str | Path) -> str:
        """Run a command there, and return what it prints.

        Raises
        ------
        TrialError
            If it fails.
        """
        ended = subprocess.run(  # noqa: S603 - our own
            command,
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
        )
        hold(ended.returncode == 0, f"{command}: {ended.returncode}\n{ended.stdout}{ended.stderr}")
        return ended.stdout


def with_pip(place: Place) -> Path:
    """Install the wheel with exactly the locked packages: it needs no others."""
    digest = hashlib.sha256(place.wheel.read_bytes()).hexdigest()
    wanted = place.home / "requirements.txt"
    wanted.write_text(
        f"{LOCK.read_text()}\nwinter-sync @ {place.wheel.as_uri()} --hash=sha256:{digest}\n"
    )
    return _with_pip(place, "--require-hashes", "--requirement", wanted)


def with_newest(place: Place) -> Path:
    """Install the wheel as README.md says, with the newest packages that it allows."""
    return _with_pip(place, place.wheel)


def _with_pip(place: Place, *wanted: str | Path) -> Path:
    venv = place.home / "winter"
    place.run(sys.executable, "-m", "venv", "--without-pip", venv)
    pip = [sys.executable, "-m", "pip", "--python", str(venv), "--quiet"]
    place.run(*pip, "install", "--no-compile", *wanted)
    place.run(*pip, "check")
    return venv / "bin" / "winter-sync"


def with_uv(place: Place) -> Path:
    """Install the wheel as a tool of uv."""
    place.run(place.tools / "uv", "tool", "install", "--quiet", place.wheel)
    return place.home / ".local" / "bin" / "winter-sync"


def with_pipx(place: Place) -> Path:
    """Install the wheel with pipx."""
    place.run(place.tools / "pipx", "install", "--quiet", place.wheel)
    return place.home / ".local" / "bin" / "winter-sync"


WAYS = {"pip": with_pip, "newest": with_newest, "uv": with_uv, "pipx": with_pipx}


def use(place: Place, program: Path) -> None:
    """Do what somebody does who has just installed it.

    Raises
    ------
    TrialError
        If something is missing.
    """
    version = place.wheel.name.split("-")[1]
    hold(place.run(program, "--version") == f"winter-sync {version}\n", "it is of another version")
    hold("simulate" in place.run(program, "--help"), "its help lacks a command")
    hold("byte for byte" in place.run(program, "demo"), "the demo does not verify its files")
    with serving(place, program, "simulate", "--port", "0") as said:
        settings = dict(_EXPORT.findall(said("winter-sync sync\n")))
        root = place.home / "mirror"
        settings |= {"WINTER_SYNC_MIRROR__ROOT": str(root)}
        place.run("env", *(f"{name}={value}" for name, value in settings.items()), program, "sync")
    hold(any(root.rglob("*.fits")), "sync downloads nothing")
    with serving(place, program, "web", "--root", root, "--listen", "127.0.0.1:0") as said:
        address = re.findall(r"http://[\w.:]+/?", said("\n"))[0].rstrip("/")
        look(address)
    python = program.resolve().parent / "python"
    found = int(place.run(python, "-c", _PYTHON.format(root=str(root))))
    hold(found > 0, "Python finds nothing in the mirror")


def look(address: str) -> None:
    """Fetch the home page, and all that it names of its own."""
    home = fetch(f"{address}/")
    named = re.findall(r'(?:href|src)="(/static/[^"]+)"', home)
    hold(len(named) > 1, "the page names no files of its own")
    for path in named:
        hold(bool(fetch(f"{address}{path}")), f"{path} is empty")


def fetch(address: str) -> str:
    """Return what is at an address."""
    with urlopen(address, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - our own
        text: str = answer.read().decode()
        return text


@contextmanager
def serving(place: Place, program: Path, *arguments: str | Path) -> Iterator[Callable[[str], str]]:
    """Run a command until the block ends; what is given returns all it printed up to some text."""
    with subprocess.Popen(  # noqa: S603 - our own
        [program, *arguments],
        env=place.environment,
        cwd=place.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:

        def said(ending: str) -> str:
            lines = ""
            for line in process.stdout or ():
                lines += line
                if lines.endswith(ending):
                    return lines
            raise TrialError(f"{arguments} ended: {lines}")

        try:
            yield said
        finally:
            process.terminate()
            process.communicate()


def compare(wheel: Path, sdist: Path) -> None:
    """Check that the checkout gives the same bytes: the sdist lacks nothing that is needed."""
    with TemporaryDirectory(prefix="winter-sync-package-") as again:
        straight = build(CHECKOUT, Path(again), "wheel", "sdist", epoch=commit_time())
        for path, other in zip((wheel, sdist), straight, strict=True):
            hold(path.read_bytes() == other.read_bytes(), f"{path.name} is not made the same twice")


def main(tools: Path, ways: list[str]) -> None:
    """Build, then try each way of installing."""
    with TemporaryDirectory(prefix="winter-sync-packaging-") as name:
        began = time.monotonic()
        wheel, sdist = build_all(Path(name, "dist"))
        compare(wheel, sdist)
        print(f"built twice, the same bytes: {time.monotonic() - began:.0f} s")
        for way in ways:
            home = Path(name, way)
            home.mkdir()
            place = Place(home, tools, wheel)
            began = time.monotonic()
            program = WAYS[way](place)
            installed = time.monotonic()
            use(place, program)
            ended = time.monotonic()
            print(
                f"{way}: installed in {installed - began:.0f} s, used in {ended - installed:.0f} s"
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), sys.argv[2:])
