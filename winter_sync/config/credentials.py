"""The secrets: from the settings, files, the environment or credential directories.

They leave this module only inside `Credentials`, and are in none of its errors.
"""

from __future__ import annotations

import errno
import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from winter_sync.core import Credentials, ErrorCode, UsageError, read_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pydantic import SecretStr

    from winter_sync.config.settings import Settings

_LONGEST_SECRET = 64 * 1024
_SHORTEST_TOKEN = 16
_REMEDIES = {
    errno.ENOENT: "Correct its path; or run `install -m 600 /dev/stdin {}`, paste the secret, and "
    "end with Enter and Ctrl-D.",
    errno.EACCES: 'Run `sudo chown "$(id -un)" {0} && chmod 600 {0}`, as the user who runs '
    "winter-sync.",
}
"""What to do about the file of a secret, by what the system says of it."""
_OTHER = "Check its path, its owner and its mode (0400 for the service's user)."
_SECRET_DIRECTORY = Path("/run/secrets")


def collect_credentials(settings: Settings) -> tuple[Credentials, list[UsageError]]:
    """Collect the secrets from the settings, secret files and the usual environment variables.

    Each is taken from the first of: the settings themselves, the file that they name,
    `WINTER_API_*` in the environment, a file in `$CREDENTIALS_DIRECTORY` or `/run/secrets`.
    `WINTER_API_KEY` belongs to `WINTER_API_PROGRAM`, or to the only program there is. The secret of
    a webhook may be missing: then nothing that is posted to it is signed.

    Returns
    -------
    Credentials
        The secrets; those that are missing are empty.
    list of UsageError
        A fault for each that is missing or whose file cannot be read.
    """
    faults: list[UsageError] = []

    def tried(find: Callable[[], str | None]) -> str | None:
        try:
            return find()
        except UsageError as fault:
            faults.append(fault)
            return None

    user, password, *keys = (tried(secret.find) or "" for secret in _secrets(settings))
    found = {name: tried(secret.find_optional) for name, secret in _sink_secrets(settings)}
    sinks = {name: secret for name, secret in found.items() if secret is not None}
    token = tried(lambda: read_page_token(settings.http.token_file))
    names = [program.name for program in settings.programs]
    by_name = dict(zip(names, keys, strict=True))
    return Credentials(user, password, by_name, _proxy(settings), sinks, token), faults


def read_page_token(file: Path | None) -> str | None:
    """Return the token that whoever looks at the pages gives; None if none is set.

    It is in the file, or in a file winter_http_token of the credential directories.

    Raises
    ------
    UsageError
        If its file cannot be read, or it could be guessed.
    """
    token = _Secret(
        "token of the pages",
        'token_file = "FILE" under [http]',
        None,
        file,
        None,
        "winter_http_token",
    ).find_optional()
    if token is not None and (len(token) < _SHORTEST_TOKEN or not token.isascii()):
        raise UsageError(
            f"the token of the pages has fewer than {_SHORTEST_TOKEN} characters, or others than "
            "ASCII",
            remedy="Make one: `openssl rand -hex 24`.",
            code=ErrorCode.SETTINGS_SECRET,
        )
    return token


def secret_places(settings: Settings) -> tuple[str, str, dict[str, str]]:
    """Return where the user name, the password and the key of each program come from, in words."""
    user, password, *keys = (secret.place for secret in _secrets(settings))
    names = (program.name for program in settings.programs)
    return user, password, dict(zip(names, keys, strict=True))


def secret_files(settings: Settings) -> tuple[Path, ...]:
    """Return the files that the settings name for secrets.

    Those in `$CREDENTIALS_DIRECTORY` and `/run/secrets` are not included: whoever made these
    directories decides who may read them.
    """
    named = (
        settings.api.password_file,
        *(table.api_key_file for table in settings.programs),
        *(sink.secret_file for sink in settings.sinks),
        settings.http.token_file,
    )
    return tuple(dict.fromkeys(path for path in named if path is not None))


def _proxy(settings: Settings) -> tuple[str, ...]:
    """Return the secrets of the proxy; none if it cannot be used, for then it never is."""
    try:
        proxy = settings.proxy
    except UsageError:
        return ()
    return () if proxy is None else proxy.secrets


def _secrets(settings: Settings) -> Iterator[_Secret]:
    """Yield the user name, the password and the key of each program, in this order."""
    api, programs = settings.api, settings.programs
    yield _Secret(
        "user name",
        'user = "you@example.org" under [api]',
        api.user,
        None,
        "WINTER_API_USER",
        "winter_api_user",
    )
    yield _Secret(
        "password",
        'password_file = "FILE" under [api]',
        api.password,
        api.password_file,
        "WINTER_API_PASSWORD",
        "winter_api_password",
    )
    for program in programs:
        only = program.name if len(programs) == 1 else None
        ours = os.environ.get("WINTER_API_PROGRAM") or only
        yield _Secret(
            f"API key of program {program.name}",
            f'api_key_file = "FILE" below name = "{program.name}"',
            program.api_key,
            program.api_key_file,
            "WINTER_API_KEY" if program.name == ours else None,
            f"winter_api_key_{program.name}",
        )


def _sink_secrets(settings: Settings) -> Iterator[tuple[str, _Secret]]:
    """Yield the name of each webhook, and where the secret that signs its events may be."""
    for sink in settings.sinks:
        if sink.url is not None:
            yield (
                sink.name,
                _Secret(
                    f"secret of sink {sink.name}",
                    f'secret_file = "FILE" below name = "{sink.name}"',
                    sink.secret,
                    sink.secret_file,
                    f"WINTER_SINK_SECRET_{sink.name.upper().replace('-', '_')}",
                    f"winter_sink_secret_{sink.name}",
                ),
            )


@dataclass(frozen=True, slots=True)
class _Secret:
    """A secret and the places where it can be, in their order."""

    what: str
    line: str
    """What sets it in the settings file."""
    value: SecretStr | None = field(repr=False)
    file: Path | None
    variable: str | None
    credential: str

    def find(self) -> str:
        """Return the secret from the first place that has it.

        Raises
        ------
        UsageError
            If no place has it, two of the settings have it, or its file cannot be read.
        """
        found = self.find_optional()
        if found is None:
            raise self._missing()
        return found

    def find_optional(self) -> str | None:
        """Return the secret from the first place that has it; None if no place has it.

        Raises
        ------
        UsageError
            If two of the settings have it, or its file cannot be read.
        """
        if self.value is not None and self.file is not None:
            raise UsageError(
                f"the {self.what} is given both as a value and as a file",
                remedy="Keep one of the two.",
                code=ErrorCode.SETTINGS_SECRET,
            )
        if self.value is not None and self.value.get_secret_value():
            return self.value.get_secret_value()
        if self.variable and self.file is None and (found := os.environ.get(self.variable)):
            return found
        if (file := self.file or self._credential_file()) is not None:
            return _read_secret(file, self.what)
        return None

    @property
    def place(self) -> str:
        """Where it comes from, in the order of `find`."""
        if self.value is not None and self.value.get_secret_value():
            key, _, example = self.line.partition(' = "')
            _, _, section = example.partition('" ')
            return f"{key.removesuffix('_file')} {section}"
        if self.variable and self.file is None and os.environ.get(self.variable):
            return self.variable
        return str(self.file or self._credential_file())

    def _credential_file(self) -> Path | None:
        """Return the file in a credential directory that has the secret; None if there is none."""
        files = (directory / self.credential for directory in _secret_directories(os.environ))
        return next((file for file in files if os.path.lexists(file)), None)

    def _missing(self) -> UsageError:
        variable = f"set {self.variable}, or " if self.variable else ""
        return UsageError(
            f"no {self.what} is set",
            remedy=f"Write {self.line}, {'' if variable else 'or '}{variable}make a file "
            f"{self.credential} in $CREDENTIALS_DIRECTORY or {_SECRET_DIRECTORY}.",
            code=ErrorCode.SETTINGS_MISSING,
        )


def _read_secret(path: Path, what: str) -> str:
    """Read a file that contains one line, which is the secret."""
    where = f"the file of the {what}, {path},"
    try:
        text = _text_of(path)
    except OSError as unreadable:
        raise UsageError(
            f"{where} cannot be read: {unreadable.strerror}",
            remedy=_REMEDIES.get(unreadable.errno or 0, _OTHER).format(shlex.quote(str(path))),
            code=ErrorCode.SETTINGS_SECRET,
        ) from None
    if not text or len(text.splitlines()) > 1:
        fault = "has more than one line" if text else "is empty"
        raise UsageError(
            f"{where} {fault}",
            remedy="Put the secret into it, on one line.",
            code=ErrorCode.SETTINGS_SECRET,
        )
    return text


def _text_of(path: Path) -> str:
    """Read a small text file.

    Raises
    ------
    OSError
        If it cannot be read or is not UTF-8. That error has none of the content in it.
    """
    content = read_regular(path, _LONGEST_SECRET, follow=True)
    try:
        return content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        reason = "it is not UTF-8"
    raise OSError(errno.EILSEQ, reason)


def _secret_directories(environ: Mapping[str, str]) -> Iterator[Path]:
    if given := environ.get("CREDENTIALS_DIRECTORY"):
        yield Path(given)
    yield _SECRET_DIRECTORY
