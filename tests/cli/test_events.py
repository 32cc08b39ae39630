"""`events`: the real command on a catalog that is filled beside it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support.catalogs import DIFF, STACK, poll, publish
from support.clock import Clock
from support.command import command, environment_of, run, run_on_terminal, served, settings_file

from winter_sync import Mirror
from winter_sync.catalog.catalog import Catalog
from winter_sync.cli.events import NEWEST_SHOWN, Following, Request
from winter_sync.core.event_filter import EventFilter
from winter_sync.core.layout import CATALOG, STATE_DIR
from winter_sync.core.outbox import EventKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the root of a mirror whose catalog has three events."""
    root = tmp_path / "winter"
    (root / STATE_DIR).mkdir(parents=True)
    with closing(opened(root)) as catalog:
        poll(catalog, [STACK, DIFF])
        publish(catalog, STACK, b"one")
        publish(catalog, DIFF, b"two")
        catalog.outbox.append_change(
            "server", "down", "up", EventKind.SERVER_DOWN, reason="HTTP 500 \x1b[31m"
        )
    return root


def opened(root: Path) -> Catalog:
    """Open the catalog for writing."""
    return Catalog(root / STATE_DIR / CATALOG, Clock())


def record(root: Path, count: int = 1) -> None:
    """Record more events."""
    with closing(opened(root)) as catalog, catalog.connection.writing():
        for _ in range(count):
            catalog.outbox.append(EventKind.MISSING, night="20240131")


def test_a_pipe_gets_a_line_of_json_for_each_event(root: Path, tmp_path: Path) -> None:
    """All of them in order, or those after a number, of a kind, a program or a night."""
    said = run("events", "--root", root, home=tmp_path)
    assert said.code == 0, said.err
    found = [json.loads(line) for line in said.out.splitlines()]
    assert [(event["number"], event["event"]) for event in found] == [
        (1, "downloaded"),
        (2, "downloaded"),
        (3, "server_down"),
    ]
    assert found[0]["savepath"] == STACK.savepath
    more: list[str | Path] = [
        "--since",
        "1",
        "--kind",
        "downloaded",
        "--program",
        "2024A000",
        "--root",
        root,
    ]
    said = run("events", *more, "--night", STACK.night.name, home=tmp_path)
    assert [json.loads(line)["number"] for line in said.out.splitlines()] == [2]
    said = run("events", *more, "--night", "20200101", home=tmp_path)
    assert said.err == "winter-sync: no event matches\n"


def test_a_terminal_gets_a_table_that_fits(root: Path, tmp_path: Path) -> None:
    """In 80 columns, without control characters of others; the newest where there are many."""
    record(root, NEWEST_SHOWN + 20)
    said = run_on_terminal("events", "--root", root, home=tmp_path)
    lines = said.out.splitlines()
    assert lines[0].split() == ["number", "UTC", "event", "night", "what"]
    assert len(lines) == 1 + NEWEST_SHOWN
    assert lines[-1].split()[0] == str(3 + NEWEST_SHOWN + 20)
    said = run_on_terminal("events", "--since", "0", "--root", root, home=tmp_path)
    assert "\x1b" not in said.out
    assert max(map(len, said.out.splitlines())) <= 80
    assert "stack SN2024wex 2024A000" in said.out
    assert "HTTP 500" in said.out


def test_a_terminal_gets_the_newest_that_match(root: Path, tmp_path: Path) -> None:
    """However high their numbers are, and however many lie between."""
    with closing(opened(root)) as catalog, catalog.connection.writing():
        catalog.connection.execute("UPDATE events SET id = id + 200000000000", {})
        catalog.connection.execute("UPDATE sqlite_sequence SET seq = 200000000003", {})
    record(root, NEWEST_SHOWN + 20)
    more = ("--kind", "downloaded", "--root", root)
    said = run_on_terminal("events", *more, home=tmp_path)
    assert [line.split()[0] for line in said.out.splitlines()[1:]] == [
        "200000000001",
        "200000000002",
    ]


def test_a_number_of_another_catalog_is_no_silence(root: Path, tmp_path: Path) -> None:
    """After an older copy of the catalog was put back, a reader learns that it misses events."""
    said = run("events", "--since", "3", "--root", root, home=tmp_path)
    assert "beyond" not in said.err
    said = run("events", "--since", "4", "--root", root, home=tmp_path)
    assert (said.code, said.out) == (0, "")
    assert "--since 4 is beyond the newest event, 3" in said.err
    assert "`--since 3`" in said.err


def test_reading_needs_no_permission_to_write(root: Path, tmp_path: Path) -> None:
    """A user who may only read the mirror sees its events."""
    state = root / STATE_DIR
    state.chmod(0o555)
    try:
        said = run("events", "--root", root, home=tmp_path, unprivileged=True)
    finally:
        state.chmod(0o755)
    assert (said.code, len(said.out.splitlines())) == (0, 3), said.err


def test_following_goes_on_with_what_happens(root: Path) -> None:
    """Beside whoever writes, whether or not the catalog is open at that moment."""
    happening = iter([0, 2, 0, 1])

    def wait(_: float) -> None:
        if (count := next(happening, None)) is None:
            raise KeyboardInterrupt
        record(root, count)

    def follow(request: Request) -> Iterator[int]:
        followed = Following(lambda: Mirror.open(root), request, wait)
        try:
            for event in followed.events():
                yield event.number
        except KeyboardInterrupt:
            assert followed.reached == Mirror.open(root).newest_event()

    assert list(follow(Request(follow=True))) == [4, 5, 6]
    happening = iter([1])
    assert list(follow(Request(since=2, follow=True))) == [3, 4, 5, 6, 7]
    happening = iter([1])
    assert list(follow(Request(follow=True, wanted=EventFilter(kinds=("downloaded",))))) == []


def following(root: Path, home: Path) -> subprocess.Popen[str]:
    """Follow events in a process of its own, from the first on."""
    return subprocess.Popen(  # noqa: S603 - our own code
        command("events", "--since", "0", "--follow", "--root", root),
        env=environment_of(home, {}),
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_following_ends_well(root: Path, tmp_path: Path) -> None:
    """Interrupted it says where to go on; with its reader gone it ends, even if nothing comes."""
    with following(root, tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert [json.loads(process.stdout.readline())["number"] for _ in range(3)] == [1, 2, 3]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == "winter-sync: interrupted; --since 3 goes on from here\n"
    with following(root, tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(30) == 0
        assert process.stderr.read() == ""


TAKES = """
import json, sys
with open("taken", "a") as file:
    for line in sys.stdin:
        file.write(line)
"""


def test_sync_delivers_what_it_recorded_and_status_shows_it(tmp_path: Path) -> None:
    """To each sink of the settings; one that fails is a warning, and shown by status."""
    with served() as archive:
        settings = settings_file(
            tmp_path, programs=[{"image_types": ["stack"]}], api={"base_url": archive.url}
        )
        sinks = [
            {"name": "reduce", "command": [sys.executable, "-c", TAKES], "events": ["downloaded"]},
            {"name": "broken", "command": ["/no/such/program"]},
        ]
        environment = {"WINTER_SYNC_SINKS": json.dumps(sinks)}
        said = run("--config", settings, "sync", home=tmp_path, environment=environment)
        assert said.code == 0, said.err
        assert "events not delivered" in said.err
        checked = run("--config", settings, "check", home=tmp_path, environment=environment)
    taken = (tmp_path / "winter" / "taken").read_text().splitlines()
    events = [json.loads(line) for line in taken]
    assert {event["event"] for event in events} == {"downloaded"}
    assert len({event["path"] for event in events}) == len(events) > 0
    assert all((tmp_path / "winter" / event["path"]).is_file() for event in events)
    for options in ([], ["--json"]):
        said = run("--config", settings, "status", *options, home=tmp_path, environment=environment)
        assert "/no/such/program cannot be run" in said.out
    reduce, broken = json.loads(said.out)["sinks"]
    assert (reduce["waiting"], reduce["failing_since"]) == (0, None)
    assert broken["waiting"] >= len(events)
    assert broken["failures"] == 1
    assert checked.code == 0, checked.out
    assert "broken: /no/such/program is not a program that this user can run" in checked.out
