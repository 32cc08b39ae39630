"""Try a built image: what it says of itself, what it is made of, and whether it mirrors.

`buildah run` starts what it contains as the image says. It cannot make a root read-only, nor a
process number 1, so the strict part is done with the kernel's own means: a private view of the
image's files, read-only but for the volume, in which the command is number 1, runs as a user the
image has never heard of, and has no privilege at all.

Started by scripts/container, which has built the image.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.request import ProxyHandler, build_opener

from trial import TrialError, hold, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")

IMAGE = "localhost/winter-sync"
STRANGER = 12345
"""A user that the image does not know."""
LARGEST = 270_000_000
"""Bytes that the image may have, its base included."""
NIGHT = "20251023"
PATIENCE_SECONDS = 120.0
TYPES = ("exposure", "raw", "science", "stack", "diff", "avro")

STRICT = """
mount --bind "$root" "$root"
mount --bind "$data" "$root/data"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/dev"
mknod -m 666 "$root/dev/null" c 1 3
mknod -m 444 "$root/dev/urandom" c 1 9
mount -t tmpfs tmpfs "$root/run"
cp -r "$secrets" "$root/run/secrets"
chown -R "$user" "$root/run/secrets"
for place in "" /dev /run; do mount -o remount,bind,ro "$root$place"; done
exec chroot "$root" "$@"
"""
"""What a container engine does before it starts a command in a read-only container."""

ACCOUNTS = """
import json
from winter_sync.simulator.observatory import accounts as known
print(json.dumps({
    "winter_api_user": known.DEFAULT_USER,
    "winter_api_password": known.DEFAULT_PASSWORD,
    **{f"winter_api_key_{name}": known.key_of(name) for name in known.DEFAULT_PROGRAMS},
}))
"""


@dataclass(frozen=True)
class Buildah:
    """The images and containers below a directory.

    Attributes
    ----------
    work
        Where they lie, and where the trial may leave things.
    driver
        How buildah stores layers.
    """

    work: Path
    driver: str

    def command(self, *arguments: str) -> list[str]:
        """Return a command line."""
        places = ["--root", f"{self.work}/images", "--runroot", f"{self.work}/running"]
        return ["buildah", *places, "--storage-driver", self.driver, *arguments]

    def say(self, *arguments: str) -> str:
        """Run a command to its end; return its output."""
        return _said(self.command(*arguments))

    def image(self, name: str) -> dict[str, Any]:
        """Return what an image says of itself, as a container engine sees it."""
        found: dict[str, Any] = json.loads(self.say("inspect", "--type", "image", name))["Docker"]
        return found

    @contextmanager
    def container(self, image: str) -> Iterator[Container]:
        """Make a container of an image, with its files mounted, and remove it afterwards."""
        name = self.say("from", image)
        try:
            yield Container(self, name, Path(self.say("mount", name)), self.image(image)["config"])
        finally:
            self.say("rm", name)


@dataclass(frozen=True)
class Container:
    """A container whose files are mounted at `root`."""

    buildah: Buildah
    name: str
    root: Path
    config: Mapping[str, Any]

    def run(self, *command: str, volume: Path) -> str:
        """Run a command as the image's own user with `buildah run`; return its output."""
        options = ["--isolation", "chroot", "--volume", f"{volume}:/data"]
        return self.buildah.say("run", *options, self.name, "--", *command)

    def strictly(self, *command: str, volume: Path, environment: Mapping[str, str]) -> list[str]:
        """Return the command line that runs a command as process 1, a stranger, read-only."""
        settings = [*self.config["Env"], *(f"{name}={text}" for name, text in environment.items())]
        given = {"root": self.root, "data": volume, "user": STRANGER, "secrets": self._secrets}
        assigned = "".join(f"{name}={shlex.quote(str(text))}\n" for name, text in given.items())
        rights = [f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups"]
        rights += ["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
        inside = ["env", "-i", "-C", self.config["WorkingDir"], *settings]
        inside += ["setpriv", *rights, *command]
        private = ["unshare", "--mount", "--pid", "--fork"]
        return [*private, "sh", "-euc", assigned + STRICT, "sh", *inside]

    @cached_property
    def _secrets(self) -> Path:
        """Write the secrets of the simulated observatory into files."""
        place = self.buildah.work / "secrets"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(mode=0o700)
        known = json.loads(self.run("python3", "-c", ACCOUNTS, volume=self.volume("accounts")))
        for name, secret in known.items():
            (place / name).write_text(secret)
            (place / name).chmod(0o400)
        return place

    def volume(self, name: str) -> Path:
        """Make a new volume, with the mode that the image gives its own."""
        place = self.buildah.work / f"volume-{name}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        place.chmod((self.root / "data").stat().st_mode & 0o7777)
        return place


def _said(command: list[str]) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    hold(ended.returncode == 0, f"{shlex.join(command[-3:])}: {ended.stdout}{ended.stderr}")
    return ended.stdout.strip()


def look(found: Mapping[str, Any], version: str) -> None:
    """Check that an image says of itself what it should."""
    config = found["config"]
    title = {name.rpartition(".")[2]: text for name, text in config["Labels"].items()}
    hold(title["title"] == "winter-sync", "it has no title")
    hold(bool(title["description"]) and title["licenses"] == "MIT", "labels are missing")
    hold(title["version"] == version, f"it is labelled {title['version']}")
    hold(int(config["User"].split(":")[0]) > 0, "it runs as root")
    hold(list(config["Volumes"]) == ["/data"], f"its volumes are {config['Volumes']}")
    hold(config["Entrypoint"] == ["winter-sync"], "it starts something else")
    hold(config["Cmd"] == ["run"] and config["StopSignal"] == "SIGTERM", "it is no daemon")
    hold(config["Healthcheck"]["Test"][0] == "CMD", "its health is not checked")
    hold("://" not in json.dumps(found), "an address is in its history")


def parts(root: Path) -> dict[str, int]:
    """Return the bytes of the image by what they are for."""
    (packages,) = (root / "opt/winter-sync/lib").glob("python3*/site-packages")
    sizes = {place.name: _bytes(place) for place in packages.iterdir()}
    sizes["numpy"] += sizes.pop("numpy.libs", 0)
    largest = dict(sorted(sizes.items(), key=lambda pair: -pair[1])[:7])
    ours = _bytes(root / "opt/winter-sync")
    rest = ours - sum(largest.values())
    return {"Debian and Python": _bytes(root) - ours, **largest, "other packages": rest}


def _bytes(place: Path) -> int:
    if place.is_dir() and not place.is_symlink():
        return sum(_bytes(path) for path in place.iterdir())
    return place.lstat().st_size


def leftovers(root: Path) -> None:
    """Check that nothing of the building is in the files of an image."""
    places = ("etc/pip.conf", "run/secrets", "build", "root/.cache", "root/.config")
    found = [place for place in places if (root / place).exists()]
    tools = [place.name for place in (root / "opt/winter-sync/bin").glob("pip*")]
    hold(not found and not tools, f"left over from building: {found + tools}")


@contextmanager
def started(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command beside us, and end it at the end; what it says goes to a file."""
    with log.open("wb") as said, subprocess.Popen(command, stdout=said, stderr=said) as process:  # noqa: S603 - ours
        try:
            yield process
        finally:
            # Whoever changes the user of a process frees it from dying with its parent.
            if process.poll() is None:
                os.kill(_number_one(process), signal.SIGKILL)


def awaited(look: Callable[[], T | None], process: subprocess.Popen[bytes], log: Path) -> T:
    """Wait for something that a process does, as long as it lives and there is patience."""

    def failing() -> str:
        return f"it did not do its part: {_end(log)}"

    def while_it_lives() -> T | None:
        found = look()
        if not found and process.poll() is not None:
            raise TrialError(failing())
        return found

    return wait_for(while_it_lives, failing, PATIENCE_SECONDS)


def _end(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


@dataclass(frozen=True)
class Observatory:
    """A simulated observatory, in a container of the same image."""

    url: str

    def differing(self, root: Path) -> list[str]:
        """Return what a tree lacks or has otherwise, and what it has too much."""
        wanted = {below: entry["sha256"] for below, entry in self._products().items()}
        here = {
            str(path.relative_to(root)): path
            for camera in ("winter", "spring")
            for path in (root / camera).rglob("*")
            if path.is_file()
        }
        return sorted(
            below
            for below in {*wanted, *here}
            if below not in here or _digest(here[below]) != wanted.get(below)
        )

    def count(self) -> int:
        """Return how many files the archive has."""
        return len(self._products())

    def _products(self) -> dict[str, dict[str, Any]]:
        opener = build_opener(ProxyHandler({}))
        with opener.open(f"{self.url}/simulator/manifest", timeout=30) as answer:
            entries = json.load(answer)["products"]
        return {_below(entry): entry for entry in entries if not entry["gone"]}


def _below(entry: Mapping[str, str]) -> str:
    camera = entry["instrument"]
    return f"{camera}/{entry['savepath'].split(f'/{camera}/', 1)[1]}"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def observatory(container: Container) -> Iterator[Observatory]:
    """Run a simulated observatory."""
    command = ["winter-sync", "simulate", "--port", "0", "--night", NIGHT]
    log = container.buildah.work / "simulate.log"
    strict = container.strictly(*command, volume=container.volume("simulate"), environment={})

    def listening() -> str | None:
        said = log.read_text().split("listening on ")[1:]
        return said[0].split()[0] if said and "\n" in said[0] else None

    with started(strict, log) as process:
        yield Observatory(awaited(listening, process, log))


def settings(url: str, port: int) -> dict[str, str]:
    """Return the environment that mirrors all of a simulated observatory."""
    everything = {"image_types": TYPES, "instruments": ["winter", "spring"]}
    programs = [{"name": name, **everything} for name in ("2024A000", "2025B001")]
    return {
        "WINTER_SYNC_API__BASE_URL": url,
        "WINTER_SYNC_API__REQUEST_INTERVAL": "20ms",
        "WINTER_SYNC_MIRROR__MIN_FREE": "0",
        "WINTER_SYNC_PROGRAMS": json.dumps(programs),
        "WINTER_SYNC_HTTP__LISTEN": f"127.0.0.1:{port}",
    }


def try_sync(container: Container, sky: Observatory) -> None:
    """Mirror once, and once more: all files are there, and the second time nothing is fetched."""
    volume = container.volume("sync")
    known = settings(sky.url, free_port())
    strict = container.strictly("winter-sync", "sync", volume=volume, environment=known)
    for _ in range(2):
        ended = subprocess.run(strict, capture_output=True, text=True, check=False)  # noqa: S603 - ours
        # What the observatory has lost stays wanted: the contract's exit code 5.
        hold(ended.returncode in {0, 5}, f"sync ended with {ended.returncode}: {ended.stderr}")
    differing = sky.differing(volume / "winter")
    hold(not differing, f"sync left {len(differing)} files that differ, {differing[:3]}")
    hold("Nothing new" in ended.stdout, f"the second sync said: {ended.stdout}")
    _only_ours(volume)


def _only_ours(volume: Path) -> None:
    """Check that a volume holds the mirror and the memory of its root, and nothing else."""
    names = sorted(place.name for place in volume.iterdir())
    hold(names == [".state", "winter"], f"the volume holds {names}")
    foreign = [place for place in volume.rglob("*") if place.lstat().st_uid != STRANGER]
    hold(not foreign, f"not the user's own: {foreign[:3]}")


@dataclass(frozen=True)
class Life:
    """How a daemon lived: seconds to its first healthy answer, and from SIGTERM to its end."""

    healthy: float
    ending: float


def try_run(container: Container, sky: Observatory) -> Life:
    """Let the daemon mirror everything, ask for its health, and end it as an engine does."""
    volume, log = container.volume("run"), container.buildah.work / "run.log"
    known = settings(sky.url, free_port())
    check = list(container.config["Healthcheck"]["Test"][1:])
    health = container.strictly(*check, volume=volume, environment=known)
    hold(not _well(health), "nothing runs, and is healthy")
    began = time.monotonic()
    strict = container.strictly("winter-sync", "run", volume=volume, environment=known)
    with started(strict, log) as process:
        awaited(lambda: _well(health), process, log)
        healthy = time.monotonic() - began
        awaited(lambda: not sky.differing(volume / "winter"), process, log)
        hold(_well(health), "it is not healthy any more")
        told = time.monotonic()
        os.kill(_number_one(process), signal.SIGTERM)
        code = process.wait(PATIENCE_SECONDS)
        ending = time.monotonic() - told
    hold(code == 0, f"after SIGTERM it ended with {code}: {_end(log)}")
    hold(not sky.differing(volume / "winter"), "the tree is not what it was")
    _only_ours(volume)
    return Life(healthy, ending)


def _well(health: list[str]) -> bool:
    return subprocess.run(health, capture_output=True, check=False).returncode == 0  # noqa: S603 - ours


def _number_one(process: subprocess.Popen[bytes]) -> int:
    """Return the number by which we know the process that is number 1 where it lives."""
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(child)


def free_port() -> int:
    """Return a free port of the loopback address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def trial(buildah: Buildah, version: str) -> str:
    """Try everything; return the verdict."""
    image = buildah.image(IMAGE)
    look(image, version)
    with buildah.container(IMAGE) as container:
        leftovers(container.root)
        sizes = parts(container.root)
        print("\n".join(f"{size / 1e6:6.1f} MB  {name}" for name, size in sizes.items()))
        hold(sum(sizes.values()) < LARGEST, "it is too large")
        said = container.run("winter-sync", "--version", volume=container.volume("version"))
        hold(said == f"winter-sync {version}", f"it says that it is {said}")
        demo = container.run("winter-sync", "demo", volume=container.volume("demo"))
        print(next(line for line in demo.splitlines() if "byte for byte" in line))
        with observatory(container) as sky:
            files = sky.count()
            try_sync(container, sky)
            life = try_run(container, sky)
    return (
        f"the container works: {sum(sizes.values()) / 1e6:.0f} MB, of which "
        f"{sizes['Debian and Python'] / 1e6:.0f} MB are its base; {files} files mirrored by sync "
        f"and by run, as user {STRANGER}, read-only, without privileges, byte for byte; healthy "
        f"after {life.healthy:.1f} s, ended {life.ending:.1f} s after SIGTERM"
    )


def main() -> None:
    """Try the image that scripts/container has built."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--driver", required=True)
    parser.add_argument("--version", required=True)
    given = parser.parse_args()
    try:
        print(trial(Buildah(given.work, given.driver), given.version))
    except TrialError as broken:
        sys.exit(f"the container does not work: {broken}")


if __name__ == "__main__":
    main()
