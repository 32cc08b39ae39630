"""Recovery from killed processes: their published files adopted, their leases freed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.catalog import CatalogThread, Outcomes, Queue
from winter_sync.core import Recovered, run_in_thread

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from winter_sync.core import Sink
    from winter_sync.tree import Tree


async def recover(catalog: CatalogThread, tree: Tree, threads: Executor, emit: Sink) -> None:
    """Adopt what killed processes published, and free the rest of what they had on lease.

    Safe beside processes that are alive; emit an event if there was something to do.
    """
    claimants = await catalog.queue(Queue.claimants)
    sessions = await run_in_thread(threads, tree.sessions.take_over_dead)
    dead = [name for name, is_alive in sessions.items() if not is_alive]
    adopted = 0
    for name in dead:
        for evidence in await run_in_thread(threads, tree.recover_evidence, name):
            adopted += await catalog.outcomes(Outcomes.adopt, evidence)
    alive = set(sessions) - set(dead)
    released = await catalog.queue(Queue.release_sessions, alive, claimants)
    for name in dead:
        await run_in_thread(threads, tree.sessions.remove, name)
    if adopted or released:
        emit(Recovered(adopted, released))
