"""Run the commands of README.md on fresh machines, and say how that went.

Started by scripts/try_debian, which has made the machines: roots of Debian releases. Each trial
gets a copy of one, in namespaces of its own for mounts and processes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from trial import TrialError, hold

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).parent.parent
CLONE = "/root/winter-sync"
README = (CHECKOUT / "README.md").read_text()
COMMANDS = ["scripts/demo", "scripts/test"]
"""The two that README.md begins with."""
INSTALL = README.partition("## Install it")[2].partition("```sh\n")[2].partition("```")[0]
"""What README.md says to install the wheel."""
PACKAGES_FOUND_BY = ("etc/pip.conf", "etc/resolv.conf", "etc/ssl/certs/ca-certificates.crt")
"""How packages are found on this machine, and so on those."""

ENTER = """
root=$1
shift
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
ln -s /proc/self/fd dev/fd
ln -s pts/ptmx dev/ptmx
exec chroot . env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb "$@"
"""
"""Run a command with a root of its own, as a machine has it that was just installed."""


class Machine:
    """A fresh machine, with a clone of this repository."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def say(self, *arguments: str) -> str:
        """Run a command in the clone, and return what it says; that is shown as it comes, too.

        Raises
        ------
        TrialError
            If it fails.
        """
        inside = ["sh", "-c", f'cd {CLONE} && exec "$@"', "sh", *arguments]
        namespaces = ["unshare", "--mount", "--pid", "--ipc", "--fork", "--kill-child"]
        command = [*namespaces, "sh", "-euc", ENTER, "enter", str(self._root), *inside]
        said = ""
        with subprocess.Popen(  # noqa: S603 - our own
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                for line in process.stdout or ():
                    said += line
                    sys.stderr.write(line)
            except BaseException:
                process.kill()
                raise
        hold(process.returncode == 0, f"{arguments} failed with {process.returncode}")
        return said


@contextmanager
def fresh(work: Path, release: str) -> Iterator[Machine]:
    """Copy the root of a release, clone this repository into it, and remove it at the end."""
    root = work / f"{release}-{os.getpid()}"
    subprocess.run(["cp", "-a", str(work / release), str(root)], check=True)  # noqa: S603, S607 - our own
    try:
        for place in PACKAGES_FOUND_BY:
            if Path("/", place).exists():
                (root / place).unlink(missing_ok=True)
                shutil.copy(Path("/", place), root / place)
        clone = ["git", "clone", "--quiet", str(CHECKOUT), f"{root}{CLONE}"]
        subprocess.run(clone, check=True)  # noqa: S603 - our own
        yield Machine(root)
    finally:
        shutil.rmtree(root)


def tried(machine: Machine, options: list[str]) -> dict[str, object]:
    """Run both commands, install the wheel and use it, and return the figures."""
    figures: dict[str, object] = {"python": machine.say("python3", "--version").split()[-1]}
    for command in COMMANDS:
        began = time.monotonic()
        said = machine.say(command, *(options if command == "scripts/test" else ()))
        figures[f"{command}, seconds"] = round(time.monotonic() - began)
        figures.update(
            {word: int(number) for number, word in re.findall(r"(\d+) (passed|skipped)", said)}
        )
    began = time.monotonic()
    machine.say("sh", "-euc", f"{INSTALL}\nwinter-sync demo")
    figures["the wheel, seconds"] = round(time.monotonic() - began)
    return figures


def main(work: Path, releases: list[str]) -> int:
    """Try each release, and write the figures of all down as JSON; 1 if one does not work."""
    shown = all(f"\n{command} " in README for command in COMMANDS)
    hold(shown and "pip install" in INSTALL, "README.md does not show its commands any more")
    options = os.environ.get("OPTIONS", "").split()
    found: dict[str, object] = {}
    for release in releases:
        try:
            with fresh(work, release) as machine:
                found[release] = tried(machine, options)
        except TrialError as failed:
            found[release] = {"failed": str(failed)}
    print(json.dumps(found, indent=2))
    return any("failed" in result for result in map(str, found.values()))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # the copies are removed then, too
    sys.exit(main(Path(sys.argv[1]).absolute(), sys.argv[2:]))
