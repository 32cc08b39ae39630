"""Reads a script of faults, and injects them: by rate or number, at a place, by seed.

A script is a list of rules with commas between them, each `KIND[=VALUE][:WHEN][@PLACE]`:

- `WHEN` is a rate (`0.1`: one call in ten), a number (`x3`: the first three calls) or both
  (`0.5x3`: every second call, three in all). Without it every call is struck.
- `PLACE` is an endpoint (ping, version, user, program, query, download), a camera, a program, or,
  for downloads, an image type or a pattern of file names (`*_stack.fits`); several are joined by
  `+`. Without it every call that the kind can strike is struck.

`503=30:0.1,reset-body:0.05@stack,flip:x3,poison@*-616_mef_4_0_0_stack.fits`
"""

from __future__ import annotations

import difflib
import random
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from winter_sync.core import ImageType, Instrument
from winter_sync.simulator.faults import answers, listings, members, odd_files, streams
from winter_sync.simulator.faults.hooks import Answer, Call, Faults
from winter_sync.simulator.faults.kinds import (
    DOWNLOADS,
    ENDPOINTS,
    Circumstances,
    Kind,
    basename,
    endpoint,
    matches,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from winter_sync.simulator.packing.zips import Member

KINDS: dict[str, type[Kind]] = {
    kind.name: kind
    for module in (answers, listings, streams, members, odd_files)
    for kind in module.KINDS
}
"""Every kind of fault, by its name."""

_RULE = re.compile(
    r"(?P<kind>[^=:@]+)"
    r"(?:=(?P<value>\d+(?:\.\d+)?))?"
    r"(?::(?=[\d.x])(?P<rate>\d*\.?\d+)?(?:x(?P<count>\d+))?)?"
    r"(?:@(?P<place>.+))?",
    re.ASCII,
)
_PROGRAM = re.compile(r"\d{4}[AB]\d{3}", re.ASCII)
_FORM = "a rule is written KIND[=VALUE][:RATE][xCOUNT][@PLACE], like 503:0.1 or flip:x3@stack"


@dataclass(frozen=True, slots=True)
class Place:
    """The calls that a rule applies to; an empty field applies to all."""

    endpoints: tuple[str, ...] = ()
    image_types: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    globs: tuple[str, ...] = ()

    def holds(self, call: Call) -> bool:
        """Return whether a call is at this place."""
        asked = (
            (self.endpoints, endpoint(call)),
            (self.image_types, call.image_type),
            (self.instruments, call.instrument),
            (self.programs, call.program),
        )
        if not all(not wanted or word in wanted for wanted, word in asked):
            return False
        return not self.globs or any(matches(basename(p), self.globs) for p in call.savepaths)


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of fault, how often (0 to 1) or how many times at most, and where."""

    kind: type[Kind]
    value: float | None = None
    rate: float = 1.0
    count: int | None = None
    place: Place = Place()


@dataclass(frozen=True, slots=True)
class Script:
    """The faults to inject."""

    rules: tuple[Rule, ...]

    def faults(self, circumstances: Circumstances | None = None) -> Scripted:
        """Return the faults; the same seed and the same requests meet the same."""
        return Scripted(self, circumstances)


def parse_script(text: str) -> Script:
    """Read a script.

    Raises
    ------
    ValueError
        If a rule is not well formed, or names what is not known; with the nearest that is.
    """
    rules = tuple(_rule(part.strip()) for part in text.split(",") if part.strip())
    if not rules:
        raise ValueError(f"there is no rule in it: {_FORM}")
    return Script(rules)


def _rule(text: str) -> Rule:
    found = _RULE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} cannot be read: {_FORM}")
    kind = _kind(found["kind"].strip())
    place = _place(found["place"], kind)
    rate = 1.0 if found["rate"] is None else float(found["rate"])
    if not 0 < rate <= 1:
        raise ValueError(f"{text!r}: a rate is more than 0 and at most 1")
    if found["value"] is not None and kind.takes is None:
        raise ValueError(f"{text!r}: {kind.name} takes no number after =")
    if kind.for_products and not place.globs:
        raise ValueError(f"{text!r}: say which products, like {kind.name}@*_stack.fits")
    value = None if found["value"] is None else float(found["value"])
    count = None if found["count"] is None else int(found["count"])
    return Rule(kind, value, rate, count, place)


def _kind(word: str) -> type[Kind]:
    if word not in KINDS:
        raise ValueError(f"no fault is called {word!r}{_nearest(word, KINDS)}")
    return KINDS[word]


def _place(text: str | None, kind: type[Kind]) -> Place:
    words = [] if text is None else [word.strip() for word in text.split("+")]
    known = {
        "endpoints": tuple(ENDPOINTS),
        "image_types": tuple(ImageType),
        "instruments": tuple(Instrument),
    }
    found: dict[str, list[str]] = {}
    for word in words:
        found.setdefault(_sort_of(word, known), []).append(word)
    place = Place(**{name: tuple(chosen) for name, chosen in found.items()})
    can = kind.strikes & DOWNLOADS if place.globs or place.image_types else kind.strikes
    if not set(place.endpoints) <= kind.strikes:
        usual = ", ".join(endpoint for endpoint in ENDPOINTS if endpoint in kind.strikes)
        raise ValueError(f"{kind.name} cannot happen at {text!r}: it strikes {usual}")
    if not can or not set(place.endpoints) <= can:
        raise ValueError(
            f"{kind.name} cannot happen at {text!r}: only of downloads are image types and file "
            "names known"
        )
    return place if place.endpoints else replace(place, endpoints=tuple(sorted(can)))


def _sort_of(word: str, known: dict[str, tuple[str, ...]]) -> str:
    for name, words in known.items():
        if word in words:
            return name
    if _PROGRAM.fullmatch(word):
        return "programs"
    if set(word) & set("*?[."):
        return "globs"
    every = [word for words in known.values() for word in words]
    raise ValueError(
        f"{word!r} is no endpoint, image type, camera, program or pattern of file names"
        f"{_nearest(word, every)}"
    )


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, [str(name) for name in known], n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"


class Scripted(Faults):
    """The faults of a script. What they do to a request follows from the seed and the request.

    So it does not matter in which order requests come, and the same request made again throws the
    dice again. Rules happen in the order of the script.
    """

    def __init__(self, script: Script, circumstances: Circumstances | None = None) -> None:
        base = circumstances or Circumstances()
        self._seed = base.seed
        self._released = base.released
        self._armed = [_Armed(rule, base, number) for number, rule in enumerate(script.rules)]
        self._times: Counter[int] = Counter()
        self._met: WeakKeyDictionary[Call, list[Kind]] = WeakKeyDictionary()
        self.happened: Counter[str] = Counter()
        """How often each kind has struck."""

    def release(self) -> None:
        """Release all calls that are being held, and hold no others."""
        self._released.set()

    async def before(self, call: Call) -> Answer | None:
        """Apply the faults to a call that is not a download when it arrives."""
        return None if endpoint(call) in DOWNLOADS else await self._meet(call)

    async def before_zip(self, call: Call) -> Answer | None:
        """Apply the faults to a download when its products are known."""
        return await self._meet(call)

    async def _meet(self, call: Call) -> Answer | None:
        kinds = self._met[call] = self._fate(call)
        for kind in kinds:
            if (answer := await kind.instead(call)) is not None:
                return answer
        return None

    def _fate(self, call: Call) -> list[Kind]:
        names = call.path, call.program, call.instrument, call.image_type, call.savepaths
        again = hash(names)
        dice = random.Random(repr((self._seed, names, self._times[again])))  # noqa: S311 - damage
        self._times[again] += 1
        kinds = [armed.kind for armed in self._armed if armed.strikes(call, dice.random())]
        self.happened.update(kind.name for kind in kinds)
        return kinds

    def listing(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        """Change the answer to a query."""
        for kind in self._met.get(call, ()):
            body = kind.listing(call, body)
        return body

    def savepath(self, call: Call, path: str) -> str:
        """Return the savepath that is meant."""
        for kind in self._met.get(call, ()):
            path = kind.savepath(call, path)
        return path

    def headers(self, call: Call, headers: dict[str, str]) -> dict[str, str]:
        """Change the headers of a zip."""
        for kind in self._met.get(call, ()):
            headers = kind.headers(call, headers)
        return headers

    def members(self, call: Call, members: Iterator[Member]) -> Iterator[Member]:
        """Change the members of a zip."""
        for kind in self._met.get(call, ()):
            members = kind.members(call, members)
        return members

    def stream(self, call: Call, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Change the bytes of a zip."""
        for kind in self._met.get(call, ()):
            chunks = kind.stream(call, chunks)
        return chunks


class _Armed:
    """A rule in force, with the number of times that it may still strike."""

    def __init__(self, rule: Rule, base: Circumstances, number: int) -> None:
        self._rule = rule
        self._left = rule.count
        self.kind = rule.kind(
            Circumstances(
                rule.value,
                rule.place.globs,
                # Two rules of one kind choose differently.
                base.seed + number,
                base.now,
                base.sleep,
                base.released,
            )
        )

    def strikes(self, call: Call, thrown: float) -> bool:
        """Return whether a call is struck, given a random number from 0 to 1."""
        if not self._rule.place.holds(call) or self._left == 0 or thrown >= self._rule.rate:
            return False
        if self._left is not None:
            self._left -= 1
        return True
