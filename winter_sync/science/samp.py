"""Files sent to TOPCAT, Aladin or DS9 by SAMP, the IVOA's protocol between desktop tools.

A hub, which most such tools bring along, connects them. Messages are those of "SAMP MTypes":
`table.load.votable`, `table.load.fits`, `image.load.fits`.
"""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from winter_sync.core import ErrorCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_PATIENCE_SECONDS = 120
"""How long to wait until a tool has loaded a file."""
_NAME = "winter-sync"
_OK = frozenset({"samp.ok", "samp.warning"})


class SampType(StrEnum):
    """What a tool is asked to do."""

    VOTABLE = "table.load.votable"
    FITS_TABLE = "table.load.fits"
    IMAGE = "image.load.fits"

    @property
    def identifier(self) -> str:
        """The name of the parameter by which the tool knows the file again."""
        return "image-id" if self is SampType.IMAGE else "table-id"


@dataclass(frozen=True, slots=True)
class SampMessage:
    """A file to be loaded, and the name that it is shown under."""

    type: SampType
    path: Path
    name: str


def message_for(path: Path) -> SampMessage:
    """Return the message that sends a file: an image or a table.

    Raises
    ------
    UsageError
        If it is neither, or not there.
    """
    if not path.is_file():
        raise UsageError(
            f"{path} is not a file", remedy="Name a FITS or VOTable file.", code=ErrorCode.USE_FILE
        )
    name = path.name.lower()
    if name.endswith((".vot", ".votable", ".xml")):
        return SampMessage(SampType.VOTABLE, path, path.name)
    if name.endswith((".fits", ".fit", ".fits.gz", ".fits.fz")):
        kind = SampType.FITS_TABLE if _is_table(path) else SampType.IMAGE
        return SampMessage(kind, path, path.name)
    raise UsageError(
        f"{path} is neither an image nor a table that SAMP tools load",
        remedy="Send a FITS image (.fits) or a table (.fits, .vot).",
        code=ErrorCode.USE_SAMP,
    )


def _is_table(path: Path) -> bool:
    """Return whether a FITS file holds a table and no image.

    Raises
    ------
    UsageError
        If it is not FITS.
    """
    from astropy.io import fits  # noqa: PLC0415 - takes long to import

    try:
        with fits.open(path) as hdus:
            shown = [hdu for hdu in hdus if hdu.header.get("NAXIS", 0)]
            return bool(shown) and all(type(hdu).__name__.endswith("TableHDU") for hdu in shown)
    except OSError as odd:
        raise UsageError(
            f"{path} cannot be opened as FITS: {odd}",
            remedy="Send a FITS image or a table.",
            code=ErrorCode.USE_FILE,
        ) from odd


def send(messages: Sequence[SampMessage], *, client: str | None = None) -> list[str]:
    """Send files to the tools that can load them, and wait until they have; return their names.

    Parameters
    ----------
    messages
        What to send.
    client
        The name of the tool to send to, such as "topcat"; all that can load it when None.

    Raises
    ------
    UsageError
        If there is no hub, no such tool, or a tool does not load a file.
    """
    reached = dict[str, None]()
    with _connected() as hub:
        for message in messages:
            for identifier, name in _recipients(hub, message, client).items():
                _deliver(hub, identifier, name, message)
                reached[name] = None
    return list(reached)


@contextmanager
def _connected() -> Iterator[Any]:
    """Connect to the hub as a client, and leave it again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy 8 says that it will move to pyvo
        from astropy import samp  # noqa: PLC0415 - takes long to import
    # The network is not asked who we are.
    with _quiet_log(), samp.conf.set_temp("use_internet", value=False):
        hub = samp.SAMPIntegratedClient(_NAME, "A mirror of WINTER data", callable=False)
        try:
            hub.connect()
        except (samp.SAMPHubError, OSError, KeyError) as nobody:
            raise UsageError(
                "there is no SAMP hub to send to",
                remedy="Start TOPCAT, Aladin, or another tool that has a hub, as this user; "
                "SAMP_HUB names another hub.",
                code=ErrorCode.USE_SAMP,
            ) from nobody
        try:
            yield hub
        finally:
            hub.disconnect()


@contextmanager
def _quiet_log() -> Iterator[None]:
    """Keep astropy's log silent: what happened is said in our own words."""
    logger = logging.getLogger("astropy")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _recipients(hub: Any, message: SampMessage, client: str | None) -> dict[str, str]:  # noqa: ANN401 - astropy has no types
    """Return the tools that load such a file: names by the hub's identifiers.

    Raises
    ------
    UsageError
        If there is none.
    """
    able = {each: _name_of(hub, each) for each in hub.get_subscribed_clients(message.type.value)}
    chosen = {
        identifier: name
        for identifier, name in able.items()
        if client is None or name.lower() == client.lower()
    }
    if not chosen:
        who = f"{client} is not connected, or" if client else "no tool that is connected"
        cannot = "cannot" if client else "can"
        known = ", ".join(sorted(set(able.values())))
        raise UsageError(
            f"{who} {cannot} load {message.path.name} ({message.type})",
            remedy=f"These can: {known}." if known else "Start TOPCAT, Aladin or DS9.",
            code=ErrorCode.USE_SAMP,
        )
    return chosen


def _name_of(hub: Any, identifier: str) -> str:  # noqa: ANN401 - astropy has no types
    metadata: Mapping[str, Any] = hub.get_metadata(identifier)
    return str(metadata.get("samp.name", identifier))


def _deliver(hub: Any, identifier: str, name: str, message: SampMessage) -> None:  # noqa: ANN401 - as above
    url = message.path.resolve().as_uri()
    parameters = {"url": url, "name": message.name, message.type.identifier: url}
    call = {"samp.mtype": message.type.value, "samp.params": parameters}
    try:
        response = hub.call_and_wait(identifier, call, str(_PATIENCE_SECONDS))
    except Exception as failed:  # XML-RPC has a fault of its own for each hub
        raise UsageError(
            f"{name} did not say that it loaded {message.path.name}: {failed}",
            remedy="Look at its window, and send the file again.",
            code=ErrorCode.USE_SAMP,
        ) from failed
    if response.get("samp.status") not in _OK:
        why = response.get("samp.error", {}).get("samp.errortxt", "without a reason")
        raise UsageError(
            f"{name} did not load {message.path.name}: {why}",
            remedy="Open the file in it by hand to see why.",
            code=ErrorCode.USE_SAMP,
        )
