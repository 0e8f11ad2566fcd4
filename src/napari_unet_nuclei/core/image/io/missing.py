"""Say in words which planes an image was to have and has not."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

_NOUNS = {"T": "time points", "C": "channels", "Z": "planes", "Q": "steps"}


def missing_planes(sizes: Mapping[str, int], taken: Collection[tuple[int, ...]]) -> Iterator[str]:
    """Say what an image was to have and has not.

    Parameters
    ----------
    sizes : mapping of str to int
        Time points, channels, planes and steps of another kind that it was to have, by T, C, Z and Q.
    taken : collection of tuple of int
        Indices of the planes that it has, in the order of ``sizes``.

    Examples
    --------
    >>> next(missing_planes({"T": 4, "C": 1, "Z": 1}, {(0, 0, 0), (1, 0, 0)}))
    '2 of 4 time points were never taken or are lost, and left out: 2-3 (counted from 0).'
    """
    there = {letter: {place[axis] for place in taken} for axis, letter in enumerate(sizes)}
    whole = 1
    for letter, size in sizes.items():
        whole *= len(there[letter])
        missing = size - len(there[letter])
        if missing:
            which = _ranges(size, there[letter])
            were = "were never taken or are lost" if missing > 1 else "was never taken or is lost"
            yield f"{missing} of {size} {_NOUNS[letter]} {were}, and left out: {which} (counted from 0)."
    if len(taken) < whole:
        missing = whole - len(taken)
        are = "s are" if missing > 1 else " is"
        yield f"{missing} single plane{are} missing among the others: nothing is found there."


def _ranges(size: int, taken: set[int]) -> str:
    """Write down which numbers below ``size`` are not taken: "2, 5-9"."""
    starts = sorted(one for one in ({0} | {one + 1 for one in taken}) - taken if one < size)
    stops = [next((stop for stop in sorted(taken) if stop > start), size) - 1 for start in starts]
    return ", ".join(
        f"{start}" if start == stop else f"{start}-{stop}" for start, stop in zip(starts, stops, strict=True)
    )
