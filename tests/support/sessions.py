"""A process that opens sessions of a tree; run as a script by the tests of the tree.

`sessions.py ROOT hold NAME` opens one and holds it until its input ends; `sessions.py ROOT spin
COUNT` opens and ends so many; `sessions.py ROOT judge` tells, for each line of input, which
sessions it takes for dead; `sessions.py ROOT prepare NAME` waits for a line and makes the mirror.
"""

from __future__ import annotations

import sys
from pathlib import Path

from winter_sync.tree import Tree


def hold(tree: Tree, name: str) -> None:
    """Hold a session until the input ends."""
    with tree.session(name):
        say("holding")
        sys.stdin.read()


def spin(tree: Tree, number: int) -> None:
    """Open and end many sessions."""
    for turn in range(number):
        with tree.session(f"spin-{turn}"):
            pass


def judge(tree: Tree) -> None:
    """Tell who is dead, whenever asked."""
    say("ready")
    for _ in sys.stdin:
        say(" ".join(name for name, alive in tree.sessions().items() if not alive))


def prepare(tree: Tree, name: str) -> None:
    """Make the mirror when told to; tell its name."""
    say("ready")
    sys.stdin.readline()
    say(tree.prepare(name))


def say(line: str) -> None:
    """Tell the parent a line."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    root, what, *more = sys.argv[1:]
    match what:
        case "hold":
            hold(Tree(Path(root)), more[0])
        case "spin":
            spin(Tree(Path(root)), int(more[0]))
        case "judge":
            judge(Tree(Path(root)))
        case "prepare":
            prepare(Tree(Path(root)), more[0])
