"""Check the arguments of public functions by their annotations: what is of a wrong type is refused in words."""

from __future__ import annotations

import functools
import inspect
import os
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

import numpy as np

from napari_unet_nuclei.core.errors import SettingsError

P = ParamSpec("P")
R = TypeVar("R")


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function raise SettingsError where an argument is not of the type that its annotation names.

    Arrays are left to those who read them, and settings to their own class.

    Examples
    --------
    >>> @checked
    ... def double(number: float) -> float:
    ...     return 2 * number
    >>> double(2)
    4
    >>> double("2")
    Traceback (most recent call last):
    napari_unet_nuclei.core.errors.SettingsError: double: 'number' is '2', but it is to be float.
    """
    signature = inspect.signature(function)
    named = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]

    @functools.wraps(function)
    def with_checks(*args: P.args, **kwargs: P.kwargs) -> R:
        given = signature.bind(*args, **kwargs).arguments
        for one in named:
            value = given.get(one.name, one.default)
            if value is not one.default and not _fits(value, _hint(one.annotation, function.__module__)):
                said = f"{function.__name__}: '{one.name}' is {value!r:.40}"
                raise SettingsError(f"{said}, but it is to be {getattr(one.annotation, '__name__', one.annotation)}.")
        return function(*args, **kwargs)

    return with_checks


def _hint(annotation: Any, module: str) -> Any:
    """Return what an annotation means; anything where it names what is imported for type checkers alone."""
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, vars(sys.modules[module]))  # our own source, not a caller's
    except NameError:
        return Any


def _fits(value: Any, hint: Any) -> bool:
    """Tell whether a value is of the type of a hint, its items included."""
    kind, parts = typing.get_origin(hint) or hint, typing.get_args(hint)
    if kind in (typing.Union, types.UnionType):
        return any(_fits(value, one) for one in parts)
    if kind is Literal:
        return any(type(value) is type(one) and value == one for one in parts)
    if kind is Any or kind is np.ndarray:
        return True
    if kind in (tuple, list, Sequence):
        return _holds_items(value, kind, parts)
    if kind is Mapping:
        pairs = value.items() if isinstance(value, Mapping) else None
        return pairs is not None and all(_fits(name, parts[0]) and _fits(one, parts[1]) for name, one in pairs)
    if kind in _KINDS:
        return _KINDS[kind](value)
    if kind is Callable:
        return callable(value)
    return not isinstance(kind, type) or isinstance(value, kind)


def _holds_items(value: Any, kind: type, parts: Sequence[Any]) -> bool:
    """Tell whether a value is a sequence of items of the right types; a text is none, whatever it is a sequence of."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        return False
    if kind is tuple and parts and parts[-1] is not Ellipsis:
        return len(value) == len(parts) and all(map(_fits, value, parts))
    return all(_fits(one, parts[0]) for one in value) if parts else True


def _is_number(value: Any) -> bool:
    is_truth = isinstance(value, bool | np.bool_)
    return isinstance(value, Real) and not is_truth and not np.isnan(float(value))


_KINDS: Mapping[Any, Callable[[Any], bool]] = {
    None: lambda value: value is None,
    types.NoneType: lambda value: value is None,
    float: _is_number,
    int: lambda value: isinstance(value, Integral) and not isinstance(value, bool | np.bool_),
    bool: lambda value: isinstance(value, bool | np.bool_),
    Path: lambda value: isinstance(value, os.PathLike),
}
"""How values of some types are told: NumPy's numbers are numbers, too, and NaN is none."""
