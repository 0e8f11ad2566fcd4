"""Describes the machine that the figures belong to."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path


def describe() -> str:
    """Return a Markdown list of what decides the speed."""
    memory = f"{memory_gigabytes():.0f} GB" if memory_gigabytes() else "unknown"
    facts = {
        "processor": f"{processor()}, {os.cpu_count()} logical cores",
        "memory": memory,
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "libraries": ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "scipy", "scikit-image")),
        "program": f"napari-unet-nuclei {version('napari-unet-nuclei')}",
    }
    return "\n".join(f"- {name}: {fact}" for name, fact in facts.items())


def slug() -> str:
    """Return a name for files: processor and number of cores."""
    words = re.sub(r"\(R\)|\(TM\)|CPU|@.*", " ", f"{processor()}")
    return re.sub(r"[^a-z0-9]+", "-", f"{words} {os.cpu_count()} cores".lower()).strip("-")


def processor() -> str:
    """Return the processor's name."""
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        named = re.search(r"model name\s*:\s*(.+)", listing.read_text(encoding="utf-8"))
        if named:
            return named[1].strip()
    return platform.processor() or platform.machine()


def memory_gigabytes() -> float:
    """Return the size of the main memory; 0 where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, ValueError):
        return 0.0
