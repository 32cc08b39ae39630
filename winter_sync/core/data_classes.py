"""`dataclass`, as in the standard library, with methods that are compiled when first used.

`dataclasses.dataclass` writes six methods of a frozen class with slots and compiles each of them,
half a millisecond for each class, and a command has three hundred classes when it begins its work.
Of most it makes no instance.
"""

from __future__ import annotations

import inspect
from dataclasses import FrozenInstanceError, fields
from dataclasses import dataclass as compiled
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass  # for type checkers it is that one
else:

    def dataclass(
        *, frozen: bool = False, slots: bool = False, kw_only: bool = False, **options: bool
    ) -> Callable[[type], type]:
        """Return a decorator of a class, which does as that of the standard library.

        A frozen class with slots, and no other option than `kw_only`, is made with methods that
        are compiled when they are first used. Only such a class can inherit from it.
        """
        if frozen and slots and not options:
            return partial(_late, kw_only=kw_only)
        return compiled(frozen=frozen, slots=slots, kw_only=kw_only, **options)


__all__ = ["dataclass"]

_METHODS = {"__init__": "init", "__repr__": "repr", "__eq__": "eq", "__hash__": "eq"}
"""What is compiled later, and the option of the standard library that makes it."""


def _late(cls: type, *, kw_only: bool) -> type:
    """Make a frozen class with slots whose methods are compiled later."""
    names = [name for name in _METHODS if vars(cls).get(name) is None]
    without = dict.fromkeys(_METHODS.values(), False)
    made: type = compiled(slots=True, kw_only=kw_only, **without)(cls)
    added: dict[str, Callable[..., Any]] = {name: _compiling(made, name) for name in names}
    added |= {"__setattr__": _set, "__delattr__": _delete}
    added |= {"__getstate__": _state, "__setstate__": _restore}
    made.__signature__ = _Signature(made)  # type: ignore[attr-defined] # read by inspect
    for name, method in added.items():
        setattr(made, name, method)
    return made


def _compiling(cls: type, name: str) -> Callable[..., Any]:
    """Return a method that has the one compiled for which it stands, and calls that."""

    def method(self: object, *arguments: object, **named: object) -> object:
        if vars(cls)[name] is method:
            setattr(cls, name, _compile(cls, name))
        return getattr(cls, name)(self, *arguments, **named)

    return method


def _compile(cls: type, name: str) -> Callable[..., Any]:
    """Return a method as the standard library makes it for the fields of a class."""
    known: Any = fields(cls)
    body = {field.name: field for field in known}
    body["__annotations__"] = {field.name: field.type for field in known}
    body["__doc__"], body["__module__"] = cls.__doc__, cls.__module__
    if hasattr(cls, "__post_init__"):
        body["__post_init__"] = cls.__post_init__
    chosen = {option: option == _METHODS[name] for option in _METHODS.values()}
    like: type = compiled(frozen=True, slots=True, **chosen)(type(cls.__name__, (), body))
    method: Callable[..., Any] = vars(like)[name]
    method.__qualname__ = f"{cls.__qualname__}.{name}"
    return method


class _Signature:
    """The signature of a class, for `help` and notebooks: that of its `__init__`, once compiled."""

    def __init__(self, made: type) -> None:
        self._made = made

    def __get__(self, _: object, cls: Any) -> inspect.Signature:  # noqa: ANN401 - it or one below
        init = cls.__init__
        if init is vars(self._made)["__init__"]:
            init = _compile(self._made, "__init__")
        signature = inspect.signature(init)
        return signature.replace(parameters=list(signature.parameters.values())[1:])


def _set(self: object, name: str, value: object) -> None:
    del self, value
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _delete(self: object, name: str) -> None:
    del self
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:  # noqa: ANN401 - any of these classes
    return [getattr(self, field.name) for field in fields(self)]


def _restore(self: Any, state: list[Any]) -> None:  # noqa: ANN401 - as above
    for field, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)
