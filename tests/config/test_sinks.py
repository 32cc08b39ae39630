"""Sinks in the settings: what is right, what is refused, and where secrets may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.bare import leave_bare, whole_text, write

from winter_sync.config.credentials import secret_files
from winter_sync.config.files import holds_secret
from winter_sync.config.readiness import read_credentials
from winter_sync.config.settings import load_settings
from winter_sync.core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

BASE = """
[api]
user = "somebody"
password = "a password"
"""
COMMAND = 'name = "reduce"\ncommand = ["/opt/reduce"]\n'
HOOK = 'name = "chat-1"\nurl = "https://hooks.example.org/token?a=b"\n'


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    leave_bare(monkeypatch, tmp_path)


@pytest.mark.parametrize(
    ("sink", "fault"),
    [
        ('command = ["a"]', "sinks[1].name: it is missing"),
        ('name = "a b"\ncommand = ["a"]', "sinks[1].name: the name of a sink has letters, digits"),
        ('name = "a"', "sinks[1]: a sink has either a command or a url"),
        (COMMAND + 'url = "https://a.org"', "sinks[1]: a sink has either a command or a url"),
        ('name = "a"\ncommand = []', "sinks[1].command: must have at least one entry"),
        ('name = "a"\ncommand = "reduce"', "sinks[1].command: must be a list"),
        ('name = "a"\nurl = "hooks.example.org"', "sinks[1].url: an address is written like"),
        ('name = "a"\nurl = "ftp://example.org"', "sinks[1].url: an address is written like"),
        ('name = "a"\nurl = "https://me:hush@a.org"', "sinks[1].url: no user and password"),
        ('name = "a"\ncommand = ["a", "b\\u0000"]', "sinks[1].command[2]: no program can be given"),
        (COMMAND + 'secret = "hush"', "sinks[1]: a secret signs what is posted to a url"),
        (COMMAND + 'events = ["download"]', "'download' is not known; did you mean downloaded?"),
        (COMMAND + 'types = ["stacks"]', "'stacks' is not known; did you mean stack?"),
        (COMMAND + 'batch = "nights"', "'nights' is not known; did you mean night?"),
        (COMMAND + "at_most = 0", "sinks[1].at_most: must be at least 1"),
        (COMMAND + "timeout = 0", "sinks[1].timeout: must be more than 0"),
        (COMMAND + "event = []", "sinks[1].event: there is no such key; did you mean events?"),
        (COMMAND + "[[sinks]]\n" + COMMAND, "sink reduce appears twice"),
    ],
)
def test_faults_are_named(tmp_path: Path, sink: str, fault: str) -> None:
    """As those of other settings, and never with a secret."""
    with pytest.raises(UsageError) as wrong:
        load_settings(write(tmp_path, f"[[sinks]]\n{sink}\n"))
    assert fault in wrong.value.message
    assert "hush" not in whole_text(wrong.value)


def test_a_secret_is_found_where_secrets_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its file, the environment, a directory of credentials; without one nothing is signed."""
    path = write(tmp_path, f"{BASE}[[sinks]]\n{COMMAND}[[sinks]]\n{HOOK}")
    assert read_credentials(load_settings(path)).sinks == {}
    (tmp_path / "run-secrets").mkdir()
    (tmp_path / "run-secrets" / "winter_sink_secret_chat-1").write_text("of the directory\n")
    assert read_credentials(load_settings(path)).sinks == {"chat-1": "of the directory"}
    monkeypatch.setenv("WINTER_SINK_SECRET_CHAT_1", "of the environment")
    assert read_credentials(load_settings(path)).sinks == {"chat-1": "of the environment"}
    secret = tmp_path / "secret"
    secret.write_text("of the file\n")
    settings = load_settings(write(tmp_path, f'{BASE}[[sinks]]\n{HOOK}secret_file = "{secret}"\n'))
    credentials = read_credentials(settings)
    assert credentials.sinks == {"chat-1": "of the file"}
    assert "of the file" in credentials.secrets
    assert "of the file" not in repr(credentials)
    assert secret in secret_files(settings)
    secret.unlink()
    with pytest.raises(UsageError, match="secret of sink chat-1"):
        read_credentials(settings)


def test_a_secret_in_the_settings_makes_them_secret(tmp_path: Path) -> None:
    """So that `check` warns of others who may read them; nothing prints address or secret."""
    path = write(tmp_path, f'[[sinks]]\n{HOOK}secret = "hush"\n')
    assert holds_secret(path)
    shown = repr(load_settings(path))
    assert "token" not in shown.replace("token_file", "")
    assert "hush" not in shown
