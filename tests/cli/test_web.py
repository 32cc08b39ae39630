"""`winter-sync web`: the pages of a mirror that no daemon keeps."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import urllib.request
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support.answers import used

from winter_sync.catalog import Catalog
from winter_sync.cli.options import CommonOptions
from winter_sync.cli.web import serve_pages
from winter_sync.core import CATALOG, STATE_DIR, UsageError, utc_now
from winter_sync.tree import Tree

if TYPE_CHECKING:
    from pathlib import Path


def test_a_mirror_is_shown_until_told_to_stop(tmp_path: Path) -> None:
    """By its root alone; it says where, and what it does not know without a daemon."""
    root = tmp_path / "winter"
    root.mkdir()
    Tree(root).prepare("mirror")
    with closing(Catalog(root / STATE_DIR / CATALOG, utc_now)) as catalog:
        used(catalog)
    command = [sys.executable, "-m", "winter_sync", "web", "--root", str(root), "--listen"]
    with subprocess.Popen(  # noqa: S603 - ours
        [*command, "127.0.0.1:0"], stdout=subprocess.PIPE, text=True
    ) as serving:
        assert serving.stdout is not None
        said = serving.stdout.readline()
        assert str(root) in said
        address = next(word for word in said.split() if word.startswith("http://"))
        with urllib.request.urlopen(address) as answer:  # noqa: S310 - the same
            page = answer.read().decode()
        assert "whether a daemon runs is not known here" in page
        assert "SN2024wex" in page
        serving.send_signal(signal.SIGINT)
        assert serving.wait(20) == 0


def test_pages_that_cannot_be_served_are_explained(tmp_path: Path) -> None:
    """No mirror, an address that others reach without a token, or a token that can be guessed."""

    def serve(listen: str, token_file: Path | None = None) -> None:
        options = CommonOptions(None, None, "auto")
        asyncio.run(serve_pages(options, listen=listen, root=tmp_path, token_file=token_file))

    with pytest.raises(UsageError, match="there is no mirror"):
        serve("127.0.0.1:0")
    Tree(tmp_path).prepare("mirror")
    Catalog(tmp_path / STATE_DIR / CATALOG, utc_now).close()
    with pytest.raises(UsageError, match="other machines could reach the pages"):
        serve("0.0.0.0:0")
    (tmp_path / "token").write_text("too short\n")
    with pytest.raises(UsageError, match="fewer than 16 characters") as guessed:
        serve("0.0.0.0:0", tmp_path / "token")
    assert "too short" not in guessed.value.message
