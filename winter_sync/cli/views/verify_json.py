"""The result of a verification as a script reads it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from winter_sync.core import Damage

if TYPE_CHECKING:
    from winter_sync.catalog import Damaged
    from winter_sync.maintenance import Result


def result_as_json(result: Result) -> str:
    """Write a result as JSON. These keys stay; more may be added.

    - `quick`, `repair`: how it was called; `programs`, `nights`: what it was narrowed to.
    - `checked`: files checked now; `bytes`: how much was read of them.
    - `checked_before`, `begun`: files found right by the interrupted run that this one resumed,
      and when that run began (ISO 8601, UTC, or null).
    - `counts`: how many are `missing`, `changed`, `unreadable`, `foreign`, `orphaned` in the end,
      `repaired` (downloaded again), `kept` (moved aside) and `unlisted`. `foreign` and `orphaned`
      are null where they were not looked for: with --program, and orphaned with --night.
    - `missing`, `changed`: lists of `path`, `instrument`, `savepath`, `night`, `reason`, `state`
      (`published`: nothing was done yet; `wanted`: will be downloaded; `missing`: the archive has
      no file now), `listed` (whether the archive still lists it), `last_error` (or null).
    - `unlisted`: what was missing here at a repair and is no longer listed by the archive, like
      the above; it is reported once.
    - `unreadable`, `notes`: lists of `path` and `reason`; a note is about a file that is as it was
      downloaded.
    - `kept`: a list of `path` and `kept`, where the file that was there is now.
    - `foreign`, `orphaned`, `not_looked_into`: lists of paths.
    - `exit_code`: the command's.

    All paths are relative to the root. A list has at most 10 000 entries.
    """
    record = {
        **_request(result),
        "checked": result.verified.checked,
        "bytes": result.verified.size,
        "checked_before": result.checked.checked_before,
        "begun": result.checked.begun,
        "counts": _counts(result),
        **{
            kind.value: [_damaged(product) for product in result.damages.of(kind)]
            for kind in Damage
        },
        "unlisted": [_damaged(product) for product in result.repair.unlisted],
        "unreadable": _reasons(result.verified.unreadable),
        "notes": _reasons(result.verified.notes),
        "kept": [{"path": path, "kept": to} for path, to in result.kept],
        "foreign": list(result.strays.foreign or ()),
        "orphaned": list(result.strays.orphaned or ()),
        "not_looked_into": list(result.strays.closed),
        "exit_code": int(result.exit_code),
    }
    return json.dumps(record, indent=2)


def _request(result: Result) -> dict[str, Any]:
    request = result.request
    return {
        "quick": request.quick,
        "repair": request.repair,
        "programs": list(request.programs),
        "nights": [night.name for night in request.nights],
    }


def _counts(result: Result) -> dict[str, int | None]:
    counts, strays = result.damages.counts, result.strays
    return {
        "missing": counts.get(Damage.MISSING, 0),
        "changed": counts.get(Damage.CHANGED, 0),
        "unreadable": len(result.verified.unreadable),
        "foreign": None if strays.foreign is None else strays.foreign_files,
        "orphaned": None if strays.orphaned is None else strays.orphaned_files,
        "repaired": result.repaired,
        "kept": len(result.kept),
        "unlisted": len(result.repair.unlisted),
    }


def _damaged(product: Damaged) -> dict[str, Any]:
    return {
        "path": product.path,
        "instrument": product.product.instrument.value,
        "savepath": product.product.savepath,
        "night": product.product.night.name,
        "reason": product.reason,
        "state": product.state.value,
        "listed": not product.withdrawn,
        "last_error": product.last_error,
    }


def _reasons(found: dict[str, str]) -> list[dict[str, str]]:
    return [{"path": path, "reason": reason} for path, reason in sorted(found.items())]
