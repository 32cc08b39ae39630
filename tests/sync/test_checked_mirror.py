"""What every check of files needs of a mirror."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.makers import NIGHT, PROGRAM, path_of, product

from winter_sync.catalog.records import Check, Scope
from winter_sync.core.products import Damage
from winter_sync.sync.file_check import FileFinding

if TYPE_CHECKING:
    from support.download_rig import DownloadRig

ONE, TWO = product(0), product(1)
SCOPE = Scope((PROGRAM,))


@pytest.mark.parametrize("follow", [False, True])
async def test_links_are_followed_where_that_is_set(
    downloads: DownloadRig, *, follow: bool
) -> None:
    """By each kind of check: of every file, of what changed, and of one in full."""
    await downloads.want(ONE, TWO)
    downloads.send_all()
    mirror = downloads.mirror()
    await mirror.fetch(SCOPE)
    one, two = await downloads.polling.catalog(lambda catalog: catalog.files.held(SCOPE, NIGHT))
    directory = (downloads.tree.root / path_of(ONE)).parent
    (directory / ONE.filename).unlink()
    directory.rename(downloads.tree.root / "elsewhere")
    directory.symlink_to(downloads.tree.root / "elsewhere")
    checked = replace(mirror.quick_check.mirror, follow_links=follow)
    each = checked.stat_each([one, two])
    with checked.examine(two, bytearray(10**6)) as examination:
        while examination.step():
            pass
        read = examination.seen
    if follow:
        missing = FileFinding(Check(one, Damage.MISSING, "there is no such file"))
        assert each == [missing, FileFinding(Check(two))]
        assert checked.find_changed([one, two]) == [missing]
        assert (read.unreadable, read.size) == (None, two.size)
    else:
        assert [finding.check for finding in each] == [Check(one), Check(two)]
        assert all(finding.unreadable for finding in each)
        assert checked.find_changed([one, two]) == each
        assert read == each[1]
