"""What delivers the events of a mirror to the sinks of the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.delivery import (
    Batching,
    Command,
    Deliverer,
    EventSink,
    Webhook,
)

if TYPE_CHECKING:
    from winter_sync.config import Settings, SinkSettings
    from winter_sync.core import (
        Credentials,
        Time,
    )
    from winter_sync.sync import (
        Mirror,
    )


def make_deliverer(
    settings: Settings, credentials: Credentials, mirror: Mirror, time: Time
) -> Deliverer:
    """Return what delivers the events of an open mirror to the sinks of the settings."""
    return Deliverer(
        [_event_sink(sink, credentials) for sink in settings.sinks],
        catalog=mirror.catalog,
        root=settings.root,
        locks=settings.state,
        keep=settings.events.keep,
        most=settings.events.most,
        emit=mirror.emit,
        time=time,
    )


def _event_sink(sink: SinkSettings, credentials: Credentials) -> EventSink:
    to: Command | Webhook
    if sink.url is not None:
        to = Webhook(sink.url.get_secret_value(), credentials.sinks.get(sink.name))
    else:
        to = Command(sink.command or ())
    return EventSink(
        sink.name,
        to,
        wanted=sink.wanted,
        batching=Batching(sink.batch),
        at_most=sink.at_most,
        quiet=sink.quiet,
        timeout=sink.timeout,
    )
