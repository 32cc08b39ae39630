"""`winter-sync verify`: files compared with the catalog, and repaired if asked."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.text import Text

from winter_sync.catalog import Catalog, CatalogThread, Damaged, Scope, may_write
from winter_sync.cli.progress import Progress, ProgressLog, ProgressView, is_drawable
from winter_sync.cli.run_once import Choice, complaints
from winter_sync.cli.screen import Screen
from winter_sync.cli.verify_view import CheckView
from winter_sync.config import check_root
from winter_sync.core import (
    Damage,
    ExitCode,
    State,
    UsageError,
    gravest,
    printable,
    show_size,
    tell_all,
)
from winter_sync.factory import CATALOG, open_existing_catalog, open_mirror
from winter_sync.monitoring import narrator
from winter_sync.sync import LISTED, Verification, Verified
from winter_sync.tree import REVISIONS, Tree, Walk, abandoned, of_nights, refuse_other_root

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import Console
    from structlog.typing import FilteringBoundLogger

    from winter_sync.config import Settings
    from winter_sync.core import Night
    from winter_sync.sync import Report

RESUMABLE = timedelta(days=30)
"""A check that was interrupted longer ago begins anew: what it saw is too old to vouch for."""
_SHOWN = 20
"""Files of a kind that are named to a person; all are in the JSON."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to verify, and how."""

    quick: bool = False
    programs: tuple[str, ...] = ()
    nights: tuple[Night, ...] = ()
    repair: bool = False

    @property
    def scope(self) -> Scope:
        """The products to look at; no program means all that the catalog knows."""
        return Scope(programs=self.programs, nights=self.nights)

    @property
    def selection(self) -> str:
        """What tells the check of one selection from another's."""
        return json.dumps(
            [sorted(self.programs), sorted(night.name for night in self.nights)],
        )


@dataclass(frozen=True, slots=True)
class Strays:
    """Files that no product accounts for, relative to the root; None where they were not sought."""

    foreign: tuple[str, ...] | None = None
    foreign_files: int = 0
    orphaned: tuple[str, ...] | None = None
    orphaned_files: int = 0
    closed: tuple[str, ...] = ()
    """Directories that could not be looked into."""


@dataclass(slots=True)
class Result:
    """What a verification found, and what a repair made of it."""

    request: Request
    verified: Verified
    recorded: bool
    """Whether what was found is in the catalog."""
    checked_before: int = 0
    """Files found right by the interrupted run that this one continued."""
    begun: str | None = None
    """When that began."""
    damaged: Sequence[Damaged] = ()
    """What is missing or changed in the end."""
    counts: dict[Damage, int] = field(default_factory=dict)
    unlisted: Sequence[Damaged] = ()
    """What was deleted here and is no longer listed by the archive: nobody can download it."""
    strays: Strays = Strays()
    report: Report | None = None
    """Of the downloads of a repair."""

    @property
    def wrong(self) -> int:
        """How many products are missing here or changed, in the end."""
        return sum(self.counts.values()) + len(self.unlisted)

    @property
    def repaired(self) -> int:
        """How many products were downloaded again."""
        return self.report.published + self.report.unchanged if self.report else 0

    @property
    def exit_code(self) -> ExitCode:
        """The gravest of what is wrong; foreign and orphaned files are not wrong."""
        codes = [error.exit_code for error in self.report.errors] if self.report else []
        if self.verified.unreadable:
            codes.append(ExitCode.STORAGE)
        if self.wrong:
            codes.append(ExitCode.INCOMPLETE)
        return gravest(codes)


async def verify_and_show(
    settings: Settings,
    logger: FilteringBoundLogger,
    console: Console,
    request: Request,
    *,
    as_json: bool = False,
) -> Result:
    """Compare files with the catalog, and repair what is wrong if asked to.

    Parameters
    ----------
    settings
        Checked settings.
    logger
        Where progress and the events of a repair are written.
    console
        Where the result is said.
    request
        What to verify.
    as_json
        Whether it is said for a machine.

    Raises
    ------
    UsageError
        If there is nothing to check.
    StorageError
        If the root does not hold the mirror, or the catalog cannot be used.
    """
    result = await examine(settings, logger, request)
    if as_json:
        console.print(Text(json_of(result)), soft_wrap=True)
    else:
        show(console, result)
    aside = Screen(stderr=True)
    for line in complaints(result.report.errors if result.report else ()):
        aside.print(Text(line))
    return result


async def examine(settings: Settings, logger: FilteringBoundLogger, request: Request) -> Result:
    """Do what `verify` does, and say nothing of the result."""
    selections = settings.selections
    if request.repair:
        selections = Choice(request.programs).of(selections)
    check_root(settings.root)
    async with open_existing_catalog(settings) as catalog:
        result = await _check(settings, catalog, logger, request)
    if request.repair and result.wrong:
        programs = tuple(one.program for one in selections)
        await _repair(settings, logger, result, programs)
    async with open_existing_catalog(settings) as catalog:
        await _count(catalog, result)
        result.strays = await _strays(settings, catalog, request)
    return result


# --- checking ------------------------------------------------------------------------------------


async def _check(
    settings: Settings, catalog: CatalogThread, logger: FilteringBoundLogger, request: Request
) -> Result:
    recording = may_write(settings.state / CATALOG)
    counted = await catalog(Catalog.count_held, request.scope, "")
    pending = await catalog(Catalog.count_damaged, request.scope)
    if not counted["files"] and not any(pending.values()):
        raise _nothing_to_check(request)
    if request.quick:
        return await _look(settings, catalog, logger, request, recording=recording)
    return await _read(settings, catalog, logger, request, recording=recording)


async def _look(
    settings: Settings,
    catalog: CatalogThread,
    logger: FilteringBoundLogger,
    request: Request,
    *,
    recording: bool,
) -> Result:
    counted = await catalog(Catalog.count_held, request.scope, "")
    with _view(logger, counted["files"], 0) as view:
        checking = await _checking(settings, catalog, view, recording=recording)
        await checking.quick(request.scope)
        if request.repair and recording:
            # A time alone is no reason to download again: the content decides.
            suspects = Scope(request.programs, nights=request.nights, damaged=True)
            content = await _checking(settings, catalog, view, recording=True)
            await catalog(Catalog.check_damaged_again, suspects)
            await content.full(suspects, _EVER)
            checking.verified.unreadable.update(content.verified.unreadable)
    result = Result(request, checking.verified, recording)
    await _count(catalog, result)
    return result


_EVER = "9999"
"""Sorts after every time of the catalog."""


async def _read(
    settings: Settings,
    catalog: CatalogThread,
    logger: FilteringBoundLogger,
    request: Request,
    *,
    recording: bool,
) -> Result:
    run = None
    if recording:
        run = await catalog(Catalog.begin_verification, request.selection, RESUMABLE)
        await catalog(Catalog.check_damaged_again, request.scope)
    before = run.started_at if run else _EVER
    counted = await catalog(Catalog.count_held, request.scope, before)
    with _view(logger, counted["left"], counted["size_left"]) as view:
        checking = await _checking(settings, catalog, view, recording=recording)
        await checking.full(request.scope, before)
    result = Result(request, checking.verified, recording)
    if run is not None:
        await catalog(Catalog.finish_verification, run)
        if run.resumed:
            result.begun = run.started_at
            result.checked_before = counted["files"] - counted["left"]
    await _count(catalog, result)
    return result


def _view(logger: FilteringBoundLogger, files: int, size: int) -> CheckView:
    aside = Screen(stderr=True)
    return CheckView(aside, logger, files, size)


async def _checking(
    settings: Settings, catalog: CatalogThread, view: CheckView, *, recording: bool
) -> Verification:
    name = await catalog(Catalog.mirror_name) or ""
    path = settings.state / CATALOG
    return Verification(
        catalog=catalog,
        root=settings.root,
        make_sure=partial(refuse_other_root, Tree(settings.root), name, path),
        rate=settings.mirror.verify_rate,
        recording=recording,
        went_on=view.went_on,
        follow_links=settings.mirror.follow_links,
    )


async def _count(catalog: CatalogThread, result: Result) -> None:
    """Look up what is wrong: found now, or before and not right again."""
    scope = result.request.scope
    listed = {one.path: one for one in await catalog(Catalog.damaged, scope, LISTED)}
    result.counts = await catalog(Catalog.count_damaged, scope)
    if not result.recorded:
        for path, check in result.verified.found.items():
            if path not in listed and check.damage is not None:
                listed[path] = Damaged.of(check)
                result.counts[check.damage] += 1
    result.damaged = sorted(listed.values(), key=lambda one: one.path)


def _nothing_to_check(request: Request) -> UsageError:
    about = [f"program {name}" for name in request.programs]
    about += [f"night {night}" for night in request.nights]
    said = f" of {', '.join(about)}" if about else ""
    return UsageError(
        f"nothing to check: no product{said} has been downloaded",
        remedy="`winter-sync status` shows what is here.",
    )


# --- repairing -----------------------------------------------------------------------------------


async def _repair(
    settings: Settings, logger: FilteringBoundLogger, result: Result, programs: tuple[str, ...]
) -> None:
    """Download again what is missing or changed, and nothing else."""
    request = result.request
    aside = Screen(stderr=True)
    with _progress(aside, logger) as view:
        tell = tell_all(narrator(logger), view.tell)
        selections = Choice(programs).of(settings.selections)
        async with open_mirror(settings, tell, selections=selections) as mirror:
            result.unlisted = [
                one
                for one in await mirror.catalog(Catalog.damaged, request.scope, LISTED)
                if one.withdrawn and one.damage is Damage.MISSING
            ]
            await mirror.catalog(Catalog.want_damaged, request.scope)
            scope = Scope(programs, nights=request.nights, damaged=True)
            result.report = await mirror.fetch(scope)


def _progress(aside: Console, logger: FilteringBoundLogger) -> Progress:
    return ProgressView(aside) if is_drawable(aside) else ProgressLog(logger, "repair")


# --- strays --------------------------------------------------------------------------------------


async def _strays(settings: Settings, catalog: CatalogThread, request: Request) -> Strays:
    """Look for foreign files, and, when all of the mirror is verified, for orphaned ones."""
    if request.programs:
        return Strays()
    tree = Tree(settings.root)
    nights = {night.name for night in request.nights}
    walk = Walk(settings.root)
    foreign = _Some()
    while paths := await asyncio.to_thread(walk.some):
        chosen = of_nights(paths, nights)
        known = await catalog(Catalog.known_paths, chosen)
        foreign.add(path for path in chosen if path not in known)
    if nights:
        return Strays(foreign.listed, foreign.files, closed=tuple(walk.unreadable))
    kept = Walk(settings.root, REVISIONS)
    orphaned = _Some()
    while paths := await asyncio.to_thread(kept.some):
        known = await catalog(Catalog.known_kept, paths)
        orphaned.add(path for path in paths if path not in known)
    orphaned.add(await asyncio.to_thread(abandoned, tree))
    closed = (*walk.unreadable, *kept.unreadable)
    return Strays(foreign.listed, foreign.files, orphaned.listed, orphaned.files, closed)


class _Some:
    """Paths, counted; the first are kept."""

    def __init__(self) -> None:
        self.files = 0
        self._paths: list[str] = []

    def add(self, paths: Iterable[str]) -> None:
        for path in paths:
            self.files += 1
            if len(self._paths) < LISTED:
                self._paths.append(path)

    @property
    def listed(self) -> tuple[str, ...]:
        return tuple(sorted(self._paths))


# --- for a person --------------------------------------------------------------------------------


def show(console: Console, result: Result) -> None:
    """Print what was found, kind by kind, and in the last line all of it in short."""
    for line in _lines(result):
        console.print(Text(printable(line)))
    console.print(Text(printable(summary(result))))


def _lines(result: Result) -> Iterator[str]:
    yield from _few(
        "missing here",
        [(one.path, _why(one)) for one in result.damaged if one.damage is Damage.MISSING],
    )
    yield from _few(
        "changed", [(one.path, _why(one)) for one in result.damaged if one.damage is Damage.CHANGED]
    )
    yield from _few("missing here", [(one.path, _UNLISTED) for one in result.unlisted])
    yield from _few("unreadable", list(result.verified.unreadable.items()))
    yield from _few("note", list(result.verified.notes.items()))
    kept = result.report.kept if result.report else ()
    yield from _few("kept", [(path, f"the file that was there is now {to}") for path, to in kept])
    strays = result.strays
    yield from _few("foreign", [(path, "") for path in strays.foreign or ()])
    yield from _few("orphaned", [(path, "") for path in strays.orphaned or ()])
    yield from _few("not looked into", [(path, "") for path in strays.closed])


def _few(kind: str, files: Sequence[tuple[str, str]]) -> Iterator[str]:
    for path, why in files[:_SHOWN]:
        yield f"{kind}: {path}" + (f" ({why})" if why else "")
    if (more := len(files) - _SHOWN) > 0:
        yield f"{kind}: and {more} more; --json names them"


_UNLISTED = "the archive no longer lists it, so it cannot be downloaded again"


def _why(one: Damaged) -> str:
    """Say what is wrong with a file, and, when it is to be downloaded, what stands in the way."""
    match one.state:
        case State.MISSING:
            next_try = f"; next try {one.not_before[:16].replace('T', ' ')} UTC"
            return f"{one.reason}; the archive has no file now{next_try}"
        case State.WANTED if one.last_error:
            return f"{one.reason}; {one.last_error}"
        case State.WANTED:
            return f"{one.reason}; not yet downloaded again"
        case _ if one.withdrawn:
            return f"{one.reason}; the archive no longer lists it"
        case _:
            return one.reason


def summary(result: Result) -> str:
    """Say in one line what was checked and what is wrong."""
    verified = result.verified
    how = "looked at" if result.request.quick else "checked"
    size = "" if result.request.quick else f", {show_size(verified.size)}"
    before = _before(result)
    checked = f"{_files(verified.checked)} {how}{size}{before}"
    parts = _parts(result)
    said = "; ".join([checked, *parts]) if parts else f"{checked}; {_right(result)}"
    return f"{said}.{_remedy(result)}"


def _right(result: Result) -> str:
    if result.request.quick:
        return "all are there, with the size and time they were downloaded with"
    return "all are as they were downloaded"


def _before(result: Result) -> str:
    if not result.begun:
        return ""
    at = f"{result.begun[:16].replace('T', ' ')} UTC"
    return f" ({result.checked_before} more by the run of {at} that this one continued)"


def _parts(result: Result) -> list[str]:
    counts = result.counts
    wrong = [
        (counts.get(Damage.MISSING, 0) + len(result.unlisted), "missing here"),
        (counts.get(Damage.CHANGED, 0), "changed"),
        (len(result.verified.unreadable), "unreadable"),
        (result.repaired, "downloaded again"),
        (len(result.report.kept) if result.report else 0, "kept aside"),
        (result.strays.foreign_files, "foreign"),
        (result.strays.orphaned_files, "orphaned"),
    ]
    parts = [f"{number} {word}" for number, word in wrong if number]
    if parts and not (result.wrong or result.verified.unreadable or result.repaired):
        return [_right(result), *parts]
    return parts


def _remedy(result: Result) -> str:
    if result.wrong and not result.request.repair:
        return " `winter-sync verify --repair` downloads them again."
    return ""


def _files(number: int) -> str:
    return f"{number} file" if number == 1 else f"{number} files"


# --- for a machine -------------------------------------------------------------------------------


def json_of(result: Result) -> str:
    """Write a result for a machine. These keys stay; more may come.

    - `quick`, `repair`: how it was called; `programs`, `nights`: what it was narrowed to.
    - `checked`: files looked at now; `bytes`: how much was read of them.
    - `checked_before`, `begun`: files found right by the interrupted run that this one continued,
      and when that began (ISO 8601, UTC, or null).
    - `counts`: how many are `missing`, `changed`, `unreadable`, `foreign`, `orphaned` in the end,
      `repaired` (downloaded again), `kept` (moved aside) and `unlisted`. `foreign` and `orphaned`
      are null where they were not looked for: with --program, and orphaned with --night.
    - `missing`, `changed`: lists of `path`, `instrument`, `savepath`, `night`, `reason`, `state`
      (`published`: nothing was done yet; `wanted`: to be downloaded; `missing`: the archive has no
      file now), `listed` (whether the archive still lists it), `last_error` (or null).
    - `unlisted`: what was missing here at a repair and is no longer listed by the archive, like
      the above; it is told once.
    - `unreadable`, `notes`: lists of `path` and `reason`; a note is about a file that is as it was
      downloaded.
    - `kept`: a list of `path` and `kept`, where the file that was there is now.
    - `foreign`, `orphaned`, `not_looked_into`: lists of paths.
    - `exit_code`: the command's.

    All paths are relative to the root. A list has at most 10 000 entries.
    """
    damaged = {
        kind.value: [_damaged_record(one) for one in result.damaged if one.damage is kind]
        for kind in Damage
    }
    kept = result.report.kept if result.report else ()
    return json.dumps(
        {
            "quick": result.request.quick,
            "repair": result.request.repair,
            "programs": list(result.request.programs),
            "nights": [night.name for night in result.request.nights],
            "checked": result.verified.checked,
            "bytes": result.verified.size,
            "checked_before": result.checked_before,
            "begun": result.begun,
            "counts": _counts_record(result),
            **damaged,
            "unlisted": [_damaged_record(one) for one in result.unlisted],
            "unreadable": _reasons(result.verified.unreadable),
            "notes": _reasons(result.verified.notes),
            "kept": [{"path": path, "kept": to} for path, to in kept],
            "foreign": list(result.strays.foreign or ()),
            "orphaned": list(result.strays.orphaned or ()),
            "not_looked_into": list(result.strays.closed),
            "exit_code": int(result.exit_code),
        },
        indent=2,
    )


def _counts_record(result: Result) -> dict[str, int | None]:
    strays = result.strays
    return {
        "missing": result.counts.get(Damage.MISSING, 0),
        "changed": result.counts.get(Damage.CHANGED, 0),
        "unreadable": len(result.verified.unreadable),
        "foreign": None if strays.foreign is None else strays.foreign_files,
        "orphaned": None if strays.orphaned is None else strays.orphaned_files,
        "repaired": result.repaired,
        "kept": len(result.report.kept) if result.report else 0,
        "unlisted": len(result.unlisted),
    }


def _damaged_record(one: Damaged) -> dict[str, Any]:
    return {
        "path": one.path,
        "instrument": one.product.instrument.value,
        "savepath": one.product.savepath,
        "night": one.product.night.name,
        "reason": one.reason,
        "state": one.state.value,
        "listed": not one.withdrawn,
        "last_error": one.last_error,
    }


def _reasons(found: dict[str, str]) -> list[dict[str, str]]:
    return [{"path": path, "reason": reason} for path, reason in sorted(found.items())]
