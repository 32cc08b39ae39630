"""Values of single keys: how each is written in the settings file, and what is refused."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, HttpUrl, SecretStr

from winter_sync.core import PROXY_SETTING, Night, parse_duration, parse_proxy

_LAST_PORT = 65535
_SIZE = re.compile(r"\d{1,18}(\.\d{1,18})?\s*(([kmgt]i?)?b)?", re.ASCII | re.IGNORECASE)


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError('a duration is written like "30s", "10m" or "1d"')  # noqa: TRY004 - pydantic shows only ValueErrors
    return parse_duration(value if isinstance(value, str) else f"{value}s")


def _positive(wait: timedelta) -> timedelta:
    if wait <= timedelta(0):
        raise ValueError("must be more than 0")
    return wait


def _size(value: object) -> object:
    """Refuse what pydantic would take for a size too: bits, and words after the unit."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            raise ValueError("must be at least 0")
        return value
    if not isinstance(value, str) or not _SIZE.fullmatch(value.strip()):
        raise ValueError(f'a size is written like "500 MB" or "10 GiB", not {value!r}')
    return value.strip()


def _rate(value: object) -> object:
    """Read a size per second; the "/s" may be left out."""
    return _size(value.strip().removesuffix("/s").rstrip() if isinstance(value, str) else value)


def _night(value: object) -> object:
    if isinstance(value, Night):
        return value
    if isinstance(value, date):
        return Night.of(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError('a night is written like "20240211"')  # noqa: TRY004 - as above
    return Night(str(value).replace("-", ""))


def _written_path(value: object) -> object:
    if isinstance(value, str) and (not value.strip() or "\0" in value):
        raise ValueError("must be a path")
    return value


def _absolute(path: Path) -> Path:
    try:
        return path.expanduser().absolute()
    except RuntimeError:
        raise ValueError(f"there is no home directory {path.parts[0]}") from None


def _bare_address(url: HttpUrl) -> HttpUrl:
    """Refuse what does not belong in an address, above all a secret."""
    if url.username or url.password:
        raise ValueError("no user and password in the address: set user and password_file")
    if url.query or url.fragment:
        raise ValueError("an address has no ? and no # in it")
    try:
        (url.host or "").encode("idna")
    except UnicodeError:
        raise ValueError("its host is not a valid name") from None
    return url


def _proxy(given: SecretStr) -> SecretStr:
    """Refuse what is not a proxy; an empty text means no proxy at all."""
    if given.get_secret_value():
        parse_proxy(given.get_secret_value(), PROXY_SETTING)
    return given


def _listening_address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not re.fullmatch(r"\d{1,5}", port, re.ASCII) or int(port) > _LAST_PORT:
        raise ValueError('an address and a port are written like "127.0.0.1:8765"')
    return text


def _host_name(text: str) -> str:
    if not re.fullmatch(r"[\w-]+(\.[\w-]+)*\.?", text, re.ASCII):
        raise ValueError('a host name is written like "mirror.example.org", without a port')
    return text.lower().removesuffix(".")


def program_name(text: str) -> str:
    """Return the name of a program.

    Raises
    ------
    ValueError
        If it is none.
    """
    if not re.fullmatch(r"[A-Za-z0-9]{8}", text, re.ASCII):
        raise ValueError("a program name has eight letters and digits, like 2024A000")
    return text


def _argument(text: str) -> str:
    """Refuse what no program can be given."""
    if "\0" in text:
        raise ValueError("no program can be given a NUL character")
    return text


def _sink_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", text, re.ASCII):
        raise ValueError('the name of a sink has letters, digits, "-" and "_", at most 40')
    return text


def _webhook_url(given: SecretStr) -> SecretStr:
    """Refuse what is no address that can be posted to; no message has any of it."""
    try:
        parts = urlsplit(given.get_secret_value())
        is_right = bool(parts.hostname) and parts.port != 0 and given.get_secret_value().isascii()
    except ValueError:
        is_right = False
    else:
        is_right = is_right and parts.scheme in {"http", "https"} and not parts.fragment
    if not is_right or any(letter.isspace() for letter in given.get_secret_value()):
        raise ValueError('an address is written like "https://hooks.example.org/winter"')
    if parts.username is not None or parts.password is not None:
        raise ValueError("no user and password in the address: the signature says who posts")
    return given


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Wait = Annotated[Duration, AfterValidator(_positive)]
Size = Annotated[ByteSize, BeforeValidator(_size)]
Rate = Annotated[ByteSize, BeforeValidator(_rate)]
NightSetting = Annotated[Night, BeforeValidator(_night)]
PathSetting = Annotated[Path, BeforeValidator(_written_path), AfterValidator(_absolute)]
Address = Annotated[HttpUrl, AfterValidator(_bare_address)]
ProxySetting = Annotated[SecretStr, AfterValidator(_proxy)]
ListeningAddress = Annotated[str, AfterValidator(_listening_address)]
HostName = Annotated[str, AfterValidator(_host_name)]
Argument = Annotated[str, Field(min_length=1), AfterValidator(_argument)]
SinkName = Annotated[str, AfterValidator(_sink_name)]
WebhookUrl = Annotated[SecretStr, AfterValidator(_webhook_url)]
ProgramName = Annotated[str, AfterValidator(program_name)]
Degrees = Annotated[float, Field(ge=0, le=360)]
Declination = Annotated[float, Field(ge=-90, le=90)]
