"""Requests made again when they fail, and held together while the server is not responding."""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, TypeVar

from winter_sync.archive.responses import is_worth_retrying
from winter_sync.core import (
    FAILED_REQUEST,
    CircuitOpenError,
    ErrorCode,
    Retrying,
    TransientError,
    WinterSyncError,
    without,
)

with without("tornado", "trio"):  # tenacity retries in their loops, too
    from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from winter_sync.archive.circuit_breaker import CircuitBreaker
    from winter_sync.core import Sink, Time

P = ParamSpec("P")
T = TypeVar("T")

_ATTEMPTS = 4
_ATTEMPTS_UNREACHED = 16
"""While a server that has answered refuses connections, the circuit breaker says when to give up;
this bounds one that answers its probes and then refuses what is asked."""


class Retries:
    """Makes calls again while they fail in a way that may pass.

    Parameters
    ----------
    circuit_breaker
        Holds all calls while the server is not responding, and learns how each one ended.
    time
        How to wait, and chance, which spreads retries.
    emit
        Receives an event before each retry.
    """

    def __init__(self, circuit_breaker: CircuitBreaker, time: Time, emit: Sink) -> None:
        self._circuit_breaker = circuit_breaker
        self._time = time
        self._emit = emit

    async def call(
        self, what: str, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what a call returns, after as many attempts as it takes.

        Raises
        ------
        WinterSyncError
            That of the last attempt.
        """
        retrying = AsyncRetrying(
            sleep=self._time.sleep,
            stop=self._has_ended,
            wait=self._wait,
            retry=retry_if_exception(is_worth_retrying),
            before_sleep=self._report,
            reraise=True,
            name=what,
        )
        return await retrying(self._attempt, call, *args, **kwargs)

    async def call_once(
        self, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what a call returns at the first attempt, whose failure blames nobody.

        Raises
        ------
        WinterSyncError
            That of the attempt, or that requests are held.
        """
        await self._circuit_breaker.wait_until_allowed()
        return await call(*args, **kwargs)

    async def _attempt(
        self, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Make one call, as soon as the server may be asked, and record how it ended."""
        await self._circuit_breaker.wait_until_allowed()
        try:
            answer = await call(*args, **kwargs)
        except CircuitOpenError:
            raise  # nothing was asked
        except TransientError as failure:
            self._circuit_breaker.record_failure(failure)
            raise
        except WinterSyncError:
            self._circuit_breaker.record_success()
            raise
        self._circuit_breaker.record_success()
        return answer

    def _wait(self, state: RetryCallState) -> float:
        """Return the seconds before the next attempt; an open circuit does its own waiting."""
        if self._circuit_breaker.is_open:
            return 0.0
        return FAILED_REQUEST.delay(state.attempt_number, self._time.random()).total_seconds()

    def _has_ended(self, state: RetryCallState) -> bool:
        """Return whether that was the last attempt; who never answered may not be the archive."""
        has_gone = self._circuit_breaker.has_answered and _code_of(state) is ErrorCode.NET_CONNECT
        return state.attempt_number >= (_ATTEMPTS_UNREACHED if has_gone else _ATTEMPTS)

    def _report(self, state: RetryCallState) -> None:
        self._emit(Retrying(str(_error_of(state)), state.upcoming_sleep, _code_of(state)))


def _code_of(state: RetryCallState) -> ErrorCode | None:
    error = _error_of(state)
    return error.code if isinstance(error, WinterSyncError) else None


def _error_of(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None
