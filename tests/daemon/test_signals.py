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
from daemon.scenes import Slow, Told

from winter_sync.archive.client import Api
from winter_sync.core.errors import StorageError, UsageError
from winter_sync.core.events import (
    BatchEnded,
    BatchStarted,
    Polled,
    Received,
    Reloading,
    ReloadRefused,
    Started,
    StorageFailing,
)
from winter_sync.daemon.lock import root_lock
from winter_sync.daemon.runner import Daemon
from winter_sync.daemon.schedule import Schedule
from winter_sync.daemon.systemd import SystemdNotifier
from winter_sync.simulator import Call, Faults
from winter_sync.sync.engine import Mirror
from winter_sync.tree.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.keeper import Keeper


def test_many_reloads_at_once_are_one(play: Callable[..., None]) -> None:
    """What comes before the settings are read is answered by reading them."""

    async def scene(keeper: Keeper) -> None:
        async with keeper.keeping() as service:
            await asyncio.sleep(600)
            for _ in range(50):
                service.signals.reload()
            await asyncio.sleep(600)
        assert len(keeper.told(Reloading)) == 1
        assert len(keeper.told(Started)) == 2

    play(scene)


@pytest.mark.parametrize("name", ["x" * 300, "kept"])
def test_a_root_that_cannot_be_had_is_refused(play: Callable[..., None], name: str) -> None:
    """Whether the system has no such name or another daemon keeps it, the old root is kept on."""

    async def scene(keeper: Keeper) -> None:
        other = keeper.root.with_name("kept")
        (other / ".winter-sync").mkdir(parents=True)
        with root_lock(other, keeper.time.start):
            async with keeper.keeping() as service:
                await asyncio.sleep(60)
                keeper.changes["mirror"] = {"root": keeper.root.with_name(name)}
                service.signals.reload()
                await asyncio.sleep(3600)
        assert len(keeper.told(ReloadRefused)) == 1
        assert len(keeper.told(Started)) == 1
        assert len(keeper.told(Polled)) > 10

    play(scene)


@pytest.mark.parametrize("signals", [1, 2])
def test_what_is_broken_off_is_given_back(play: Callable[..., None], signals: int) -> None:
    """An end that cannot wait leaves no lease and no journal behind, and tells of each download."""
    slow = Slow()

    async def scene(keeper: Keeper) -> None:
        keeper.changes["api"] = {"connections": 2, "silence_timeout": "10m"}
        told = Told(keeper)
        async with keeper.keeping() as service:
            await told.of(Received)
            await asyncio.sleep(5)
            for _ in range(signals):
                service.signals.stop()
        assert len(keeper.told(BatchStarted)) == len(keeper.told(BatchEnded)) >= 1
        assert keeper.files()
        assert not keeper.leases()
        assert not list((keeper.root / ".winter-sync" / "staging").iterdir())

    play(scene, faults=slow)


class Dripping(Faults):
    """Sends zips as slowly as may be: a little more than is taken for none."""

    def stream(self, call: Call, chunks: Any) -> Any:  # noqa: ANN401 - an iterator of bytes
        """Let it drip."""
        del call
        return self._dripping(chunks)

    async def _dripping(self, chunks: Any) -> Any:  # noqa: ANN401 - the same
        async for chunk in chunks:
            for at in range(0, len(chunk), 2048):
                yield chunk[at : at + 2048]
                await asyncio.sleep(1.9)


def hasten(keeper: Keeper) -> None:
    """Let what takes a quarter of an hour to be taken for a stall take seconds."""
    keeper.changes["daemon"] = {"grace": "12h", "stall_after": "11s"}
    keeper.changes["schedule"] = {"poll_every": "5s"}
    keeper.changes["api"] = {
        "connections": 1,
        "first_byte_timeout": "4s",
        "query_timeout": "2s",
    }


def test_a_long_grace_is_no_stall(play: Callable[..., None]) -> None:
    """A download that comes slowly may go on; that nothing is polled meanwhile is meant so."""

    async def scene(keeper: Keeper) -> None:
        hasten(keeper)
        keeper.changes["programs"] = [{"name": "2024A000", "image_types": ["exposure"]}]
        told = Told(keeper)
        async with keeper.keeping(SystemdNotifier(watchdog_interval=1)) as service:
            await told.of(Received)
            began = keeper.time.loop.now
            service.signals.stop()
        assert keeper.time.loop.now - began > 25
        assert [one.trouble for one in keeper.told(BatchEnded)] == [None]

    play(scene, faults=Dripping())


class Manager:
    """Hears what systemd would hear."""

    def __init__(self, directory: Path) -> None:
        path = str(directory / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        self.notifier = SystemdNotifier(path)

    def heard(self) -> list[str]:
        """Give what was said since the last time, without the status."""
        found = []
        with self._socket.dup() as listening, suppress(BlockingIOError):
            while True:
                found.append(listening.recv(4096, socket.MSG_DONTWAIT).decode().split("=")[0])
        return [one for one in found if one not in {"STATUS", "WATCHDOG"}]

    def close(self) -> None:
        """Hear nothing more."""
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """Give a service manager."""
    manager = Manager(tmp_path)
    yield manager
    manager.close()


def test_a_reload_ends_a_rest(play: Callable[..., None], manager: Manager) -> None:
    """Whoever says that the disk is mended is heard at once, and told so, even where it is not."""

    async def scene(keeper: Keeper) -> None:
        aside = keeper.root.with_name("unmounted")
        async with keeper.keeping(manager.notifier) as service:
            await asyncio.sleep(60)
            keeper.root.rename(aside)
            keeper.root.mkdir()
            await asyncio.sleep(3600)
            rests = len(keeper.told(StorageFailing))
            manager.heard()
            service.signals.reload()
            await asyncio.sleep(5)
            assert manager.heard() == ["RELOADING", "READY"]
            assert len(keeper.told(StorageFailing)) == rests + 1
            keeper.root.rmdir()
            aside.rename(keeper.root)
            service.signals.reload()
            await asyncio.sleep(5)
            assert manager.heard() == ["RELOADING", "READY"]
            assert len(keeper.told(Started)) == len(keeper.told(Reloading)) == 2

    play(scene)


def test_a_rest_goes_on_after_a_reload_that_is_refused(play: Callable[..., None]) -> None:
    """Wrong settings are told, and the disk is still looked at when it was to be."""

    async def scene(keeper: Keeper) -> None:
        aside = keeper.root.with_name("unmounted")
        async with keeper.keeping() as service:
            await asyncio.sleep(60)
            keeper.root.rename(aside)
            keeper.root.mkdir()
            await asyncio.sleep(3600)
            keeper.root.rmdir()
            aside.rename(keeper.root)
            keeper.changes["schedule"] = {"poll_every": "often"}
            service.signals.reload()
            await asyncio.sleep(5)
            assert len(keeper.told(ReloadRefused)) == len(keeper.told(Started)) == 1
            await asyncio.sleep(900)
            assert len(keeper.told(Started)) == 2

    play(scene)


def test_a_rest_is_no_stall(play: Callable[..., None]) -> None:
    """Nothing is polled while the disk is away, and that is meant so."""

    async def scene(keeper: Keeper) -> None:
        hasten(keeper)
        aside = keeper.root.with_name("unmounted")
        async with keeper.keeping(SystemdNotifier(watchdog_interval=1)) as service:
            await asyncio.sleep(60)
            keeper.root.rename(aside)
            keeper.root.mkdir()
            await asyncio.sleep(3600)
            assert len(keeper.told(StorageFailing)) > 3
            keeper.root.rmdir()
            aside.rename(keeper.root)
            await asyncio.sleep(900)
            assert not service.pages.sources.readiness()

    play(scene)


def test_an_end_is_heard_in_a_rest(play: Callable[..., None]) -> None:
    """At once."""

    async def scene(keeper: Keeper) -> None:
        async with keeper.keeping():
            await asyncio.sleep(60)
            keeper.root.rename(keeper.root.with_name("unmounted"))
            keeper.root.mkdir()
            await asyncio.sleep(3600)
            began = keeper.time.loop.now
        assert keeper.time.loop.now - began < 2
        assert keeper.told(StorageFailing)[-1].wait == 900

    play(scene)


def test_another_mirror_is_told_and_left_alone(play: Callable[..., None]) -> None:
    """A reload that mixes two mirrors up stops all work, and says so, until it is right."""

    async def scene(keeper: Keeper) -> None:
        other = keeper.root.with_name("other")
        usual, keeper.root = keeper.root, other
        async with keeper.keeping():
            await asyncio.sleep(60)
        files, keeper.root = keeper.files(), usual
        async with keeper.keeping() as service:
            await asyncio.sleep(60)
            keeper.changes["mirror"] = {"root": other, "state": usual / ".winter-sync"}
            service.signals.reload()
            await asyncio.sleep(3600)
            assert all("another mirror" in rest.reason for rest in keeper.told(StorageFailing))
            assert "another mirror" in service.pages.sources.readiness()[0]
            del keeper.changes["mirror"]
            service.signals.reload()
            await asyncio.sleep(60)
            assert not service.pages.sources.readiness()
        keeper.root = other
        assert keeper.files() == files

    play(scene)


def test_what_cannot_be_opened_at_the_start_is_told(play: Callable[..., None]) -> None:
    """A rest is for what was there before: who begins on an empty mount point wants to know."""

    async def scene(keeper: Keeper) -> None:
        async with keeper.keeping():
            await asyncio.sleep(60)
        keeper.root.rename(keeper.root.with_name("unmounted"))
        keeper.root.mkdir()
        with pytest.raises(StorageError, match="used to contain a mirror"):
            await asyncio.wait_for(keeper.service().run(), 60)

    play(scene)


def test_who_takes_its_root_meanwhile_may_have_it(play: Callable[..., None]) -> None:
    """One that rests waits for another daemon on its root as for a disk: it was there first."""

    async def scene(keeper: Keeper) -> None:
        aside = keeper.root.with_name("unmounted")
        async with keeper.keeping() as service:
            await asyncio.sleep(60)
            keeper.root.rename(aside)
            keeper.root.mkdir()
            await asyncio.sleep(3600)
            keeper.root.rmdir()
            aside.rename(keeper.root)
            with root_lock(keeper.root, keeper.time.start):
                await asyncio.sleep(1800)
                assert "another daemon" in service.pages.sources.readiness()[0]
            await asyncio.sleep(1800)
            assert not service.pages.sources.readiness()

    play(scene)


def test_an_end_is_heard_while_it_puts_things_in_order(
    play: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What crashes left is put in order yet, and then nothing is begun."""
    recover = Mirror.recover

    async def slowly(mirror: Mirror) -> None:
        await asyncio.sleep(30)
        await recover(mirror)

    async def scene(keeper: Keeper) -> None:
        monkeypatch.setattr(Mirror, "recover", slowly)
        async with keeper.keeping():
            await asyncio.sleep(10)
        assert keeper.time.loop.now == pytest.approx(30, abs=1)
        assert not keeper.simulator.requests

    play(scene)


def test_a_second_daemon_of_the_same_settings_says_who_is_first(play: Callable[..., None]) -> None:
    """And not just that the address of its pages is taken."""

    async def scene(keeper: Keeper) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        keeper.changes["http"] = {"listen": f"127.0.0.1:{port}"}
        async with keeper.keeping():
            await asyncio.sleep(60)
            with pytest.raises(UsageError, match="another daemon"):
                await keeper.service().run()

    play(scene)


def test_reloads_leave_nothing_behind(play: Callable[..., None]) -> None:
    """However often the settings are read again, no timer, file or part of the old work stays."""

    async def scene(keeper: Keeper) -> None:
        async with keeper.keeping() as service:
            left = []
            for _ in range(6):
                await asyncio.sleep(60)
                service.signals.reload()
                await asyncio.sleep(60)
                left.append(_alive())
            assert left[-1] == left[-2] == left[2]

    play(scene)


def _alive() -> tuple[list[int], int]:
    """Count the parts of a daemon that are there, and the open files of this process."""
    gc.collect()
    kinds = Counter(type(one) for one in gc.get_objects())
    parts = [kinds[one] for one in (Daemon, Schedule, Api, Tree, asyncio.Task)]
    return parts, len(list(Path("/proc/self/fd").iterdir()))
