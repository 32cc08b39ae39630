"""We wait as long as something may come, and no longer; what never ends is broken off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.faulty_rig import PROGRAM, fault, faulty_rig
from support.rig import path_of

from winter_sync.archive.client import ArchiveClient
from winter_sync.archive.requests import Timeouts
from winter_sync.core import BatchEnded, Polled, Received
from winter_sync.core.clocks import Time
from winter_sync.core.credentials import Credentials
from winter_sync.core.downloads import Batch, Candidate
from winter_sync.core.errors import ExitCode, TransientError
from winter_sync.core.marks import Marks
from winter_sync.formats.zip_output import Limits
from winter_sync.simulator import DEFAULT_PASSWORD, DEFAULT_USER, key_of

if TYPE_CHECKING:
    from pathlib import Path

    from support.faulty_rig import FaultyRig

    from winter_sync.archive.download import Download

SMALLER = "broken off when its time is over, and asked for again in smaller company"
REST = "broken off when its time is over, and the rest is asked for again"
READ_WHOLE = "every member that had been read whole"
NOTHING_CAME = "all that came in other downloads"
EVERYTHING = "everything"

SILENCES = [
    fault(
        "silence:x1@stack",
        "silence before the first byte of a download",
        outcome=SMALLER,
        kept=NOTHING_CAME,
        again=(5,),
    ),
    fault(
        "silence:x1@query",
        "silence instead of the answer to a query",
        outcome="broken off when its time is over, and tried again in the same run",
        kept=EVERYTHING,
        again=(0,),
    ),
    fault(
        "silence-body=16000:x1@stack",
        "silence inside a download",
        outcome=REST,
        kept=READ_WHOLE,
        again=(3,),
    ),
]
DRIPS = [
    fault(
        "trickle=20:x1@stack",
        "a download that comes in drops, below 1 kB/s over a minute",
        outcome=REST,
        kept=READ_WHOLE,
        again=(1, 2, 3, 4, 5),
        troubled=True,
    ),
    fault(
        "trickle=2000:x1@stack",
        "a download that comes slowly, above 1 kB/s",
        outcome="nothing: it goes on to its end",
        kept=EVERYTHING,
        again=(0,),
        troubled=False,
    ),
]


@pytest.mark.parametrize(("script", "expected"), SILENCES)
async def test_silence_has_an_end(tmp_path: Path, script: str, expected: dict[str, Any]) -> None:
    """A silent server is waited for as long as the settings say, and then asked again.

    That is real time: nothing else tells that nothing comes. A second is long for our loop.
    """
    names = ("query_timeout", "first_byte_timeout", "silence_timeout")
    async with faulty_rig(tmp_path, script) as rig:
        rig.changes["api"] = dict.fromkeys(names, "1s")
        report = await rig.run()
        assert report.exit_code is ExitCode.DONE
        assert not rig.missed
        assert rig.asked_again in expected["again"]
        assert rig.faults.happened.total() == 1


@pytest.mark.parametrize(("script", "expected"), DRIPS)
async def test_a_drip_has_an_end(tmp_path: Path, script: str, expected: dict[str, Any]) -> None:
    """A download below the floor is broken off; one above it is not, however long it takes."""
    async with faulty_rig(tmp_path, script, connections=1) as rig:
        report = await rig.run()
        assert report.exit_code is ExitCode.DONE
        assert not rig.missed
        assert rig.asked_again in expected["again"]
        ended = [event.trouble for event in rig.events if isinstance(event, BatchEnded)]
        assert any("too slowly" in (why or "") for why in ended) == expected["troubled"]


@pytest.mark.parametrize(
    ("script", "_expected"),
    [
        fault(
            "endless:x1@stack",
            "a member that never ends",
            outcome="broken off at the largest size a member may have, and asked for again",
            kept=NOTHING_CAME,
        )
    ],
)
async def test_what_never_ends_is_ended(
    tmp_path: Path, script: str, _expected: dict[str, Any]
) -> None:
    """No more is taken than a member may have, and then the connection is closed."""
    async with faulty_rig(tmp_path, script) as rig:
        rig.limits = Limits(member_size=4_000_000)
        report = await rig.run()
        assert report.exit_code is ExitCode.DONE
        assert not rig.missed
        (endless,) = [request for request in rig.simulator.requests if not request.complete]
        assert 4_000_000 <= endless.sent < 40_000_000


async def test_our_own_slowness_is_not_the_servers(tmp_path: Path) -> None:
    """Hours between two blocks, spent by us, are no reason to break a download off."""
    async with faulty_rig(tmp_path, "trickle=2000") as rig:
        stacks, now = _stacks(rig), 0.0

        def monotonic() -> float:
            return now + rig.elapsed

        async with (
            _api(rig, monotonic) as api,
            api.download(stacks) as download,
        ):
            body = b""
            async for block in download.blocks():
                body += block
                now += 3600.0
                rig.events.append(Received(stacks, len(block)))
        assert b"PK\5\6" in body


async def test_only_time_that_is_ours_to_wait_counts(tmp_path: Path) -> None:
    """The same download with the same hours on the server's side is broken off."""
    async with faulty_rig(tmp_path, "trickle=20") as rig:
        stacks = _stacks(rig)
        async with (
            _api(rig, lambda: rig.elapsed) as api,
            api.download(stacks) as download,
        ):
            with pytest.raises(TransientError, match="too slowly"):
                await _take(rig, stacks, download)
        assert rig.elapsed >= Timeouts().window


def _api(rig: FaultyRig, monotonic: Any) -> ArchiveClient:  # noqa: ANN401 - a clock
    credentials = Credentials(DEFAULT_USER, DEFAULT_PASSWORD, {PROGRAM: key_of(PROGRAM)})
    return ArchiveClient(rig.simulator.url, credentials, interval=0, time=Time(monotonic=monotonic))


async def _take(rig: FaultyRig, batch: Batch, download: Download) -> None:
    async for block in download.blocks():
        rig.events.append(Received(batch, len(block)))


def _stacks(rig: FaultyRig) -> Batch:
    candidates = (
        Candidate(product, PROGRAM, path_of(product), attempts=0, marks=Marks(), expected_size=1)
        for product in rig.stacks
    )
    return Batch("stacks", tuple(candidates))


@pytest.mark.parametrize(
    ("script", "_expected"),
    [
        fault(
            "nothing-found",
            "empty listings that say that nothing was found, though there are products",
            outcome="all are reported as withdrawn, and as returned when they are listed again",
            kept="every file; nothing is fetched again",
        )
    ],
)
async def test_a_listing_that_forgets_costs_no_file(
    tmp_path: Path, script: str, _expected: dict[str, Any]
) -> None:
    """Products that vanish from all listings at once stay, and return without a fetch."""
    async with faulty_rig(tmp_path) as rig:
        await rig.run()
        for faults, told in ((script, "withdrawn"), ("", "returned")):
            rig.inject(faults)
            rig.events.clear()
            report = await rig.run_after()
            assert report.exit_code is ExitCode.DONE
            polled = [event for event in rig.events if isinstance(event, Polled)]
            assert sum(getattr(poll, told) for poll in polled) == len(rig.products)
            assert not rig.missed
        assert rig.asked_again == 0


@pytest.mark.parametrize(
    ("script", "_expected"),
    [
        fault(
            "no-rows",
            "empty listings that say how many images were found",
            outcome="nothing counts as withdrawn; the run says that listings are cut, and exits 4",
            kept="every file; nothing is fetched again",
        ),
        fault(
            "capped=1",
            "listings of one row that say how many images were found",
            outcome="single dates are asked for; nothing counts as withdrawn; the run exits 4",
            kept="every file; nothing is fetched again",
        ),
    ],
)
async def test_a_listing_that_is_cut_short_withdraws_nothing(
    tmp_path: Path, script: str, _expected: dict[str, Any]
) -> None:
    """What is not in an answer that says it is not whole is still listed."""
    async with faulty_rig(tmp_path) as rig:
        await rig.run()
        rig.inject(script)
        rig.events.clear()
        report = await rig.run_after()
        assert report.exit_code is ExitCode.SERVER_FAILING
        assert "the archive found" in str(report.errors[0])
        polled = [event for event in rig.events if isinstance(event, Polled)]
        assert sum(poll.withdrawn for poll in polled) == 0
        rig.inject("")
        assert (await rig.run_after()).exit_code is ExitCode.DONE
        assert rig.asked_again == 0
