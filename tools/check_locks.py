"""Check that the locks hold all that pyproject.toml asks for, in versions that it allows."""

from __future__ import annotations

import re
import sys
import tomllib
from itertools import chain
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


def locked(name: str) -> dict[str, set[str]]:
    """Return the versions that a lock holds, by package."""
    found: dict[str, set[str]] = {}
    for package, version in PINNED.findall((ROOT / "locks" / name).read_text()):
        found.setdefault(canonicalize_name(package), set()).add(version)
    return found


def complaints() -> list[str]:
    """Return every requirement that a lock does not fulfil."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    documentation = groups.pop("documentation")
    wanted = {
        "runtime.txt": project["project"]["dependencies"],
        "build.txt": groups["build"],
        "documentation.txt": [*groups["build"], *documentation],
        "development.txt": [
            *project["project"]["dependencies"],
            *chain(*project["project"]["optional-dependencies"].values(), *groups.values()),
        ],
    }
    found = []
    for lock, requirements in wanted.items():
        versions = locked(lock)
        for requirement in map(Requirement, requirements):
            held = versions.get(canonicalize_name(requirement.name), set())
            if not held or not all(map(requirement.specifier.contains, held)):
                found.append(f"locks/{lock}: {requirement} is wanted, {held or 'nothing'} is held")
    return found


if __name__ == "__main__":
    for complaint in (said := complaints()):
        print(complaint, file=sys.stderr)
    sys.exit(1 if said else 0)
