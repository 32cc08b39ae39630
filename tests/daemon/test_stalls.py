"""A stall is noticed, and what is only slow is not taken for one."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from daemon.scenarios import TYPES, EventWaiter, Slow, is_mirrored

from winter_sync.core import (
    BatchEnded,
    BatchStarted,
    Polled,
    Resumed,
    ServerFailing,
    Stalled,
    Started,
    StorageFailing,
)
from winter_sync.core.downloads import Failed
from winter_sync.core.errors import StalledError
from winter_sync.core.traits import ImageType
from winter_sync.daemon.schedule import Schedule
from winter_sync.simulator import Answer, Call, Faults, Reset
from winter_sync.sync.engine import Mirror
from winter_sync.sync.fetcher import Fetcher
from winter_sync.sync.poller import Poller
from winter_sync.sync.results import Fetched

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.daemon_rig import DaemonRig

    from winter_sync.core.downloads import Batch
    from winter_sync.core.queries import Subject
    from winter_sync.sync.results import PollResult


async def hang(*_: object) -> None:
    """Never end."""
    await asyncio.get_running_loop().create_future()


def test_a_beginning_that_hangs_is_noticed(
    run_scenario: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recovery after crashes may take an hour, but not for ever."""

    async def scenario(rig: DaemonRig) -> None:
        service = rig.service()
        monkeypatch.setattr(Mirror, "recover", hang)
        with pytest.raises(StalledError, match="a poll was due"):
            await asyncio.wait_for(service.run(), 6 * 3600)
        assert 3600 <= rig.driven.loop.now <= 3600 + 960

    run_scenario(scenario)


def test_a_beginning_may_take_long(
    run_scenario: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half an hour of recovery is no stall, at the start or later."""
    recover = Mirror.recover

    async def slowly(mirror: Mirror) -> None:
        await asyncio.sleep(1800)
        await recover(mirror)

    async def scenario(rig: DaemonRig) -> None:
        monkeypatch.setattr(Mirror, "recover", slowly)
        async with rig.running():
            await asyncio.sleep(4 * 3600)
        assert not rig.emitted(Stalled)

    run_scenario(scenario)


def test_one_that_hangs_is_not_hidden_by_others_that_are_retried(
    run_scenario: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retries of other requests do not hide work that is stuck."""

    class Stumbling(Faults):
        async def before(self, call: Call) -> Answer | None:
            return Answer(502, b"{}") if call.number % 2 else None

    poll = Poller.poll

    async def stick(*arguments: Any) -> PollResult:  # noqa: ANN401 - as they come
        if arguments[1].program == "2025B001":
            await hang()
        return await poll(*arguments)

    async def scenario(rig: DaemonRig) -> None:
        rig.programs = [
            {"name": name, "image_types": ["stack"]} for name in ("2024A000", "2025B001")
        ]
        monkeypatch.setattr(Poller, "poll", stick)
        service = rig.service()
        with pytest.raises(StalledError, match="the polls of 2025B001"):
            await asyncio.wait_for(service.run(), 6 * 3600)

    run_scenario(scenario, faults=Stumbling())


@pytest.mark.parametrize("part", [(Poller, "poll"), (Mirror, "recover")])
def test_a_reload_that_cannot_end_the_old_work_is_noticed(
    run_scenario: Callable[..., None], monkeypatch: pytest.MonkeyPatch, part: tuple[type, str]
) -> None:
    """Work that hangs and cannot be ended is a stall, whatever signal arrived meanwhile."""
    released = asyncio.Event()

    async def stuck(*_: object) -> None:
        while not released.is_set():
            with suppress(asyncio.CancelledError):
                await released.wait()

    async def scenario(rig: DaemonRig) -> None:
        waiter = EventWaiter(rig)
        service = rig.service()
        life = asyncio.create_task(service.run())
        await waiter.wait_for(Started)
        await asyncio.sleep(60)
        monkeypatch.setattr(*part, stuck)
        await asyncio.sleep(660)
        service.signals.reload()
        with suppress(TimeoutError):
            await asyncio.wait_for(waiter.wait_for(Stalled), 2 * 3600)
        await asyncio.sleep(30)
        released.set()
        service.signals.stop()
        assert rig.exits == [1]
        with pytest.raises(StalledError):
            await life

    run_scenario(scenario)


def test_a_stall_ends_it_though_the_disk_is_away(
    run_scenario: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A failure to close after a stall is no reason to pause and continue."""

    async def scenario(rig: DaemonRig) -> None:
        monkeypatch.setattr(Poller, "poll", hang)
        service = rig.service()
        life = asyncio.create_task(service.run())
        await asyncio.sleep(300)
        rig.root.rename(rig.root.with_name("unmounted"))
        monkeypatch.setattr(Mirror, "recover", hang)
        await asyncio.wait({life}, timeout=3600)
        service.signals.stop()
        with pytest.raises(StalledError):
            await life
        assert not rig.emitted(StorageFailing)

    run_scenario(scenario)
    gc.collect()
    assert not [line for line in caplog.messages if "never retrieved" in line]


def test_a_download_that_ignores_its_end_is_the_last(
    run_scenario: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a part of the daemon dies, no other part begins anything, whatever it was doing."""
    poll = Poller.poll

    async def die(*arguments: Any) -> PollResult:  # noqa: ANN401 - as they come
        result = await poll(*arguments)
        if asyncio.get_running_loop().time() > 300:
            raise ZeroDivisionError
        return result

    async def deaf(_: object, batch: Batch) -> Fetched:
        with suppress(asyncio.CancelledError):
            await hang()
        return Fetched(tuple(Failed(candidate, "it was ended") for candidate in batch.candidates))

    async def scenario(rig: DaemonRig) -> None:
        rig.changes["api"] = {"connections": 1}
        monkeypatch.setattr(Poller, "poll", die)
        monkeypatch.setattr(Fetcher, "fetch", deaf)
        with pytest.raises(ExceptionGroup) as died:
            await rig.service().run()
        assert died.group_contains(ZeroDivisionError)
        assert len(rig.emitted(BatchStarted)) == len(rig.emitted(BatchEnded)) == 1

    run_scenario(scenario)


def test_ticks_that_cease_are_noticed(
    run_scenario: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A schedule that fails silently is not taken for idleness."""
    tick = Schedule._tick

    def cease(schedule: Schedule, subject: Subject) -> None:
        if asyncio.get_running_loop().time() < 3600:
            tick(schedule, subject)

    async def scenario(rig: DaemonRig) -> None:
        rig.changes["schedule"] = {"types": {"raw": {"poll_every": "1d"}}}
        monkeypatch.setattr(Schedule, "_tick", cease)
        with pytest.raises(StalledError, match=r"a poll was due 9\d\d s ago and has not begun"):
            await asyncio.wait_for(rig.service().run(), 12 * 3600)
        assert rig.driven.loop.now < 3600 + 600 + 960

    run_scenario(scenario)


def test_a_tick_that_fails_ends_it(
    run_scenario: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault is raised at once, and is not only a line in a log."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    async def scenario(rig: DaemonRig) -> None:
        monkeypatch.setattr(Schedule, "_tick", fail)
        with pytest.raises(ExceptionGroup) as died:
            await asyncio.wait_for(rig.service().run(), 60)
        assert died.group_contains(ZeroDivisionError)

    run_scenario(scenario)


def test_a_server_that_is_silent_is_no_stall(run_scenario: Callable[..., None]) -> None:
    """Neither a query nor the probe after it gets an answer: each may take its full time."""

    class Silent(Faults):
        async def before(self, call: Call) -> Answer | None:
            if call.path == "/validation/program":
                return None
            await asyncio.sleep(1200)
            raise Reset

    async def scenario(rig: DaemonRig) -> None:
        rig.changes["api"] = {"query_timeout": "10m"}
        async with rig.running():
            await asyncio.sleep(6 * 3600)
        assert not rig.emitted(Stalled)
        assert rig.emitted(ServerFailing)

    run_scenario(scenario, faults=Silent())


@pytest.mark.parametrize("at", [5, 90, 601])
def test_who_was_stopped_goes_on(run_scenario: Callable[..., None], at: int) -> None:
    """A pause far longer than its patience, in a download or between two polls, ends nothing."""
    slow = Slow()

    async def scenario(rig: DaemonRig) -> None:
        async with rig.running():
            await asyncio.sleep(at)
            for _ in range(3):
                rig.driven.loop.now += 5 * 3600
                await asyncio.sleep(60)
                slow.go_on.set()
                await asyncio.sleep(3600)
        assert not rig.emitted(Stalled)
        assert [round(event.seconds, -3) for event in rig.emitted(Resumed)] == [18000] * 3
        assert is_mirrored(rig, *map(ImageType, TYPES))

    run_scenario(scenario, faults=slow)


def test_what_became_due_while_it_was_stopped_is_polled_at_once(
    run_scenario: Callable[..., None],
) -> None:
    """Nobody waits for the next tick after a pause."""

    async def scenario(rig: DaemonRig) -> None:
        async with rig.running():
            await asyncio.sleep(60)
            polled = len(rig.emitted(Polled))
            rig.driven.loop.now += 5 * 3600
            await asyncio.sleep(20)
            assert len(rig.emitted(Polled)) == polled + len(TYPES)

    run_scenario(scenario)


def test_who_was_stopped_and_is_stuck_is_found_out(
    run_scenario: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pause puts the end of what hangs off, and no more than that."""

    async def scenario(rig: DaemonRig) -> None:
        monkeypatch.setattr(Poller, "poll", hang)
        life = asyncio.create_task(rig.service().run())
        await asyncio.sleep(600)
        rig.driven.loop.now += 5 * 3600
        with pytest.raises(StalledError):
            await asyncio.wait_for(life, 960)

    run_scenario(scenario)
