"""Build the wheel and the source distribution: the same bytes for the same commit, anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

CHECKOUT = Path(__file__).parent.parent
_BUILD = """
import sys
from pathlib import Path
from flit_core import buildapi

into = sys.argv[1]
for build in sys.argv[2:]:
    print(Path(into, getattr(buildapi, f"build_{build}")(into)))
"""


def commit_time(checkout: Path = CHECKOUT) -> int | None:
    """Return when the checked out commit was made, in Unix time; nothing outside of Git."""
    asked = ["git", "-C", str(checkout), "log", "-1", "--format=%ct"]
    said = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    return int(said.stdout) if said.returncode == 0 else None


def build(source: Path, into: Path, *kinds: str, epoch: int | None) -> list[Path]:
    """Build a source tree: `wheel`, `sdist`, or both; return the files in this order.

    All files within have the time `epoch`, or what `SOURCE_DATE_EPOCH` says.
    """
    into.mkdir(parents=True, exist_ok=True)
    dated = {} if epoch is None else {"SOURCE_DATE_EPOCH": str(epoch)}
    built = subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-c", _BUILD, into, *kinds],
        cwd=source,
        env={**dated, **os.environ},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return list(map(Path, built.stdout.splitlines()))


def build_all(into: Path) -> tuple[Path, Path]:
    """Build the source distribution, and the wheel from it; return the wheel and the former."""
    epoch = commit_time()
    [sdist] = build(CHECKOUT, into, "sdist", epoch=epoch)
    with TemporaryDirectory(prefix="winter-sync-package-") as unpacked:
        with tarfile.open(sdist) as packed:
            packed.extractall(unpacked, filter="data")
        [source] = Path(unpacked).iterdir()
        [wheel] = build(source, into, "wheel", epoch=epoch)
    return wheel, sdist


def main() -> None:
    """Build into `dist`, where `*.whl` then means this wheel and no earlier one."""
    into = CHECKOUT / "dist"
    for earlier in into.glob("winter_sync-*"):
        earlier.unlink()
    for path in build_all(into):
        print(path.relative_to(CHECKOUT))


if __name__ == "__main__":
    main()
