"""The schema of an alert file: judged before anything is decoded by it, and cut to what is wanted.

A file brings the schema of its records along, and mirar has changed its own before. Fields are
found by name, whatever their order, their case, or underscores in them ("objectid", "objectId").
What else a record has is stepped over, not decoded.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import fastavro

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

_SCALARS = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_RECORDS = frozenset({"record", "error"})
_DEEPEST = 40
"""Levels of a schema; that of an alert has six."""
_MOST_EMPTY = 1000
"""Values in one record that take no bytes: nulls that are no alternative, empty records."""


class UnreadableError(ValueError):
    """Records that cannot be decoded, or must not; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class RecordSchema:
    """How the records of a file were written, and the part of them that is read."""

    writer: Any
    reader: Any


def plain_name(name: str) -> str:
    """Return the name of a field without what writers differ in."""
    return name.replace("_", "").lower()


def read_schema(text: bytes | None, wanted: AbstractSet[str]) -> RecordSchema:
    """Return the schema of a file, and the part of it that has the wanted fields.

    Parameters
    ----------
    text
        The schema as it stands in the file.
    wanted
        Plain names of fields, to be found in the record or in its record "candidate".

    Raises
    ------
    UnreadableError
        If it is none of records, or records that no memory or time might be enough for.
    """
    try:
        schema = _without_logical_types(json.loads(text or b"null"), _DEEPEST)
        writer = fastavro.parse_schema(schema, {})
    except UnreadableError:
        raise
    except Exception as wrong:  # fastavro raises whatever a schema leads it to
        raise UnreadableError("its schema is not one of Avro") from wrong
    if not _is_record(writer):
        raise UnreadableError("its schema is not one of records")
    types = _Types()
    types.count_empty(writer)
    return RecordSchema(writer, fastavro.parse_schema(_part(writer, wanted, types.named), {}))


def _without_logical_types(schema: object, levels: int) -> Any:  # noqa: ANN401 - any JSON
    """Return a schema in which a time is the number it is: nothing fails to convert.

    Only the types and names matter here, not the documentation or defaults.
    """
    if levels == 0:
        raise UnreadableError("its schema is too deep")
    if isinstance(schema, list):
        return [_without_logical_types(branch, levels - 1) for branch in schema]
    if isinstance(schema, dict):
        return {
            key: _without_logical_types(value, levels - 1)
            for key, value in schema.items()
            if key not in {"logicalType", "default", "doc"}
        }
    return schema


def _is_record(schema: object) -> bool:
    return isinstance(schema, dict) and schema.get("type") in _RECORDS


class _Types:
    """The named types of a schema, each with how many values in it take no bytes.

    Such values come from nothing: a few bytes of a file could stand for any number of them.
    """

    def __init__(self) -> None:
        self.named: dict[str, Any] = {}
        self._empty: dict[str, int] = {}

    def count_empty(self, schema: Any) -> int:  # noqa: ANN401 - fastavro's form
        """Return how many values take no bytes where one of this type is written.

        Raises
        ------
        UnreadableError
            If there may be any number of them, or records may hold themselves.
        """
        if isinstance(schema, list):
            return max(
                (self.count_empty(branch) for branch in schema if branch != "null"), default=0
            )
        if isinstance(schema, str):
            return self._count_of_name(schema)
        match schema["type"]:
            case "array" | "map" as kind:
                if self.count_empty(schema["items" if kind == "array" else "values"]):
                    raise UnreadableError("its arrays may be of any length")
                return 0
            case "record" | "error" | "enum" | "fixed" as kind:
                return self._count_of_definition(kind, schema)
            case inner:
                return self.count_empty(inner)

    def _count_of_name(self, name: str) -> int:
        if name in _SCALARS:
            return int(name == "null")
        if name not in self._empty:
            raise UnreadableError("its records may hold themselves")
        return self._empty[name]

    def _count_of_definition(self, kind: str, schema: Any) -> int:  # noqa: ANN401 - fastavro's form
        name = schema["name"]
        self.named[name] = schema
        if kind in _RECORDS:
            fields = schema["fields"]
            empty = sum(self.count_empty(field["type"]) for field in fields) if fields else 1
        else:
            empty = int(schema.get("size") == 0)
        if empty > _MOST_EMPTY:
            raise UnreadableError("its records hold too many values that take no bytes")
        self._empty[name] = empty
        return empty


def _part(schema: Any, wanted: AbstractSet[str], named: dict[str, Any]) -> Any:  # noqa: ANN401 - fastavro's form
    """Return a record with those of its fields that are wanted and no more than a number or text.

    Also with its field "candidate", the same way.
    """
    fields = []
    for field in schema["fields"]:
        name = plain_name(field["name"])
        if name in wanted and _is_scalar(field["type"]):
            fields.append({"name": field["name"], "type": field["type"]})
        elif name == "candidate":
            fields += _candidate(field, wanted - {name}, named)
    return {"type": "record", "name": schema["name"], "fields": fields}


def _candidate(
    field: Any,  # noqa: ANN401 - fastavro's form
    wanted: AbstractSet[str],
    named: dict[str, Any],
) -> Iterator[Any]:
    """Yield the field that holds a record, cut to what is wanted; nothing if it holds none."""
    union = isinstance(field["type"], list)
    for branch in field["type"] if union else [field["type"]]:
        found = named.get(branch) if isinstance(branch, str) else branch
        if found is not None and _is_record(found):
            part = _part(found, wanted, named)
            yield {"name": field["name"], "type": ["null", part] if union else part}
            return


def _is_scalar(schema: object) -> bool:
    branches = schema if isinstance(schema, list) else [schema]
    return all(
        (branch.get("type") if isinstance(branch, dict) else branch) in _SCALARS
        for branch in branches
    )
