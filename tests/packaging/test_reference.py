"""The pages of docs/reference are what the code says."""

from __future__ import annotations

import pytest
from reference import MADE, PAGES


@pytest.mark.parametrize("name", MADE)
def test_a_page_is_what_the_code_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, default, command or option is missing or other than in the program."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    assert (PAGES / name).read_text() == MADE[name](), "run tools/reference.py"
