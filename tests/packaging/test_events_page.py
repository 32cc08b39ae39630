"""The page about events: its kinds and fields are those of the code, and its examples work."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from delivery.conftest import Place
from delivery.test_webhooks import TAKEN, Receiver
from maintenance.test_manifests import PRODUCTS, settle
from maintenance.test_manifests import Mirror as NightMirror
from support.catalogs import DIFF, STACK, candidates, commit, poll, publish, query, subject
from support.clock import Clock
from support.makers import evidence, path_of, product, row
from support.wires import listening

from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.event_bound import MOST_SINGLE
from winter_sync.catalog.records import FileSetAside, Poll
from winter_sync.config.sections import SinkSettings
from winter_sync.core import (
    Adopted,
    Expectation,
    ProgramRefused,
    ServerFailing,
    ServerRecovered,
    SpaceChecked,
    WithdrawalRule,
)
from winter_sync.core.downloads import Missing
from winter_sync.core.outbox import EVENT_VERSION, EventKind
from winter_sync.core.queries import Cone
from winter_sync.delivery.sinks import Command, EventSink, Webhook
from winter_sync.delivery.states import CHANGES

if TYPE_CHECKING:
    from winter_sync.core import Event

PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text()
WORD = re.compile(r"`([a-z0-9_]+)`")
HEAD = {"version", "number", "at", "event"}
PRODUCT = {"instrument", "image_type", "night", "savepath", "path", "programs", "target"}


def documented() -> dict[str, set[str]]:
    """Return the fields of each kind that the page lists, beside those of all."""
    table = PAGE.partition("| event | when |")[2].partition("\n\n")[0]
    fields: dict[str, set[str]] = {}
    above: set[str] = set()
    for line in table.splitlines()[2:]:
        kind, _, cell = (part.strip() for part in line.strip("|").split("|"))
        if cell != "the same":
            above = set(WORD.findall(cell)) | (PRODUCT if "of a product" in cell else set())
        fields[kind.strip("`")] = above
    return fields


def check(told: list[dict[str, Any]]) -> None:
    """Check that the page has each field of these events."""
    fields = documented()
    assert told
    for event in told:
        assert event["version"] == EVENT_VERSION
        assert set(event) - HEAD - fields[event["event"]] == set(), event["event"]


def test_every_kind_is_described() -> None:
    """The page has each kind of event, and no other; and each field of a product."""
    assert set(documented()) == set(EventKind)
    said = PAGE.partition("The fields of a product are")[2].partition("The last six")[0]
    assert set(WORD.findall(said)) == PRODUCT
    assert f"| `version` | {EVENT_VERSION}. " in PAGE


def test_every_field_of_a_product_is_described(tmp_path: Path) -> None:
    """Whatever happens to a product; `downloaded` has all that is said of it."""
    with closing(Catalog(tmp_path / "catalog.sqlite3", Clock())) as catalog:
        poll(catalog, [STACK, DIFF])
        publish(catalog, STACK, b"one")
        poll(catalog, [STACK, DIFF], wanted=[row(STACK)])
        publish(catalog, STACK, b"two", kept="aside")
        commit(catalog, *(Missing(each) for each in candidates(catalog)))
        poll(catalog, [DIFF], withdrawn=[STACK])
        poll(catalog, [STACK, DIFF])
        told = [json.loads(event.json) for event in catalog.outbox.since(0, 100)]
    kinds = {"downloaded", "replaced", "missing", "withdrawn", "returned"}
    assert {event["event"] for event in told} == kinds
    check(told)
    (replaced,) = (event for event in told if event["event"] == "replaced")
    assert set(replaced) - HEAD == documented()["replaced"]


def test_every_field_of_what_the_archive_changes_is_described(tmp_path: Path) -> None:
    """Adopted, corrected, renamed and removed products, and withdrawals held and let go."""
    region = Cone(326.0, 50.0, 2.0)
    with closing(Catalog(tmp_path / "catalog.sqlite3", Clock())) as catalog:
        many = [product(number) for number in range(20)]
        poll(catalog, [STACK, DIFF, *many], region=region)
        (taken,) = (each for each in candidates(catalog) if each.product == STACK)
        adopted = replace(evidence(STACK, b"one"), adopted=True, kept="aside")
        commit(catalog, Adopted(taken, adopted))
        listed = [(replace(row(DIFF), target="M31", program="ELSE"), path_of(DIFF))]
        catalog.listings.record_poll(Poll(query(), sweep=False), listed=listed)
        about = query(subject(region=region))
        doubted = Expectation(WithdrawalRule(), 20)
        found = Poll(about, sweep=False)
        catalog.listings.record_poll(found, withdrawn=many, expectation=doubted)
        poll(catalog, many[:1], region=region)
        poll(catalog, [], withdrawn=[STACK], region=region)
        with catalog.connection.writing():
            catalog.renames.link({STACK: many[0]})
        (held,) = catalog.set_aside.candidates("", 1)
        catalog.set_aside.begin(held, "aside")
        gone = FileSetAside(STACK, held.path, "aside", held.size, held.sha256)
        catalog.set_aside.finish(gone)
        told = [json.loads(event.json) for event in catalog.outbox.since(0, 100)]
    check(told)
    kinds = ("corrected", "withdrawal_held", "withdrawal_cleared", "renamed", "removed")
    for kind in kinds:
        (event,) = (event for event in told if event["event"] == kind)
        assert set(event) - HEAD == documented()[kind], kind
    (event,) = (event for event in told if event["event"] == "adopted")
    assert documented()["adopted"] - set(event) == {"previous_sha256"}


def test_every_field_of_a_flood_is_described(tmp_path: Path) -> None:
    """Just those that the page gives."""
    many = [product(number) for number in range(MOST_SINGLE + 1)]
    with closing(Catalog(tmp_path / "catalog.sqlite3", Clock())) as catalog:
        poll(catalog, many)
        poll(catalog, [], withdrawn=many)
        (event,) = catalog.outbox.before(2**60, 1)
    assert set(json.loads(event.json)) - HEAD == documented()["many_changed"]


def test_every_field_of_a_night_is_described(tmp_path: Path) -> None:
    """Of nights that are settled in a mirror, just those that the page gives."""
    mirror = NightMirror(tmp_path / "mirror")
    with closing(mirror.catalog):
        mirror.listed = {program: set(PRODUCTS) for program in mirror.listed}
        settle(mirror)
        events = mirror.catalog.outbox.since(0, 1000)
    told = [json.loads(event.json) for event in events]
    check(told)
    settled = [event for event in told if event["event"] == "night_settled"]
    assert settled
    assert all(set(event) - HEAD == documented()["night_settled"] for event in settled)


@pytest.mark.parametrize(
    "event",
    [
        ServerFailing("HTTP 500", 15.0),
        ServerRecovered(20.0),
        ProgramRefused("2024A000", "HTTP 401", 60.0),
        SpaceChecked(1, 2),
        SpaceChecked(3, 2),
    ],
    ids=lambda event: type(event).__name__,
)
def test_every_field_of_a_state_is_described(event: Event) -> None:
    """Exactly those fields that the page gives."""
    for change in CHANGES.of(event) or ():
        assert set(change.fields) == documented()[change.kind]


def example(heading: str) -> tuple[SinkSettings, str]:
    """Return the settings and the program of an example of the page."""
    part = PAGE.partition(f"## {heading}")[2].partition("\n## ")[0]
    (settings,) = re.findall(r"```toml\n(.*?)```", part, re.DOTALL)
    (program,) = re.findall(r"```python\n(.*?)```", part, re.DOTALL)
    (sink,) = tomllib.loads(settings)["sinks"]
    return SinkSettings(**sink), program


async def test_a_reduction_is_started_on_each_settled_night(tmp_path: Path) -> None:
    """Once for each night of a program, also when the same event is delivered again."""
    settings, program = example("Start a reduction")
    place = Place(tmp_path / "winter")
    reduce = tmp_path / "reduce"
    reduce.write_text('#!/bin/sh\necho "$@" >> reduced\n')
    reduce.chmod(0o755)
    script = tmp_path / "start_reduction"
    marks = str(tmp_path / "reductions")
    script.write_text(
        program.replace("/opt/reduce/reduce", str(reduce)).replace("/var/tmp/reductions", marks)  # noqa: S108 - the page's
    )
    to = Command((sys.executable, str(script)))
    sink = EventSink("reduce", to, settings.wanted, at_most=settings.at_most)
    await place.deliver(sink)
    await place.record(1, EventKind.DOWNLOADED, night="20240130")
    for night in ("20240130", "20240131", "20240130"):
        await place.record(
            1,
            EventKind.NIGHT_SETTLED,
            program="2024A000",
            night=night,
            listed=9,
            downloaded=8,
            missing=1,
        )
    await place.deliver(sink)
    assert (await place.progress("reduce")).error is None
    started = (place.root / "reduced").read_text().splitlines()
    assert started == ["2024A000 20240130", "2024A000 20240131"]


async def test_a_message_is_posted_on_each_new_stack_of_a_target(tmp_path: Path) -> None:
    """Only of that target and type; a request that somebody else signed makes none."""
    settings, program = example("Post a message")
    place = Place(tmp_path / "winter")
    receiver = Receiver(TAKEN)
    async with listening(receiver.answer) as port:
        to = Webhook(f"http://127.0.0.1:{port}/", "secret")
        sink = EventSink("chat", to, settings.wanted)
        await place.deliver(sink)
        with closing(Catalog(place.root / "catalog.sqlite3", place.clock)) as catalog:
            poll(catalog, [STACK, DIFF])
            publish(catalog, STACK, b"one")
            publish(catalog, DIFF, b"two")
        await place.deliver(sink)
    ((head, body),) = receiver.requests
    headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
    timestamp, signature = (headers[f"X-Winter-Sync-{name}"] for name in ("Timestamp", "Signature"))
    code: dict[str, Any] = {}
    exec(program, code)  # noqa: S102 - the page's
    (message,) = code["messages"]("secret", timestamp, signature, body)
    assert message.startswith("SN2024wex: new stack of 20240130, winter/20240130/")
    with pytest.raises(PermissionError):
        code["messages"]("another", timestamp, signature, body)
