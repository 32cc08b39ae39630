"""What the released client `winterapi` keeps of an account: read, and never written.

Its release 1.7.1 keeps user, password and programs as JSON in a file of the home directory,
encrypted (Fernet) with a key that it puts into the system keyring (its module `credentials`).
"""

from __future__ import annotations

import base64
import binascii
import importlib.util
import json
import shlex
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from winter_sync.core import ErrorCode, StorageError, UsageError, read_regular

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE_NAME = ".winterapi.txt"
KEYRING_SERVICE, KEYRING_USER = "winterapi", "apisaltkey"
EXTRA = "from-winterapi"
_LONGEST = 1024 * 1024
_BY_HAND = "run `winter-sync init` without --from-winterapi and type them"
_BY_HAND_REMEDY = f"Give them again: {_BY_HAND}."


@dataclass(frozen=True, slots=True)
class Stored:
    """What the client keeps; printing it shows no secret."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The key of each program, by its name."""
    path: Path | None = None

    @property
    def said(self) -> str:
        """What was found, in a line without secrets."""
        programs = ", ".join(self.keys) or "none"
        return f"{self.path}: account {self.user or 'none'}; programs: {programs}"


def read_store(home: Path) -> Stored:
    """Return what the client keeps in a home directory.

    Raises
    ------
    UsageError
        If there is nothing, it is not what the client writes, or its key cannot be read.
    StorageError
        If the file cannot be read.
    """
    path = home / FILE_NAME
    token = _read(path)
    key = _key_of_keyring()
    try:
        content = json.loads(_decrypt(token, key, path))
    except (ValueError, RecursionError):
        content = None
    if (stored := _understand(content, path)) is None:
        raise UsageError(
            f"{path} was decrypted, and is not what winterapi 1.7 writes",
            remedy=_BY_HAND_REMEDY,
            code=ErrorCode.SETTINGS_WINTERAPI,
        )
    if stored.user is None and not stored.keys:
        raise UsageError(
            f"{path} holds neither an account nor a program",
            remedy=_BY_HAND_REMEDY,
            code=ErrorCode.SETTINGS_WINTERAPI,
        )
    return stored


def _read(path: Path) -> bytes:
    """Return the content of the file, which is encrypted."""
    try:
        return read_regular(path, _LONGEST, follow=True)
    except FileNotFoundError:
        raise UsageError(
            f"{path}: not found; winterapi keeps the account and programs of this user there",
            remedy=f"Run as the user whose winterapi has them, or {_BY_HAND}.",
            code=ErrorCode.SETTINGS_WINTERAPI,
        ) from None
    except OSError as unreadable:
        raise StorageError(
            f"{path} cannot be read: {unreadable.strerror}",
            remedy=f"Run as the user whose file it is, or {_BY_HAND}.",
            code=ErrorCode.DISK_ERROR,
        ) from None


def _key_of_keyring() -> bytes:
    """Return the key that the client put into the keyring."""
    try:
        import keyring
        from keyring.errors import KeyringLocked, NoKeyringError
    except ImportError:
        raise _lacks_libraries() from None
    environment = "Use the environment where winterapi works: install winter-sync there"
    try:
        key = keyring.get_password(KEYRING_SERVICE, KEYRING_USER)
    except NoKeyringError:
        fault = "this Python finds no system keyring, which has the key of winterapi's file"
    except KeyringLocked:
        fault = "the system keyring, which has the key of winterapi's file, is locked"
        environment = "Unlock it"
    except Exception:  # noqa: BLE001 - keyrings are others' plug-ins, which raise what they like
        fault = "the system keyring, which has the key of winterapi's file, does not answer"
    else:
        if key is not None:
            return key.encode()
        fault = "the system keyring has no key for winterapi's file"
    raise UsageError(
        fault, remedy=f"{environment}; or {_BY_HAND}.", code=ErrorCode.SETTINGS_WINTERAPI
    )


def _decrypt(token: bytes, key: bytes, path: Path) -> bytes:
    """Return the content of the file."""
    try:
        from cryptography.fernet import Fernet, InvalidToken
    except ImportError:
        raise _lacks_libraries() from None
    if not _is_token(token):
        raise UsageError(
            f"{path} is {'damaged' if token else 'empty'}: it is not an encrypted file as "
            "winterapi writes it",
            remedy=_BY_HAND_REMEDY,
            code=ErrorCode.SETTINGS_WINTERAPI,
        )
    try:
        return Fernet(key).decrypt(token)
    except (InvalidToken, ValueError):
        # Fernet does not tell a changed byte from another key.
        raise UsageError(
            f"{path} cannot be decrypted: it is damaged, or the key in this user's keyring is that "
            "of another file",
            remedy=f"Run as the user whose winterapi wrote it, or {_BY_HAND}.",
            code=ErrorCode.SETTINGS_WINTERAPI,
        ) from None


def _is_token(token: bytes) -> bool:
    """Return whether a file is encrypted at all: URL-safe base64 of something of version 0x80."""
    try:
        return base64.urlsafe_b64decode(token)[:1] == b"\x80"
    except (ValueError, binascii.Error):
        return False


def _understand(content: Any, path: Path) -> Stored | None:  # noqa: ANN401 - whatever JSON has
    """Return what was kept; None if it is not of the client's form."""
    if not isinstance(content, dict):
        return None
    user, password = content.get("user"), content.get("password")
    programs = content.get("programs", {})
    if not isinstance(programs, dict) or not all(
        isinstance(program, dict) for program in programs.values()
    ):
        return None
    keys = {name: program.get("prog_key") for name, program in programs.items()}
    secrets = [user, password, *keys.values()]
    if not all(secret is None or _is_line(secret) for secret in secrets) or None in keys.values():
        return None
    return Stored(user, password, keys, path)


def _is_line(secret: object) -> bool:
    """Return whether a secret can be kept in a file of its own, on one line."""
    return isinstance(secret, str) and secret == secret.strip() and len(secret.splitlines()) == 1


def _lacks_libraries() -> UsageError:
    python = shlex.quote(sys.executable)
    has_pip = importlib.util.find_spec("pip") is not None
    install = f"{python} -m pip install" if has_pip else f"uv pip install --python {python}"
    return UsageError(
        "winterapi encrypts its file, and the libraries to read it are not installed",
        remedy=f"Run `{install} 'winter-sync[{EXTRA}]'`, then this again.",
        code=ErrorCode.SETTINGS_WINTERAPI,
    )
