"""Arrays worked through strip by strip: what a strip needs stays in the processor's cache, and two are done at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

STRIP_PIXELS = 1 << 17
"""Pixels of a strip: larger ones leave the cache, smaller ones are too much work for Python."""

THREADS = 2
"""NumPy and SciPy release the GIL in the slow calls; more than two threads gain little."""

_Found = TypeVar("_Found")


def strips(shape: Sequence[int], lines: int = 1) -> list[slice]:
    """Divide the first axis of an array into strips of at least so many ``lines``, the last one apart.

    Of an array without any line there is one strip, which is empty.

    Examples
    --------
    >>> strips((100, STRIP_PIXELS // 64))
    [slice(0, 64, None), slice(64, 100, None)]
    """
    height = max(STRIP_PIXELS // max(math.prod(shape[1:]), 1), lines)
    return [slice(start, min(start + height, shape[0])) for start in range(0, max(shape[0], 1), height)]


def in_threads(function: Callable[..., _Found], *arguments: Iterable[Any]) -> list[_Found]:
    """Call a function with each set of arguments, two calls at a time; results are in order."""
    calls = list(zip(*arguments, strict=True))
    if len(calls) == 1:
        return [function(*calls[0])]
    with ThreadPoolExecutor(THREADS) as pool:
        # As a list, so that an error in a thread is raised here.
        return list(pool.map(lambda call: function(*call), calls))
