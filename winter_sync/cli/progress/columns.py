"""The columns of a line of progress, as `rich.progress` has them, and how they fit a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.progress import ProgressColumn, TextColumn
from rich.text import Text

from winter_sync.core import show_duration, show_size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.progress import Task

_SHORTEST_BAR = 8
_LONGEST_BAR = 40
_GAP = 2
_MINUTE = 60


class Done(ProgressColumn):
    """Done and total, such as 3/40; nothing while there is nothing to do."""

    def render(self, task: Task) -> Text:
        """Render the two numbers."""
        return Text(f"{task.completed:.0f}/{task.total:.0f}" if task.total else "")


class Bytes(ProgressColumn):
    """The field `bytes`; nothing while there are none."""

    def render(self, task: Task) -> Text:
        """Render the size."""
        size = task.fields.get("bytes")
        return Text(show_size(size) if size else "")


class Speed(ProgressColumn):
    """The field `rate`, in bytes a second; nothing while it is not known."""

    def render(self, task: Task) -> Text:
        """Render the rate."""
        rate = task.fields.get("rate")
        return Text("" if rate is None else f"{show_size(rate)}/s")


class TimeLeft(ProgressColumn):
    """The field `seconds_left`, with a plus if it is `at_least` that; nothing if not known."""

    def render(self, task: Task) -> Text:
        """Render the time."""
        seconds = task.fields.get("seconds_left")
        if seconds is None:
            return Text()
        whole = round(seconds)
        time = f"{whole} s" if whole < _MINUTE else show_duration(whole)
        return Text(f"{time}{'+' if task.fields.get('at_least') else ''} left")


class Bar(ProgressColumn):
    """A bar that can be read without colours, as that of `rich` cannot."""

    def __init__(self, width: int, *, ascii_only: bool) -> None:
        super().__init__()
        self._width = width
        self._full, self._empty = "#-" if ascii_only else "\u2501\u2500"

    def render(self, task: Task) -> Text:
        """Render the bar."""
        done = int(task.completed / task.total * self._width) if task.total else self._width
        return Text(self._full * done + self._empty * (self._width - done))


@dataclass(frozen=True, slots=True)
class Ranked:
    """A column, and its rank: of several, the one with the highest is the first to be left out."""

    rank: int
    render: Callable[[Task], Text]


COLUMNS = (
    Ranked(5, TextColumn("{task.description}", markup=False).render),
    Ranked(1, Done().render),
    Ranked(4, Bytes().render),
    Ranked(3, Speed().render),
    Ranked(2, TimeLeft().render),
)


def render_line(
    task: Task, width: int, *, ascii_only: bool, columns: Sequence[Ranked] = COLUMNS
) -> Text:
    """Render a task in one line: the bar takes the space left, and is the first to be left out."""
    rendered = [(ranked.rank, ranked.render(task)) for ranked in columns]
    texts = _fitting([(rank, text) for rank, text in rendered if text.plain], width)
    space = min(width - sum(len(text) + _GAP for text in texts), _LONGEST_BAR)
    if task.total and space >= _SHORTEST_BAR:
        texts.insert(1, Bar(space, ascii_only=ascii_only).render(task))
    return crop(Text(" " * _GAP).join(texts), width)


def crop(text: Text, width: int) -> Text:
    """Make a text one line of at most this many columns, whatever is in it."""
    text.no_wrap, text.overflow = True, "crop"
    text.truncate(width, overflow="crop")
    return text


def _fitting(texts: list[tuple[int, Text]], width: int) -> list[Text]:
    """Leave out texts, those of the highest ranks first, until all fit; one stays."""
    while len(texts) > 1 and sum(len(text) + _GAP for _, text in texts) - _GAP > width:
        texts.remove(max(texts, key=lambda ranked: ranked[0]))
    return [text for _, text in texts]
