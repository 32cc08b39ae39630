"""Signals at bad moments: while the daemon waits, opens, or ends; too many, or impossible ones."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from daemon.scenarios import EventWaiter, Slow

from winter_sync.archive.client import ArchiveClient
from winter_sync.core import (
    BatchEnded,
    BatchStarted,
    Polled,
    Received,
    Reloading,
    ReloadRefused,
    Started,
    StorageFailing,
)
from winter_sync.core.errors import StorageError, UsageError
from winter_sync.daemon.lock import root_lock
from winter_sync.daemon.runner import Daemon
from winter_sync.daemon.schedule import Schedule
from winter_sync.daemon.systemd import SystemdNotifier
from winter_sync.simulator import Call, Faults
from winter_sync.sync.engine import Mirror
from winter_sync.tree.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.daemon_rig import DaemonRig


def test_many_reloads_at_once_are_one(run_scenario: Callable[..., None]) -> None:
    """Reloads requested before the settings are read are served by one reading."""

    async def scenario(rig: DaemonRig) -> None:
        async with rig.running() as service:
            await asyncio.sleep(600)
            for _ in range(50):
                service.signals.reload()
            await asyncio.sleep(600)
        assert len(rig.emitted(Reloading)) == 1
        assert len(rig.emitted(Started)) == 2

    run_scenario(scenario)


@pytest.mark.parametrize("name", ["x" * 300, "kept"])
def test_a_root_that_cannot_be_had_is_refused(run_scenario: Callable[..., None], name: str) -> None:
    """Whether the name is impossible or another daemon holds it, the old root stays in use."""

    async def scenario(rig: DaemonRig) -> None:
        other = rig.root.with_name("kept")
        (other / ".winter-sync").mkdir(parents=True)
        with root_lock(other, rig.driven.start):
            async with rig.running() as service:
                await asyncio.sleep(60)
                rig.changes["mirror"] = {"root": rig.root.with_name(name)}
                service.signals.reload()
                await asyncio.sleep(3600)
        assert len(rig.emitted(ReloadRefused)) == 1
        assert len(rig.emitted(Started)) == 1
        assert len(rig.emitted(Polled)) > 10

    run_scenario(scenario)


@pytest.mark.parametrize("signals", [1, 2])
def test_what_is_broken_off_is_given_back(run_scenario: Callable[..., None], signals: int) -> None:
    """A stop that cannot wait leaves no lease and no journal, and reports each download."""
    slow = Slow()

    async def scenario(rig: DaemonRig) -> None:
        rig.changes["api"] = {"connections": 2, "silence_timeout": "10m"}
        waiter = EventWaiter(rig)
        async with rig.running() as service:
            await waiter.wait_for(Received)
            await asyncio.sleep(5)
            for _ in range(signals):
                service.signals.stop()
        assert len(rig.emitted(BatchStarted)) == len(rig.emitted(BatchEnded)) >= 1
        assert rig.files()
        assert not rig.leases()
        assert not list((rig.root / ".winter-sync" / "staging").iterdir())

    run_scenario(scenario, faults=slow)


class Dripping(Faults):
    """Sends zips as slowly as is allowed: a little faster than counts as silence."""

    def stream(self, call: Call, chunks: Any) -> Any:  # noqa: ANN401 - an iterator of bytes
        """Let it drip."""
        del call
        return self._dripping(chunks)

    async def _dripping(self, chunks: Any) -> Any:  # noqa: ANN401 - the same
        async for chunk in chunks:
            for at in range(0, len(chunk), 2048):
                yield chunk[at : at + 2048]
                await asyncio.sleep(1.9)


def hasten(rig: DaemonRig) -> None:
    """Make stalls be noticed within seconds instead of a quarter of an hour."""
    rig.changes["daemon"] = {"grace": "12h", "stall_after": "11s"}
    rig.changes["schedule"] = {"poll_every": "5s"}
    rig.changes["api"] = {
        "connections": 1,
        "first_byte_timeout": "4s",
        "query_timeout": "2s",
    }


def test_a_long_grace_is_no_stall(run_scenario: Callable[..., None]) -> None:
    """A slow download may continue; that nothing is polled meanwhile is no stall."""

    async def scenario(rig: DaemonRig) -> None:
        hasten(rig)
        rig.programs = [{"name": "2024A000", "image_types": ["exposure"]}]
        waiter = EventWaiter(rig)
        async with rig.running(SystemdNotifier(watchdog_interval=1)) as service:
            await waiter.wait_for(Received)
            began = rig.driven.loop.now
            service.signals.stop()
        assert rig.driven.loop.now - began > 25
        assert [event.trouble for event in rig.emitted(BatchEnded)] == [None]

    run_scenario(scenario, faults=Dripping())


class Manager:
    """Receives the messages to systemd."""

    def __init__(self, directory: Path) -> None:
        path = str(directory / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        self.notifier = SystemdNotifier(path)

    def received(self) -> list[str]:
        """Return the messages since the last call, without status and watchdog."""
        found = []
        with self._socket.dup() as listening, suppress(BlockingIOError):
            while True:
                found.append(listening.recv(4096, socket.MSG_DONTWAIT).decode().split("=")[0])
        return [message for message in found if message not in {"STATUS", "WATCHDOG"}]

    def close(self) -> None:
        """Stop receiving."""
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """Return a service manager."""
    manager = Manager(tmp_path)
    yield manager
    manager.close()


def test_a_reload_ends_a_rest(run_scenario: Callable[..., None], manager: Manager) -> None:
    """A reload ends the pause at once, and is confirmed, even if the disk still fails."""

    async def scenario(rig: DaemonRig) -> None:
        aside = rig.root.with_name("unmounted")
        async with rig.running(manager.notifier) as service:
            await asyncio.sleep(60)
            rig.root.rename(aside)
            rig.root.mkdir()
            await asyncio.sleep(3600)
            rests = len(rig.emitted(StorageFailing))
            manager.received()
            service.signals.reload()
            await asyncio.sleep(5)
            assert manager.received() == ["RELOADING", "READY"]
            assert len(rig.emitted(StorageFailing)) == rests + 1
            rig.root.rmdir()
            aside.rename(rig.root)
            service.signals.reload()
            await asyncio.sleep(5)
            assert manager.received() == ["RELOADING", "READY"]
            assert len(rig.emitted(Started)) == len(rig.emitted(Reloading)) == 2

    run_scenario(scenario)


def test_a_pause_goes_on_after_a_reload_that_is_refused(run_scenario: Callable[..., None]) -> None:
    """Wrong settings are reported, and the disk is still tried when it was due."""

    async def scenario(rig: DaemonRig) -> None:
        aside = rig.root.with_name("unmounted")
        async with rig.running() as service:
            await asyncio.sleep(60)
            rig.root.rename(aside)
            rig.root.mkdir()
            await asyncio.sleep(3600)
            rig.root.rmdir()
            aside.rename(rig.root)
            rig.changes["schedule"] = {"poll_every": "often"}
            service.signals.reload()
            await asyncio.sleep(5)
            assert len(rig.emitted(ReloadRefused)) == len(rig.emitted(Started)) == 1
            await asyncio.sleep(900)
            assert len(rig.emitted(Started)) == 2

    run_scenario(scenario)


def test_a_pause_is_no_stall(run_scenario: Callable[..., None]) -> None:
    """Nothing is polled while the disk is away, and that is no stall."""

    async def scenario(rig: DaemonRig) -> None:
        hasten(rig)
        aside = rig.root.with_name("unmounted")
        async with rig.running(SystemdNotifier(watchdog_interval=1)) as service:
            await asyncio.sleep(60)
            rig.root.rename(aside)
            rig.root.mkdir()
            await asyncio.sleep(3600)
            assert len(rig.emitted(StorageFailing)) > 3
            rig.root.rmdir()
            aside.rename(rig.root)
            await asyncio.sleep(900)
            assert not service.pages.sources.readiness()

    run_scenario(scenario)


def test_it_ends_during_a_pause(run_scenario: Callable[..., None]) -> None:
    """At once."""

    async def scenario(rig: DaemonRig) -> None:
        async with rig.running():
            await asyncio.sleep(60)
            rig.root.rename(rig.root.with_name("unmounted"))
            rig.root.mkdir()
            await asyncio.sleep(3600)
            began = rig.driven.loop.now
        assert rig.driven.loop.now - began < 2
        assert rig.emitted(StorageFailing)[-1].wait == 900

    run_scenario(scenario)


def test_another_mirror_is_reported_and_left_alone(run_scenario: Callable[..., None]) -> None:
    """A reload that mixes up two mirrors stops all work, and says so, until it is corrected."""

    async def scenario(rig: DaemonRig) -> None:
        other = rig.root.with_name("other")
        usual, rig.root = rig.root, other
        async with rig.running():
            await asyncio.sleep(60)
        files, rig.root = rig.files(), usual
        async with rig.running() as service:
            await asyncio.sleep(60)
            rig.changes["mirror"] = {"root": other, "state": usual / ".winter-sync"}
            service.signals.reload()
            await asyncio.sleep(3600)
            assert all("another mirror" in rest.reason for rest in rig.emitted(StorageFailing))
            assert "another mirror" in service.pages.sources.readiness()[0]
            del rig.changes["mirror"]
            service.signals.reload()
            await asyncio.sleep(60)
            assert not service.pages.sources.readiness()
        rig.root = other
        assert rig.files() == files

    run_scenario(scenario)


def test_what_cannot_be_opened_at_the_start_is_reported(run_scenario: Callable[..., None]) -> None:
    """Only a running daemon pauses: one that starts on an empty mount point fails at once."""

    async def scenario(rig: DaemonRig) -> None:
        async with rig.running():
            await asyncio.sleep(60)
        rig.root.rename(rig.root.with_name("unmounted"))
        rig.root.mkdir()
        with pytest.raises(StorageError, match="used to contain a mirror"):
            await asyncio.wait_for(rig.service().run(), 60)

    run_scenario(scenario)


def test_who_takes_its_root_meanwhile_may_have_it(run_scenario: Callable[..., None]) -> None:
    """A paused daemon waits for another daemon on its root as for a disk."""

    async def scenario(rig: DaemonRig) -> None:
        aside = rig.root.with_name("unmounted")
        async with rig.running() as service:
            await asyncio.sleep(60)
            rig.root.rename(aside)
            rig.root.mkdir()
            await asyncio.sleep(3600)
            rig.root.rmdir()
            aside.rename(rig.root)
            with root_lock(rig.root, rig.driven.start):
                await asyncio.sleep(1800)
                assert "another daemon" in service.pages.sources.readiness()[0]
            await asyncio.sleep(1800)
            assert not service.pages.sources.readiness()

    run_scenario(scenario)


def test_it_ends_while_it_recovers(
    run_scenario: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recovery after crashes is finished, and then nothing is started."""
    recover = Mirror.recover

    async def slowly(mirror: Mirror) -> None:
        await asyncio.sleep(30)
        await recover(mirror)

    async def scenario(rig: DaemonRig) -> None:
        monkeypatch.setattr(Mirror, "recover", slowly)
        async with rig.running():
            await asyncio.sleep(10)
        assert rig.driven.loop.now == pytest.approx(30, abs=1)
        assert not rig.simulator.requests

    run_scenario(scenario)


def test_a_second_daemon_of_the_same_settings_says_who_is_first(
    run_scenario: Callable[..., None],
) -> None:
    """And not only that the address of its pages is in use."""

    async def scenario(rig: DaemonRig) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        rig.changes["http"] = {"listen": f"127.0.0.1:{port}"}
        async with rig.running():
            await asyncio.sleep(60)
            with pytest.raises(UsageError, match="another daemon"):
                await rig.service().run()

    run_scenario(scenario)


def test_reloads_leave_nothing_behind(run_scenario: Callable[..., None]) -> None:
    """However often the settings are reloaded, no timer, file or part of the old work stays."""

    async def scenario(rig: DaemonRig) -> None:
        async with rig.running() as service:
            left = []
            for _ in range(6):
                await asyncio.sleep(60)
                service.signals.reload()
                await asyncio.sleep(60)
                left.append(_alive())
            assert left[-1] == left[-2] == left[2]

    run_scenario(scenario)


def _alive() -> tuple[list[int], int]:
    """Count the objects of a daemon that are alive, and the open files of this process."""
    gc.collect()
    kinds = Counter(type(found) for found in gc.get_objects())
    parts = [kinds[kind] for kind in (Daemon, Schedule, ArchiveClient, Tree, asyncio.Task)]
    return parts, len(list(Path("/proc/self/fd").iterdir()))
