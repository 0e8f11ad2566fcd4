from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from napari_unet_nuclei.core.executors import malloc as freed_memory

TAKING_AND_FREEING = """
import resource, numpy as np
from napari_unet_nuclei.core.executors.malloc import keep_freed_memory
assert keep_freed_memory()
def take_and_free():
    pieces = [np.ones(30 * 2**20, np.uint8) for _ in range(3)]
take_and_free()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    take_and_free()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_what_was_freed_is_taken_again_without_the_systems_help():
    ended = subprocess.run([sys.executable, "-c", TAKING_AND_FREEING], capture_output=True, text=True, check=True)
    assert int(ended.stdout) < 1000, "pages were cleared anew"


def test_other_c_libraries_are_left_alone(monkeypatch):
    freed_memory.keep_freed_memory.cache_clear()
    monkeypatch.setattr("os.confstr_names", {})
    assert not freed_memory.keep_freed_memory()
    freed_memory.keep_freed_memory.cache_clear()
