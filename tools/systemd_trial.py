"""Install the service as docs/install.md says, on a machine of its own, and try it there.

The machine is a copy of a Debian root, booted with its own systemd as process 1 in namespaces of
its own: processes, mounts, control groups and, but for the installation, network.

Started by scripts/try_systemd, which has made that Debian.
"""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from trial import TrialError, hold, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHECKOUT = Path(__file__).parent.parent
PAGE = (CHECKOUT / "docs/install.md").read_text()
INSTALL, START, _, MOVE, REMOVE = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
(CHECK,) = re.findall(r"`(systemd-run .*?)`", PAGE)
"""What docs/install.md says to do, in its order."""
SETTINGS = "/etc/winter-sync/winter-sync.toml"
WRITABLE = ("/data/winter", "/var/lib/winter-sync", "/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - the service's own
READ_ONLY = ("", "/etc", "/usr", "/opt/winter-sync", "/run", "/var/lib", "/data", "/boot")
PATIENCE_SECONDS = 150.0
WATCHDOG_SECONDS = 6

BOOT = """
root=$1
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
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
mount -t tmpfs -o mode=755 tmpfs run
mkdir -p .outside
pivot_root . .outside
umount -l .outside
# Credentials reach a service by propagation; a real boot shares everything as well.
mount --make-rshared /
exec env -i container=trial PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system
"""
"""What a boot loader, a kernel and an initial file system do."""


def until(what: str, condition: Callable[[], bool]) -> float:
    """Wait until a condition holds; return how long that took, in seconds.

    Raises
    ------
    TrialError
        If it is not so for too long.
    """
    began = time.monotonic()
    wait_for(condition, lambda: f"waited in vain: {what}", PATIENCE_SECONDS)
    return time.monotonic() - began


@dataclass(frozen=True)
class Machine:
    """A booted machine; `pid` is that of its process 1, seen from here."""

    pid: int
    figures: dict[str, object] = field(default_factory=dict)

    def command(self, *arguments: str, outward: bool = False) -> list[str]:
        """Return the command line that runs a command there; `outward` with our network."""
        network = [] if outward else ["--net"]
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--uts", "--ipc"]
        clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=dumb"]
        return [*enter, "--cgroup", *network, *clean, *arguments]

    def attempt(self, *arguments: str, outward: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a command there."""
        return subprocess.run(  # noqa: S603 - our own
            self.command(*arguments, outward=outward), capture_output=True, text=True, check=False
        )

    def say(self, *arguments: str, outward: bool = False) -> str:
        """Run a command there that must not fail; gives what it said."""
        ran = self.attempt(*arguments, outward=outward)
        hold(ran.returncode == 0, f"{arguments} failed:\n{ran.stdout}{ran.stderr}")
        return ran.stdout.strip()

    def type(self, script: str, answers: list[str]) -> None:
        """Run shell lines there on a terminal, and answer each question that ends in a colon."""
        child, terminal = pty.fork()
        if child == 0:
            command = self.command("sh", "-euc", script)
            os.execvp(command[0], command)  # noqa: S606 - our own
        said, left = b"", list(answers)
        with suppress(OSError):  # the terminal is closed
            while heard := os.read(terminal, 1000):
                said += heard
                if left and b":" in said:
                    os.write(terminal, f"{left.pop(0)}\r".encode())
                    said = b""
        _, status = os.waitpid(child, 0)
        os.close(terminal)
        hold(status == 0 and not left, f"failed at a terminal: {said!r}")

    def show(self, name: str, unit: str = "winter-sync") -> str:
        """Return a property of a unit."""
        return self.say("systemctl", "show", "--value", f"--property={name}", unit)

    def is_in(self, state: str, unit: str = "winter-sync") -> bool:
        """Whether a unit is in a state, like "active running"."""
        return f"{self.show('ActiveState', unit)} {self.show('SubState', unit)}" == state

    def journal(self, unit: str = "winter-sync") -> str:
        """Return all that a unit has said."""
        return self.say("journalctl", "--output=cat", "--no-pager", f"--unit={unit}")

    def set(self, key: str, value: str) -> None:
        """Set a key of the settings file that stands there, commented out or not."""
        self.say("sed", "-i", f"s|^#* *{key} = .*|{key} = {value}|", SETTINGS)

    def files(self, root: str = "/data/winter") -> int:
        """Count what is in the tree."""
        tree = f"{root}/winter"
        return len(self.attempt("find", tree, "-name", "*.fits").stdout.splitlines())


@contextmanager
def booted(work: Path) -> Iterator[Machine]:
    """Boot a copy of the Debian in `work`, and destroy it at the end."""
    root = work / "machine"
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run(["cp", "-a", str(work / "debian"), str(root)], check=True)  # noqa: S603, S607 - our own
    for place in ("etc/pip.conf", "etc/resolv.conf", "etc/ssl/certs/ca-certificates.crt"):
        if Path("/", place).exists():  # how packages are found here
            (root / place).unlink(missing_ok=True)
            shutil.copy(Path("/", place), root / place)
    repository = root / "srv/winter-sync.git"
    clone = ["git", "clone", "--quiet", "--bare", str(CHECKOUT), str(repository)]
    subprocess.run(clone, check=True)  # noqa: S603 - our own
    group = _control_group()
    try:
        with _started(root, group) as machine:
            yield machine
    finally:
        _remove(group)
        shutil.rmtree(root)


@contextmanager
def _started(root: Path, group: Path) -> Iterator[Machine]:
    """Start the machine whose files are at `root`; say what its journal does when a trial fails."""
    namespaces = "--mount --pid --uts --ipc --cgroup --net"
    script = f'echo $$ > "{group}/cgroup.procs"; exec unshare {namespaces} --fork --kill-child'
    command = ["sh", "-euc", f'{script} sh -euc "$0" boot "$1"', BOOT, str(root)]
    with subprocess.Popen(command) as outside:  # noqa: S603 - our own
        try:
            children = Path(f"/proc/{outside.pid}/task/{outside.pid}/children")
            until("process 1", lambda: bool(children.read_text().strip()))
            machine = Machine(int(children.read_text()))
            state = ["systemctl", "is-system-running"]
            until("a boot", lambda: machine.attempt(*state).stdout.strip() == "running")
            try:
                yield machine
            except TrialError:
                print(machine.say("journalctl", "--no-pager", "--lines=40"), file=sys.stderr)
                raise
        finally:
            outside.kill()


def _control_group() -> Path:
    """Make a control group for the machine."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    top = next(Path(mount[1]) for mount in mounts if mount[2] == "cgroup2")
    group = top / f"winter-sync-trial-{os.getpid()}"
    group.mkdir()
    return group


def _remove(group: Path) -> None:
    def gone() -> bool:
        for below in [*sorted(group.rglob("*/"), reverse=True), group]:
            with suppress(OSError):
                below.rmdir()
        return not group.exists()

    until("the control group to be empty", gone)


def accounts(machine: Machine, *options: str) -> list[str]:
    """Start an observatory there; return a user, their password and the key of 2024A000."""
    program, last = "/opt/winter-sync/bin/winter-sync", "program 2024A000 key"
    before = machine.journal("observatory").count(last)
    machine.say("systemd-run", "--quiet", "--unit=observatory", program, "simulate", *options)
    until("an observatory", lambda: machine.journal("observatory").count(last) > before)
    said = machine.journal("observatory")
    found = re.search(r"user (\S+) password (\S+)\nprogram 2024A000 key (\S+)", said)
    hold(found is not None, said)
    return list(found.groups()) if found else []


def installs(machine: Machine) -> None:
    """Install it by the lines of the document."""
    began = time.monotonic()
    lines = INSTALL.replace("ADDRESS-OF-THIS-REPOSITORY", "/srv/winter-sync.git")
    machine.say("sh", "-euc", f"apt-get -qq update\n{lines}", outward=True)
    machine.figures["installed_in_seconds"] = round(time.monotonic() - began, 1)
    machine.figures["lines"] = len((INSTALL + START).splitlines())
    machine.set("base_url", '"http://127.0.0.1:7000"')
    machine.set("poll_every", '"5s"')
    machine.set("min_free", '"100 MB"')


def starts(machine: Machine, secrets: list[str]) -> None:
    """Start it by the lines of the document; it says when it is ready, and mirrors."""
    machine.type(START, secrets)
    hold(machine.is_in("active running"), machine.journal())
    ready, began = (
        int(machine.show(name))
        for name in ("ActiveEnterTimestampMonotonic", "ExecMainStartTimestampMonotonic")
    )
    machine.figures["ready_after_seconds"] = round((ready - began) / 1e6, 2)
    until("a mirror", lambda: machine.files() > 0)
    machine.say("sh", "-euc", CHECK)
    owners = machine.say("find", "/data/winter", "-printf", "%U %u\\n").splitlines()
    hold({owner.split()[1] for owner in owners} == {"winter-sync"}, "others own of the tree")
    until("a status", lambda: "last poll" in machine.show("StatusText"))
    machine.figures["status"] = machine.show("StatusText")


def is_locked_in(machine: Machine) -> None:
    """See that it has no rights, and can write to its places only and run nothing there."""
    status = machine.say("cat", f"/proc/{machine.show('MainPID')}/status")
    for promise in ("CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"):
        hold(promise in status, f"not {promise}")
    hold("Seccomp:\t2" in status, "no filter of system calls")
    as_root = ["nsenter", f"--target={machine.show('MainPID')}", "--mount"]
    inside = [*as_root, "setpriv", "--reuid=winter-sync", "--regid=winter-sync", "--clear-groups"]
    for place in WRITABLE:
        machine.say(*inside, "touch", f"{place}/tried")
        machine.say(*as_root, "install", "--mode=755", "/usr/bin/true", f"{place}/tried")
        refused = machine.attempt(*inside, f"{place}/tried")
        hold("Permission denied" in refused.stderr, f"a file in {place} can be run")
        machine.say(*as_root, "rm", f"{place}/tried")
    for place in READ_ONLY:
        refused = machine.attempt(*as_root, "touch", f"{place}/tried")
        hold("Read-only" in refused.stderr, f"{place} can be written, were it not for its owner")


def reloads(machine: Machine) -> None:
    """Reload it: the same process takes new settings, and keeps the old if the new are wrong."""
    before, files = machine.show("MainPID"), machine.files()
    machine.set("image_types", '["stack", "diff"]')
    machine.say("systemctl", "reload", "winter-sync")
    until("what the new settings ask for", lambda: machine.files() > files)
    machine.set("image_types", '["stacks"]')
    machine.say("systemctl", "reload", "winter-sync")
    until("a complaint", lambda: "stacks" in machine.journal())
    machine.set("image_types", '["stack", "diff"]')
    until("the end of a reload", lambda: machine.is_in("active running"))
    hold(machine.show("MainPID") == before, "it was started again")


def stops(machine: Machine) -> None:
    """Stop it: it ends well before systemd would kill it, and can be started again."""
    began = time.monotonic()
    machine.say("systemctl", "stop", "winter-sync")
    machine.figures["stopped_in_seconds"] = round(time.monotonic() - began, 2)
    hold(machine.show("Result") == "success", machine.journal())
    machine.say("systemctl", "start", "winter-sync")


def comes_back(machine: Machine) -> None:
    """Stop or kill its process: it comes back by itself, and has said where it was stuck."""
    drop_in = "/run/systemd/system/winter-sync.service.d/trial.conf"
    written = f"[Service]\\nWatchdogSec={WATCHDOG_SECONDS}\\n"
    machine.say("sh", "-euc", f"mkdir -p ${{0%/*}}; printf '{written}' > $0", drop_in)
    machine.say("systemctl", "daemon-reload")
    machine.say("systemctl", "restart", "winter-sync")
    for number, (signal, said) in enumerate({"STOP": "watchdog", "KILL": "signal"}.items(), 1):
        time.sleep(2 * WATCHDOG_SECONDS)  # its pings arrive
        hold(machine.is_in("active running"), "its own watchdog ends it")
        machine.say("systemctl", "kill", "--kill-whom=main", f"--signal={signal}", "winter-sync")
        gone = until("an end", lambda: not machine.is_in("active running"))
        hold(machine.show("Result") == said, f"{signal} ends as {machine.show('Result')}")
        back = until("a new one", lambda: machine.is_in("active running"))
        machine.figures[f"after_{signal}_ended_and_back_in_seconds"] = [
            round(gone, 1),
            round(back, 1),
        ]
        hold(machine.show("NRestarts") == str(number), "it was started again more than once")
    hold("most recent call first" in machine.journal(), "it has not said where it was stuck")
    machine.say("rm", drop_in)
    machine.say("systemctl", "daemon-reload")


def stays_away(machine: Machine) -> None:
    """Start it with wrong settings: it says why it does not, and is not tried again."""
    machine.set("image_types", '["stacks"]')
    hold(machine.attempt("systemctl", "restart", "winter-sync").returncode != 0, "it starts")
    until("an end", lambda: machine.is_in("failed failed"))
    hold(machine.show("ExecMainStatus") == "2", "another exit code")
    hold("image_types" in machine.journal(), "it has not said what is wrong")
    machine.set("image_types", '["stack", "diff"]')
    machine.say("systemctl", "start", "winter-sync")


def backfills(machine: Machine) -> None:
    """Mirror nights long past by the template, beside the daemon; wrong nights are refused."""
    files, unit = machine.files(), "winter-sync-backfill@20240211-20240212"
    machine.set("image_types", '["science"]')  # the daemon, not told, goes on with others
    machine.say("systemctl", "start", unit)
    until("the end of a backfill", lambda: machine.is_in("inactive dead", unit))
    hold(machine.show("Result", unit) == "success", machine.journal(unit))
    hold(machine.files() > files, "a backfill has brought nothing")
    unit = "winter-sync-backfill@20240212-20240211"
    machine.attempt("systemctl", "start", unit)
    until("a refusal", lambda: machine.is_in("failed failed", unit))
    hold(machine.show("ExecMainStatus", unit) == "2", machine.journal(unit))
    machine.say("systemctl", "stop", "observatory")
    unit = "winter-sync-backfill@20251023"
    machine.say("systemctl", "start", unit)
    until("a pause before another try", lambda: machine.is_in("activating auto-restart", unit))
    accounts(machine, "--delay=30")
    machine.say("systemctl", "restart", unit)
    time.sleep(3)  # it waits for an answer by then
    hold(machine.is_in("active running", unit), machine.journal(unit))
    machine.say("systemctl", "stop", unit)
    hold(machine.show("Result", unit) == "success", machine.journal(unit))
    machine.say("systemctl", "stop", "observatory")
    accounts(machine)


def moves(machine: Machine) -> None:
    """Move it to another root by the lines of the document."""
    machine.set("root", '"/srv/archive/winter"')
    machine.say("sh", "-euc", MOVE)
    until("a mirror elsewhere", lambda: machine.files("/srv/archive/winter") > 0)


def keeps_secrets(machine: Machine, secrets: list[str]) -> None:
    """See that no secret is in the journal, in any process's environment or in the unit."""
    processes = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' '\\n'"
    for text in (
        machine.say("journalctl", "--no-pager", "--unit=winter-sync*"),
        machine.say("systemctl", "show", "winter-sync"),
        machine.say("sh", "-c", processes),
    ):
        hold(not any(secret in text for secret in secrets[1:]), "a secret is shown")


def is_removed(machine: Machine) -> None:
    """Remove it by the lines of the document; the tree stays."""
    machine.say("sh", "-euc", REMOVE)
    left = machine.say("find", "/etc", "/opt", "/var/lib", "-name", "*winter-sync*")
    hold(not left, f"left over: {left}")
    hold(machine.files() > 0, "the tree is gone")


def main(work: Path) -> None:
    """Try all of it, and write the figures down as JSON."""
    with booted(work) as machine:
        machine.figures["systemd"] = machine.say("systemctl", "--version").splitlines()[0]
        installs(machine)
        secrets = accounts(machine)
        starts(machine, secrets)
        for trial in (is_locked_in, reloads, stops, comes_back, stays_away, backfills, moves):
            trial(machine)
            print(trial.__doc__, file=sys.stderr)
        keeps_secrets(machine, secrets)
        is_removed(machine)
        print(json.dumps(machine.figures, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
