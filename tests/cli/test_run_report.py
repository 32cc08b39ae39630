"""What a run says at its end."""

from __future__ import annotations

import pytest

from winter_sync.cli.views.run_report import about_files
from winter_sync.sync.report import Report


@pytest.mark.parametrize(
    ("altered", "said"),
    [(1, "1 file was changed after the download and left as it is"), (2, "left as they are")],
)
def test_edited_files_are_spoken_of_in_their_number(altered: int, said: str) -> None:
    """One is left as it is, several as they are; and what to do about them follows."""
    (line,) = about_files(Report(altered=altered))
    assert said in line
    assert "winter-sync verify --repair" in line
