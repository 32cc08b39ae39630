"""A keyring in a file of the home directory: for the client and for us, where there is no desktop.

It imports nothing of the project, because the client's own environment has nothing of it.
"""

from __future__ import annotations

import json
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError


class FileKeyring(KeyringBackend):
    """Words as they are, which is enough for passwords of a simulated observatory."""

    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        """Return a word; None if there is none."""
        return self._words().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a word."""
        self._write(self._words() | {f"{service}/{username}": password})

    def delete_password(self, service: str, username: str) -> None:
        """Forget a word.

        Raises
        ------
        PasswordDeleteError
            If there is none.
        """
        words = self._words()
        if words.pop(f"{service}/{username}", None) is None:
            raise PasswordDeleteError(username)
        self._write(words)

    @staticmethod
    def _words() -> dict[str, str]:
        path = keyring_path(Path.home())
        return dict(json.loads(path.read_text())) if path.exists() else {}

    @staticmethod
    def _write(words: dict[str, str]) -> None:
        keyring_path(Path.home()).write_text(json.dumps(words))


def keyring_path(home: Path) -> Path:
    """Return where the words of a user are."""
    return home / "keyring.json"


def use_file_keyring(home: Path) -> None:
    """Make this the keyring of a user: of whoever imports `keyring` with this home from now on."""
    file = home / ".config/python_keyring/keyringrc.cfg"
    file.parent.mkdir(parents=True)
    tests = Path(__file__).parent.parent
    file.write_text(
        f"[backend]\ndefault-keyring=support.file_keyring.FileKeyring\nkeyring-path={tests}\n"
    )
