"""What is noticed when it hangs, and what is only slow."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from daemon.scenes import TYPES, Slow, Told, here

from winter_sync.core.downloads import Failed
from winter_sync.core.errors import StalledError
from winter_sync.core.events import (
    BatchEnded,
    BatchStarted,
    Polled,
    Resumed,
    ServerFailing,
    Stalled,
    Started,
    StorageFailing,
)
from winter_sync.core.traits import ImageType
from winter_sync.daemon.schedule import Schedule
from winter_sync.simulator import Answer, Call, Faults, Reset
from winter_sync.sync.engine import Mirror
from winter_sync.sync.fetcher import Fetched, Fetcher
from winter_sync.sync.poller import Poller

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.keeper import Keeper

    from winter_sync.core.downloads import Batch
    from winter_sync.core.queries import Subject


async def hang(*_: object) -> None:
    """Never end."""
    await asyncio.get_running_loop().create_future()


def test_a_beginning_that_hangs_is_noticed(
    play: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What crashes left may take an hour to put in order, but not for ever."""

    async def scene(keeper: Keeper) -> None:
        service = keeper.service()
        monkeypatch.setattr(Mirror, "recover", hang)
        with pytest.raises(StalledError, match="a poll was due"):
            await asyncio.wait_for(service.run(), 6 * 3600)
        assert 3600 <= keeper.time.loop.now <= 3600 + 960

    play(scene)


def test_a_beginning_may_take_long(
    play: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half an hour of putting in order is no stall, at the start or later."""
    recover = Mirror.recover

    async def slowly(mirror: Mirror) -> None:
        await asyncio.sleep(1800)
        await recover(mirror)

    async def scene(keeper: Keeper) -> None:
        monkeypatch.setattr(Mirror, "recover", slowly)
        async with keeper.keeping():
            await asyncio.sleep(4 * 3600)
        assert not keeper.told(Stalled)

    play(scene)


def test_one_that_hangs_is_not_hidden_by_others_that_are_retried(
    play: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that stumbles now and then does not keep what is stuck alive."""

    class Stumbling(Faults):
        async def before(self, call: Call) -> Answer | None:
            return Answer(502, b"{}") if call.number % 2 else None

    poll = Poller.poll

    async def stick(*arguments: Any) -> None:  # noqa: ANN401 - as they come
        if arguments[1].program == "2025B001":
            await hang()
        await poll(*arguments)

    async def scene(keeper: Keeper) -> None:
        keeper.changes["programs"] = [
            {"name": name, "image_types": ["stack"]} for name in ("2024A000", "2025B001")
        ]
        monkeypatch.setattr(Poller, "poll", stick)
        service = keeper.service()
        with pytest.raises(StalledError, match="the polls of 2025B001"):
            await asyncio.wait_for(service.run(), 6 * 3600)

    play(scene, faults=Stumbling())


@pytest.mark.parametrize("part", [(Poller, "poll"), (Mirror, "recover")])
def test_a_reload_that_cannot_end_the_old_work_is_noticed(
    play: Callable[..., None], monkeypatch: pytest.MonkeyPatch, part: tuple[type, str]
) -> None:
    """Work that hangs and cannot be ended is a stall, whatever was ordered meanwhile."""
    released = asyncio.Event()

    async def stuck(*_: object) -> None:
        while not released.is_set():
            with suppress(asyncio.CancelledError):
                await released.wait()

    async def scene(keeper: Keeper) -> None:
        told = Told(keeper)
        service = keeper.service()
        life = asyncio.create_task(service.run())
        await told.of(Started)
        await asyncio.sleep(60)
        monkeypatch.setattr(*part, stuck)
        await asyncio.sleep(660)
        service.signals.reload()
        with suppress(TimeoutError):
            await asyncio.wait_for(told.of(Stalled), 2 * 3600)
        await asyncio.sleep(30)
        released.set()
        service.signals.stop()
        assert keeper.ends == [1]
        with pytest.raises(StalledError):
            await life

    play(scene)


def test_a_stall_ends_it_though_the_disk_is_away(
    play: Callable[..., None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be closed in order is no reason to rest and go on."""

    async def scene(keeper: Keeper) -> None:
        monkeypatch.setattr(Poller, "poll", hang)
        service = keeper.service()
        life = asyncio.create_task(service.run())
        await asyncio.sleep(300)
        keeper.root.rename(keeper.root.with_name("unmounted"))
        monkeypatch.setattr(Mirror, "recover", hang)
        await asyncio.wait({life}, timeout=3600)
        service.signals.stop()
        with pytest.raises(StalledError):
            await life
        assert not keeper.told(StorageFailing)

    play(scene)
    gc.collect()
    assert not [one for one in caplog.messages if "never retrieved" in one]


def test_a_download_that_does_not_hear_its_end_is_the_last(
    play: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a part of the daemon dies, no other part begins anything, whatever it was doing."""
    poll = Poller.poll

    async def die(*arguments: Any) -> None:  # noqa: ANN401 - as they come
        await poll(*arguments)
        if asyncio.get_running_loop().time() > 300:
            raise ZeroDivisionError

    async def deaf(_: object, batch: Batch) -> Fetched:
        with suppress(asyncio.CancelledError):
            await hang()
        return Fetched(tuple(Failed(one, "it was ended") for one in batch.candidates))

    async def scene(keeper: Keeper) -> None:
        keeper.changes["api"] = {"connections": 1}
        monkeypatch.setattr(Poller, "poll", die)
        monkeypatch.setattr(Fetcher, "fetch", deaf)
        with pytest.raises(ExceptionGroup) as died:
            await keeper.service().run()
        assert died.group_contains(ZeroDivisionError)
        assert len(keeper.told(BatchStarted)) == len(keeper.told(BatchEnded)) == 1

    play(scene)


def test_ticks_that_cease_are_noticed(
    play: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A schedule that dies without a word would else be taken for idleness."""
    tick = Schedule._tick

    async def cease(schedule: Schedule, subject: Subject) -> None:
        if asyncio.get_running_loop().time() < 3600:
            await tick(schedule, subject)

    async def scene(keeper: Keeper) -> None:
        keeper.changes["schedule"] = {"types": {"raw": {"poll_every": "1d"}}}
        monkeypatch.setattr(Schedule, "_tick", cease)
        with pytest.raises(StalledError, match=r"a poll was due 9\d\d s ago and has not begun"):
            await asyncio.wait_for(keeper.service().run(), 12 * 3600)
        assert keeper.time.loop.now < 3600 + 600 + 960

    play(scene)


def test_a_tick_that_fails_ends_it(
    play: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault comes out at once, and is not just a line in a log."""

    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    async def scene(keeper: Keeper) -> None:
        monkeypatch.setattr(Schedule, "_tick", fail)
        with pytest.raises(ExceptionGroup) as died:
            await asyncio.wait_for(keeper.service().run(), 60)
        assert died.group_contains(ZeroDivisionError)

    play(scene)


def test_a_server_that_is_silent_is_no_stall(play: Callable[..., None]) -> None:
    """Neither a question nor the probe after it gets an answer: each may wait as long as it may."""

    class Silent(Faults):
        async def before(self, call: Call) -> Answer | None:
            if call.path == "/validation/program":
                return None
            await asyncio.sleep(1200)
            raise Reset

    async def scene(keeper: Keeper) -> None:
        keeper.changes["api"] = {"query_timeout": "10m"}
        async with keeper.keeping():
            await asyncio.sleep(6 * 3600)
        assert not keeper.told(Stalled)
        assert keeper.told(ServerFailing)

    play(scene, faults=Silent())


@pytest.mark.parametrize("at", [5, 90, 601])
def test_who_was_stopped_goes_on(play: Callable[..., None], at: int) -> None:
    """A pause far longer than its patience, in a download or between two polls, ends nothing."""
    slow = Slow()

    async def scene(keeper: Keeper) -> None:
        async with keeper.keeping():
            await asyncio.sleep(at)
            for _ in range(3):
                keeper.time.loop.now += 5 * 3600
                await asyncio.sleep(60)
                slow.go_on.set()
                await asyncio.sleep(3600)
        assert not keeper.told(Stalled)
        assert [round(one.seconds, -3) for one in keeper.told(Resumed)] == [18000] * 3
        assert here(keeper, *map(ImageType, TYPES))

    play(scene, faults=slow)


def test_what_became_due_while_it_was_stopped_is_polled_at_once(play: Callable[..., None]) -> None:
    """Nobody waits for the next tick after a pause."""

    async def scene(keeper: Keeper) -> None:
        async with keeper.keeping():
            await asyncio.sleep(60)
            polled = len(keeper.told(Polled))
            keeper.time.loop.now += 5 * 3600
            await asyncio.sleep(20)
            assert len(keeper.told(Polled)) == polled + len(TYPES)

    play(scene)


def test_who_was_stopped_and_is_stuck_is_found_out(
    play: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pause puts the end of what hangs off, and no more than that."""

    async def scene(keeper: Keeper) -> None:
        monkeypatch.setattr(Poller, "poll", hang)
        life = asyncio.create_task(keeper.service().run())
        await asyncio.sleep(600)
        keeper.time.loop.now += 5 * 3600
        with pytest.raises(StalledError):
            await asyncio.wait_for(life, 960)

    play(scene)
