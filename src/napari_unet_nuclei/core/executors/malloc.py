"""Make the C library keep freed memory for the next tile, which needs as much again.

By default glibc returns large blocks to the system, which has to clear them page by page on the next allocation.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache

# Names and numbers of <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

KEPT = 512 * 2**20
"""Bytes that stay with the process when they are free."""

OF_THE_SYSTEM = 32 * 2**20
"""Larger blocks are mapped from the system and returned to it: the largest threshold that glibc allows."""


@cache
def keep_freed_memory() -> bool:
    """Configure this process for work that allocates and frees the same large blocks again and again.

    For processes of our own, the command line and workers: not for a napari in which other plugins work as well.

    Returns
    -------
    bool
        False where the C library is another one than glibc.
    """
    if "CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", {}):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    # One pool for all threads: what one of them frees, another one can reuse.
    values = ((_M_MMAP_THRESHOLD, OF_THE_SYSTEM), (_M_TRIM_THRESHOLD, KEPT), (_M_ARENA_MAX, 1))
    # All are set, also after one that is refused: `all` of a generator would stop there.
    taken = [mallopt(name, value) for name, value in values]
    return all(taken)
