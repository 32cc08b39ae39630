"""Record a command in a terminal of 80 columns, as a picture that moves.

The command runs for real; its output is drawn by an emulated terminal. Progress is shown as it was,
and what is printed in one go a few lines at a time, so that it can be read.
"""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import sys
import termios
import time
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import pyte

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS, ROWS = 80, 26
PROGRESS_FRAME_SECONDS = 0.6
READING_SECONDS = 0.9
LAST_SECONDS = 6.0
LINES_A_FRAME = 6
CHARACTER, LINE = 8.4, 18
MARGIN, TITLE = 14, 30
COLOURS = {
    "default": "#d5d8dc",
    "black": "#3b4048",
    "red": "#ec7a78",
    "green": "#8cc97e",
    "brown": "#e2c178",
    "blue": "#79aee8",
    "magenta": "#cf8dd6",
    "cyan": "#67c3cf",
    "white": "#f2f3f5",
}
STYLE = """
text { font: 14px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; white-space: pre }
.f { visibility: hidden; animation-iteration-count: infinite; animation-timing-function: step-end }
.f:last-child { visibility: visible }
@media (prefers-reduced-motion: reduce) { .f { animation: none !important } }
"""

Run = tuple[str, str, bool]
"""Characters of a line that look the same: the text, its colour, whether it is bold."""
Line = tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """What the terminal shows, and for how many seconds."""

    lines: tuple[Line, ...]
    seconds: float


def record(command: list[str]) -> Iterator[tuple[float, bytes]]:
    """Run a command in a terminal, and return what it prints, with the seconds since its start."""
    began = time.monotonic()
    process, terminal = pty.fork()
    if process == 0:
        os.environ.pop("NO_COLOR", None)
        os.environ.update(TERM="xterm-256color", COLUMNS=str(COLUMNS), LINES=str(ROWS))
        os.execv(command[0], command)  # noqa: S606 - as asked
    size = struct.pack("HHHH", ROWS, COLUMNS, 0, 0)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # how Linux tells that the other end is closed
            data = b""
        if not data:
            break
        yield time.monotonic() - began, data
    _, status = os.waitpid(process, 0)
    if status:
        raise SystemExit(f"{command} failed")


def frames(command: list[str], prompt: str) -> Iterator[Frame]:
    """Return the frames of a run, from the prompt to the end."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    stream.feed(prompt.encode())
    yield Frame(_shown(screen), READING_SECONDS)
    stream.feed(b"\r\n")
    last = 0.0
    for at, data in record(command):
        for number, line in enumerate(data.splitlines(keepends=True), 1):
            stream.feed(line)
            moves_back = b"\x1b[1A" in data
            if not moves_back and number % LINES_A_FRAME == 0:
                yield Frame(_shown(screen), READING_SECONDS)
        if at - last >= PROGRESS_FRAME_SECONDS:
            yield Frame(_shown(screen), PROGRESS_FRAME_SECONDS)
            last = at
    yield Frame(_shown(screen), LAST_SECONDS)


def _shown(screen: pyte.Screen) -> tuple[Line, ...]:
    return tuple(_line(screen.buffer[row]) for row in range(ROWS))


def _line(characters: dict[int, pyte.screens.Char]) -> Line:
    cells = [characters[column] for column in range(COLUMNS)]
    runs = [
        ("".join(cell.data for cell in cells), colour, bold)
        for (colour, bold), cells in groupby(cells, lambda cell: (cell.fg, cell.bold))
    ]
    while runs and not runs[-1][0].strip():
        runs.pop()
    return tuple(runs)


def picture(shown: list[Frame], title: str) -> str:
    """Return the frames as an SVG: each different line is in it once."""
    numbers = {line: n for n, line in enumerate(dict.fromkeys(w for f in shown for w in f.lines))}
    width, height = COLUMNS * CHARACTER + 2 * MARGIN, TITLE + ROWS * LINE + MARGIN
    total = sum(frame.seconds for frame in shown)
    rules, groups, at = [], [], 0.0
    for number, frame in enumerate(shown):
        begin, end = 100 * at / total, 100 * (at + frame.seconds) / total
        at += frame.seconds
        rules.append(
            f"@keyframes k{number} {{ 0% {{ visibility: {'hidden' if begin else 'visible'} }} "
            f"{begin:.2f}% {{ visibility: visible }} {end:.2f}% {{ visibility: hidden }} }}"
        )
        uses = "".join(
            f'<use href="#l{numbers[line]}" y="{row * LINE}"/>'
            for row, line in enumerate(frame.lines)
            if line
        )
        duration = f"animation-name:k{number};animation-duration:{total:.1f}s"
        groups.append(f'<g class="f" style="{duration}">{uses}</g>')
    lines = "".join(f'<text id="l{n}">{_spans(line)}</text>' for line, n in numbers.items() if line)
    view = f"0 0 {width:.0f} {height}"
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}" role="img">
<title>{escape(title)}</title>
<style>{STYLE}{"".join(rules)}</style>
<rect width="100%" height="100%" rx="8" fill="#1d2026"/>
<circle cx="20" cy="16" r="5" fill="#ec7a78"/><circle cx="38" cy="16" r="5" fill="#e2c178"/>
<circle cx="56" cy="16" r="5" fill="#8cc97e"/>
<defs>{lines}</defs>
<g transform="translate({MARGIN} {TITLE + LINE - 4})">{"".join(groups)}</g>
</svg>
"""


def _spans(line: Line) -> str:
    spans, column = [], 0
    for text, colour, bold in line:
        fill = COLOURS.get(colour) or f"#{colour}"
        weight = ' font-weight="bold"' if bold else ""
        length = f'textLength="{len(text) * CHARACTER:.1f}" lengthAdjust="spacingAndGlyphs"'
        place = f'x="{column * CHARACTER:.1f}" {length} fill="{fill}"{weight}'
        spans.append(f"<tspan {place}>{escape(text)}</tspan>")
        column += len(text)
    return "".join(spans)


def main(path: Path, command: list[str]) -> None:
    """Record a command, and write its picture."""
    shown = " ".join([Path(command[0]).name, *command[1:]])
    taken = list(frames(command, f"$ {shown}"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(picture(taken, f"{shown} in a terminal"), encoding="utf-8")
    print(f"{path}: {len(taken)} frames, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
