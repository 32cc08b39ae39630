"""The daemon on driven time: schedule, refusals, pauses, clocks, reloads and stops."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from daemon.scenarios import NIGHT, TYPES, EventWaiter, Slow, is_mirrored

from winter_sync.core import (
    BatchEnded,
    BatchStarted,
    ClockJumped,
    DayEnded,
    DownloadsPaused,
    NarrowCones,
    Polled,
    PollFailed,
    ProductFinished,
    ProgramRefused,
    Received,
    Reloading,
    ReloadRefused,
    Stalled,
    Started,
    StorageFailing,
    TypeNotServed,
)
from winter_sync.core.downloads import Published
from winter_sync.core.errors import StalledError, StorageError, UsageError
from winter_sync.core.traits import ImageType
from winter_sync.simulator import Answer, Call, Faults
from winter_sync.simulator.faults.script import parse_script
from winter_sync.sync.poller import Poller

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.daemon_rig import DaemonRig

# --- the schedule ---------------------------------------------------------------------------------


def test_it_polls_at_once_and_then_on_schedule(run_scenario: Callable[..., None]) -> None:
    """The first poll of each type is at the start; the next follow, with some jitter."""

    async def scenario(rig: DaemonRig) -> None:
        rig.changes["schedule"] = {"types": {"raw": {"poll_every": "1h"}}}
        async with rig.running():
            await asyncio.sleep(4 * 3600)
        polls = defaultdict(list)
        for at, event in rig.timed_events:
            if isinstance(event, Polled) and event.query.end is None:
                polls[event.query.subject.image_type].append(at)
        for kind, every in ((ImageType.STACK, 600), (ImageType.RAW, 3600)):
            gaps = [(after - before).total_seconds() for before, after in pairwise(polls[kind])]
            assert polls[kind][0] - rig.driven.start < timedelta(seconds=10)
            assert len(gaps) >= 4 * 3600 / every - 2
            assert all(0.89 * every <= gap <= 1.11 * every for gap in gaps), gaps
            assert len({round(gap) for gap in gaps}) > 1

    run_scenario(scenario)


def test_cones_that_may_miss_boards_are_warned_of_once(run_scenario: Callable[..., None]) -> None:
    """At the start and no more, whatever is polled in the hour after it."""

    async def scenario(rig: DaemonRig) -> None:
        for program in rig.programs:
            program["cones"] = [{"ra": 10.0, "dec": 20.0, "radius": 0.3}]
        async with rig.running():
            await asyncio.sleep(3600)
        warned = rig.emitted(NarrowCones)
        assert [event.image_types for event in warned] == [("raw",)] * len(rig.programs)

    run_scenario(scenario)


def test_everything_comes_and_then_nothing_more_is_asked_for(
    run_scenario: Callable[..., None],
) -> None:
    """A day of polls that find nothing makes no download."""

    async def scenario(rig: DaemonRig) -> None:
        async with rig.running():
            await asyncio.sleep(600)
            assert is_mirrored(rig, ImageType.STACK, ImageType.RAW)
            before = len(rig.emitted(BatchStarted))
            await asyncio.sleep(6 * 3600)
            assert len(rig.emitted(BatchStarted)) == before

    run_scenario(scenario)


@pytest.mark.parametrize("jump", [timedelta(days=400), timedelta(days=-400), timedelta(hours=1)])
@pytest.mark.fault(
    kind="a clock set forward or back by a year, or by an hour",
    injected="(the daemon's clock)",
    outcome="everything is polled at once, and then on schedule",
    kept="everything",
)
def test_a_clock_that_is_set_stops_nothing(
    run_scenario: Callable[..., None], jump: timedelta
) -> None:
    """Forwards or backwards, polls continue at once, and new products are mirrored."""

    async def scenario(rig: DaemonRig) -> None:
        async with rig.running():
            await asyncio.sleep(300)
            rig.driven.ahead = jump
            set_at = rig.driven.true()
            await asyncio.sleep(1800)
            (jumped,) = rig.emitted(ClockJumped)
            assert jumped.seconds == pytest.approx(jump.total_seconds(), abs=1)
            polls = [
                at for at, event in rig.timed_events if isinstance(event, Polled) and at > set_at
            ]
            assert polls[0] - set_at < timedelta(minutes=1)
            assert len(polls) >= 5
            assert not rig.emitted(PollFailed)

    run_scenario(scenario)


def test_midnight_and_a_clock_ahead_are_no_trouble(run_scenario: Callable[..., None]) -> None:
    """The archive refuses dates in the future of its own clock: none is ever requested."""

    async def scenario(rig: DaemonRig) -> None:
        rig.driven.ahead = timedelta(hours=5)
        async with rig.running():
            await asyncio.sleep(8 * 3600)
        assert not rig.emitted(PollFailed)
        assert len(rig.emitted(Polled)) > 80

    run_scenario(scenario, start=datetime(2025, 10, 25, 20, tzinfo=UTC))


def test_a_day_is_summed_up(run_scenario: Callable[..., None]) -> None:
    """Once, soon after midnight, with the numbers of the day."""

    async def scenario(rig: DaemonRig) -> None:
        async with rig.running():
            await asyncio.sleep(14 * 3600)
        (ended,) = rig.emitted(DayEnded)
        assert ended.day == "2025-10-26"
        published = [
            event for event in rig.emitted(ProductFinished) if isinstance(event.outcome, Published)
        ]
        assert (ended.published, ended.new) == (len(published), len(published))
        assert ended.polls > 100
        assert ended.size == sum(finished.outcome.evidence.size for finished in published)
        assert (ended.last_night, ended.last_night_listed) == ("20251025", 0)
        assert ended.last_night_complete is False
        assert ended.last_answer.startswith("2025-10-26T23:")

    run_scenario(scenario)


def test_the_summary_of_a_day_has_its_last_night(run_scenario: Callable[..., None]) -> None:
    """A night that was complete when its day ended is reported as complete."""

    async def scenario(rig: DaemonRig) -> None:
        async with rig.running():
            await asyncio.sleep(3 * 3600)
        (ended,) = rig.emitted(DayEnded)
        assert ended.last_night == NIGHT.name
        assert ended.last_night_here == ended.last_night_listed == len(rig.files()) > 0
        assert ended.last_night_complete is True

    run_scenario(scenario, start=datetime(2025, 10, 21, 22, tzinfo=UTC))


def test_an_archive_that_is_away_is_in_the_catalog(run_scenario: Callable[..., None]) -> None:
    """Polls wait for it and do not fail; the status says since when it has not answered."""

    async def scenario(rig: DaemonRig) -> None:
        async with rig.running() as service:

            async def status() -> dict[str, Any]:
                found: dict[str, Any] = json.loads(await service.pages.read_status())["archive"]
                return found

            await asyncio.sleep(3600)
            well = await status()
            assert (well["failing_since"], well["error"]) == (None, None)
            usual = rig.simulator.faults
            rig.simulator.faults = parse_script("503").faults()
            began = rig.driven.true()
            await asyncio.sleep(5 * 3600)
            away = await status()
            assert datetime.fromisoformat(away["last_answer"]) <= began
            since = datetime.fromisoformat(away["failing_since"])
            assert began <= since <= began + timedelta(minutes=20)
            assert "503" in away["error"]
            assert len(rig.emitted(PollFailed)) < 20
            rig.simulator.faults = usual
            await asyncio.sleep(3600)
            assert (await status())["failing_since"] is None

    run_scenario(scenario)


# --- programs that are refused --------------------------------------------------------------------


@pytest.mark.fault(
    kind="a program whose credentials are refused",
    injected="(a wrong key)",
    outcome="it is reported, left alone, and tried again every six hours and on a reload",
    kept="the other programs go on",
)
def test_a_refused_program_stops_alone(run_scenario: Callable[..., None]) -> None:
    """It is reported, left alone for hours, and retried; the other continues meanwhile."""

    async def scenario(rig: DaemonRig) -> None:
        wrong = {"name": "2025B001", "image_types": TYPES, "api_key": "wrong"}
        rig.programs = [{"name": "2024A000", "image_types": TYPES}, wrong]
        async with rig.running():
            await asyncio.sleep(5 * 3600)
            assert is_mirrored(rig, ImageType.STACK, ImageType.RAW)
            (refused,) = rig.emitted(ProgramRefused)
            assert (refused.program, refused.wait) == ("2025B001", 6 * 3600)
            asked = [request for request in rig.simulator.requests if request.program == "2025B001"]
            assert len(asked) == 1
            await asyncio.sleep(1.5 * 3600)
            assert len(rig.emitted(ProgramRefused)) == 2

    run_scenario(scenario)


def test_a_reload_tries_a_refused_program_at_once(run_scenario: Callable[..., None]) -> None:
    """After a key is corrected, nobody has to wait for hours."""

    async def scenario(rig: DaemonRig) -> None:
        rig.programs = [{"name": "2024A000", "image_types": TYPES, "api_key": "wrong"}]
        async with rig.running() as service:
            await asyncio.sleep(600)
            rig.programs = [{"name": "2024A000", "image_types": TYPES}]
            service.signals.reload()
            await asyncio.sleep(60)
            assert is_mirrored(rig, ImageType.STACK, ImageType.RAW)

    run_scenario(scenario)


# --- reloads --------------------------------------------------------------------------------------


def test_a_reload_adds_and_removes_programs(run_scenario: Callable[..., None]) -> None:
    """An added program is mirrored within a minute; a removed one is no longer requested."""

    async def scenario(rig: DaemonRig) -> None:
        async with rig.running() as service:
            await asyncio.sleep(600)
            rig.programs = [{"name": "2025B001", "image_types": TYPES}]
            service.signals.reload()
            await asyncio.sleep(60)
            assert is_mirrored(rig, *map(ImageType, TYPES), program="2025B001")
            reloaded = len(rig.simulator.requests)
            await asyncio.sleep(3600)
            later = rig.simulator.requests[reloaded:]
            assert {request.program for request in later} == {"2025B001"}
        assert [event.programs for event in rig.emitted(Started)] == [("2024A000",), ("2025B001",)]
        assert len(rig.emitted(Reloading)) == 1

    run_scenario(scenario)


def test_wrong_settings_are_refused_and_the_old_ones_kept(
    run_scenario: Callable[..., None],
) -> None:
    """Nothing is interrupted, and the log says what is wrong."""

    async def scenario(rig: DaemonRig) -> None:
        async with rig.running() as service:
            await asyncio.sleep(600)
            for wrong in (
                {"schedule": {"poll_every": "often"}},
                {"mirror": {"root": rig.root / "not" / "there"}},
                {"http": {"listen": "192.0.2.1:1"}},
                {"http": {"listen": rig.simulator.url.removeprefix("http://")}},
            ):
                rig.changes.update(wrong)
                service.signals.reload()
                await asyncio.sleep(60)
                for name in wrong:
                    del rig.changes[name]
            polls = len(rig.emitted(Polled))
            await asyncio.sleep(1800)
            assert len(rig.emitted(Polled)) > polls
        assert len(rig.emitted(ReloadRefused)) == 4
        assert "poll_every" in rig.emitted(ReloadRefused)[0].reason
        assert len(rig.emitted(Started)) == 1

    run_scenario(scenario)


# --- ends -----------------------------------------------------------------------------------------


def test_an_end_waits_for_what_is_under_way(run_scenario: Callable[..., None]) -> None:
    """A download that finishes within the grace is kept; no other is started."""
    slow = Slow()

    async def scenario(rig: DaemonRig) -> None:
        rig.changes["api"] = {"connections": 1}
        waiter = EventWaiter(rig)
        async with rig.running() as service:
            await waiter.wait_for(Received)
            assert not service.pages.sources.readiness()
            service.signals.stop()
            await asyncio.sleep(10)
            assert service.pages.sources.readiness()
            slow.go_on.set()
        assert len(rig.emitted(BatchStarted)) == len(rig.emitted(BatchEnded)) == 1
        assert rig.emitted(BatchEnded)[0].trouble is None
        assert rig.files()

    run_scenario(scenario, faults=slow)


@pytest.mark.parametrize("signals", [1, 2])
def test_an_end_does_not_wait_for_ever(run_scenario: Callable[..., None], signals: int) -> None:
    """After the grace, or a second signal, it ends; products that were complete are kept."""
    slow = Slow()

    async def scenario(rig: DaemonRig) -> None:
        rig.changes["api"] = {"connections": 1, "silence_timeout": "10m"}
        waiter = EventWaiter(rig)
        async with rig.running() as service:
            await waiter.wait_for(Received)
            began = rig.driven.loop.now
            for _ in range(signals):
                service.signals.stop()
        took = rig.driven.loop.now - began
        assert took == pytest.approx(60 if signals == 1 else 0, abs=2)
        whole = rig.files()
        assert whole
        asked = len(rig.emitted(BatchStarted))
        assert asked == 1
        slow.go_on.set()
        async with rig.running():
            await asyncio.sleep(60)
        assert is_mirrored(rig, ImageType.STACK, ImageType.RAW)
        again = [
            candidate.product
            for event in rig.emitted(BatchStarted)[1:]
            for candidate in event.batch.candidates
        ]
        assert not rig.truth(again).items() & whole.items()

    run_scenario(scenario, faults=slow)


def test_an_end_in_an_outage_is_at_once(run_scenario: Callable[..., None]) -> None:
    """A daemon that waits for an absent server has nothing to finish."""

    class Away(Faults):
        async def before(self, call: Call) -> Answer | None:
            return Answer(503, b"{}", headers={"Retry-After": "3600"}) if call.number > 3 else None

    async def scenario(rig: DaemonRig) -> None:
        async with rig.running():
            await asyncio.sleep(600)
            began = rig.driven.loop.now
        assert rig.driven.loop.now - began < 2

    run_scenario(scenario, faults=Away())


# --- what goes wrong ------------------------------------------------------------------------------


@pytest.mark.fault(
    kind="an unmounted root: an empty directory in its place",
    injected="(the directory is moved away)",
    outcome="work pauses, the empty directory stays empty, and it goes on when the root is back",
    kept="all that was published",
)
def test_a_root_that_goes_away_is_waited_for(run_scenario: Callable[..., None]) -> None:
    """All work pauses, it says so, and continues by itself when the disk is back."""

    async def scenario(rig: DaemonRig) -> None:
        aside = rig.root.with_name("unmounted")
        async with rig.running() as service:
            await asyncio.sleep(60)
            rig.root.rename(aside)
            rig.root.mkdir()
            await asyncio.sleep(3600)
            rests = rig.emitted(StorageFailing)
            assert [rest.wait for rest in rests[:5]] == [60, 120, 240, 480, 900]
            assert service.pages.sources.readiness()
            assert not list(rig.root.iterdir())
            rig.root.rmdir()
            aside.rename(rig.root)
            await asyncio.sleep(1800)
            assert not service.pages.sources.readiness()
            assert is_mirrored(rig, ImageType.STACK, ImageType.RAW)
            before = len(rig.emitted(StorageFailing))
            rig.root.rename(aside)
            rig.root.mkdir()
            await asyncio.sleep(900)
            assert rig.emitted(StorageFailing)[before].wait == 60

    run_scenario(scenario)


def test_a_root_that_is_not_there_at_the_start_is_reported(
    run_scenario: Callable[..., None],
) -> None:
    """A daemon that cannot start says so at once, and does not wait."""

    async def scenario(rig: DaemonRig) -> None:
        rig.root.write_text("in the way")
        with pytest.raises(StorageError, match="not a directory"):
            await rig.service().run()

    run_scenario(scenario)


@pytest.mark.fault(
    kind="downloads that bring nothing for hours",
    injected="(every download answered with a page)",
    outcome="downloads rest, ever longer up to an hour; polls go on",
    kept="all listings",
)
def test_downloads_pause_where_none_succeeds(run_scenario: Callable[..., None]) -> None:
    """Polls continue; downloads are retried ever more rarely, until the server is fixed."""

    class Empty(Faults):
        async def before_zip(self, call: Call) -> Answer | None:
            del call
            return Answer(200, b"<html>maintenance</html>", "text/html")

    async def scenario(rig: DaemonRig) -> None:
        async with rig.running():
            await asyncio.sleep(6 * 3600)
            waits = [rest.wait for rest in rig.emitted(DownloadsPaused)]
            assert waits[:3] == [300, 600, 1200]
            assert max(waits) <= 3600
            assert len(rig.emitted(BatchStarted)) < 50
            rig.simulator.faults = Faults()
            await asyncio.sleep(12 * 3600)
            assert is_mirrored(rig, ImageType.STACK, ImageType.RAW)

    run_scenario(scenario, faults=Empty())


@pytest.mark.fault(
    kind="a part of the daemon that dies",
    injected="(a poll that raises)",
    outcome="the whole daemon ends loudly (exit code 1)",
    kept="everything",
)
def test_a_part_that_dies_takes_all_down(
    run_scenario: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Better no daemon than half a daemon: the fault is raised, and the catalog is closed."""

    async def die(*_: object) -> None:
        raise ZeroDivisionError

    async def scenario(rig: DaemonRig) -> None:
        service = rig.service()
        monkeypatch.setattr(Poller, "poll", die)
        with pytest.raises(ExceptionGroup) as died:
            await service.run()
        assert died.group_contains(ZeroDivisionError)

    run_scenario(scenario)


@pytest.mark.fault(
    kind="work of which nothing comes any more",
    injected="(a poll that never ends)",
    outcome="health says so, and the daemon ends itself (exit code 1)",
    kept="everything",
)
def test_a_part_that_hangs_is_noticed(
    run_scenario: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When work makes no progress for too long, health says so and the daemon ends itself."""

    async def hang(*_: object) -> None:
        await asyncio.get_running_loop().create_future()

    async def scenario(rig: DaemonRig) -> None:
        service = rig.service()
        monkeypatch.setattr(Poller, "poll", hang)
        with pytest.raises(StalledError, match="the polls of 2024A000") as stalled:
            await service.run()
        assert stalled.value.exit_code == 1
        assert 900 <= rig.driven.loop.now <= 960
        assert len(rig.emitted(Stalled)) == 1
        await asyncio.sleep(60)
        assert rig.exits == [1]

    run_scenario(scenario)


def test_an_outage_is_no_stall(run_scenario: Callable[..., None]) -> None:
    """However long the server is away, the daemon runs, and continues when it is back."""

    class Away(Faults):
        async def before(self, call: Call) -> Answer | None:
            return Answer(503, b"{}", headers={"Retry-After": "7200"}) if call.number > 3 else None

    async def scenario(rig: DaemonRig) -> None:
        async with rig.running() as service:
            await asyncio.sleep(10 * 3600)
            assert not service.pages.sources.health()
            rig.simulator.faults = Faults()
            await asyncio.sleep(3 * 3600)
            assert is_mirrored(rig, ImageType.STACK, ImageType.RAW)
        assert not rig.emitted(Stalled)
        assert len(rig.simulator.requests) < 200
        assert len(rig.emitted(PollFailed)) + len(rig.emitted(BatchEnded)) < 10

    run_scenario(scenario, faults=Away())


def test_a_second_daemon_says_who_is_first(run_scenario: Callable[..., None]) -> None:
    """It exits, and disturbs nothing."""

    async def scenario(rig: DaemonRig) -> None:
        async with rig.running():
            await asyncio.sleep(600)
            with pytest.raises(
                UsageError, match=r"another daemon keeps .*: process \d+ \(.*\) on .* UTC"
            ):
                await rig.service().run()
            await asyncio.sleep(600)
            assert len(rig.emitted(Started)) == 1

    run_scenario(scenario)


def test_types_that_are_not_served_are_asked_for_once_a_day(
    run_scenario: Callable[..., None],
) -> None:
    """Three a day, whatever the schedule, and the polls of others go on as if they were not."""

    async def scenario(rig: DaemonRig) -> None:
        types = ["exposure", "science", "avro", "stack"]
        rig.programs = [{"name": "2025B001", "image_types": types, "instruments": ["spring"]}]
        rig.changes["schedule"] = {"poll_every": "3h"}
        rig.simulator.unserved = 500
        async with rig.running():
            await asyncio.sleep(1.3 * 86400)
        assert len(rig.emitted(TypeNotServed)) == 2 * 3
        assert len(rig.emitted(Polled)) > 1.3 * 8 - 2
        assert not rig.emitted(PollFailed)

    run_scenario(scenario)


@pytest.mark.parametrize(("enabled", "times"), [(True, 4), (False, 0)])
def test_the_queue_of_requests_is_read_once_an_hour(
    run_scenario: Callable[..., None], *, enabled: bool, times: int
) -> None:
    """And never unless the settings say so; nothing but GET is ever sent."""

    async def scenario(rig: DaemonRig) -> None:
        rig.changes["schedule"] = {"poll_every": "3h"}
        if enabled:
            rig.changes["too"] = {"enabled": True}
        async with rig.running():
            await asyncio.sleep(3.5 * 3600)
        assert rig.requests["/too/summary"] == times
        assert {record.method for record in rig.simulator.requests} == {"GET"}

    run_scenario(scenario)
