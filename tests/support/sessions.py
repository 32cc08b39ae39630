"""A process that opens sessions of a tree; run as a script by the tests of the tree.

`sessions.py ROOT hold NAME` opens one and holds it until its input ends. `sessions.py ROOT spin`
opens and ends one after the other until then. `sessions.py ROOT judge` tells, for each line of
input, which sessions it takes for dead. `sessions.py ROOT prepare NAME` makes the mirror when it
is given a line, and tells its name. `sessions.py ROOT promise NAME SIZE` holds a session, sets so
many bytes aside, and gives back as many as each line of input says.
"""

from __future__ import annotations

import sys
import threading
from itertools import count
from pathlib import Path

from winter_sync.tree.tree import Tree


def hold(tree: Tree, name: str) -> None:
    """Hold a session until the input ends."""
    with tree.session(name):
        say("holding")
        sys.stdin.read()


def spin(tree: Tree) -> None:
    """Open and end sessions until the input ends."""
    listener = threading.Thread(target=sys.stdin.read)
    listener.start()
    say("spinning")
    for turn in count():
        with tree.session(f"spin-{turn}"):
            if not listener.is_alive():
                return


def judge(tree: Tree) -> None:
    """Report the dead sessions, whenever asked."""
    say("ready")
    for _ in sys.stdin:
        say(" ".join(name for name, alive in tree.sessions.take_over_dead().items() if not alive))


def prepare(tree: Tree, name: str) -> None:
    """Make the mirror on request; print its name."""
    say("ready")
    sys.stdin.readline()
    say(tree.prepare(name))


def promise(tree: Tree, name: str, size: int) -> None:
    """Set space aside, and give back what the parent says."""
    with tree.session(name):
        tree.space.reserve(size)
        say("promised")
        for line in sys.stdin:
            tree.space.release(int(line))
            say("redeemed")


def say(line: str) -> None:
    """Send the parent a line."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    root, what, *more = sys.argv[1:]
    match what:
        case "hold":
            hold(Tree(Path(root)), more[0])
        case "spin":
            spin(Tree(Path(root)))
        case "judge":
            judge(Tree(Path(root)))
        case "promise":
            promise(Tree(Path(root)), more[0], int(more[1]))
        case "prepare":
            prepare(Tree(Path(root)), more[0])
