"""Data classes whose methods are compiled when first used: otherwise as the standard library's."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from dataclasses import FrozenInstanceError, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winter_sync.core import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ("a", "b", "c", "d")
FIELDS: tuple[dict[str, Any], ...] = (
    {"default": 1},
    {"default_factory": list},
    {"default": 2, "compare": False},
    {"default": 3, "repr": False},
    {"default": 4, "kw_only": True},
    {"default": 5, "init": False},
    {"default": 6, "hash": False},
)
BODIES: tuple[dict[str, Any], ...] = (
    {},
    {"__post_init__": lambda self: object.__setattr__(self, "a", [self.a])},
    {"__repr__": lambda _: "its own"},
    {"__eq__": lambda *_: True},
    {"__hash__": lambda _: 7},
)
values = st.lists(st.integers(0, 3), max_size=4)


def both(
    options: list[dict[str, Any]], body: dict[str, Any], *, kw_only: bool, inherited: int
) -> tuple[type, type]:
    """Return the same class by our decorator and by the standard one; some fields are a base's."""

    def make(decorate: Callable[..., Any]) -> type:
        made: type = object
        fields = dict(zip(NAMES, options, strict=False))
        parts = [dict(list(fields.items())[:inherited]), dict(list(fields.items())[inherited:])]
        for part, methods in zip(parts, ({}, body), strict=True):
            space: dict[str, Any] = {name: field(**how) for name, how in part.items()}
            space |= methods | {"__annotations__": dict.fromkeys(part, "object")}
            space["__doc__"] = "A class."
            bases = () if made is object else (made,)
            cls = type("Made", bases, space)
            made = decorate(frozen=True, slots=True, kw_only=kw_only)(cls)
        return made

    return make(dataclass), make(dataclasses.dataclass)


def outcome(call: Callable[..., object], *arguments: object, **named: object) -> object:
    """Return what a call returns, or what it raises, in words."""
    try:
        return call(*arguments, **named)
    except (TypeError, AttributeError, ValueError) as error:
        return type(error), str(error)


def told_of(cls: type, made: object) -> list[object]:
    """Return what an instance shows of itself; of an error in words, only that."""
    if not isinstance(made, cls):
        return [made]
    return [
        repr(made),
        outcome(hash, made),
        repr(copy.copy(made)),
        repr(outcome(dataclasses.replace, made, a=9)),
        outcome(setattr, made, "a", 1),
        outcome(delattr, made, "a"),
    ]


@given(
    st.lists(st.sampled_from(FIELDS), min_size=1, max_size=4),
    st.sampled_from(BODIES),
    st.booleans(),
    st.integers(0, 2),
    st.lists(values, min_size=2, max_size=2),
)
def test_it_does_as_the_standard_library(
    options: list[dict[str, Any]],
    body: dict[str, Any],
    kw_only: bool,  # noqa: FBT001 - drawn
    inherited: int,
    given_values: list[list[int]],
) -> None:
    """Whatever the fields are: made, shown, compared, hashed, copied and matched the same."""
    results = []
    for cls in both(options, body, kw_only=kw_only, inherited=inherited):
        shape: Any = cls
        signature = str(inspect.signature(cls))
        first, second = (outcome(cls, *words) for words in given_values)
        named = outcome(cls, **dict(zip(NAMES, given_values[0], strict=False)))
        told = [told_of(cls, made) for made in (first, second, named)]
        names = [item.name for item in dataclasses.fields(shape)]
        results.append([*told, names, shape.__match_args__, shape.__slots__])
        results[-1] += [first == second, first == named, signature]
    assert results[0] == results[1]


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that is sent to another process."""

    number: int
    name: str = ""


def code_of(method: str) -> str:
    """Return the file in which a method of the class was written."""
    return str(vars(Kept)[method].__code__.co_filename)


def test_a_method_is_compiled_when_it_is_first_used() -> None:
    """None before; then that one, once."""
    assert code_of("__init__") == code_of("__repr__") != "<string>"
    kept = Kept(1)
    assert code_of("__init__") == "<string>"
    made = vars(Kept)["__init__"]
    assert Kept(1) == kept
    assert vars(Kept)["__init__"] is made
    assert code_of("__hash__") != "<string>"


def test_an_instance_travels() -> None:
    """Pickled and read again it is the same, and still frozen."""
    kept = pickle.loads(pickle.dumps(Kept(1, "a")))  # noqa: S301 - our own
    assert (kept, hash(kept)) == (Kept(1, "a"), hash(Kept(1, "a")))
    with pytest.raises(FrozenInstanceError):
        kept.number = 2
