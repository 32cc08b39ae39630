"""What a month must have come to: a model in plain Python of a mirror, held against a real one.

The model sees the archive, which changes only between runs, and the files of the tree after each
run. It knows nothing of how the mirror works, and reads the catalog as anybody could: with SQL.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from support.rig import path_of
from support.tables import in_words

from winter_sync.core.filesystem import sha256_of_file
from winter_sync.core.layout import CATALOG, STATE_DIR

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from winter_sync.core import ImageType, Night
    from winter_sync.simulator import Observatory
    from winter_sync.simulator.observatory.observatory import Entry

CONTENT_EVENTS = ("downloaded", "replaced")
LISTING_EVENTS = ("withdrawn", "returned")
SETTLE_AFTER = timedelta(days=2)
NIGHT_EVENTS = ("night_settled", "night_changed")

_digests: dict[tuple[object, ...], str] = {}
"""Contents are the same in every month: each is made once."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event of the outbox."""

    number: int
    at: datetime
    kind: str
    savepath: str | None
    night: str | None
    details: Mapping[str, Any]


class Expected:
    """What must be true of one mirror.

    Parameters
    ----------
    observatory
        The archive.
    root
        The root of the mirror.
    programs
        What is mirrored.
    on_withdrawn
        What becomes of the files of withdrawn products: "keep", "move" or "delete".
    """

    def __init__(
        self, observatory: Observatory, root: Path, programs: tuple[str, ...], on_withdrawn: str
    ) -> None:
        self._observatory = observatory
        self._root = root
        self._programs = programs
        self._on_withdrawn = on_withdrawn
        self.contents: defaultdict[str, list[str]] = defaultdict(list)
        """The contents that the tree has had under each path, SHA-256."""
        self.spoiled: dict[str, str] = {}
        """What is under a path where somebody damaged the file, SHA-256."""
        self.renamed: dict[str, str] = {}
        """Which product took the place of another, by their savepaths."""
        self.silent: set[str] = set()
        """What the archive made anew without a sign, by path, until the tree has it."""
        self._aside: set[str] = set()
        """What went from the tree because it was withdrawn."""
        self._deleted: set[str] = set()
        self._lost: set[tuple[str, int]] = set()
        """Contents that a hand destroyed, by path and number: they cannot have been kept."""
        self.read: list[Told] = []
        """What a reader has who goes on, after each run, from the last number that he has."""
        self.new: list[Told] = []
        """What he got after the last run."""

    # --- the archive -----------------------------------------------------------------------------

    def entries(self, image_types: Collection[ImageType]) -> dict[str, Entry]:
        """Return all that the archive has or had of these types, by its path in the tree."""
        return {
            path_of(entry.product): entry
            for entry in self._observatory._entries.values()
            if entry.product.image_type in image_types
        }

    def is_listed(self, entry: Entry) -> bool:
        """Return whether a program that is mirrored lists a product now."""
        return any(self._lists(program, entry) for program in self._programs)

    def _lists(self, program: str, entry: Entry) -> bool:
        return entry.listed(self._observatory.clock.now()) and entry.readable_by(program)

    def is_there(self, entry: Entry) -> bool:
        """Return whether the archive lists a product and has its file now."""
        return self.is_listed(entry) and not entry.gone(self._observatory.clock.now())

    def digest(self, entry: Entry) -> str:
        """Return the SHA-256 of what the archive has of a product now."""
        key = self._observatory.content_key(entry, entry.revision)
        if key not in _digests:
            _digests[key] = self._observatory.digest(*entry.product.identity).sha256
        return _digests[key]

    # --- the tree --------------------------------------------------------------------------------

    def lose(self, path: str) -> None:
        """Take note that somebody deleted a file."""
        self._deleted.add(path)
        self.spoiled.pop(path, None)
        self._lost.add((path, len(self.contents[path])))

    def spoil(self, path: str, content: bytes) -> None:
        """Take note that somebody damaged a file."""
        self.spoiled[path] = hashlib.sha256(content).hexdigest()
        self._lost.add((path, len(self.contents[path])))

    def observe_files(self, files: Mapping[str, str], image_types: Collection[ImageType]) -> None:
        """Check the files of the tree after a run, and remember their contents.

        A content that is new in the tree is the archive's present one, whole; all others are as
        they were; nothing is gone that nobody deleted.
        """
        entries = self.entries(image_types)
        for path in set(self.contents) - set(files) - self._deleted - self._aside:
            assert self._may_go(path, entries[path]), f"gone from the tree: {path}"
            self._aside.add(path)
            self._lost.add((path, len(self.contents[path])))
        self._aside -= files.keys()
        self.silent -= {path for path in self.silent if self.has_present(path, files, entries)}
        for path, sha256 in files.items():
            if self.spoiled.get(path) == sha256:
                continue
            self.spoiled.pop(path, None)
            self._deleted.discard(path)
            if self.contents[path][-1:] != [sha256]:
                assert sha256 == self.digest(entries[path]), f"not the archive's: {path}"
                self.contents[path].append(sha256)
            self._lost.discard((path, len(self.contents[path])))

    def has_present(
        self, path: str, files: Mapping[str, str], entries: Mapping[str, Entry]
    ) -> bool:
        """Return whether the tree has the archive's present content, or the archive has none."""
        return files.get(path) == self.digest(entries[path]) or not self.is_there(entries[path])

    def _may_go(self, path: str, entry: Entry) -> bool:
        """Return whether a file may leave the tree: it was withdrawn, and the user wants that."""
        if self._on_withdrawn == "keep" or path in self.spoiled:
            return False
        told = [
            event.kind
            for event in self.read
            if event.kind in LISTING_EVENTS and event.savepath == entry.product.savepath
        ]
        return not self.is_listed(entry) or told[-1:] == ["withdrawn"]

    # --- the catalog -----------------------------------------------------------------------------

    def check_catalog(
        self, complete: Collection[tuple[str | None, str | None]], *, was_killed: bool
    ) -> None:
        """Check history and events after a run.

        Parameters
        ----------
        complete
            The programs and types of which an answer of this run was complete.
        was_killed
            Whether the catalog may lack what was published last.
        """
        with closing(sqlite3.connect(self._root / STATE_DIR / CATALOG)) as database:
            database.row_factory = sqlite3.Row
            if not database.execute("SELECT 1 FROM sqlite_master WHERE name='events'").fetchone():
                assert was_killed
                return
            revisions = database.execute(
                f"SELECT * FROM ({in_words('revisions')}) ORDER BY revision"  # noqa: S608 - our own words
            ).fetchall()
            products = database.execute(in_words("products")).fetchall()
            events = [_told(row) for row in database.execute(f"{in_words('events')} ORDER BY e.id")]
        new = events[len(self.read) :]
        assert events[: len(self.read)] == self.read, "events were changed"
        assert [event.number for event in events] == sorted({event.number for event in events})
        self._check_truth(new, complete)
        self._check_states(products, events)
        self._check_history(revisions, events, was_killed=was_killed)
        self.read, self.new = [*self.read, *new], new

    def _check_truth(
        self, new: Iterable[Told], complete: Collection[tuple[str | None, str | None]]
    ) -> None:
        """Check that what was told of products in this run is as the archive is."""
        checks = {
            "withdrawn": self._is_withdrawn,
            "returned": self._is_returned,
            "missing": self._is_missing,
            "renamed": self._is_renamed,
            "corrected": self._is_corrected,
        }
        asked = {image_type for _, image_type in complete}
        for event in new:
            if event.kind not in checks:
                continue
            (entry,) = (each for each in self._all() if each.product.savepath == event.savepath)
            assert checks[event.kind](event, entry), f"it is not so: {event}"
            if event.kind == "withdrawn":
                assert asked & {entry.product.image_type.value, None}, f"nobody said so: {event}"

    def _is_withdrawn(self, _: Told, entry: Entry) -> bool:
        return not self.is_listed(entry)

    def _is_returned(self, _: Told, entry: Entry) -> bool:
        return self.is_listed(entry)

    def _is_missing(self, event: Told, entry: Entry) -> bool:
        """Return whether the archive has no file, or not for a program that listed it before."""
        programs = event.details["programs"]
        listed = all(self._lists(program, entry) for program in programs)
        return entry.gone(self._observatory.clock.now()) or not listed

    def _is_renamed(self, event: Told, entry: Entry) -> bool:
        name = entry.product.savepath
        while (name := self.renamed.get(name, "")) and name != event.details["successor"]:
            pass
        return bool(name)

    def _is_corrected(self, event: Told, entry: Entry) -> bool:
        about = event.details
        is_moved = "program_was" not in about or not self._lists(about["program_was"], entry)
        return is_moved and ("target_was" not in about or about.get("target") == entry.target)

    def _all(self) -> Iterator[Entry]:
        yield from self._observatory._entries.values()

    def _check_states(self, products: Iterable[sqlite3.Row], events: Iterable[Told]) -> None:
        """Check that withdrawals and returns take turns, and end as the catalog has it."""
        turns: defaultdict[str, list[str]] = defaultdict(list)
        for event in events:
            if event.kind in LISTING_EVENTS and event.savepath is not None:
                turns[event.savepath].append(event.kind)
        for product in products:
            told = turns.pop(product["savepath"], [])
            assert told == [LISTING_EVENTS[number % 2] for number in range(len(told))], told
            is_withdrawn = product["withdrawn_at"] is not None
            assert is_withdrawn == (len(told) % 2 == 1), dict(product)
        assert not turns

    def _check_history(
        self, rows: Iterable[sqlite3.Row], events: Iterable[Told], *, was_killed: bool
    ) -> None:
        """Check that there is one revision and one event for each content the tree has had."""
        revisions: defaultdict[str, list[sqlite3.Row]] = defaultdict(list)
        for row in rows:
            revisions[row["path"]].append(row)
        told: defaultdict[str, list[tuple[str, int, str]]] = defaultdict(list)
        for event in events:
            if event.kind in CONTENT_EVENTS:
                about = event.details
                told[about["path"]].append((event.kind, about["revision"], about["sha256"]))
        for path, contents in self.contents.items():
            known = [row["sha256"] for row in revisions[path]]
            last = contents[: len(contents) - 1] if was_killed else contents
            assert known in (contents, last), f"{path}: {known} of {contents}"
            assert told[path] == _events_of(known), path
            self._check_kept(path, revisions[path])
        assert set(told) | set(revisions) <= set(self.contents)

    def _check_kept(self, path: str, revisions: Iterable[sqlite3.Row]) -> None:
        """Check that each replaced content is kept, as long as no hand destroyed it before."""
        for row in revisions:
            number = row["revision"]
            if row["replaced_at"] is None:
                continue
            if (path, number) in self._lost:
                kept = row["kept"]
                assert kept is None or self._sha256_of(kept) == row["sha256"], dict(row)
            else:
                assert self._sha256_of(row["kept"]) == row["sha256"], dict(row)

    def _sha256_of(self, kept: str | None) -> str | None:
        path = self._root / kept if kept else None
        return sha256_of_file(path) if path and path.is_file() else None

    def check_sink(self, delivered: Path, *, is_each_once: bool) -> None:
        """Check that a sink has every event, in order; more than once only where a run was killed.

        Parameters
        ----------
        delivered
            All that the sink was given.
        is_each_once
            Whether no run was killed so far.
        """
        numbers = [event["number"] for event in _json_in(delivered)]
        assert list(dict.fromkeys(numbers)) == [event.number for event in self.read]
        assert not is_each_once or len(numbers) == len(self.read), "delivered twice"

    def check_nights(self, files: Mapping[str, str], image_types: Collection[ImageType]) -> None:
        """Check that a night that was said to be settled in this run is."""
        latest = {(told.details["program"], told.night): told for told in self._of_nights(self.new)}
        for (program, night), told in latest.items():
            if not told.details["settled"]:
                continue
            quiet = told.at - self._changed_at(program, night or "", told.number)
            assert quiet >= SETTLE_AFTER, f"settled after {quiet}: {told}"
            for path, entry in self.entries(image_types).items():
                is_of_night = entry.product.night.name == night and self._lists(program, entry)
                if is_of_night and path not in self.silent:
                    is_right = files.get(path) == self.digest(entry)
                    assert is_right or not self.is_there(entry), f"{path} is not here: {told}"
            sums = self._root / STATE_DIR / told.details["sums"]
            for line in sums.read_text().splitlines():
                sha256, path = line.split("  ")
                assert files[path] == sha256, f"{sums}: {path}"

    def settled(self, night: Night) -> set[str]:
        """Return the programs of which a night was last said to be settled."""
        latest = {
            told.details["program"]: told
            for told in self._of_nights(self.read)
            if told.night == night.name
        }
        return {program for program, told in latest.items() if told.details["settled"]}

    def _changed_at(self, program: str, night: str, number: int) -> datetime:
        """Return when something of a night was last told, before the event of a number."""
        return max(
            told.at
            for told in self.read
            if told.number < number
            and told.kind in {*CONTENT_EVENTS, *LISTING_EVENTS}
            and told.night == night
            and program in told.details["programs"]
        )

    @staticmethod
    def _of_nights(events: Iterable[Told]) -> list[Told]:
        return [event for event in events if event.kind in NIGHT_EVENTS]

    # --- the end ---------------------------------------------------------------------------------

    def check_listings(self, first: Night) -> None:
        """Check that the catalog lists what the archive lists of nights from a given one on.

        Must be true after each run to which the archive answered well, but for what vanished with
        much else and is not believed to be withdrawn yet.
        """
        with closing(sqlite3.connect(self._root / STATE_DIR / CATALOG)) as database:
            rows = database.execute(
                f"SELECT program, savepath FROM ({in_words('listings')})"  # noqa: S608 - our own words
                " WHERE withdrawn_at IS NULL AND night >= ?",
                [first.name],
            ).fetchall()
            held = database.execute(
                f"SELECT program, savepath FROM ({in_words('held_withdrawals')})"  # noqa: S608 - as above
            ).fetchall()
        lists = {
            (program, entry.product.savepath)
            for program in self._programs
            for entry in self._all()
            if entry.product.night >= first and self._lists(program, entry)
        }
        assert set(rows) - set(held) == lists

    def check_end(self, files: Mapping[str, str], image_types: Collection[ImageType]) -> None:
        """Check that tree and catalog are as the archive is.

        What it withdrew, or lists without a file, stays in the tree as it was last: nobody can
        repair it.
        """
        entries = self.entries(image_types)
        there = {path for path, entry in entries.items() if self.is_there(entry)}
        truth = {path: self.digest(entries[path]) for path in there}
        assert {path: files.get(path) for path in there} == truth
        self._check_aside(files, entries)
        rest = {path: sha256 for path, sha256 in files.items() if path not in there}
        assert rest == {path: self.spoiled.get(path, self.contents[path][-1]) for path in rest}
        with closing(sqlite3.connect(self._root / STATE_DIR / CATALOG)) as database:
            states = {
                path: (state, withdrawn_at is not None, sha256)
                for path, state, withdrawn_at, sha256 in database.execute(
                    f"SELECT path, state, withdrawn_at, sha256 FROM ({in_words('products')})"  # noqa: S608 - our own words
                )
            }
        self._check_all_settled(entries)
        for path, entry in entries.items():
            if self.is_there(entry):
                assert states[path] == ("published", False, truth[path])
            elif self.is_listed(entry):
                assert states[path][:2] in (("missing", False), ("published", False))
            else:
                assert path not in states or states[path][1], f"not withdrawn: {path}"

    def _check_aside(self, files: Mapping[str, str], entries: Mapping[str, Entry]) -> None:
        """Check that withdrawn products are where the user wants them."""
        if self._on_withdrawn == "keep":
            return
        place = self._root / STATE_DIR / "withdrawn"
        moved = {sha256_of_file(path) for path in place.rglob("*") if path.is_file()}
        for path, entry in entries.items():
            if path in self.contents and not self.is_listed(entry):
                assert path in self.spoiled or path not in files, f"still in the tree: {path}"
                if self._on_withdrawn == "move" and path in self._aside:
                    assert self.contents[path][-1] in moved, f"moved nowhere: {path}"

    def _check_all_settled(self, entries: Mapping[str, Entry]) -> None:
        """Check that all nights are settled in the end, but those with damage beyond repair."""
        latest = {
            (told.details["program"], told.night): told.details["settled"]
            for told in self._of_nights(self.read)
        }
        for path, entry in entries.items():
            for program in self._programs:
                if self._lists(program, entry) and path not in self.spoiled:
                    night = program, entry.product.night.name
                    assert latest.get(night), f"{night} is not settled"


def _events_of(contents: Iterable[str]) -> list[tuple[str, int, str]]:
    """Return what must have been told of these contents of a product."""
    return [
        (CONTENT_EVENTS[number > 1], number, sha256)
        for number, sha256 in enumerate(contents, start=1)
    ]


_OF_CONTENT = ("size", "sha256", "revision")


def _told(row: sqlite3.Row) -> Told:
    details = json.loads(row["details"])
    content = {} if row["revision"] is None else {name: row[name] for name in _OF_CONTENT}
    about = {"path": row["path"], **content, **details}
    at = datetime.fromisoformat(row["at"])
    savepath, night = (row[name] or details.get(name) for name in ("savepath", "night"))
    return Told(row["id"], at, row["kind"], savepath, night, about)


def _json_in(path: Path) -> Iterator[dict[str, Any]]:
    """Return the JSON objects in a file; one that was cut by a kill is passed over."""
    text, at = path.read_text() if path.exists() else "", 0
    while (at := text.find('{"version"', at)) >= 0:
        try:
            found, at = json.JSONDecoder().raw_decode(text, at)
        except ValueError:
            at += 1
        else:
            yield found
