"""Events to a webhook: a signed POST of JSON, within a time, to that address and no other."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from winter_sync.core import escape_unprintable, show_duration
from winter_sync.delivery.errors import NotDeliveredError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    import aiohttp

    from winter_sync.core import OutboxEvent
    from winter_sync.delivery.sinks import Webhook

TIMESTAMP_HEADER = "X-Winter-Sync-Timestamp"
SIGNATURE_HEADER = "X-Winter-Sync-Signature"
_SUCCESSES = range(200, 300)
_REDIRECTS = range(300, 400)
_SHOWN = 100


async def post_events(
    webhook: Webhook, events: Sequence[OutboxEvent], *, limit: timedelta, now: datetime
) -> None:
    """Post events as a JSON list; any status from 200 to 299 means that they were taken.

    Neither a proxy nor cookies are used, redirects are not followed, nothing of the answer's body
    is read, and of answers that only announce one no more than a few. No message has the address
    in it: its path may be a secret.

    Raises
    ------
    NotDeliveredError
        If they were not taken within the time.
    """
    import aiohttp  # noqa: PLC0415 - takes longer to import than most commands to run

    from winter_sync.archive import Connector  # noqa: PLC0415 - imports aiohttp

    body = f"[{','.join(event.json for event in events)}]".encode()
    headers = {"Content-Type": "application/json", **_signature(webhook, body, now)}
    timeout = aiohttp.ClientTimeout(total=limit.total_seconds())
    try:
        async with (
            aiohttp.ClientSession(
                connector=Connector(1, None), cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout
            ) as session,
            session.post(
                webhook.url, data=body, headers=headers, allow_redirects=False
            ) as response,
        ):
            status, reason = response.status, response.reason or ""
    except TimeoutError:
        shown = show_duration(limit.total_seconds())
        raise NotDeliveredError(f"{_host(webhook)} did not answer within {shown}") from None
    except (aiohttp.ClientError, OSError, ValueError) as failed:
        reason = _how_it_failed(failed)
        raise NotDeliveredError(f"{_host(webhook)} {reason}") from None
    if status not in _SUCCESSES:
        raise NotDeliveredError(f"{_host(webhook)} {_how_it_answered(status, reason)}")


def _signature(webhook: Webhook, body: bytes, now: datetime) -> dict[str, str]:
    """Return the headers that prove who sent the body, and when."""
    if webhook.secret is None:
        return {}
    timestamp = str(int(now.timestamp()))
    signed = timestamp.encode() + b"." + body
    digest = hmac.new(webhook.secret.encode(), signed, hashlib.sha256).hexdigest()
    return {TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: f"sha256={digest}"}


def _host(webhook: Webhook) -> str:
    parts = urlsplit(webhook.url)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


def _how_it_answered(status: int, reason: str) -> str:
    if status in _REDIRECTS:
        return f"redirects ({status}), which is not followed: set url to the final address"
    return f"answered {status} {escape_unprintable(reason)[:_SHOWN]}".rstrip()


def _how_it_failed(failed: aiohttp.ClientError | OSError | ValueError) -> str:
    """Return why there was no answer, without a word of what was sent or where."""
    import aiohttp  # noqa: PLC0415 - as above

    from winter_sync.archive import (  # noqa: PLC0415 - as above
        MOST_INFORMATIONAL,
        TooManyInformationalError,
    )

    if isinstance(failed, TooManyInformationalError):
        return f"sent more than {MOST_INFORMATIONAL} informational answers (1xx) and no other"
    if isinstance(failed, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return "has no TLS certificate that this machine trusts, or speaks no TLS"
    if isinstance(failed, aiohttp.ClientConnectorError):
        reason = failed.os_error.strerror or "its name is not known"
        return f"cannot be reached: {escape_unprintable(reason)[:_SHOWN]}"
    if isinstance(failed, aiohttp.ClientResponseError | ValueError):
        return "answered with something that is not HTTP"
    return "closed the connection before it answered"
