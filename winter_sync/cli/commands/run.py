"""`winter-sync run`: the daemon."""

from __future__ import annotations

import os
import signal
import time

import typer

from winter_sync.cli.process import finish, set_up_logging
from winter_sync.core import ExitCode


def run(context: typer.Context) -> None:
    """Keep the mirror up to date until told to stop: the daemon.

    SIGTERM or SIGINT stops it once the downloads under way have finished, or after daemon.grace; a
    second one stops it at once. SIGHUP makes it read its settings again.
    """
    # A SIGHUP sent while the settings are first read would otherwise end the process.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    import asyncio

    from winter_sync.cli.core_dumps import forbid_core_dumps
    from winter_sync.config import load_settings
    from winter_sync.core import Redaction, fan_out
    from winter_sync.daemon import Configuration, Service, SystemdNotifier
    from winter_sync.monitoring import Arrivals, log_events

    forbid_core_dumps()
    redaction = Redaction()

    def load() -> Configuration:
        configuration = Configuration.check(load_settings(context.obj.config))
        redaction.add(configuration.credentials)
        return configuration

    logger = set_up_logging(context.obj.log_level or "info", context.obj.log_format, redaction)
    notifier = SystemdNotifier.from_environment(os.environ)

    arrivals = Arrivals(logger, time.monotonic)

    async def serve() -> None:
        emit = fan_out(log_events(logger), arrivals.handle)
        service = Service(load, emit=emit, notifier=notifier)
        with service.signals.installed():
            await service.run()

    asyncio.run(serve())
    finish(ExitCode.DONE)
